import COpenSSL

/// Why TLS could not be set up or could not go on, with words for the operator.
public struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was being done.
    public enum Kind: Sendable, Equatable {
        /// A file could not be read.
        case file
        /// A certificate or a chain of certificates is unusable.
        case certificate
        /// A private key is unusable or belongs to another certificate.
        case key
        /// The handshake failed; the connection is over.
        case handshake
        /// A record after the handshake was wrong; the connection is over.
        case record
        /// The connection has been shut down from this side.
        case closed
        /// OpenSSL could not be set up.
        case library
    }

    /// What was being done.
    public let kind: Kind
    /// The cause in words, lower case, without a full stop.
    public let words: String

    /// An error with its cause in words.
    public init(_ kind: Kind, _ words: String) {
        self.kind = kind
        self.words = words
    }

    /// The words alone.
    public var description: String { words }

    /// The oldest error that OpenSSL has queued on this thread, with the queue cleared.
    static func queued(_ kind: Kind, _ prefix: String = "") -> TLSError {
        TLSError(kind, prefix + textFromC(capacity: 256) { martlet_take_error($0, $1) })
    }
}

/// The terminated text that a C function writes into a buffer.
func textFromC(capacity: Int, _ fill: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
        guard let base = buffer.baseAddress else { return "" }
        base.initialize(repeating: 0, count: capacity)
        fill(base, capacity)
        return String(cString: base)
    }
}
