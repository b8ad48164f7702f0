import Glibc

/// A fresh directory for one test, removed with its files when the value goes.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/martlet-store-XXXXXX\0".utf8CString)
        guard let made = mkdtemp(&template) else { throw Failure.notMade(errno) }
        path = String(cString: made)
    }

    deinit {
        Self.remove(path)
    }

    /// The path of something in the directory.
    func path(_ name: String) -> String { path + "/" + name }

    private enum Failure: Error { case notMade(Int32) }

    private static func remove(_ path: String) {
        if let listing = opendir(path) {
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { remove(path + "/" + name) }
            }
            closedir(listing)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
