import Collections
import MartletStore

/// What each waiting entry of a lane takes of its link's queue, and whose it is: eight bytes for each, so that what is acknowledged,
/// expires or is taken out need not be read to be taken off. Owned by its ``OutgoingLane``; by places, which do not move
/// (``LaneEntries``).
struct LaneItems {
    /// An entry; one of no bytes is a void, or was not counted yet.
    struct Item: Equatable {
        /// Stands for the party that sent it.
        var sender: UInt32
        /// What it takes.
        var bytes: UInt32

        /// Nothing.
        static let none = Item(sender: 0, bytes: 0)
    }

    /// The place of the first item.
    private var first: UInt64 = 1
    private var items: Deque<Item> = []
    /// The next place that is to be read from the store, where some are, and the last one.
    private var unread: (next: UInt64, last: UInt64)?

    /// The next place that is to be read from the store, where some are.
    var uncounted: UInt64? { unread?.next }

    /// All of them, in order.
    var all: Deque<Item> { items }

    /// The lane as a start finds it, or under another numbering: what waits is to be counted. Gives what is known no more.
    mutating func reset(_ row: LaneRow) -> Deque<Item> {
        defer {
            first = row.ackedPlace + 1
            items = Deque(repeating: .none, count: Int(row.waiting))
            unread = items.isEmpty ? nil : (first, row.lastPlace)
        }
        return items
    }

    /// The next entry.
    mutating func append(_ item: Item) { items.append(item) }

    /// Everything up to `place` waits no more; gives what that took.
    mutating func settle(upTo place: UInt64) -> [Item] {
        var gone: [Item] = []
        while first <= place, let item = items.popFirst() {
            if item.bytes > 0 { gone.append(item) }
            first += 1
        }
        if let (next, last) = unread, next < first { unread = first <= last ? (first, last) : nil }
        return gone
    }

    /// The entry at a place is a void; gives what it took.
    mutating func emptied(_ place: UInt64) -> Item? {
        guard place >= first, place - first < UInt64(items.count) else { return nil }
        let index = Int(place - first)
        defer { items[index] = .none }
        return items[index].bytes > 0 ? items[index] : nil
    }

    /// The entry at the next place to be counted takes this.
    mutating func counted(_ item: Item) {
        guard let (next, last) = unread else { return }
        items[Int(next - first)] = item
        unread = next < last ? (next + 1, last) : nil
    }
}
