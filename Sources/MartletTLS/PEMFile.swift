import COpenSSL

/// A file with certificates or a key, read whole.
enum PEMFile {
    /// The file's bytes; an error names the file. Files above 16 MiB are refused.
    static func read(_ path: String) throws(TLSError) -> [UInt8] {
        var length = 0
        guard let block = martlet_read_file(path, 16 << 20, &length) else {
            throw TLSError(.file, "\(path): " + textFromC(capacity: 256) { martlet_file_error($0, $1) })
        }
        defer { martlet_release(block) }
        return [UInt8](UnsafeRawBufferPointer(start: block, count: length))
    }
}
