import Collections
import MartletBus
import MartletPrimitives

/// The timers of a site, earliest first; those of the same instant in the order in which they were set.
struct TimerQueue {
    private struct Item: Comparable {
        var at: Instant
        var sequence: UInt64
        var timer: SiteTimer

        static func < (left: Item, right: Item) -> Bool {
            (left.at.milliseconds, left.sequence) < (right.at.milliseconds, right.sequence)
        }

        static func == (left: Item, right: Item) -> Bool { left.sequence == right.sequence }
    }

    private var heap = Heap<Item>()
    private var sequence: UInt64 = 0

    var count: Int { heap.count }

    /// When the first timer is due.
    var next: Instant? { heap.min?.at }

    mutating func add(_ timer: SiteTimer, at instant: Instant) {
        sequence += 1
        heap.insert(Item(at: instant, sequence: sequence, timer: timer))
    }

    /// The first timer if it is due.
    mutating func take(dueAt now: Instant) -> SiteTimer? {
        guard let first = heap.min, first.at <= now else { return nil }
        return heap.removeMin().timer
    }
}
