/// The bounds of administration that no operator needs to change, each with the reason for its number.
enum AdministrationLimits {
    /// Orders of administrators that are under way or wait: each is a form that somebody has filled in.
    static let orders = 32
    /// Accounts that one form names: who has more to change uses the command line.
    static let accountsPerOrder = 100
    /// Failures of one order that are told one by one.
    static let failuresTold = 20
    /// Accounts on one page of a list, and their bytes: half of what a client takes at once.
    static let page = 500
    static let pageBytes = 128 << 10
    /// Bytes of an announcement: a page of text. It is written for each account.
    static let announcementBytes = 4 << 10
    /// Announcements under way, from here and from other offices.
    static let announcements = 16
    /// Accounts that one slice of an announcement tells: each may have as many resources as an account may have.
    static let toldPerSlice = 16
    /// Milliseconds between two slices of announcements, so that what people say comes between.
    static let slicePause: Int64 = 20
    /// How long to wait where there is no room on the disk, milliseconds.
    static let fullPause: Int64 = 10_000
    /// Milliseconds after which an announcement of another office says when it was made.
    static let delayed: Int64 = 60_000
}
