import MartletBus
import MartletRuntime
import Synchronization

@testable import MartletNetwork

/// A site that only keeps what it is told.
final class Recorder: SitePort {
    private let events = Mutex<[SiteEvent]>([])
    private let reports = Mutex<[HandledReport]>([])
    private let waiting = Mutex<[@Sendable (SiteEvent) -> Bool]>([])

    func post(_ event: SiteEvent, reporting report: HandledReport?) {
        // First: whoever sees the event must see the question that came with it.
        if let report { reports.withLock { $0.append(report) } }
        events.withLock { $0.append(event) }
        waiting.withLock { waiting in waiting.removeAll { $0(event) } }
    }

    /// The first event, past or future, that `match` wants.
    func first<Result: Sendable>(_ match: @escaping @Sendable (SiteEvent) -> Result?) async -> Result {
        await withCheckedContinuation { continuation in
            let isOver = Mutex(false)
            let take: @Sendable (SiteEvent) -> Bool = { event in
                guard let result = match(event) else { return false }
                let isFirst = isOver.withLock { over in
                    defer { over = true }
                    return !over
                }
                if isFirst { continuation.resume(returning: result) }
                return true
            }
            waiting.withLock { $0.append(take) }
            for event in all where take(event) { return }
        }
    }

    /// Who wants to hear that its events were handled, so far.
    var questions: [HandledReport] { reports.withLock { $0 } }

    /// Everything so far.
    var all: [SiteEvent] { events.withLock { $0 } }
}
