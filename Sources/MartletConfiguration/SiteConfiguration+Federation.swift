import XMPPAddress

extension SiteConfiguration {
    /// `[federation]`: how the site talks to other domains.
    public struct Federation: Equatable, Sendable {
        /// Whether the site talks to other domains at all.
        public var isEnabled = true
        /// The DNS servers to ask; empty means those of the system.
        public var dnsServers: [DNSServer] = []
        /// The address to which outgoing connections are bound; `nil` leaves the choice to the system.
        public var sourceAddress: IPAddress?
        /// Whether streams without TLS are refused in both directions.
        public var requiresTLS = true
        /// Whether a peer without valid certificate may prove its domain by dialback (XEP-0220).
        public var allowsDialback = true
        /// Whether one stream may carry stanzas in both directions (XEP-0288).
        public var isBidirectional = true
        /// Domains that must have a valid certificate, whatever else is allowed. Prepared.
        public var certificateRequired: [String] = []
        /// Networks in which peers may be although they are loopback, link-local or private.
        public var allowedNetworks: [IPNetwork] = []
        /// Domains with which nothing is exchanged. Prepared.
        public var blockedDomains: [String] = []
        /// Accounts and domains whose messages go before all others. Bare.
        public var urgentAddresses: [JID] = []
        /// Accounts and domains whose messages give way to all others. Bare.
        public var bulkAddresses: [JID] = []
        /// How long a stanza waits for its peer before it is returned to its sender.
        public var entryLifetime = Duration.seconds(5 * 86400)
        /// After how long senders are told that a message is still waiting; zero: never.
        public var delayWarning = Duration.seconds(4 * 3600)
        /// How long a link waits before the second attempt to connect; doubled up to `retryMaximum`.
        public var retryMinimum = Duration.seconds(1)
        /// How long a link waits between attempts at most.
        public var retryMaximum = Duration.seconds(60)
        /// How long a peer may leave what it was sent without acknowledgement before the stream is given up.
        public var ackTimeout = Duration.seconds(30)
        /// How long a link may be down before the people behind it are shown as unavailable.
        public var presenceGrace = Duration.seconds(30)
        /// The roster group in which everybody sees the other sites as contacts; empty for none.
        public var officesGroup = "Offices"
        /// How long what another office has acknowledged is kept in case its store goes back in time; zero: not at all.
        public var keepAcknowledged = Duration.seconds(86400)
        /// How many bytes of that are kept for one office; zero: none.
        public var keepAcknowledgedBytes = 64 << 20
        /// What happens when one of two stores went back in time.
        public var rollback = Rollback.stop
        /// What accounts may do with domains the site has never exchanged anything with.
        public var strangers = Strangers()
        /// Peers that are known: the company's other sites.
        public var sites: [KnownSite] = []

        /// What happens to a lane whose records contradict the peer's, because a store was restored or lost.
        public enum Rollback: String, CaseIterable, Sendable {
            /// It stands still until an operator decides.
            case stop
            /// It sends what waits; people may get something twice.
            case `continue`
        }

        /// `[federation.strangers]`: domains with which nothing was ever exchanged. A mistyped domain shall fail soon.
        public struct Strangers: Equatable, Sendable {
            /// To how many such domains one account may write in an hour.
            public var newDomainsPerAccountPerHour = 20
            /// How long a stanza to such a domain waits before it is returned.
            public var timeout = Duration.seconds(600)

            /// The defaults.
            public init() {}

            init(reading section: inout Section) {
                newDomainsPerAccountPerHour = section.value(
                    "new_domains_per_account_per_hour", .integer(0...100_000), default: newDomainsPerAccountPerHour)
                timeout = section.value("timeout", .duration(.seconds(1) ... .seconds(86400)), default: timeout)
            }
        }

        /// `[[federation.sites]]`: one peer that is known.
        public struct KnownSite: Equatable, Sendable {
            /// The peer's domain, prepared.
            public var domain: String
            /// Where to connect, instead of asking the DNS; empty means to ask.
            public var addresses: [Endpoint]
            /// What people call it; empty means by its domain.
            public var name: String
            /// How long a stanza waits for this peer; `nil`: as for all.
            public var entryLifetime: Duration?
            /// The host in addresses of its files; `nil`: `upload.` before its domain. Prepared.
            public var uploadHost: String?
            /// Files up to that size are fetched, bytes; `nil`: as of all.
            public var copyBytes: Int?

            /// Makes a known peer.
            public init(domain: String, addresses: [Endpoint] = [], name: String = "", entryLifetime: Duration? = nil) {
                self.domain = domain
                self.addresses = addresses
                self.name = name
                self.entryLifetime = entryLifetime
            }

            init?(reading section: inout Section) {
                addresses = section.list("addresses", of: .endpoint, default: [])
                name = section.value("name", .rosterName, default: "")
                entryLifetime = section.optional("entry_lifetime", .duration(.seconds(1) ... .seconds(365 * 86400)))
                uploadHost = section.optional("upload_host", .domain)
                copyBytes = section.optional("copy_bytes", .size(0...(1 << 40)))
                guard let domain = section.required("domain", .domain) else { return nil }
                self.domain = domain
            }
        }

        /// The defaults.
        public init() {}

        init(reading section: inout Section, ownDomains: [String]) {
            isEnabled = section.value("enabled", .boolean, default: isEnabled)
            dnsServers = section.list("dns_servers", of: .dnsServer, default: dnsServers)
            sourceAddress = section.optional("source_address", .ipAddress)
            requiresTLS = section.value("require_tls", .boolean, default: requiresTLS)
            allowsDialback = section.value("allow_dialback", .boolean, default: allowsDialback)
            isBidirectional = section.value("bidirectional", .boolean, default: isBidirectional)
            certificateRequired = section.list("require_certificate", of: .domain, default: certificateRequired)
            allowedNetworks = section.list("allow_networks", of: .network, default: allowedNetworks)
            blockedDomains = section.list("blocked_domains", of: .domain, default: blockedDomains)
            for domain in blockedDomains where ownDomains.contains(domain) {
                section.refuse("blocked_domains", "\(domain) is the site itself")
            }
            urgentAddresses = section.list("urgent_addresses", of: .bareAddress, default: [])
            bulkAddresses = section.list("bulk_addresses", of: .bareAddress, default: [])
            entryLifetime = section.value(
                "entry_lifetime", .duration(.seconds(1) ... .seconds(365 * 86400)), default: entryLifetime)
            delayWarning = section.value(
                "delay_warning", .duration(.seconds(0) ... .seconds(365 * 86400)), default: delayWarning)
            retryMinimum = section.value(
                "retry_minimum", .duration(.milliseconds(10) ... .seconds(3600)), default: retryMinimum)
            retryMaximum = section.value(
                "retry_maximum", .duration(.milliseconds(10) ... .seconds(86400)), default: retryMaximum)
            if retryMaximum < retryMinimum { section.refuse("retry_maximum", "expected no less than retry_minimum") }
            ackTimeout = section.value("ack_timeout", .duration(.seconds(1) ... .seconds(3600)), default: ackTimeout)
            presenceGrace = section.value(
                "presence_grace", .duration(.seconds(0) ... .seconds(86400)), default: presenceGrace)
            officesGroup = section.value("offices_group", .rosterName, default: officesGroup)
            keepAcknowledged = section.value(
                "keep_acknowledged", .duration(.seconds(0) ... .seconds(30 * 86400)), default: keepAcknowledged)
            keepAcknowledgedBytes = section.value(
                "keep_acknowledged_bytes", .size(0...(1 << 40)), default: keepAcknowledgedBytes)
            rollback = section.value("rollback", .word, default: rollback)
            strangers = section.section("strangers") { Strangers(reading: &$0) }
            sites = section.sections("sites", default: sites) { KnownSite(reading: &$0) }
            for (index, site) in sites.enumerated() {
                if ownDomains.contains(site.domain) { section.refuse("sites", "\(site.domain) is the site itself") }
                if sites[..<index].contains(where: { $0.domain == site.domain }) {
                    section.refuse("sites", "\(site.domain) twice")
                }
            }
        }
    }
}

extension ValueRule<String> {
    /// A name or a group of a roster item: a line of text that may be empty.
    static var rosterName: ValueRule {
        text("a line of at most 255 bytes") {
            $0.utf8.count <= 255 && $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } ? $0 : nil
        }
    }
}
