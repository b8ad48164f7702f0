import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is the same for every stream: framing, headers, TLS and restarts, the order of closing (RFC 6120 §4).
///
/// `XMLStream+Restarting.swift` has TLS, restarts and timers, `XMLStream+Closing.swift` the end; what they share is not
/// private for that reason only.
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
    /// `jabber:client`, `jabber:server` or `jabber:component:accept`.
    let contentNamespace: String
    /// Whom limits are counted for.
    let address: RemoteAddress
    var phase = Phase.connecting
    /// What TLS said; nil without TLS.
    var tls: TLSFacts?
    /// Stanzas may flow.
    var isAuthenticated = false
    /// The stream's identifier, which the receiving entity gives (RFC 6120 §4.7.3).
    var id = ""
    /// How the stream came to its end; nil while it has not.
    var ending: StreamEnding?

    /// An answer of the site is awaited: the peer's next element has to wait for it too.
    var isPaused = false
    /// The site is still at what came before; what is written meanwhile does not wait.
    var isHeld = false
    var framer: StanzaFramer
    /// How many of the framer's next elements libxml2 has accepted already, and whether it has accepted the one that came last.
    private var validAhead = 0
    private var isLastValid = false
    private var context = NamespaceContext()
    var isHeaderWritten = false
    private var bytesReceived = 0
    var generation: UInt32 = 0
    var output: [UInt8] = []
    private var actions: [StreamAction] = []

    init(_ role: StreamRole, address: RemoteAddress, environment: StreamEnvironment) {
        self.environment = environment
        self.address = address
        isInitiating = role.isInitiating
        contentNamespace =
            switch role {
            case .clientReceiving: Namespaces.client
            case .componentReceiving: Namespaces.component
            case .serverReceiving, .link, .verification: Namespaces.server
            }
        framer = StanzaFramer(limits: environment.configuration.limitsBeforeAuthentication)
    }

    var configuration: StreamConfiguration { environment.configuration }
    var unreadByteCount: Int { framer.unreadByteCount }
    var isClientStream: Bool { contentNamespace == Namespaces.client }

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

    mutating func act(_ action: StreamAction) {
        flush()
        actions.append(action)
    }

    /// Has keys derived.
    mutating func derive(_ derivation: KeyDerivation) { act(.deriveKeys(derivation)) }

    /// Writes, unless our last word was said.
    mutating func write(_ bytes: [UInt8]) {
        guard isWritable else { return }
        // The common case: what the site sends goes out in the array in which it came.
        if output.isEmpty { output = bytes } else { output += bytes }
    }

    /// Writes text that is XML already.
    mutating func write(_ text: String) {
        guard isWritable else { return }
        output += text.utf8
    }

    /// Whether our header is written and our last word is not.
    var isWritable: Bool {
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
    mutating func writeHeader(from: JID?, to: JID?, isOld: Bool = false) {
        guard !isHeaderWritten else { return }
        switch phase {
        case .awaitingHeader, .open: break
        default: return
        }
        isHeaderWritten = true
        output.append(literal: "<?xml version='1.0'?><stream:stream xmlns='")
        output.append(utf8: contentNamespace)
        output.append(literal: "' xmlns:stream='")
        output.append(utf8: Namespaces.streams)
        if contentNamespace == Namespaces.server {
            output.append(literal: "' xmlns:db='")
            output.append(utf8: Namespaces.dialback)
        }
        output.append(literal: "'")
        if let from { XMLWriter.attribute("from", from.description, to: &output) }
        if let to { XMLWriter.attribute("to", to.description, to: &output) }
        if !isInitiating {
            id = environment.random.identifier()
            XMLWriter.attribute("id", id, to: &output)
        }
        // RFC 6120 §4.7.5: none where the other end has none.
        output.append(literal: isOld ? ">" : " version='1.0' xml:lang='en'>")
    }

    /// The peer's header came.
    mutating func opened(_ header: StreamHeader) {
        validAhead = 0
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
        guard !isPaused, !isHeld else { return nil }
        switch phase {
        case .awaitingHeader, .open, .closing: break
        case .connecting, .handshaking, .peerEnded, .closed: return nil
        }
        do {
            let frame = try framer.next()
            isLastValid = validAhead > 0
            if isLastValid { validAhead -= 1 }
            return frame
        } catch {
            fail(error)
            return nil
        }
    }

    /// What the peer says does not matter any more, except that it closes the stream.
    var isDeaf: Bool { phase == .closing(isDeaf: true) }

    /// What a complete element is.
    enum Received {
        case tape(ElementTape)
        /// It is refused alone.
        case refused(ElementEnds, XMLFailure)
        /// The stream ends over it.
        case failed
    }

    /// Reads a complete element.
    mutating func read(_ bytes: [UInt8]) -> Received {
        let tape: ElementTape
        do {
            tape = try ElementTape(parsing: bytes, context: context, limits: framer.limits)
        } catch {
            if framer.limits.passedOverBytes > 0, error.leavesEndsCertain { return .refused(ElementEnds(of: bytes), error) }
            fail(error)
            return .failed
        }
        // Stanza smuggling lives in what two parsers read differently: nothing passes that libxml2 refuses.
        guard isValid(bytes) else {
            fail(.notWellFormed)
            return .failed
        }
        return .tape(tape)
    }

    /// What is left of an element that is refused, as a tape; nil if it does not say whose it is.
    func tape(of ends: ElementEnds) -> ElementTape? {
        guard let bytes = ends.abridged else { return nil }
        var limits = framer.limits
        limits.bearsUnusualNames = true
        limits.stanzaBytes = max(limits.stanzaBytes, bytes.count)
        // Compared each with each, but there are two tags.
        limits.attributes = max(limits.attributes, 1_000)
        guard let tape = try? ElementTape(parsing: bytes, context: context, limits: limits),
            environment.validator.validate(bytes, context: context)
        else { return nil }
        return tape
    }

    /// To libxml2 a document costs as much as two short stanzas in it: what came together is shown to it together. Where it
    /// refuses that, it sees each stanza by itself, so that those before the bad one are handled as if they had come alone.
    private mutating func isValid(_ bytes: [UInt8]) -> Bool {
        if isLastValid { return true }
        if isAuthenticated, framer.unreadByteCount > 0 {
            // Nothing but the size bounds what libxml2 sees before the tape has counted attributes, each of which it compares with each.
            let run = framer.lookAhead(count: 16, size: 8_192)
            if !run.ends.isEmpty, environment.validator.validate(bytes, followedBy: run.bytes, endingAt: run.ends) {
                validAhead = run.ends.count
                return true
            }
        }
        return environment.validator.validate(bytes, context: context)
    }

    /// The peer's next element waits until ``resume()``.
    mutating func pause() { isPaused = true }

    /// The answer came.
    mutating func resume() { isPaused = false }
}
