import Glibc
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
final class SiteInbox: @unchecked Sendable {
    // SAFETY: `events`, `reports`, `isStopped` and the condition are touched only with `mutex` held; the pthread objects live at
    // fixed addresses from init to deinit.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var events: [SiteEvent] = []
    private var reports: [HandledReport] = []
    private var isStopped = false

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Adds an event; wakes the site's thread if it waits.
    func post(_ event: SiteEvent, _ report: HandledReport?) {
        pthread_mutex_lock(mutex)
        events.append(event)
        if let report { reports.append(report) }
        if events.count == 1 { pthread_cond_signal(condition) }
        pthread_mutex_unlock(mutex)
    }

    /// No more waiting: `take` returns what is left, then nil.
    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Everything posted since the last call, and who wants to hear that it was handled; waits for something, at most until
    /// `deadline` (milliseconds of the monotonic clock), then returns empty lists. nil once stopped and empty.
    func take(until deadline: Int64?) -> (events: [SiteEvent], reports: [HandledReport])? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while events.isEmpty && !isStopped {
            if let deadline {
                var until = timespec(tv_sec: Int(deadline / 1000), tv_nsec: Int(deadline % 1000) * 1_000_000)
                if pthread_cond_timedwait(condition, mutex, &until) == ETIMEDOUT { break }
            } else {
                pthread_cond_wait(condition, mutex)
            }
        }
        if events.isEmpty && isStopped { return nil }
        var taken: (events: [SiteEvent], reports: [HandledReport]) = ([], [])
        swap(&taken.events, &events)
        swap(&taken.reports, &reports)
        return taken
    }
}
