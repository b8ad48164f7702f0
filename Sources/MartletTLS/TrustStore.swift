import COpenSSL

/// The authorities whose certificates are believed.
public final class TrustStore: @unchecked Sendable {
    // SAFETY: filled in the initializers and only read afterwards; OpenSSL locks its own cache of looked-up certificates.
    let store: OpaquePointer

    /// The system's authorities (unless `system` is false) and the certificates of additional PEM text, which are trusted
    /// as they stand, be they roots, intermediates or a peer's own certificate.
    public init(system: Bool = true, additionalPEM: [UInt8] = []) throws(TLSError) {
        guard let store = martlet_store_new() else { throw TLSError.queued(.library) }
        self.store = store
        if system, martlet_store_add_system(store) != 1 {
            throw TLSError(.library, "the authorities of the system cannot be read")
        }
        guard !additionalPEM.isEmpty else { return }
        guard let chain = martlet_chain_parse(additionalPEM, additionalPEM.count) else {
            throw TLSError.queued(.certificate, "the trusted certificates are unusable: ")
        }
        defer { martlet_chain_free(chain) }
        for index in 0..<martlet_chain_count(chain)
        where martlet_store_add(store, martlet_chain_at(chain, index)) != 1 {
            throw TLSError.queued(.certificate, "trusted certificate \(index + 1) is unusable: ")
        }
    }

    /// The system's authorities (unless `system` is false) and those of an additional PEM file.
    public convenience init(system: Bool = true, additionalFile: String) throws(TLSError) {
        let bytes = try PEMFile.read(additionalFile)
        do {
            try self.init(system: system, additionalPEM: bytes)
        } catch {
            throw TLSError(error.kind, "\(additionalFile): \(error.words)")
        }
    }

    deinit {
        martlet_store_free(store)
    }
}
