import XMPPAddress

extension SiteConfiguration {
    /// `[admin]`: who administers the site with a client (XEP-0133).
    public struct Administration: Equatable, Sendable {
        /// Accounts of this site. Prepared.
        public var accounts: [JID] = []
        /// Whether words of another office for everybody here are passed on.
        public var takesAnnouncements = true

        /// The defaults.
        public init() {}

        init(reading section: inout Section, domains: [String]) {
            accounts = section.list("accounts", of: .account, default: [])
            for account in accounts where !domains.contains(account.domainpart) {
                section.refuse("accounts", "\(account) is not at a domain of this site")
            }
            takesAnnouncements = section.value("announcements_from_offices", .boolean, default: takesAnnouncements)
        }
    }
}

extension ValueRule<JID> {
    /// An account.
    static var account: ValueRule {
        text("an account such as \"alice@pilsen.example\"") {
            (try? JID($0)).flatMap { $0.localpart != nil && $0.isBare ? $0 : nil }
        }
    }
}

/// The part of the annotated file.
extension SiteConfiguration {
    static func annotatedAdministration(_ accounts: [String]) -> String {
        """
        [admin]

        # Accounts of this site, such as ["alice@pilsen.example"], that administer it with their clients (XEP-0133): they add, delete and
        # disable accounts, end sessions, change passwords, see who is online, and tell everybody something. Nobody else sees that
        # this exists. Whoever has the password of such an account can do all of that. Default []: nobody; the command line remains.
        accounts = [\(accounts.map(\.inQuotes).joined(separator: ", "))]

        # Whether what an administrator at one of [[federation.sites]] announces to everybody here is passed on. Default true.
        announcements_from_offices = true
        """
    }
}
