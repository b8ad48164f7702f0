import NIOCore
import Synchronization

/// What the site's thread sends to one event loop: however much of it comes, the loop is woken once. Where the site lives
/// on that very loop it is performed at once.
final class LoopMailbox<Item: Sendable>: Sendable {
    private let items = Mutex<[Item]>([])
    private let eventLoop: any EventLoop
    private let drain: @Sendable ([Item]) -> Void

    /// A mailbox whose contents `drain` gets on `eventLoop`, in order.
    init(eventLoop: any EventLoop, drain: @escaping @Sendable ([Item]) -> Void) {
        self.eventLoop = eventLoop
        self.drain = drain
    }

    /// Adds `new` behind what waits. Any thread.
    func post(_ new: [Item]) {
        if new.isEmpty { return }
        if eventLoop.inEventLoop { return drain(new) }
        let wasEmpty = items.withLock { items in
            defer { items.append(contentsOf: new) }
            return items.isEmpty
        }
        guard wasEmpty else { return }
        eventLoop.execute { [self] in
            let taken = items.withLock { items in
                defer { items = [] }
                return items
            }
            drain(taken)
        }
    }
}
