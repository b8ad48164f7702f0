extension SiteConfiguration {
    /// `[contact]`: who is reached where, for people and for the operators of other servers (XEP-0157). URIs.
    public struct Contacts: Equatable, Sendable {
        /// The roles of XEP-0157 §4 and its registrations, each with its addresses, in the order in which they are published.
        public var roles: [Role] = []
        /// Where it is told what is wrong while the server is out of order (XEP-0455).
        public var outageStatus: [String] = []

        /// One of them.
        public struct Role: Equatable, Sendable {
            /// As the key names it.
            public var name: String
            /// Where it is reached.
            public var addresses: [String]
        }

        /// Every role there is.
        public static let names = ["abuse", "admin", "feedback", "sales", "security", "status", "support"]

        init() {}

        init(reading section: inout Section) {
            for name in Self.names {
                let addresses = section.list(name, of: .contact, default: [])
                if !addresses.isEmpty { roles.append(Role(name: name, addresses: addresses)) }
            }
            outageStatus = section.list("outage_status", of: .webAddress, default: [])
        }
    }

    /// `[[external_services]]`: a service beside XMPP that clients are told of (XEP-0215), such as a TURN relay for calls.
    public struct ExternalService: Equatable, Sendable {
        /// What it is: `stun`, `turn`, `turns` …
        public var type: String
        /// Its name in DNS or its IP address.
        public var host: String
        /// Its port; 0 where it needs none.
        public var port: UInt16
        /// Whether it is reached over TCP or UDP; nil where that is understood.
        public var transport: String?
        /// What people read of it.
        public var name: String?
        /// What is shared with the service: from it credentials are made for each client.
        public var secret: String?
        /// Credentials that are the same for everybody.
        public var username: String?
        /// The password of ``username``.
        public var password: String?
        /// How long credentials hold that are made from ``secret``.
        public var lifetime: Duration

        init?(reading section: inout Section) {
            transport = section.optional("transport", .oneOf(["udp", "tcp"]))
            name = section.optional("name", .name)
            secret = section.optional("secret", .name)
            username = section.optional("username", .name)
            password = section.optional("password", .name)
            lifetime = section.value("lifetime", .duration(.seconds(60)...(.seconds(604_800))), default: .seconds(43_200))
            port = section.optional("port", .port) ?? 0
            if secret != nil, username != nil || password != nil {
                section.refuse("secret", "expected either a secret or a username with its password")
            }
            if (username == nil) != (password == nil) {
                section.refuse(username == nil ? "password" : "username", "expected both a username and a password")
            }
            guard let type = section.required("type", .name), let host = section.required("host", .name) else { return nil }
            self.type = type
            self.host = host
        }
    }
}

extension ValueRule<String> {
    /// Of a document that anybody can read.
    static var webAddress: ValueRule {
        text("a URL such as \"https://status.pilsen.example/xmpp.json\"") { text in
            let isURL = ["https://", "http://"].contains { text.hasPrefix($0) && text.utf8.count > $0.utf8.count }
            return isURL && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F } ? text : nil
        }
    }
}

extension SiteConfiguration {
    /// Everybody who is reached somewhere: `site.admin_contact` is the first administrator.
    public var published: [Contacts.Role] {
        guard let adminContact else { return contacts.roles }
        let roles = contacts.roles
        let others = roles.first { $0.name == "admin" }?.addresses.filter { $0 != adminContact } ?? []
        return [Contacts.Role(name: "admin", addresses: [adminContact] + others)] + roles.filter { $0.name != "admin" }
    }
}
