/// How much of what one connection says may be on its way to the site at a time, in events of the usual size; a large one counts for
/// several (``weight(of:)``). The rest is not taken out of the bytes that were read,
/// and then not read at all: TCP slows the sender down.
///
/// It opens with what the site has handled and closes when the site wants the connection to rest: whoever has caused too much work
/// comes back with one stanza, not with as many as one read holds. A core of ``ConnectionHandler``: what happened comes in.
struct HandoverWindow: Equatable {
    /// Events that may be on their way at most.
    private let limit: Int
    /// Events that may be on their way now.
    private var size: Int
    /// Events posted of which it is not known that they were handled, and those of them that no report was asked for.
    private(set) var unhandled = 0
    private var unasked = 0
    /// Nothing is taken for now.
    private(set) var isResting = false

    /// What a connection begins with: a login and what a client asks for at once. It doubles with each report, so that only somebody
    /// who says much at once notices, and not for long.
    static let first = 8

    init(limit: Int) {
        self.limit = limit
        size = min(limit, Self.first)
    }

    /// How many events more may be posted.
    var room: Int { isResting ? 0 : max(0, size - unhandled) }

    /// Enough was handled for reading to be worth its while.
    var isOpen: Bool { !isResting && unhandled <= size / 2 }

    /// As how many events one counts that has so many bytes: 64 at a time have no more than a mebibyte, and a little.
    static func weight(of bytes: Int) -> Int { 1 + bytes / (16 << 10) }

    /// An event was posted, which counts as so many. For how many a report is to be asked; nil where none is needed now. Not for each,
    /// since a report wakes the loop; but while the window is not open one is under way, or nothing would ever open it again.
    mutating func posted(_ weight: Int = 1) -> Int? {
        unhandled += weight
        unasked += weight
        let isUnderWay = unhandled > unasked
        guard unasked * 4 >= limit || unhandled >= size || (unhandled > size / 2 && !isUnderWay) else { return nil }
        defer { unasked = 0 }
        return unasked
    }

    /// The site has handled that many.
    mutating func handled(_ count: Int) {
        unhandled -= count
        if !isResting { size = min(limit, size * 2) }
    }

    /// The site wants the connection to rest. Events for which no report was asked do not count any more: nobody would say that they
    /// were handled.
    mutating func restBegan() {
        isResting = true
        size = 1
        unhandled -= unasked
        unasked = 0
    }

    /// It has rested.
    mutating func restEnded() { isResting = false }
}
