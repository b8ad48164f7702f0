/// How many bytes a stream of a link may carry without acknowledgement (`Docs/relay-protocol.md` §3, S3).
///
/// What was written cannot be overtaken any more. On a line of 9.6 kbit/s a window made for a fast one holds minutes of
/// somebody's newsletter, and an alarm would stand behind it. So the window follows the line: it grows with what is
/// acknowledged while little has to queue on the way, and shrinks when acknowledgements come later than that, in proportion
/// to how far off they are, as RFC 6817 §2.4.2 does it.
///
/// Owned by its link; begins anew with each stream, since that may take another way, unless the streams themselves are what
/// carries a window each (``afterClose(limit:)``).
struct SendWindow {
    /// It never becomes smaller: a few stanzas, so that the line has something to carry while an acknowledgement returns.
    static let smallest = 4 << 10
    /// Where it begins: seven seconds of a line of 9.6 kbit/s, and five round trips from the limit on a fast one.
    static let first = 8 << 10
    /// What may queue on the way, milliseconds: less than people notice, and enough to keep the line busy.
    static let queueing: Int64 = 1000

    /// Bytes that may be under way.
    private(set) var bytes: Int
    /// The most bytes that one acknowledgement was for.
    private(set) var largestAcknowledged = 0
    /// The shortest time from writing to acknowledgement on this stream.
    private var quickest: Int64?

    /// On a stream that begins.
    init(bytes: Int = first) {
        self.bytes = bytes
    }

    /// A stream was closed in order to learn that this much has arrived: what the next one may carry. Each costs handshakes, so
    /// few of them have to do.
    func afterClose(limit: Int) -> SendWindow {
        SendWindow(bytes: min(bytes * Self.growthByClosing, max(limit, Self.smallest)))
    }

    /// From the first window to the limit on the third stream.
    private static let growthByClosing = 8

    /// `count` bytes were acknowledged, the last of them after `delay` milliseconds. `isWanted`: more waited than it allowed;
    /// `limit`: it does not grow beyond.
    mutating func acknowledged(_ count: Int, after delay: Int64, isWanted: Bool, limit: Int) {
        let quickest = min(quickest ?? delay, delay)
        self.quickest = quickest
        largestAcknowledged = max(largestAcknowledged, count)
        let room = Self.queueing - (delay - quickest)
        guard isWanted || room < 0 else { return }
        let change = count * Int(max(room, -Self.queueing / 2)) / Int(Self.queueing)
        bytes = max(Self.smallest, min(bytes + change, limit))
    }
}
