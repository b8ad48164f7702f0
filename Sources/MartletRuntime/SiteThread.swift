/// The thread that a site lives on: runs what it is given, one piece after another.
///
/// In a small office it is the event loop that carries the connections as well, so that a message crosses no thread; else
/// an event loop of its own.
public protocol SiteThread: Sendable {
    /// Calls `work` soon, never from within this call. Any thread.
    func execute(_ work: @escaping @Sendable () -> Void)

    /// Calls `work` after that many milliseconds, and after the thread has looked at everything else that waits for it.
    func schedule(after milliseconds: Int64, _ work: @escaping @Sendable () -> Void)
}
