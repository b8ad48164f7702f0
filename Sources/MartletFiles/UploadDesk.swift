import MartletBus
import Synchronization

/// Asks the site about uploads, for whoever shows and stores the files: its questions are events of the site, its answers effects, so
/// that what was answered is on the disk.
///
/// One per node. Any thread.
public final class UploadDesk: Sendable {
    private struct Pending {
        var next: UInt64 = UploadDesk.first
        var waiting: [UInt64: CheckedContinuation<UploadAnswer?, Never>] = [:]
        var isStopped = false
    }

    /// The numbers of our questions: the control socket's count from 1.
    private static let first: UInt64 = 1 << 62

    private let pending = Mutex(Pending())
    private let post: @Sendable (CommandID, Command) -> Void

    /// `post` hands a command to the site.
    public init(post: @escaping @Sendable (CommandID, Command) -> Void) { self.post = post }

    /// Asks, and waits for the answer; nil where the site has refused it, or stops.
    public func ask(_ command: UploadCommand) async -> UploadAnswer? {
        await withCheckedContinuation { continuation in
            let id: UInt64? = pending.withLock { pending in
                guard !pending.isStopped else { return nil }
                pending.next += 1
                pending.waiting[pending.next] = continuation
                return pending.next
            }
            if let id { post(CommandID(id), .uploads(command)) } else { continuation.resume(returning: nil) }
        }
    }

    /// An answer of the site; false where the question was another's.
    public func answered(_ id: CommandID, _ answer: CommandAnswer) -> Bool {
        guard id.value >= Self.first else { return false }
        let waiting = pending.withLock { $0.waiting.removeValue(forKey: id.value) }
        if case .upload(let answer) = answer { waiting?.resume(returning: answer) } else { waiting?.resume(returning: nil) }
        return true
    }

    /// The site does not answer any more.
    public func stop() {
        let waiting = pending.withLock { pending in
            defer { pending.waiting = [:] }
            pending.isStopped = true
            return pending.waiting
        }
        for continuation in waiting.values { continuation.resume(returning: nil) }
    }
}
