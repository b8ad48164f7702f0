import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is the same for every stream: framing, headers, TLS and restarts, the order of closing (RFC 6120 §4).
///
/// It appends to the actions of the input being handled (`begin`, `end`); bytes written one after the other become one
/// write.
struct XMLStream {
    /// How far the XML document has come. Restarts go back to `awaitingHeader`.
    enum Phase: Equatable {
        /// Nothing was done yet.
        case connecting
        /// TLS shakes hands; no byte of ours or theirs passes.
        case handshaking
        /// The peer's header is awaited.
        case awaitingHeader
        /// Both headers were exchanged, or the peer's was and ours is being written.
        case open
        /// The peer said its last word; ours is awaited from the site.
        case peerEnded
        /// We said our last word; the peer's is awaited. `isDeaf`: what it still says does not matter.
        case closing(isDeaf: Bool)
        /// Over.
        case closed
    }

    let environment: StreamEnvironment
    let isInitiating: Bool
    /// `jabber:client` or `jabber:server`.
    let contentNamespace: String
    /// Whom limits are counted for.
    let address: RemoteAddress
    private(set) var phase = Phase.connecting
    /// What TLS said; nil without TLS.
    private(set) var tls: TLSFacts?
    /// Stanzas may flow.
    private(set) var isAuthenticated = false
    /// The stream's identifier, which the receiving entity gives (RFC 6120 §4.7.3).
    var id = ""
    /// Why the stream is over; nil while it is not.
    private(set) var failure: DialFailure?

    /// An answer of the site is awaited: the peer's next element has to wait for it too.
    private var isPaused = false
    private var framer: StanzaFramer
    private var context = NamespaceContext()
    private var isHeaderWritten = false
    private var bytesReceived = 0
    private var generation: UInt32 = 0
    private var output: [UInt8] = []
    private var actions: [StreamAction] = []

    init(_ role: StreamRole, address: RemoteAddress, environment: StreamEnvironment) {
        self.environment = environment
        self.address = address
        isInitiating = role.isInitiating
        contentNamespace = if case .clientReceiving = role { Namespaces.client } else { Namespaces.server }
        framer = StanzaFramer(limits: environment.configuration.limitsBeforeAuthentication)
    }

    var configuration: StreamConfiguration { environment.configuration }
    var unreadByteCount: Int { framer.unreadByteCount }
    var isClientStream: Bool { contentNamespace == Namespaces.client }

    /// Why it is over, in words for the operator.
    var lastWords: String {
        switch failure {
        case .unreachable(let words), .refused(let words): words
        case .noSuchDomain: "no such domain"
        case .serviceNotOffered: "service not offered"
        case nil: "closed"
        }
    }

    // MARK: Actions

    /// Collects actions behind those in `actions`, until ``end(_:)``.
    mutating func begin(_ actions: inout [StreamAction]) { swap(&self.actions, &actions) }

    /// Gives the actions back.
    mutating func end(_ actions: inout [StreamAction]) {
        flush()
        swap(&self.actions, &actions)
    }

    private mutating func flush() {
        guard !output.isEmpty else { return }
        actions.append(.write(output))
        output = []
    }

    private mutating func act(_ action: StreamAction) {
        flush()
        actions.append(action)
    }

    /// Tells the site.
    mutating func report(_ event: StreamEvent) { act(.event(event)) }

    /// Has keys derived.
    mutating func derive(_ derivation: KeyDerivation) { act(.deriveKeys(derivation)) }

    /// Writes, unless our last word was said.
    mutating func write(_ bytes: some Sequence<UInt8>) {
        guard isWritable else { return }
        output += bytes
    }

    /// Writes text that is XML already.
    mutating func write(_ text: String) { write(text.utf8) }

    private var isWritable: Bool {
        switch phase {
        case .open, .peerEnded: isHeaderWritten
        case .awaitingHeader: isInitiating && isHeaderWritten
        case .connecting, .handshaking, .closing, .closed: false
        }
    }

    // MARK: Beginning

    /// Returns whether the stream may begin now.
    mutating func connected(directTLS: Bool, serverName: String?) -> Bool {
        generation &+= 1
        setTimer(.negotiation, configuration.negotiationTimeout)
        if directTLS {
            phase = .handshaking
            act(.startTLS(asServer: !isInitiating, serverName: serverName))
            return false
        }
        phase = .awaitingHeader
        return true
    }

    var awaitsHeader: Bool { if case .awaitingHeader = phase { true } else { false } }

    /// Writes our header (RFC 6120 §4.7); an identifier is made for it if we are the receiving entity.
    mutating func writeHeader(from: JID?, to: JID?) {
        guard !isHeaderWritten else { return }
        switch phase {
        case .awaitingHeader, .open: break
        default: return
        }
        isHeaderWritten = true
        output += "<?xml version='1.0'?><stream:stream xmlns='\(contentNamespace)' xmlns:stream='\(Namespaces.streams)'".utf8
        if !isClientStream { output += " xmlns:db='\(Namespaces.dialback)'".utf8 }
        if let from { XMLWriter.attribute("from", from.description, to: &output) }
        if let to { XMLWriter.attribute("to", to.description, to: &output) }
        if !isInitiating {
            id = environment.random.identifier()
            XMLWriter.attribute("id", id, to: &output)
        }
        output += " version='1.0' xml:lang='en'>".utf8
    }

    /// The peer's header came.
    mutating func opened(_ header: StreamHeader) {
        phase = .open
        context = header.context
    }

    // MARK: Receiving

    mutating func append(_ bytes: some Sequence<UInt8>) {
        switch phase {
        case .awaitingHeader, .open, .closing: break
        case .connecting, .handshaking, .peerEnded, .closed: return
        }
        let before = framer.unreadByteCount
        framer.append(bytes)
        guard !isAuthenticated else { return }
        // What is said before authentication is bounded, and so is what can pile up while an answer is awaited.
        bytesReceived += framer.unreadByteCount - before
        if bytesReceived > configuration.bytesBeforeAuthentication {
            fail(StreamError(.policyViolation), "too many bytes before authentication")
        }
    }

    mutating func nextFrame() -> StanzaFramer.Frame? {
        guard !isPaused else { return nil }
        switch phase {
        case .awaitingHeader, .open, .closing: break
        case .connecting, .handshaking, .peerEnded, .closed: return nil
        }
        do {
            return try framer.next()
        } catch {
            fail(error)
            return nil
        }
    }

    /// What the peer says does not matter any more, except that it closes the stream.
    var isDeaf: Bool { phase == .closing(isDeaf: true) }

    /// The tape of a complete element; nil if the stream ends over it.
    mutating func tape(of bytes: [UInt8]) -> ElementTape? {
        let tape: ElementTape
        do {
            tape = try ElementTape(parsing: bytes, context: context, limits: framer.limits)
        } catch {
            fail(error)
            return nil
        }
        // Stanza smuggling lives in what two parsers read differently: nothing passes that libxml2 refuses.
        guard environment.validator.validate(bytes, context: context) else {
            fail(.notWellFormed)
            return nil
        }
        return tape
    }

    /// The peer's next element waits until ``resume()``.
    mutating func pause() { isPaused = true }

    /// The answer came.
    mutating func resume() { isPaused = false }

    // MARK: TLS and restarts

    /// Whether nothing but white space came behind the last element: what is sent in clear behind `<starttls/>` would
    /// otherwise be read as if it had been protected.
    mutating func isQuiet() -> Bool {
        do {
            return try framer.next() == nil && framer.unreadByteCount == 0
        } catch {
            return false
        }
    }

    /// Hands the connection over to TLS (RFC 6120 §5.4.3).
    mutating func startTLS(serverName: String?) {
        act(.startTLS(asServer: !isInitiating, serverName: serverName))
        phase = .handshaking
        framer.reset()
        isHeaderWritten = false
    }

    /// Returns whether it was awaited.
    mutating func tlsEstablished(_ facts: TLSFacts) -> Bool {
        guard case .handshaking = phase else { return false }
        tls = facts
        phase = .awaitingHeader
        return true
    }

    /// Stanzas may flow from now on: the limits are those of an authenticated stream, and nobody is in a hurry.
    mutating func authenticated() {
        guard !isAuthenticated else { return }
        isAuthenticated = true
        framer.limits = configuration.limits
        generation &+= 1
    }

    /// A new stream follows on the same connection after SASL (RFC 6120 §6.4.6).
    mutating func restart() {
        phase = .awaitingHeader
        framer.reset(keepingUnreadBytes: true)
        isHeaderWritten = false
    }

    // MARK: Timers

    mutating func setTimer(_ purpose: StreamTimer.Purpose, _ milliseconds: Int64) {
        act(.setTimer(StreamTimer(purpose: purpose, generation: generation), afterMilliseconds: milliseconds))
    }

    mutating func timerFired(_ timer: StreamTimer) {
        guard timer.generation == generation else { return }
        switch timer.purpose {
        case .negotiation:
            fail(StreamError(.connectionTimeout), "the stream was not negotiated in time")
        case .closing:
            closingTimerFired()
        }
    }
}

extension XMLStream {
    // MARK: Closing (RFC 6120 §4.4, §4.9)

    /// The site's wish: says the error if there is one, our last word, and awaits the peer's.
    mutating func close(_ error: StreamError?) {
        switch phase {
        case .closed, .closing:
            return
        case .connecting, .handshaking:
            return end(.unreachable("closed by us"))
        case .peerEnded:
            writeEnd(error)
            end(.unreachable("closed by the peer"))
        case .awaitingHeader, .open:
            writeEnd(error)
            phase = .closing(isDeaf: error != nil || !isAuthenticated)
            isPaused = false
            lastWord(error.map { "closed by us: \($0.condition.rawValue)" } ?? "closed by us")
            generation &+= 1
            setTimer(.closing, configuration.closingTimeout)
        }
    }

    /// The peer's fault: says so and closes without waiting. `failure` is what an attempt of ours came to.
    mutating func fail(_ error: StreamError, _ words: String? = nil, as failure: DialFailure? = nil) {
        switch phase {
        case .closed: return
        case .closing, .connecting, .handshaking: break
        case .awaitingHeader, .open, .peerEnded: writeEnd(error)
        }
        let cause = words ?? error.text ?? error.condition.rawValue
        end(failure ?? .unreachable(cause))
    }

    /// Bytes that are refused.
    mutating func fail(_ failure: XMLFailure) {
        fail(StreamError(StreamError.Condition(rawValue: failure.streamErrorCondition) ?? .notWellFormed))
    }

    /// An attempt of ours came to nothing: closes in good order, without waiting.
    mutating func giveUp(_ failure: DialFailure) {
        switch phase {
        case .awaitingHeader, .open, .peerEnded: if isHeaderWritten { writeEnd(nil) }
        case .connecting, .handshaking, .closing, .closed: break
        }
        end(failure)
    }

    /// The peer sent a stream error: unrecoverable, its last word follows (RFC 6120 §4.9.1.1).
    mutating func peerFailed(_ error: Element) {
        let condition = error.elements.first { $0.namespace == Namespaces.streamErrors && $0.name != "text" }
        let name = condition?.name ?? "undefined-condition"
        var words = "the peer reports \(name)"
        if let text = error.first("text", Namespaces.streamErrors)?.text, !text.isEmpty { words += ": \(text)" }
        if case .closing = phase {} else { writeEnd(nil) }
        end(StreamError.Condition(rawValue: name).map(\.isRefusal) == true ? .refused(words) : .unreachable(words))
    }

    /// The peer said its last word.
    mutating func peerEnded() {
        switch phase {
        case .open where isAuthenticated:
            // RFC 6120 §4.4: what is still to be said is said before the answer. The site has the word; it hears this
            // after everything that came before.
            phase = .peerEnded
            lastWord("closed by the peer")
            report(.streamEnded)
            generation &+= 1
            setTimer(.closing, configuration.closingTimeout)
        case .closing(isDeaf: false):
            report(.streamEnded)
            end(.unreachable("closed by us"))
        case .closing(isDeaf: true):
            end(.unreachable("closed by us"))
        default:
            writeEnd(nil)
            end(.unreachable("the peer closed the stream during negotiation"))
        }
    }

    private mutating func closingTimerFired() {
        switch phase {
        case .peerEnded: close(nil)
        case .closing: end(.unreachable("closed by us"))
        default: break
        }
    }

    /// The connection is gone.
    mutating func connectionClosed(_ words: String) {
        lastWord(words)
        phase = .closed
        generation &+= 1
    }

    private mutating func writeEnd(_ error: StreamError?) {
        if !isHeaderWritten {
            // RFC 6120 §4.9.1.2: an error before our header still comes inside a stream.
            guard !isInitiating else { return }
            writeHeader(from: configuration.domains[0], to: nil)
        }
        if let error { output += error.serialized }
        output += "</stream:stream>".utf8
    }

    private mutating func end(_ failure: DialFailure) {
        lastWord(failure)
        guard phase != .closed else { return }
        phase = .closed
        generation &+= 1
        act(.close)
    }

    private mutating func lastWord(_ words: String) { lastWord(.unreachable(words)) }

    private mutating func lastWord(_ failure: DialFailure) {
        if self.failure == nil { self.failure = failure }
    }
}

extension StreamError.Condition {
    /// The peer does not want us, now or in an hour; everything else may pass.
    fileprivate var isRefusal: Bool {
        switch self {
        case .hostUnknown, .hostGone, .notAuthorized, .policyViolation, .invalidFrom, .improperAddressing, .invalidNamespace,
            .unsupportedVersion:
            true
        default: false
        }
    }
}
