import Glibc

/// A directory that is gone with its owner.
final class TemporaryDirectory {
    let path: String

    init() {
        var name = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&name) != nil, "no temporary directory: \(errno)")
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        guard let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { unlink(path + "/" + name) }
        }
        closedir(directory)
        rmdir(path)
    }
}
