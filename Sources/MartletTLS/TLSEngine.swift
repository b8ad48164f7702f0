import MartletPrimitives
import COpenSSL

/// How far a TLS connection has come.
public enum TLSState: Sendable, Equatable {
    /// Nothing can be exchanged yet.
    case handshaking
    /// Data flows.
    case established
    /// The other side has sent close_notify: no data will follow (RFC 8446 §6.1).
    case closed
}

/// What the end of a connection's bytes means.
public enum TLSEnding: Sendable, Equatable {
    /// The other side has said that it was done.
    case closed
    /// The bytes ended without close_notify: the connection broke or somebody cut it.
    case truncated
    /// The bytes ended before the handshake did.
    case handshakeUnfinished
}

/// One TLS connection over memory: ciphertext comes in as arguments, ciphertext goes out through `takeOutput`, no sockets.
///
/// Belongs to one connection and is used on that connection's event loop only. After *every* call that may produce output
/// (the initializers, `receive`, `send`, `shutdown`; also when they throw, for the alert) the caller carries the output away;
/// what is sent before one `takeOutput` shares its records, so that many stanzas cost little more than one. An idle engine owns
/// no buffers.
public final class TLSEngine {
    /// Borrowed by the extensions; freed with the engine.
    let tls: OpaquePointer
    let context: TLSContext
    /// How far the connection has come.
    public private(set) var state = TLSState.handshaking
    /// The error that ended the connection; every further call throws it again.
    public private(set) var failure: TLSError?
    /// When certificates are checked, in seconds since 1970; nil: the time of the machine.
    public var verificationTime: Int64?
    /// Made on first use: see `peerCertificate`.
    var judgedCertificate: PeerCertificate?
    private var isShutDown = false
    private var isReceiving = false
    /// Plaintext that waits for the handshake or for the next `withOutput`.
    private var waiting: [UInt8] = []
    /// The most plaintext a record holds (RFC 8446 §5.1).
    private static let recordLimit = 16_384

    /// The server's end of an accepted connection.
    public init(accepting context: TLSContext, verificationTime: Int64? = nil) throws(TLSError) {
        require(context.isServer, "a client's context cannot accept connections")
        guard let tls = martlet_tls_new(context.context, 1, nil, nil, 0) else { throw TLSError.queued(.library) }
        self.tls = tls
        self.context = context
        self.verificationTime = verificationTime
    }

    /// The client's end of an opened connection; its first bytes are ready for `takeOutput` at once.
    ///
    /// `serverName` (SNI, RFC 6066 §3) is the domain wanted, as an ASCII name without trailing dot; an empty name or an IP
    /// address is not sent. `alpn` are the application protocols offered.
    public init(
        connecting context: TLSContext, serverName: String, alpn: [String] = [], verificationTime: Int64? = nil
    ) throws(TLSError) {
        require(!context.isServer, "a server's context cannot open connections")
        let protocols = try ALPN.wireForm(alpn)
        let name = Self.isAddressLiteral(serverName) ? nil : serverName
        guard let tls = martlet_tls_new(context.context, 0, name, protocols, protocols.count) else {
            throw TLSError.queued(.library, "no connection to “\(serverName)” can be prepared: ")
        }
        self.tls = tls
        self.context = context
        self.verificationTime = verificationTime
        _ = try advanceHandshake()
    }

    deinit {
        martlet_tls_free(tls)
    }

    /// Takes ciphertext and hands out the plaintext in it, in blocks that are valid only inside `deliver`.
    ///
    /// All of `ciphertext` is consumed. `deliver` may send, but not receive. Plaintext that came before a damaged record has
    /// been delivered when this throws.
    public func receive(
        _ ciphertext: UnsafeRawBufferPointer, deliver: (UnsafeRawBufferPointer) -> Void
    ) throws(TLSError) -> TLSState {
        if let failure { throw failure }
        guard state != .closed else { return .closed }
        require(!isReceiving, "receive was called by its own deliver")
        isReceiving = true
        martlet_tls_begin_input(tls, ciphertext.baseAddress, ciphertext.count)
        defer {
            martlet_tls_end_input(tls)
            isReceiving = false
        }
        if state == .handshaking {
            guard try advanceHandshake() else { return state }
        }
        try readAll(expecting: ciphertext.count, deliver: deliver)
        return state
    }

    /// Takes ciphertext and appends the plaintext in it.
    public func receive(_ ciphertext: UnsafeRawBufferPointer, plaintext: inout [UInt8]) throws(TLSError) -> TLSState {
        try receive(ciphertext) { plaintext.append(contentsOf: $0) }
    }

    /// Takes ciphertext and appends the plaintext in it.
    public func receive(_ ciphertext: [UInt8], plaintext: inout [UInt8]) throws(TLSError) -> TLSState {
        // The closure cannot throw a typed error through `withUnsafeBytes`, so that the result carries it.
        let result = ciphertext.withUnsafeBytes { bytes in
            Result { () throws(TLSError) in try receive(bytes, plaintext: &plaintext) }
        }
        return try result.get()
    }

    /// The transport has ended: what that means.
    public func receivedEnd() -> TLSEnding {
        switch state {
        case .handshaking: .handshakeUnfinished
        case .established: .truncated
        case .closed: .closed
        }
    }

    /// Takes plaintext to be encrypted; before the handshake has ended it waits for that.
    ///
    /// The caller bounds what it sends before the handshake has ended (`waitingBytes`).
    public func send(_ plaintext: UnsafeRawBufferPointer) throws(TLSError) {
        if let failure { throw failure }
        guard !isShutDown else { throw TLSError(.closed, "the connection has been shut down") }
        if state != .handshaking, waiting.isEmpty, plaintext.count >= Self.recordLimit {
            encrypt(plaintext)
        } else {
            waiting.append(contentsOf: plaintext)
            if waiting.count >= Self.recordLimit { encryptWaiting() }
        }
        if let failure { throw failure }
    }

    /// Takes plaintext to be encrypted; before the handshake has ended it waits for that.
    public func send(_ plaintext: [UInt8]) throws(TLSError) {
        let result = plaintext.withUnsafeBytes { bytes in Result { () throws(TLSError) in try send(bytes) } }
        try result.get()
    }

    /// Takes plaintext to be encrypted, and nothing follows before ``withOutput(_:)``: it need not wait for more.
    public func sendLast(_ plaintext: [UInt8]) throws(TLSError) {
        guard state != .handshaking, waiting.isEmpty, failure == nil, !isShutDown else { return try send(plaintext) }
        plaintext.withUnsafeBytes { if !$0.isEmpty { encrypt($0) } }
        if let failure { throw failure }
    }

    /// How many bytes wait for the handshake to end or for the next `withOutput`.
    public var waitingBytes: Int { waiting.count }

    /// Says to the other side that nothing will follow (close_notify), as soon as the handshake has ended.
    ///
    /// What was sent goes out before it; only what still waits for the handshake is dropped.
    public func shutdown() {
        guard failure == nil, !isShutDown else { return }
        encryptWaiting()
        isShutDown = true
        waiting = []
        martlet_tls_shutdown(tls)
    }

    /// Whether ciphertext is to be sent.
    public var hasOutput: Bool {
        (state != .handshaking && !waiting.isEmpty) || martlet_tls_has_output(tls) == 1
    }

    /// Hands out the ciphertext to be sent, valid only inside `body`, and forgets it. Nothing is called when there is none.
    public func withOutput(_ body: (UnsafeRawBufferPointer) -> Void) {
        encryptWaiting()
        let output = martlet_tls_take_output(tls)
        guard let bytes = output.bytes else { return }
        body(UnsafeRawBufferPointer(start: bytes, count: output.length))
        martlet_tls_free_output(output)
    }

    /// Appends the ciphertext to be sent to `buffer`.
    public func takeOutput(into buffer: inout [UInt8]) {
        withOutput { buffer.append(contentsOf: $0) }
    }

    /// The ciphertext to be sent.
    public func takeOutput() -> [UInt8] {
        var result: [UInt8] = []
        takeOutput(into: &result)
        return result
    }

    /// True when the handshake has ended with this call.
    private func advanceHandshake() throws(TLSError) -> Bool {
        switch Int(martlet_tls_handshake(tls)) {
        case MARTLET_TLS_DONE:
            state = .established
            if isShutDown { martlet_tls_shutdown(tls) }
            return true
        case MARTLET_TLS_WANTS_INPUT:
            return false
        case MARTLET_TLS_CLOSED:
            state = .closed
            return false
        default:
            throw fail(.handshake)
        }
    }

    private func encryptWaiting() {
        guard state != .handshaking, failure == nil, !waiting.isEmpty else { return }
        let plaintext = waiting
        waiting = []
        plaintext.withUnsafeBytes { encrypt($0) }
    }

    /// Over memory only the lack of it can make this fail; `failure` then says so, from the next call on.
    private func encrypt(_ plaintext: UnsafeRawBufferPointer) {
        guard Int(martlet_tls_write(tls, plaintext.baseAddress, plaintext.count)) != MARTLET_TLS_DONE else { return }
        _ = fail(.record)
    }

    private func readAll(expecting count: Int, deliver: (UnsafeRawBufferPointer) -> Void) throws(TLSError) {
        // Small input is read on the stack, larger in a block that lives for this call.
        let capacity = min(Self.recordLimit, max(1_024, count))
        let outcome = withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 16) { scratch in
            var outcome = MARTLET_TLS_DONE
            while outcome == MARTLET_TLS_DONE {
                var length = 0
                outcome = Int(martlet_tls_read(tls, scratch.baseAddress, capacity, &length))
                if length > 0 { deliver(UnsafeRawBufferPointer(rebasing: scratch[..<length])) }
                // The usual end, known without another attempt.
                if outcome == MARTLET_TLS_DONE, martlet_tls_has_unread(tls) == 0 { return MARTLET_TLS_WANTS_INPUT }
            }
            return outcome
        }
        if outcome == MARTLET_TLS_CLOSED { state = .closed }
        if outcome == MARTLET_TLS_FAILED { throw fail(.record) }
    }

    /// RFC 6066 §3: IPv4 and IPv6 addresses (and nothing) are not sent as a server name.
    private static func isAddressLiteral(_ name: String) -> Bool {
        name.utf8.contains(UInt8(ascii: ":")) || !name.utf8.contains { $0 > UInt8(ascii: "9") }
    }

    private func fail(_ kind: TLSError.Kind) -> TLSError {
        let error = TLSError.queued(kind)
        failure = error
        waiting = []
        return error
    }
}
