import Glibc

/// The signals a running node answers to, taken one by one on the main thread.
///
/// They are blocked before any thread is started, so that every thread inherits the mask and none is interrupted.
enum Signals {
    /// What came.
    enum Event: Equatable {
        /// SIGHUP: read configuration and certificates anew.
        case reload
        /// SIGTERM or SIGINT: end in good order; a second one ends at once.
        case terminate
        /// The node itself woke the main thread.
        case wakeUp
        /// The time to wait is over.
        case timeout
    }

    private static let taken = [SIGHUP, SIGTERM, SIGINT, SIGUSR1]

    /// Blocks the signals for this thread and all that it starts. A write to a closed socket is an error, not a signal.
    static func block() {
        signal(SIGPIPE, SIG_IGN)
        var set = set()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the next signal, at most `milliseconds`.
    static func wait(milliseconds: Int) -> Event {
        var set = set()
        var limit = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        switch sigtimedwait(&set, nil, &limit) {
        case SIGHUP: return .reload
        case SIGTERM, SIGINT: return .terminate
        case SIGUSR1: return .wakeUp
        default: return .timeout
        }
    }

    /// Ends the main thread's ``wait(milliseconds:)`` from any thread.
    static func wakeMain() {
        kill(getpid(), SIGUSR1)
    }

    private static func set() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in taken { sigaddset(&set, signal) }
        return set
    }
}
