import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A stream that we opened to send a peer stanzas (RFC 6120 §9.2): TLS, then SASL EXTERNAL if the peer offers it, else
/// dialback. It comes to `ready` or to `failed`, once.
struct LinkNegotiation: Negotiation {
    private enum State {
        /// Header and features of the peer are awaited.
        case awaitingFeatures
        case awaitingProceed
        case awaitingSASL
        /// EXTERNAL succeeded: header and features of the new stream are awaited.
        case awaitingFeaturesAfterSASL
        /// Our key is being verified.
        case awaitingDialback
        case ready
        case failed
    }

    private let pair: DomainPair
    private let requiresCertificate: Bool
    private var state = State.awaitingFeatures
    private var header: StreamHeader?
    private var features = ReceivedFeatures()
    private var isCertificateVerified = false
    /// What we asked for to come back on this stream.
    private var bidirection = Bidirection.none

    init(_ pair: DomainPair, requiresCertificate: Bool) {
        self.pair = pair
        self.requiresCertificate = requiresCertificate
    }

    var serverName: String? { pair.peer.serverName }
    var reportsClosing: Bool { isReady }

    // MARK: Stream and TLS

    mutating func streamMayBegin(_ stream: inout XMLStream) {
        stream.writeHeader(from: pair.local, to: pair.peer)
    }

    mutating func tlsEstablished(_ facts: TLSFacts, _ stream: inout XMLStream) {
        let objection = facts.objection(to: pair.peer.domainpart)
        isCertificateVerified = objection == nil
        state = .awaitingFeatures
        if requiresCertificate, let objection {
            stream.giveUp(.refused("\(pair.peer) \(objection)"))
        }
    }

    mutating func headerReceived(_ header: StreamHeader, _ stream: inout XMLStream) {
        if let error = header.objection(contentNamespace: stream.contentNamespace) { return stream.fail(error) }
        guard let major = header.majorVersion else { return stream.fail(StreamError(.unsupportedVersion)) }
        stream.id = header.id ?? ""
        self.header = header
        // RFC 6120 §4.7.5: before XMPP 1.0 there are no features, and dialback is the only way.
        if major == 0 { featuresReceived(ReceivedFeatures(), &stream) }
    }

    // MARK: Elements

    mutating func elementReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        switch tape.namespace() {
        case Namespaces.streams where tape.name() == "features":
            featuresReceived(ReceivedFeatures(tape.element()), &stream)
        case Namespaces.tls:
            proceedReceived(tape, &stream)
        case Namespaces.sasl:
            saslReceived(tape, &stream)
        case Namespaces.dialback:
            dialbackReceived(tape, &stream)
        case Namespaces.streamManagement, Namespaces.relay:
            if isReady { stream.act(.peer(.nonza(tape.element()))) }
        case stream.contentNamespace where carriesBack:
            stream.peerStanzaReceived(tape, from: .server([pair]))
        case stream.contentNamespace where isReady:
            stream.strayStanzaReceived(tape, pair)
        default:
            // Nothing but answers is expected there, and what else the peer says is not worth the stream that carries our stanzas.
            guard !isReady || carriesBack else { return }
            stream.fail(StreamError(.unsupportedStanzaType), "the peer sends what does not belong on our stream")
        }
    }

    mutating func elementRefused(_ ends: ElementEnds, _ failure: XMLFailure, _ stream: inout XMLStream) {
        guard isReady else { return stream.fail(failure) }
        stream.peerElementRefused(ends, failure, from: .server([pair]))
    }

    private mutating func featuresReceived(_ features: ReceivedFeatures, _ stream: inout XMLStream) {
        switch state {
        case .awaitingFeatures: break
        case .awaitingFeaturesAfterSASL:
            self.features = features
            return ready(.certificate, &stream)
        default: return
        }
        self.features = features
        if stream.tls == nil, stream.configuration.tls != .unavailable {
            if features.startTLS {
                state = .awaitingProceed
                return stream.write("<starttls xmlns='\(Namespaces.tls)'/>")
            }
            if stream.configuration.tls == .required || requiresCertificate {
                return stream.giveUp(.refused("\(pair.peer) offers no TLS"))
            }
        }
        if requiresCertificate, !isCertificateVerified {
            return stream.giveUp(.refused("\(pair.peer) shows no certificate"))
        }
        requestBidi(&stream)
        if features.external, stream.configuration.hasCertificate, stream.tls != nil {
            state = .awaitingSASL
            // XEP-0178 §3: no other identity is wanted than the one in the header, and "=" says so.
            return stream.write("<auth xmlns='\(Namespaces.sasl)' mechanism='EXTERNAL'>=</auth>")
        }
        beginDialback("\(pair.peer) offers neither a certificate login that we can use nor dialback", &stream)
    }

    /// XEP-0288 §2.2: before we prove ourselves, so that it is settled when we have. Foreign servers see what the XEP says.
    private mutating func requestBidi(_ stream: inout XMLStream) {
        guard features.bidi, stream.configuration.offersBidi else { return }
        bidirection = features.relay ? .relay : .stanzas
        stream.write(bidirection.request(stream.configuration.limits))
    }

    private var isReady: Bool { if case .ready = state { true } else { false } }

    /// Whether stanzas of the peer may come on this stream.
    private var carriesBack: Bool { isReady && bidirection != .none }

    private mutating func proceedReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        guard case .awaitingProceed = state else { return stream.fail(StreamError(.unsupportedStanzaType)) }
        guard tape.is("proceed", Namespaces.tls) else {
            return stream.giveUp(.unreachable("\(pair.peer) cannot do the TLS that it offers"))
        }
        // A TLS server never speaks first: what came behind was put there by somebody else.
        guard stream.isQuiet() else {
            return stream.giveUp(.unreachable("data in clear behind <proceed/> from \(pair.peer)"))
        }
        stream.startTLS(serverName: serverName)
    }

    private mutating func saslReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        guard case .awaitingSASL = state else { return stream.fail(StreamError(.unsupportedStanzaType)) }
        switch tape.name() {
        case "success":
            state = .awaitingFeaturesAfterSASL
            stream.restart()
            stream.writeHeader(from: pair.local, to: pair.peer)
        case "challenge":
            // The initial response was not taken: the empty identity once more.
            stream.write("<response xmlns='\(Namespaces.sasl)'/>")
        default:
            let condition = tape.element().elements.first { $0.name != "text" }?.name ?? "failure"
            // COMPAT(Prosody 0.12): closes the stream after a failure; ejabberd goes on to dialback, as XEP-0178 allows.
            beginDialback("\(pair.peer) refuses our certificate: \(condition)", &stream)
        }
    }

    // MARK: Dialback

    private mutating func beginDialback(_ otherwise: String, _ stream: inout XMLStream) {
        // XEP-0220 §2.4: announced as a feature, or by the declaration of its namespace.
        let isOffered = features.dialback || header?.declaresDialback == true
        guard isOffered, stream.configuration.allowsDialback, !stream.id.isEmpty else {
            return stream.giveUp(.refused(otherwise))
        }
        state = .awaitingDialback
        let key = stream.configuration.dialbackSecret.dialbackKey(
            receiving: pair.peer.domainpart, originating: pair.local.domainpart, streamID: stream.id)
        stream.write(DialbackElement(.result, from: pair.local, to: pair.peer, key: key).serialized)
    }

    private mutating func dialbackReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        if carriesBack, let key = DialbackElement(tape), key.kind == .result, key.type == nil {
            // XEP-0288 §2.2 lets the peer ask for more pairs; with an error it opens a stream of its own for them.
            return stream.write(key.answer(.error(.notAllowed, words: "")).serialized)
        }
        // Only the answer to our question counts (XEP-0220 §3.1); what belongs to others, or came late, does not.
        guard case .awaitingDialback = state, let answer = DialbackElement(tape), answer.kind == .result,
            answer.type != nil, answer.from == pair.peer, answer.to == pair.local
        else { return }
        switch answer.verdict(of: pair.peer.description) {
        case .valid: ready(.dialback, &stream)
        case .invalid: stream.giveUp(.refused("\(pair.peer) finds our dialback key invalid"))
        case .error(let condition, let words):
            stream.giveUp(condition.isAboutTheWay ? .unreachable(words) : .refused(words))
        }
    }

    // MARK: Ends

    private mutating func ready(_ proof: PeerProof, _ stream: inout XMLStream) {
        state = .ready
        stream.authenticated()
        let abilities = PeerFeatures(
            relay: features.relay, streamManagement: features.streamManagement, proof: proof,
            peerCertificateVerified: isCertificateVerified, isBidirectional: bidirection != .none,
            announcedBytes: features.announcedBytes)
        stream.act(.attempt(.ready(abilities)))
    }

    mutating func streamEnded(_ ending: StreamEnding, _ stream: inout XMLStream) {
        switch state {
        case .ready, .failed: return
        default:
            state = .failed
            stream.act(.attempt(.failed(ending.failure)))
        }
    }
}

extension StanzaError.Condition {
    /// The peer could not ask our authoritative server: that passes (XEP-0220 §2.5). Everything else is about us.
    fileprivate var isAboutTheWay: Bool {
        switch self {
        case .remoteServerNotFound, .remoteServerTimeout, .resourceConstraint, .internalServerError, .recipientUnavailable,
            .undefinedCondition:
            true
        default: false
        }
    }
}

extension JID {
    /// The domain as TLS wants it in its first message: A-labels, and nothing for an address (RFC 6066 §3).
    var serverName: String? {
        guard let name = try? Domainpart.asciiForm(domainpart) else { return nil }
        let isAddress = name.hasPrefix("[") || name.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
        return isAddress ? nil : name
    }
}
