/// The bounds of sessions that no operator needs to change, each with the reason for its number.
enum SessionLimits {
    /// Stanzas after which a client is asked for an acknowledgement at once instead of after `fenceDelay`: a burst is
    /// acknowledged while it is sent, and a single message costs one request for 200 ms.
    static let requestEvery: UInt64 = 16
    /// A client with stream management that does not answer `<r/>` for so long is gone, milliseconds: TCP alone would
    /// notice a dead line after a quarter of an hour.
    static let acknowledgementTimeout: Int64 = 120_000
    /// Messages sent from a mailbox before the client has to acknowledge some: far below `unacknowledgedStanzas`, so
    /// that somebody who was away for a month does not lose the session over it.
    static let catchUpMessages = 200
    /// Bytes sent from a mailbox in one turn: a turn is short.
    static let catchUpBytes = 512 << 10
    /// Addresses with directed presence per session: a person is in dozens of rooms, not in thousands.
    static let directedPresence = 1000
    /// Bytes of a roster item's name and of each group (RFC 6121 §2.1.2.5, §2.1.2.6 leave it to the server): a JID part.
    static let rosterNameBytes = 1023
    /// Groups of a roster item.
    static let rosterGroups = 64
    /// How long a session that was given up can still be asked for its count (`<failed h='…'/>`), milliseconds: a day.
    static let endedSessionLifetime: Int64 = 86_400_000
    /// Given-up sessions remembered per account: a handful of devices.
    static let endedSessionsPerAccount = 16
    /// Accounts and addresses whose failed logins are counted at a time: 64 bytes each.
    static let loginFailureEntries = 20_000
}
