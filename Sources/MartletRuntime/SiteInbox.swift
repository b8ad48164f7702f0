import MartletBus
import Synchronization

/// A connection wants to know when the site has handled that many of its events: it posts no more than a bound meanwhile.
public struct HandledReport: Sendable {
    /// Who asks.
    public var connection: ConnectionID
    /// How many events, up to and with the one that the question came with.
    public var count: Int

    /// The question of a connection.
    public init(connection: ConnectionID, count: Int) {
        self.connection = connection
        self.count = count
    }
}

/// What the rest of the process tells a site: a list under a lock, taken whole by the site's thread.
///
/// One wake-up per batch instead of one per event. It has no bound of its own: connections bound what they post (64
/// unhandled stanzas each), everything else answers something outstanding.
final class SiteInbox: Sendable {
    /// What was posted.
    struct Content: Sendable {
        var events: [SiteEvent] = []
        /// Who wants to hear when the event at a place was handled, by place.
        var reports: [(place: Int, report: HandledReport)] = []
    }

    private let waiting = Mutex<(content: Content, isClosed: Bool)>((Content(), false))

    /// Adds an event. Returns whether it is the first that waits: the site's thread must be told then. Nothing is taken
    /// after the end.
    func post(_ event: SiteEvent, _ report: HandledReport?) -> Bool {
        waiting.withLock { waiting in
            guard !waiting.isClosed else { return false }
            if let report { waiting.content.reports.append((waiting.content.events.count, report)) }
            waiting.content.events.append(event)
            return waiting.content.events.count == 1
        }
    }

    /// Exchanges everything posted since the last call for `empty`, whose room is used again.
    func take(_ empty: inout Content) {
        waiting.withLock { swap(&$0.content, &empty) }
    }

    /// Nothing more is taken.
    func close() {
        waiting.withLock { $0.isClosed = true }
    }
}
