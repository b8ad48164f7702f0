import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A stream that another server opened (RFC 6120 §9.2): it proves itself by certificate (SASL EXTERNAL) or by dialback,
/// pair by pair, and then sends us stanzas. Nothing but answers goes back (XEP-0220 §2.3), unless it asked for it (XEP-0288).
struct PeerNegotiation: Negotiation {
    /// Our domain as the peer's header names it; nil where an old server names none.
    var local: JID?
    /// The peer's domain as its header names it.
    var peer: JID?
    /// What SASL EXTERNAL proved, from `<success/>` until the new stream's header.
    private var external: ExternalExchange?
    private var isExternalOffered = false
    private var isChallenged = false
    private var hasUsedExternal = false
    private var failedAttempts = 0
    private var isBidiOffered = false
    /// What may go back on the stream.
    private var bidirection = Bidirection.none
    /// The most bytes of a stanza that the peer takes back, as far as it has said so (XEP-0478 §3.2).
    private var announcedBytes: Int?
    /// Pairs that were proven, and dialback keys that are being verified.
    var pairs = DialbackPairs()

    // MARK: Headers

    mutating func headerReceived(_ header: StreamHeader, _ stream: inout XMLStream) {
        let objection = header.objection(contentNamespace: stream.contentNamespace)
        let asked = StreamHeader.domain(header.to)
        let local = asked.flatMap { stream.configuration.serves($0) ? $0 : nil }
        let peer = StreamHeader.domain(header.from)
        // RFC 6120 §4.9.1.2: our header first, whatever is wrong.
        stream.writeHeader(from: local ?? stream.configuration.domains[0], to: peer)
        if let objection { return stream.fail(objection) }
        // A server before RFC 3920 names neither itself nor us; dialback names both for each pair.
        guard local != nil || header.to == nil else { return stream.fail(StreamError(.hostUnknown)) }
        guard peer != nil || header.from == nil else { return stream.fail(StreamError(.invalidFrom)) }
        guard let major = header.majorVersion else { return stream.fail(StreamError(.unsupportedVersion)) }
        self.local = local
        self.peer = peer
        if let external, !restarted(external, &stream) { return }
        // RFC 6120 §4.7.5: a server before XMPP 1.0 knows no features.
        if major >= 1 { stream.write(features(stream).serialized) }
        if let external, let local { prove(DomainPair(local: local, peer: external.domain), .certificate, &stream) }
        external = nil
    }

    /// The header of the stream after EXTERNAL: the same server must speak, and say to whom.
    private func restarted(_ external: ExternalExchange, _ stream: inout XMLStream) -> Bool {
        guard peer == external.domain || peer == nil else {
            stream.fail(StreamError(.invalidFrom))
            return false
        }
        guard local != nil else {
            stream.fail(StreamError(.hostUnknown))
            return false
        }
        return true
    }

    private mutating func features(_ stream: XMLStream) -> OfferedFeatures {
        let configuration = stream.configuration
        var features = OfferedFeatures()
        if stream.tls == nil, configuration.tls != .unavailable {
            features.offerSTARTTLS(isRequired: configuration.tls == .required)
            if configuration.tls == .required { return features }
        }
        isExternalOffered = canUseExternal(stream)
        if isExternalOffered { features.offerMechanisms(["EXTERNAL"]) }
        if configuration.allowsDialback { features.offerDialback() }
        // Beside dialback, which has no stream of its own afterwards; used only once a pair is proven.
        features.offer("sm", Namespaces.streamManagement)
        features.offer("relay", Namespaces.relay)
        features.offerLimits(configuration.limits)
        if configuration.offersBidi, pairs.proven.isEmpty, external == nil {
            isBidiOffered = true
            features.offer("bidi", Namespaces.bidiFeature)
        }
        return features
    }

    /// RFC 6120 §6.3.4, XEP-0178 §3: only where it is known to succeed.
    private func canUseExternal(_ stream: XMLStream) -> Bool {
        guard !hasUsedExternal, local != nil, let peer else { return false }
        return stream.tls?.objection(to: peer.domainpart) == nil && stream.tls != nil
    }

    /// XEP-0288 §2.1: what was asked for in clear, where anybody can ask, is asked for again.
    mutating func tlsEstablished(_ facts: TLSFacts, _ stream: inout XMLStream) {
        isBidiOffered = false
        bidirection = .none
        announcedBytes = nil
    }

    func needsTLS(_ stream: XMLStream) -> Bool { stream.tls == nil && stream.configuration.tls == .required }

    // MARK: Elements

    mutating func elementReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        switch tape.namespace() {
        case stream.contentNamespace:
            stanzaReceived(tape, &stream)
        case Namespaces.dialback:
            dialbackReceived(tape, &stream)
        case Namespaces.tls:
            STARTTLS.received(tape, &stream)
        case Namespaces.sasl:
            saslReceived(tape, &stream)
        case Namespaces.bidi:
            bidiReceived(tape, &stream)
        case Namespaces.streamManagement, Namespaces.relay:
            guard !pairs.proven.isEmpty else { return stream.fail(StreamError(.notAuthorized)) }
            stream.act(.peer(.nonza(tape.element())))
        default:
            stream.fail(StreamError(.unsupportedStanzaType))
        }
    }

    mutating func elementRefused(_ ends: ElementEnds, _ failure: XMLFailure, _ stream: inout XMLStream) {
        stream.peerElementRefused(ends, failure, from: .server(pairs.proven))
    }

    private func stanzaReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        // RFC 6120 §4.9.3.12.
        guard !pairs.proven.isEmpty else { return stream.fail(StreamError(.notAuthorized)) }
        stream.peerStanzaReceived(tape, from: .server(pairs.proven))
    }

    /// XEP-0288 §2.2: the peer asks for its own stream to carry our stanzas too. Too late is what comes once a pair is proven
    /// or is being proven: it changes nothing, and nothing goes back.
    private mutating func bidiReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        guard isBidiOffered, let wanted = Bidirection(tape) else {
            return stream.fail(StreamError(.unsupportedStanzaType))
        }
        guard pairs.proven.isEmpty, pairs.pending.isEmpty, external == nil, bidirection == .none else { return }
        bidirection = wanted
        announcedBytes = StreamLimits.announced(in: tape.element())
    }

    // MARK: SASL EXTERNAL

    private mutating func saslReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        do throws(SASLFailure) {
            try take(try SASLElement(tape), &stream)
        } catch {
            isChallenged = false
            failedAttempts += 1
            stream.write(SASLElement.failure(error))
            if failedAttempts >= stream.configuration.authenticationAttempts {
                stream.fail(StreamError(.policyViolation), "too many failed SASL exchanges")
            }
        }
    }

    private mutating func take(_ element: SASLElement, _ stream: inout XMLStream) throws(SASLFailure) {
        switch element {
        case .abort:
            throw .aborted
        case .auth(let mechanism, let response):
            if needsTLS(stream) { throw .encryptionRequired }
            guard mechanism == "EXTERNAL", isExternalOffered else { throw .invalidMechanism }
            guard let response else {
                // RFC 4422 §3: without an initial response the identity comes in answer to an empty challenge.
                isChallenged = true
                return stream.write(SASLElement.challenge([]))
            }
            try authenticate(authzid: response, &stream)
        case .response(let data):
            guard isChallenged else { throw .malformedRequest }
            try authenticate(authzid: data, &stream)
        }
    }

    private mutating func authenticate(authzid: [UInt8], _ stream: inout XMLStream) throws(SASLFailure) {
        guard let peer, canUseExternal(stream) else { throw .notAuthorized }
        let exchange = ExternalExchange(domain: peer)
        try exchange.check(authzid: authzid)
        external = exchange
        hasUsedExternal = true
        isExternalOffered = false
        isChallenged = false
        stream.write(SASLElement.success(nil))
        stream.restart()
    }

    /// The only place where a pair becomes proven.
    mutating func prove(_ pair: DomainPair, _ proof: PeerProof, _ stream: inout XMLStream) {
        pairs.prove(pair)
        stream.authenticated()
        stream.act(.peer(.peerVerified(pair, proof, bidirection, announcedBytes: announcedBytes)))
    }
}
