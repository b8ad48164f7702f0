import MartletCrypto
import XMPPStanzas
import XMPPXML

/// One connection's XML stream, from its first byte to its last (RFC 6120 §4 to §6, XEP-0220): bytes in, actions out.
///
/// It knows nothing of sockets, clocks or threads: the connection's handler calls it with facts and performs the actions
/// it appends. Two machines make it up: ``XMLStream`` (framing, headers, TLS, closing; the same for every stream) and a
/// ``Negotiation`` (what the two ends say to each other until stanzas may flow; one for each ``StreamRole``).
///
/// Owned by the connection's event loop; it lives as long as the connection.
public struct StreamEngine {
    private var stream: XMLStream
    private var negotiation: any Negotiation
    /// How many elements may still be taken from an authenticated peer. What lies behind them waits unparsed: however much one read
    /// brings, nobody is handed more than a few stanzas of one connection at a time.
    private var allowance = Int.max
    /// Elements may be there that were not taken, for want of an allowance.
    public private(set) var isWithholding = false

    /// The engine of a new connection with `address`.
    public init(_ role: StreamRole, address: RemoteAddress, environment: StreamEnvironment) {
        stream = XMLStream(role, address: address, environment: environment)
        negotiation =
            switch role {
            case .clientReceiving: ClientNegotiation()
            case .serverReceiving: PeerNegotiation()
            case .componentReceiving: ComponentNegotiation()
            case .link(let pair, let requiresCertificate): LinkNegotiation(pair, requiresCertificate: requiresCertificate)
            case .verification(let pair, let key, let streamID, let requiresCertificate):
                VerificationNegotiation(pair, key: key, streamID: streamID, requiresCertificate: requiresCertificate)
            }
    }

    /// Whether the stream carries stanzas: a client was admitted, a pair of domains is proven.
    public var isAuthenticated: Bool { stream.isAuthenticated }

    /// Whether the other end's header is awaited: its first, or the one behind TLS or a login.
    public var awaitsHeader: Bool { stream.awaitsHeader }

    /// Bytes received and not yet understood: an incomplete stanza, or what came while an answer of the site is awaited.
    public var unreadByteCount: Int { stream.unreadByteCount }

    // MARK: Facts

    /// The connection exists; called once, first. `directTLS`: TLS begins at once (XEP-0368).
    public mutating func connected(directTLS: Bool, into actions: inout [StreamAction]) {
        stream.begin(&actions)
        defer { finish(&actions) }
        if stream.connected(directTLS: directTLS, serverName: negotiation.serverName) {
            negotiation.streamMayBegin(&stream)
        }
    }

    /// Plaintext arrived.
    public mutating func received(_ bytes: some Sequence<UInt8>, into actions: inout [StreamAction]) {
        stream.begin(&actions)
        defer { finish(&actions) }
        stream.append(bytes)
        pump()
    }

    /// From now on so many elements of an authenticated peer may be taken, until this is said again. What was withheld is
    /// taken with ``takeOn(into:)``.
    public mutating func allow(_ elements: Int) { allowance = elements }

    /// Takes what was withheld, as far as it is allowed now.
    public mutating func takeOn(into actions: inout [StreamAction]) {
        stream.begin(&actions)
        defer { finish(&actions) }
        pump()
    }

    /// The TLS handshake that an action asked for succeeded. A failed one is a closed connection.
    public mutating func tlsEstablished(_ facts: TLSFacts, into actions: inout [StreamAction]) {
        stream.begin(&actions)
        defer { finish(&actions) }
        guard stream.tlsEstablished(facts) else { return }
        negotiation.tlsEstablished(facts, &stream)
        if stream.awaitsHeader { negotiation.streamMayBegin(&stream) }
    }

    /// The site wants something.
    public mutating func perform(_ command: StreamCommand, into actions: inout [StreamAction]) {
        if let action = Self.onlyAction(of: command, whileWriting: writesAtOnce) { return actions.append(action) }
        stream.begin(&actions)
        defer { finish(&actions) }
        switch command {
        case .send(let bytes):
            stream.write(bytes)
        case .mark, .rest:
            break  // For whoever has the socket.
        case .close(let error):
            stream.close(error)
        case .abort:
            stream.reset("given up")
        case .hold:
            stream.isHeld = true
        case .goOn:
            stream.isHeld = false
        case .credentials, .refuseCredentials, .admit, .welcome, .refuse, .registrationHandled, .dialbackVerdict:
            negotiation.answered(command, &stream)
        }
        pump()
    }

    /// Stanzas flow and nothing is awaited: what is to be sent is written as it is.
    public var writesAtOnce: Bool { stream.isAuthenticated && !stream.isPaused && stream.isWritable }

    /// The action of a command that comes to one action and leaves the stream as it is: bytes, while the engine ``writesAtOnce``. Nil
    /// for what ``perform(_:into:)`` has to do. Whoever has the socket asks this first, with every delivery: it costs no list.
    /// Static, since asking an engine that belongs to a class copies the whole engine.
    public static func onlyAction(of command: StreamCommand, whileWriting writesAtOnce: Bool) -> StreamAction? {
        switch command {
        case .send(let bytes): writesAtOnce ? .write(bytes) : nil
        case .mark(let place): .place(place)
        case .close, .abort, .hold, .goOn, .credentials, .refuseCredentials, .admit, .welcome, .refuse,
            .registrationHandled, .dialbackVerdict:
            nil
        // For who reads from the socket.
        case .rest: nil
        }
    }

    /// The answer to ``StreamAction/deriveKeys(_:)``; nil if too much waits.
    public mutating func keysDerived(
        _ keys: SCRAMKeys?, for id: KeyDerivation.ID, into actions: inout [StreamAction]
    ) {
        stream.begin(&actions)
        defer { finish(&actions) }
        negotiation.keysDerived(keys, for: id, &stream)
        pump()
    }

    /// A timer's time has come.
    public mutating func timerFired(_ timer: StreamTimer, into actions: inout [StreamAction]) {
        stream.begin(&actions)
        defer { finish(&actions) }
        stream.timerFired(timer)
    }

    /// The connection is gone; called once, last. `words` say why, for the operator.
    public mutating func connectionClosed(_ words: String, into actions: inout [StreamAction]) {
        stream.begin(&actions)
        defer { finish(&actions) }
        stream.connectionClosed(words)
        if negotiation.reportsClosing { stream.reportClosed() }
    }

    /// Whether what was read is not all understood, since it has to wait: it is taken yet, also when nothing more is read.
    public var keepsUnread: Bool { isWithholding || holdsReads && stream.unreadByteCount > 0 }

    /// Whether nothing more should be read for now: an answer is awaited, and an authenticated peer may say as much as it likes; or the
    /// site is still at what came before.
    public var holdsReads: Bool { stream.isHeld || stream.isPaused && stream.isAuthenticated }

    // MARK: Frames

    private mutating func pump() {
        isWithholding = false
        while true {
            if allowance <= 0, stream.isAuthenticated, !stream.isDeaf, !stream.isHeld {
                isWithholding = stream.unreadByteCount > 0
                return
            }
            guard let frame = stream.nextFrame() else { return }
            switch frame {
            case .streamHeader where stream.isDeaf, .element where stream.isDeaf, .passedOver where stream.isDeaf:
                continue
            case .streamHeader(let header):
                stream.opened(header)
                negotiation.headerReceived(header, &stream)
            case .element(let bytes):
                if stream.isAuthenticated { allowance -= 1 }
                switch stream.read(bytes) {
                case .tape(let tape) where tape.is("error", Namespaces.streams): stream.peerFailed(tape.element())
                case .tape(let tape): negotiation.elementReceived(tape, &stream)
                case .refused(let ends, let failure): negotiation.elementRefused(ends, failure, &stream)
                case .failed: return
                }
            case .passedOver(let ends):
                allowance -= 1
                negotiation.elementRefused(ends, .oversized, &stream)
            case .streamEnd:
                stream.peerEnded()
            }
        }
    }

    private mutating func finish(_ actions: inout [StreamAction]) {
        if let ending = stream.ending { negotiation.streamEnded(ending, &stream) }
        stream.end(&actions)
    }
}
