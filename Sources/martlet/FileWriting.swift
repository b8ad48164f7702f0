import Glibc

/// A file that is written bit by bit, and is there whole or not at all; for its owner alone.
final class FileWriting {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        temporary = path + ".new"
        unlink(temporary)
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure("cannot write \(temporary): \(Files.words(errno))") }
    }

    /// Appends text.
    func write(_ text: String) throws {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw CommandFailure("cannot write \(temporary): \(Files.words(errno))")
            }
        }
    }

    /// The file is whole.
    func finish() throws {
        let isDurable = fsync(descriptor) == 0
        close(descriptor)
        descriptor = -1
        guard isDurable, rename(temporary, path) == 0 else {
            throw CommandFailure("cannot write \(path): \(Files.words(errno))")
        }
    }

    /// Nothing is left of it.
    func abandon() {
        if descriptor >= 0 { close(descriptor) }
        unlink(temporary)
    }
}
