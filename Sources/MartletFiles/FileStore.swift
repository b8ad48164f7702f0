import Glibc
import MartletCrypto
import MartletPrimitives
import MartletStore

/// Why the disk has not done what was asked.
public enum FileFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file is not there.
    case absent
    /// The disk is full.
    case full
    /// Anything else: what, and the number of the system's error.
    case failed(String, Int32)

    init(_ what: String) {
        self = errno == ENOENT ? .absent : errno == ENOSPC || errno == EDQUOT ? .full : .failed(what, errno)
    }

    /// In words.
    public var description: String {
        switch self {
        case .absent: "there is no such file"
        case .full: "the disk is full"
        case .failed(let what, let number): "\(what): \(String(cString: strerror(number)))"
        }
    }
}

/// The files that people have uploaded, on the disk: `<two letters>/<token>`, and `new/` for what is not whole yet.
///
/// A file has its name only when all of it is on the disk (written under another name, fsync, rename, fsync of the directory): so no half of
/// one is ever seen under it, also after a crash. Whether a file of that name is to be there says the store alone: what it does not know is
/// removed at the next start (``sweep(_:)``). Names are made of tokens, never of what somebody has sent. All calls wait for the disk.
public struct FileStore: Sendable {
    /// The directory.
    public let directory: String

    /// The files in `directory`, which is made where it is missing. What was not whole when the process before ended goes.
    public init(directory: String) throws(FileFailure) {
        self.directory = directory
        for path in [directory, directory + "/new"] + Self.parts.map({ "\(directory)/\($0)" }) {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileFailure("mkdir") }
        }
        try Self.sync(directory)
        for name in Self.names(in: directory + "/new") { unlink("\(directory)/new/\(name)") }
    }

    private static let parts: [String] = {
        let digits = Array("0123456789abcdef")
        return digits.flatMap { first in digits.map { "\(first)\($0)" } }
    }()

    private func path(_ token: UploadToken) -> String { "\(directory)/\(String("\(token)".prefix(2)))/\(token)" }

    private func newPath(_ token: UploadToken) -> String { "\(directory)/new/\(token)" }

    /// Begins a new file, which nobody sees before ``FileWriter/finish()``.
    public func create(_ token: UploadToken) throws(FileFailure) -> FileWriter {
        // Whoever began it before has gone away.
        unlink(newPath(token))
        let descriptor = Glibc.open(newPath(token), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileFailure("open") }
        return FileWriter(descriptor: descriptor, newPath: newPath(token), path: path(token))
    }

    /// Opens a file that is whole.
    public func open(_ token: UploadToken) throws(FileFailure) -> FileReader {
        let descriptor = Glibc.open(path(token), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileFailure("open") }
        return FileReader(descriptor: descriptor)
    }

    /// Removes files; those that are not there are gone already.
    public func remove(_ tokens: [UploadToken]) {
        for token in tokens {
            unlink(path(token))
            unlink(newPath(token))
        }
    }

    // MARK: copies, which come part by part

    /// Writes a part of a copy behind what is there; at its start what is there goes.
    public func writeCopy(_ token: UploadToken, offset: UInt64, _ bytes: [UInt8]) throws(FileFailure) {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (offset == 0 ? O_TRUNC : 0)
        let descriptor = Glibc.open(newPath(token), flags, 0o600)
        guard descriptor >= 0 else { throw FileFailure("open") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, UInt64(status.st_size) == offset else { throw .absent }
        guard lseek(descriptor, 0, SEEK_END) >= 0 else { throw FileFailure("lseek") }
        let written = bytes.withUnsafeBytes { bytes in
            Result<Void, FileFailure> { () throws(FileFailure) in try Self.write(bytes, to: descriptor) }
        }
        try written.get()
    }

    /// A copy is whole: it gets its name if it has that SHA-256.
    public func keepCopy(_ token: UploadToken, digest: [UInt8]) throws(FileFailure) {
        let descriptor = Glibc.open(newPath(token), O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure("open") }
        let found: [UInt8]
        do throws(FileFailure) {
            found = try Self.digest(of: descriptor)
        } catch {
            close(descriptor)
            throw error
        }
        let writer = FileWriter(descriptor: descriptor, newPath: newPath(token), path: path(token))
        guard found == digest else {
            writer.abandon()
            throw .absent
        }
        _ = try writer.finish()
    }

    private static func digest(of descriptor: Int32) throws(FileFailure) -> [UInt8] {
        let digest = RunningDigest(.sha256)
        var room = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = room.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return digest.end() }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileFailure("read")
            }
            room.withUnsafeBytes { digest.take(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }

    // MARK: after a start

    /// The files that are whole, of one of 256 parts.
    public func tokens(inPart part: UInt8) -> [UploadToken] {
        Self.names(in: "\(directory)/\(Self.parts[Int(part)])").compactMap { UploadToken($0) }
    }

    /// Whether a file is whole.
    public func has(_ token: UploadToken) -> Bool { access(path(token), F_OK) == 0 }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(FileFailure) {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                throw FileFailure("write")
            }
        }
    }

    static func sync(_ directory: String) throws(FileFailure) {
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure("open") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileFailure("fsync") }
    }
}

/// A file that is being written. Used by one thread at a time; what was not finished is removed.
public final class FileWriter {
    private var descriptor: Int32
    private let newPath: String
    private let path: String
    private let digest = RunningDigest(.sha256)
    /// Bytes written.
    public private(set) var count: UInt64 = 0

    init(descriptor: Int32, newPath: String, path: String) {
        self.descriptor = descriptor
        self.newPath = newPath
        self.path = path
    }

    deinit { abandon() }

    /// The next bytes.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(FileFailure) {
        try FileStore.write(bytes, to: descriptor)
        digest.take(bytes)
        count += UInt64(bytes.count)
    }

    /// All of it is on the disk and has its name, when this returns its SHA-256.
    public func finish() throws(FileFailure) -> [UInt8] {
        guard fsync(descriptor) == 0 else { throw FileFailure("fsync") }
        close(descriptor)
        descriptor = -1
        guard rename(newPath, path) == 0 else { throw FileFailure("rename") }
        try FileStore.sync(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
        return digest.end()
    }

    /// Nothing is left of it.
    public func abandon() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        unlink(newPath)
    }
}

/// A file that is being read; it stays readable while somebody removes it.
public final class FileReader: Sendable {
    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Its bytes.
    public func size() throws(FileFailure) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileFailure("fstat") }
        return UInt64(status.st_size)
    }

    /// Reads into `room` what stands at `offset`; returns how much that was, 0 at the end.
    public func read(_ room: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileFailure) -> Int {
        while true {
            let count = pread(descriptor, room.baseAddress, room.count, off_t(offset))
            if count >= 0 { return count }
            if errno != EINTR { throw FileFailure("read") }
        }
    }
}
