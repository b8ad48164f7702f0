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

    /// What is wrong with the form of a file before OpenSSL says it in words that help nobody, and what makes it right; nil where
    /// nothing is.
    static func objection(to bytes: [UInt8], _ kind: TLSError.Kind) -> String? {
        if bytes.first == 0x30 {
            let command = kind == .key ? "openssl pkey" : "openssl x509"
            return
                "is binary (DER, or PKCS #12) where PEM text is wanted: convert it with \(command) -inform DER -in FILE -out NEW, "
                + "or openssl pkcs12 -in FILE -nodes -out NEW"
        }
        guard kind == .key else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        // PKCS #8 says it in the first line, the older form in a header.
        guard text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") else { return nil }
        return
            "is under a passphrase, which nobody types when the server starts: take it away with openssl pkey -in FILE -out NEW"
    }
}
