import Collections

/// Virtual time: what happens next, in milliseconds since the start of the run. Things of the same moment happen in the
/// order in which they were planned.
struct Schedule<Action> {
    private struct Item: Comparable {
        var at: Int64
        var sequence: UInt64
        var action: Action

        static func < (left: Item, right: Item) -> Bool { (left.at, left.sequence) < (right.at, right.sequence) }
        static func == (left: Item, right: Item) -> Bool { left.sequence == right.sequence }
    }

    private var heap = Heap<Item>()
    private var sequence: UInt64 = 0
    /// Now.
    private(set) var now: Int64 = 0

    mutating func add(_ action: Action, after milliseconds: Int64) {
        sequence += 1
        heap.insert(Item(at: now + max(0, milliseconds), sequence: sequence, action: action))
    }

    /// The next thing, if it comes before `end`; time moves to it.
    mutating func next(before end: Int64) -> Action? {
        guard let first = heap.min, first.at < end else { return nil }
        now = first.at
        return heap.removeMin().action
    }
}
