import XMPPAddress

/// Who administers the site with a client (XEP-0133).
public struct AdminPolicy: Sendable, Equatable {
    /// Accounts of this site, as bare JIDs.
    public var accounts: [JID] = []
    /// What another office announces to everybody here is passed on.
    public var takesAnnouncements = true

    /// The defaults: nobody.
    public init() {}
}
