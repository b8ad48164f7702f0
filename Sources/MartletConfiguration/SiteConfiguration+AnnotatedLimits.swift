extension SiteConfiguration {
    /// The annotated text from the limits to its end (``annotated(domain:moreDomains:)``).
    static let annotatedLimits = #"""
        [limits]

        # The most bytes of one stanza from a client and from another server. At least 10,000 (RFC 6120 section 13.12). Defaults
        # "256KiB" and "512KiB": an avatar fits, and what a client of ours may send, others accept with what is added on the
        # way. Both are announced (XEP-0478). What would be longer than the second on its way, escaped and with what is
        # added, is refused with an error to its sender.
        client_stanza_bytes = "256KiB"
        server_stanza_bytes = "512KiB"

        # The most elements that may be open within each other. Default 64: real stanzas have about 12.
        stanza_depth = 64

        # The most attributes of one element. Default 64: real elements have about 8.
        attributes_per_element = 64

        # What a connection may send, and how long it may take, before it is authenticated. Defaults "16KiB" and "30s": a login
        # has 2 KiB with a certificate, and a slow line takes seconds.
        preauth_bytes = "16KiB"
        preauth_time = "30s"

        # The most connections from one IPv4 address, or one /64 of IPv6, on which nobody has logged in yet. Default 100: an office behind
        # one address that comes back after an outage. Who has logged in counts for the account.
        connections_per_address = 100

        # The most failed logins from one IPv4 address or one /64 of IPv6, to one account and to all of them, within a time;
        # beyond it logins are refused without looking. Defaults 10 and 50 in "5m": 3,000 guesses a day at an account. From ten such
        # addresses on, an account is open only where its owner has logged in from before.
        failed_logins_per_account = 10
        failed_logins_per_address = 50
        failed_login_window = "5m"

        # The most stanzas of one connection that wait to be handled; then its socket is not read. Default 64: enough to keep
        # the server busy, too little for one client to keep others waiting.
        unhandled_stanzas_per_connection = 64

        # The most bytes that wait for a connection that does not read: beyond it, and when nothing has moved for ten seconds, it
        # is closed and its session waits for resumption. While it reads, however slowly, an answer may be larger: up to this and
        # roster_bytes, or the largest stanza. Default "1MiB": a second of a slow mobile line.
        outbound_bytes_per_connection = "1MiB"

        # The free disk space below which nothing new is taken over (senders are told), but for what people who are here say to
        # each other: it leaves the disk as soon as they have it. Default "512MiB": what is under way can still be finished, and an
        # administrator still has room to act. What map_size leaves counts like the disk.
        disk_reserve = "512MiB"

        # The free disk space below which they too must wait. So much is taken from the disk before it is needed: what frees room has
        # it, however fast others fill the disk. Default "64MiB": four times the most that one commit writes.
        disk_floor = "64MiB"

        # The most the database can grow to. It takes address space, not disk space. Default "256GiB": more than the disk of a
        # branch office.
        map_size = "256GiB"

        # The most contacts of one account, each of 8 KiB at most. Default 5000.
        roster_items = 5000

        # The most bytes of all contacts of one account with their names and groups: they are one answer, which waits in memory
        # until the client has read it. Default "2MiB": a thousand contacts with long names in three groups each are a tenth of it.
        roster_bytes = "2MiB"

        # The most messages kept for one account while it is offline, and their bytes; beyond it senders are told. One sender gets half of
        # it at most, so that nobody fills it alone. Defaults 2000 and "64MiB": a month of holidays.
        offline_messages_per_account = 2000
        offline_bytes_per_account = "64MiB"

        # The most addresses that one account may block (XEP-0191), and their bytes, which stay in memory. Defaults 1000 and "64KiB":
        # somebody who is molested blocks dozens, or a whole domain.
        blocked_addresses = 1000
        blocked_bytes = "64KiB"

        # The most devices of one account whose messages are announced to a push service (XEP-0357). Default 16: those of a person,
        # with some that he has lost.
        push_registrations = 16

        # The most addresses of one message to several (XEP-0033). Default 50: a department. 0: nobody sends to several at once.
        multicast_addresses = 50

        # The most bytes that wait for one of our offices and for any other server; one sender gets half of it at most. Defaults "1GiB", a
        # million messages, and "64MiB".
        office_queue_bytes = "1GiB"
        queue_bytes = "64MiB"

        # What may wait in memory for others: stanzas for clients that do not read, and for servers that are being called. From there on
        # whoever holds most is refused first; see `martlet status`. Default "192MiB": less than half of 512 MiB.
        memory_ceiling = "192MiB"

        # The most dialback requests (XEP-0220) that may wait for an answer, of one stream and of one address. Defaults 16 and
        # 64: each costs a connection to somewhere, which a stranger chooses. They are verified in turn: 16 of one address at once and then
        # four in a second, and no more for one domain, and none for a domain that has not answered five seconds before.
        pending_dialbacks_per_stream = 16
        pending_dialbacks_per_address = 64

        # The most bytes of one account's archive; beyond it the oldest messages go. Default "256MiB": ten years of somebody who
        # writes a hundred messages a day, and what strangers write without end takes no more.
        archive_bytes_per_account = "256MiB"

        # The most messages and the most bytes on one page of an archive, which a client asks for one after the other. Defaults
        # 100, more than a window shows, and "512KiB", so that little has to be kept for a client that asks and does not read.
        archive_page = 100
        archive_page_bytes = "512KiB"

        # The most searches of one session that wait for their turn. Default 16: a client needs one for each conversation it shows.
        archive_searches_per_session = 16

        # The most messages that one search for words looks at; the client asks on from there. Default 20000: the work of half a
        # second.
        archive_searched_messages = 20000

        # The most addresses with which an account says what is kept. Default 1000: a whole contact list.
        archive_preference_addresses = 1000

        \#(annotatedPublishingLimits)

        \#(annotatedBytestreamLimits)

        [karma]

        # How much work of this server one party may cause, as time of one processor: for each second, and at once after a pause.
        # It is reckoned from what was read, looked up, written and sent. Who is beyond is read more slowly until it is paid, and
        # nothing is closed or lost; `martlet status --limits` shows who. Durations, up to "10s" a second and "1h" at once.

        # One of the company's offices ([[federation.sites]]). Defaults "800ms" and "60s": what waited for an outage to end comes
        # as fast as the machine is; only a broken or hostile one is ever slowed down.
        office = "800ms"
        office_burst = "60s"

        # One account with all its clients. Defaults "250ms" and "1s": the largest login, with 5,000 contacts, takes a twentieth of a
        # second, so that only a program that never pauses is slowed down.
        person = "250ms"
        person_burst = "1s"

        # Another server with which something was exchanged before, and one with which nothing was. Defaults "300ms" and "2s",
        # "50ms" and "1s".
        known_server = "300ms"
        known_server_burst = "2s"
        stranger = "50ms"
        stranger_burst = "1s"

        # What connections from one IPv4 address or one /64 of IPv6 may cause that do not end in a login. Default "5ms": five a
        # second. At once as many as connections_per_address says.
        login = "5ms"

        [log]

        # The least severe messages that are logged: "trace", "debug", "info", "notice", "warning", "error" or "critical".
        # Default "info".
        level = "info"

        [control]

        # The socket on which the commands of `martlet` reach the running server; who may open the file may do anything.
        # Relative to data_directory. Default "martlet.sock".
        socket = "martlet.sock"

        """#
}
