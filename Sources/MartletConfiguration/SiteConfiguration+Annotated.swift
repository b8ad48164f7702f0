extension SiteConfiguration {
    /// The text of the annotated configuration file for a domain: `Config/martlet.toml`, which is this text for
    /// `pilsen.example` and is written from here (a test compares the two). What it says is what `defaults(domain:)` has.
    ///
    /// The domains must be prepared: such a domain has no characters that would need escapes in TOML.
    public static func annotated(domain: String, moreDomains: [String] = []) -> String {
        let further = moreDomains.map(\.inQuotes).joined(separator: ", ")
        return #"""
            # Martlet: the configuration of one site.
            #
            # Every key stands here with its default, so a key that is left out means the same as the key as it stands. Only
            # `domain` must be set. A key that is not listed here is refused, and so is a value that makes no sense: the server says
            # which line and what it expected there, and does not start.
            #
            # Durations are a number with a unit: ms, s, m (minutes), h, d. Sizes: B, KiB, MiB, GiB, TiB.

            [site]

            # The domain this site serves: the part of its people's addresses after the "@". No default.
            domain = "\#(domain)"

            # Further domains whose people this site serves, such as that of a company that was bought. The certificate below must name
            # them all. Default []: one domain.
            more_domains = [\#(further)]

            # The directory of the database. A relative path is relative to the directory of this file. Default ".": everything in
            # one place, which is easy to find and to back up.
            data_directory = "."

            # Where people and the operators of other servers reach the administrator: a URI, "mailto:…" or "xmpp:…". Published
            # (XEP-0157). Default "": nothing is published.
            admin_contact = ""

            # The rules that judge stanzas on their way, in this order. "repeated-messages" stops a message that a client sends again
            # because it never heard that it had arrived. Default: all there are; [] is none.
            interceptors = ["repeated-messages"]

            # How many threads carry connections (TLS, XML), 1 to 64. Default 1: they and the site share one thread, which costs
            # least, and one core is enough for thousands of people. With more the site has a thread of its own beside them.
            threads = 1

            # Whether the system may write a dump of the process's memory when it ends by an error of its own. Default false: in it are
            # private keys, messages and what proves passwords. Turn it on to find an error, and treat the dump as you treat the key.
            core_dumps = false

            [tls]

            # The PEM file with the site's certificate, followed by the chain above it. Relative to the directory of this file, like
            # the two paths below. Default "certificate.pem".
            certificate = "certificate.pem"

            # The PEM file with the private key of that certificate. Default "key.pem".
            key = "key.pem"

            # A PEM file with authorities that are trusted for other servers besides those of the system: the company's own
            # authority for its sites. Default "": only those of the system.
            peer_ca = ""

            # The oldest version of TLS that is spoken: "1.2" or "1.3". Default "1.2": older ones are forbidden (RFC 8996), newer
            # ones are not yet spoken by every client and server.
            minimum_version = "1.2"

            # Sockets on which clients connect, each under its own [[listeners.client]]. Those below are the default; a file that
            # has any has only its own.
            #
            #   address   An address of this machine; "[::]" (default) is all of them, IPv4 included.
            #   port      The TCP port; no default.
            #   security  "starttls" (default): begins in clear, upgraded before anything else happens (RFC 6120, port 5222).
            #             "direct": TLS from the first byte (XEP-0368, port 5223).
            #             "plain": no TLS at all. Only for networks that are secured otherwise, and for tests.
            #   allow_plain_auth_without_tls
            #             Whether clients may send their password in clear. Default false: whoever listens would have it.

            [[listeners.client]]
            address = "[::]"
            port = 5222
            security = "starttls"
            allow_plain_auth_without_tls = false

            [[listeners.client]]
            address = "[::]"
            port = 5223
            security = "direct"
            allow_plain_auth_without_tls = false

            # Sockets on which other servers connect, each under its own [[listeners.server]]: the same keys as above but for the
            # last, without "plain" (see require_tls below). The ports are those which other servers try first.

            [[listeners.server]]
            address = "[::]"
            port = 5269
            security = "starttls"

            [[listeners.server]]
            address = "[::]"
            port = 5270
            security = "direct"

            [client]

            # Whether strangers may create accounts with their client (XEP-0077). Default false: an open server is full of spammers
            # within days.
            in_band_registration = false

            # Whether somebody who was invited may create an account with their client (XEP-0445): "martlet invite" makes the link. Default true:
            # an invitation is good once, and cannot be guessed.
            invitations = true

            # How many accounts may be created that way in a minute, on the whole site, and beside them how many passwords changed. Default 20: a
            # class on its first day.
            registrations_per_minute = 20

            # How clients may authenticate (SASL mechanisms), the preferred first; what is not named is neither offered nor accepted.
            # Those ending in -PLUS also prove that nobody stands in the middle; each is named by itself. Default: all that work with
            # a password. PLAIN is offered under TLS only, unless a listener says otherwise. SCRAM-SHA-512 is offered once every account
            # has keys for it: accounts of earlier versions get them when their password is changed or used with PLAIN.
            sasl_mechanisms = [
                "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
                "PLAIN",
            ]

            # How long a session whose connection was lost waits to be resumed (XEP-0198); until then its owner does not seem to
            # have left. 0s to 1d. Default "5m": a lift, a tunnel, a reboot.
            resumption_timeout = "5m"

            # How long a client may log in with a token that it was given instead of the password (XEP-0484). Each day that it comes, it gets a
            # fresh one, so this is how long it may stay away; another password makes all of them void. 0s to 366d; 0s: no tokens. Default "21d": a holiday.
            token_lifetime = "21d"

            # How many clients of one account may be online at a time. Default 16: people have fewer, runaway clients more.
            resources_per_account = 16

            [contact]

            # Who is reached where, as lists of URIs such as ["mailto:abuse@pilsen.example", "xmpp:helpdesk@pilsen.example"]. Published
            # (XEP-0157), so that the operators of other servers and people with a client can say what is wrong. Default []: nobody.
            abuse = []
            admin = []
            feedback = []
            sales = []
            security = []
            status = []
            support = []

            # Services beside XMPP that clients of this site's people are told of (XEP-0215), each under its own [[external_services]]:
            # the STUN and TURN servers through which voice and video calls find their way. Default: none.
            # [[external_services]]
            #
            # What it is, "stun", "turn" or "turns", and where: no default. Port and transport ("udp" or "tcp") where they are needed.
            # type = "turn"
            # host = "turn.pilsen.example"
            # port = 3478
            # transport = "udp"
            #
            # What the service shares with this one (coturn: static-auth-secret): each client gets a password of its own, which holds
            # for `lifetime`, by default "12h". Or a username and a password that are the same for everybody.
            # secret = ""
            # lifetime = "12h"
            # username = ""
            # password = ""
            #
            # What people read.
            # name = ""

            [archive]

            # Whether the messages of people are kept for all their devices (XEP-0313). Default true. false keeps what is there.
            enabled = true

            # What is kept for accounts that have not said themselves what they want: "always" everything, "never" nothing, "roster"
            # what is exchanged with contacts. Default "always": a second device shows what the first one does only then.
            default = "always"

            # How long messages are kept; `martlet archive retention` sets it for one account. "0s": for ever. Default "365d": as long
            # as people look for what was agreed on.
            retention = "365d"

            \#(annotatedPublishing)

            [federation]

            # Whether this site exchanges anything with other domains. Default true.
            enabled = true

            # The DNS servers to ask, as "address" or "address@port". Default []: those of the system (resolv.conf).
            dns_servers = []

            # The address of this machine from which other servers are called. Default "": the system chooses.
            source_address = ""

            # Whether streams to and from other servers must be encrypted. Default true: nearly every server in the world can.
            require_tls = true

            # Whether a server without valid certificate may prove its domain by dialback (XEP-0220): as safe as the DNS. Default
            # true: many certificates in the world are not valid.
            allow_dialback = true

            # Whether a stream may carry stanzas in both directions where both servers can (XEP-0288). Default true: it is the only way
            # to a server that opens streams itself and cannot be called, because it is behind NAT or a firewall.
            bidirectional = true

            # Domains that must have a valid certificate nevertheless. Default [].
            require_certificate = []

            # Networks (as "address/prefix") in which other servers may be although they are loopback, link-local or private.
            # Default []: else whoever controls some DNS record could make this server knock at doors inside the company. Known
            # sites with addresses of their own (below) need no entry here.
            allow_networks = []

            # Domains with which nothing is exchanged, in either direction. Default [].
            blocked_domains = []

            # Accounts and domains (as "account" with its domain, or a domain) whose messages to and from other domains go before all
            # others when a line is slow or much has waited, and those whose messages give way: an alarm should not stand behind the
            # newsletter. What is said of one end of a conversation holds for both. Defaults [] and [].
            urgent_addresses = []
            bulk_addresses = []

            # How long a message waits for a server that cannot be reached before it is returned to its sender. Default "5d": a long
            # weekend, as with e-mail.
            entry_lifetime = "5d"

            # After how long a sender is told that a message is still waiting. Default "4h": before one goes home. "0s": never.
            delay_warning = "4h"

            # How long to wait between attempts to connect: at first, and at most; it doubles in between. Defaults "1s" and "60s": a
            # line that returns is used within a minute, and a server that is gone is not pestered. A server of the company's (below)
            # that does not answer is always called again after the first of the two.
            retry_minimum = "1s"
            retry_maximum = "60s"

            # How long another server may leave unacknowledged what it was sent before the stream is given up as dead, at most: a line
            # that has shown that it is faster gets three times what it needs, and two seconds at least. Default "30s": longer than any
            # round trip, shorter than anyone's patience.
            ack_timeout = "30s"

            # How long the link to another server may be down before its people are shown as unavailable ("cut off since 10:32"), 0s
            # to 1d. Default "30s": nobody needs to see a router or a server restart.
            presence_grace = "30s"

            # The group of everybody's contact list in which the company's other sites (below) appear as contacts: available while
            # the link is up, away with the reason and the number of one's own waiting messages while it is not. "" for none.
            offices_group = "Offices"

            # How long, and how much for each, messages are kept that an office of [[federation.sites]] has acknowledged: when its
            # store was restored from a backup or lost, it gets what it lacks again by itself. Defaults "24h", since backups are made at
            # night, and "64MiB". "0s" keeps nothing. When the disk is nearly full they are the first to go.
            keep_acknowledged = "24h"
            keep_acknowledged_bytes = "64MiB"

            # What happens when another office's records show that one of the two stores was restored from a backup or lost, and what
            # is kept and remembered does not reach back so far. Default "stop": nothing is sent to it until somebody has decided with
            # `martlet link resync`. "continue": what waits is sent at once, with an alarm in the log; people may get something twice.
            rollback = "stop"

            [federation.strangers]

            # To how many domains one account may write in an hour if this site never exchanged anything with them. Default 20: more
            # than people do, less than spammers need.
            new_domains_per_account_per_hour = 20

            # How long a message to such a domain waits before it is returned. Default "10m": whoever mistyped a domain should hear
            # of it today, not in five days.
            timeout = "10m"

            # Other sites of the company, each under its own [[federation.sites]]: they are no strangers, and the link to them is kept
            # up. Default: none.
            #
            #   domain     The site's domain; no default.
            #   addresses  Where to connect, as "host:port", tried in order; the DNS is not asked then, and need not work.
            #              Default []: ask the DNS.
            #   name       What people call it, for their contact lists. Default "": its domain.
            #   entry_lifetime
            #              How long a message waits for this site. Default: entry_lifetime above.
            #
            # [[federation.sites]]
            # domain = "brno.example"
            # addresses = ["192.0.2.10:5269", "[2001:db8::10]:5269"]
            # name = "Brno"

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
}
