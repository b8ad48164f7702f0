extension SiteConfiguration {
    /// The text of the annotated configuration file for a domain: `Config/martlet.toml`, which is this text for
    /// `pilsen.example` and is written from here (a test compares the two). What it says is what `defaults(domain:)` has.
    ///
    /// The domains must be prepared: such a domain has no characters that would need escapes in TOML.
    /// `data` is the directory of the database, `admins` who administers with a client, both prepared too.
    public static func annotated(
        domain: String, moreDomains: [String] = [], data: String = ".", admins: [String] = []
    ) -> String {
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
            data_directory = \#(data.inQuotes)

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

            \#(annotatedComponentListener)

            \#(annotatedWebListener)

            [client]

            # Whether strangers may create accounts with their client (XEP-0077). Default false: an open server is full of spammers
            # within days.
            in_band_registration = false

            # Whether people may choose another password for their own account with their client (XEP-0077). Default true: whoever has been
            # given one by somebody else should not have to keep it. Accounts are cancelled with a client only where they are made with one.
            password_changes = true

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

            \#(annotatedAdministration(admins))

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

            # Where a document says what is wrong while this server is out of order, as a list of URLs such as
            # ["https://status.pilsen.example/xmpp.json"]: at another machine, in the format of XEP-0455. Clients remember them. Default [].
            outage_status = []

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

            \#(annotatedRooms)

            \#(annotatedWeb)

            \#(annotatedUploads)

            \#(annotatedBytestreams)

            \#(annotatedComponents)

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
            #   upload_host
            #              The host in addresses of its files, where it is not `upload.` before its domain.
            #   copy_bytes
            #              Files of this site up to that size are fetched, 0: none. Default: copy_bytes of [uploads].
            #
            # [[federation.sites]]
            # domain = "brno.example"
            # addresses = ["192.0.2.10:5269", "[2001:db8::10]:5269"]
            # name = "Brno"


            """# + annotatedLimits
    }
}
