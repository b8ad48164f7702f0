import Glibc

/// The signals by which a process ends that met an error of its own: a last line for the operator before the system does what
/// it does anyway, a core dump included.
///
/// A release build says nothing of most of them. The stack has to be sound: of an exhausted one nothing is said.
enum FatalSignals {
    private static let internalError: StaticString =
        "martlet: ended by an error of its own; the line before, if any, says which. Nothing that was acknowledged is lost: start it again, and report it with the last lines of the log\n"
    private static let unreadable: StaticString =
        "martlet: ended because the disk did not give back what the store had written (SIGBUS). Look at the disk and at the system's log, run martlet store check, then start it again\n"

    /// Installs the handlers, for all threads.
    static func install() {
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGFPE, SIGBUS] {
            signal(number) { number in
                // Only what may be called within a handler. The signal comes again when it returns, and ends the process.
                let words = number == SIGBUS ? FatalSignals.unreadable : FatalSignals.internalError
                _ = write(STDERR_FILENO, words.utf8Start, words.utf8CodeUnitCount)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }
}
