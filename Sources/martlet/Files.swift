import Glibc

/// Files of a few kilobytes, read and written whole.
enum Files {
    /// The bytes of a file, which may not be longer than `limit`.
    static func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, errno) }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return result }
            if count > 0 {
                result += chunk[..<count]
                guard result.count <= limit else { throw CommandFailure("\(path) is longer than \(limit >> 20) MiB") }
            } else if errno != EINTR {
                throw unreadable(path, errno)
            }
        }
    }

    /// Whether there is a file of this name, as far as we may know: where we may not look into the directory, reading says so.
    static func mayExist(_ path: String) -> Bool { access(path, F_OK) == 0 || errno == EACCES }

    private static func unreadable(_ path: String, _ code: Int32) -> CommandFailure {
        guard code == EACCES || code == EPERM else { return CommandFailure("cannot read \(path): \(words(code))") }
        let me = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "user \(geteuid())"
        return CommandFailure(
            "\(me) may not read \(path): run the command as the user that the server runs as, for example with sudo -u USER",
            .notPermitted)
    }

    /// Writes a file that is there whole or not at all, durable, readable and writable by its owner only.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure("cannot write \(temporary): \(words(errno))") }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                let reason = errno
                close(descriptor)
                throw CommandFailure("cannot write \(temporary): \(words(reason))")
            }
        }
        let isDurable = fsync(descriptor) == 0
        close(descriptor)
        guard isDurable, rename(temporary, path) == 0 else { throw CommandFailure("cannot write \(path): \(words(errno))") }
    }

    /// Makes a directory (and those above it) that only its owner may enter; one that exists stays as it is.
    static func makeDirectory(_ path: String) throws {
        if access(path, F_OK) == 0 { return }
        let parent = ConfigurationFile.directory(of: path)
        if parent != path, parent != ".", access(parent, F_OK) != 0 { try makeDirectory(parent) }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw CommandFailure("cannot make the directory \(path): \(words(errno))")
        }
    }

    static func words(_ code: Int32) -> String { String(cString: strerror(code)) }
}
