/// The most that one event, or one timer, may cause: whatever could grow beyond it is done in slices (``SessionTimer/jobs``,
/// ``LinkTimer/work(_:)``), whoever asked for it. Counted, not timed, so that a twin comes to the same verdict. All test suites and the
/// simulator take more for a failure; a running server notes it and goes on.
public enum TurnBound {
    /// Rows read, looked for or written: some ten milliseconds. A peer may acknowledge a whole window at once, at five rows an entry.
    public static let rows = 5632
    /// Commands for connections: a thousand stanzas, each with its place in what was sent.
    public static let deliveries = 2048
    /// Bytes sent: the largest stanza of another server to every resource that an account may have.
    public static let bytes = 17 << 20

    /// Whether that is more.
    public static func isExceeded(by count: WorkCount) -> Bool {
        count.rows > rows || count.deliveries > deliveries || count.bytes > bytes
    }
}
