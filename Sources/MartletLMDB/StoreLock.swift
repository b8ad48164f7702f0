import Glibc
import MartletStore

/// The file `lock` of a store's directory, locked as long as this value lives, so that no second process and no second
/// opener in this process works on the same store.
///
/// The kernel releases the lock when the process dies, however it dies. The file holds the owner's process id, for words
/// only.
final class StoreLock: Sendable {
    private let descriptor: Int32

    /// Locks the file, creating it if needed; throws ``StoreFailure/inUse(pid:)`` if another holds it.
    init(path: String) throws(StoreFailure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if descriptor < 0 { throw LMDBFailure.failure(errno, "opening", path: path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let owner = Self.owner(descriptor)
            close(descriptor)
            if code == EWOULDBLOCK { throw .inUse(pid: owner) }
            throw LMDBFailure.failure(code, "locking", path: path)
        }
        self.descriptor = descriptor
        let text = Array("\(getpid())\n".utf8)
        // A lock without a number in it still locks: the result does not matter.
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit {
        // A child process that is just being made may hold a copy of the descriptor until it executes: closing ours would not
        // release the lock then.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func owner(_ descriptor: Int32) -> Int32 {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return 0 }
        return Int32(String(decoding: bytes[..<count].prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)) ?? 0
    }
}
