import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A stream that we opened to ask the authoritative server of a domain whether a dialback key is genuine
/// (XEP-0220 §2.1.2). It ends in `verified`, once, and is closed.
struct VerificationNegotiation: Negotiation {
    private enum State {
        case awaitingFeatures
        case awaitingProceed
        case awaitingAnswer
        case answered
    }

    private let pair: DomainPair
    private let key: String
    private let streamID: String
    private let requiresCertificate: Bool
    private var state = State.awaitingFeatures

    init(_ pair: DomainPair, key: String, streamID: String, requiresCertificate: Bool) {
        self.pair = pair
        self.key = key
        self.streamID = streamID
        self.requiresCertificate = requiresCertificate
    }

    var serverName: String? { pair.peer.serverName }
    var reportsClosing: Bool { false }

    mutating func streamMayBegin(_ stream: inout XMLStream) {
        stream.writeHeader(from: pair.local, to: pair.peer)
    }

    mutating func tlsEstablished(_ facts: TLSFacts, _ stream: inout XMLStream) {
        state = .awaitingFeatures
        if requiresCertificate, let objection = facts.objection(to: pair.peer.domainpart) {
            stream.giveUp(.refused("\(pair.peer) \(objection)"))
        }
    }

    mutating func headerReceived(_ header: StreamHeader, _ stream: inout XMLStream) {
        if let error = header.objection(contentNamespace: stream.contentNamespace) { return stream.fail(error) }
        guard let major = header.majorVersion else { return stream.fail(StreamError(.unsupportedVersion)) }
        if major == 0 { featuresReceived(ReceivedFeatures(), &stream) }
    }

    mutating func elementReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        switch tape.namespace() {
        case Namespaces.streams where tape.name() == "features":
            featuresReceived(ReceivedFeatures(tape.element()), &stream)
        case Namespaces.tls:
            guard case .awaitingProceed = state, tape.is("proceed", Namespaces.tls), stream.isQuiet() else {
                return stream.giveUp(.unreachable("\(pair.peer) cannot do the TLS that it offers"))
            }
            stream.startTLS(serverName: serverName)
        case Namespaces.dialback:
            answerReceived(tape, &stream)
        default:
            stream.fail(StreamError(.unsupportedStanzaType))
        }
    }

    private mutating func featuresReceived(_ features: ReceivedFeatures, _ stream: inout XMLStream) {
        guard case .awaitingFeatures = state else { return }
        if stream.tls == nil, stream.configuration.tls != .unavailable {
            if features.startTLS {
                state = .awaitingProceed
                return stream.write("<starttls xmlns='\(Namespaces.tls)'/>")
            }
            if stream.configuration.tls == .required || requiresCertificate {
                return stream.giveUp(.refused("\(pair.peer) offers no TLS"))
            }
        }
        if requiresCertificate, stream.tls == nil { return stream.giveUp(.refused("\(pair.peer) shows no certificate")) }
        state = .awaitingAnswer
        stream.write(DialbackElement(.verify, from: pair.local, to: pair.peer, id: streamID, key: key).serialized)
    }

    private mutating func answerReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        // XEP-0220 §3.1: addresses and identifier say which question is answered.
        guard case .awaitingAnswer = state, let answer = DialbackElement(tape), answer.kind == .verify,
            answer.type != nil, answer.from == pair.peer, answer.to == pair.local, answer.id == streamID
        else { return }
        state = .answered
        let verdict =
            switch answer.verdict(of: pair.peer.description) {
            case .valid: DialbackVerdict.valid
            case .invalid: DialbackVerdict.invalid
            // XEP-0220 §2.5: whatever goes wrong at this step, the initiating server hears this.
            case .error(_, let words): DialbackVerdict.error(.remoteServerNotFound, words: words)
            }
        stream.act(.attempt(.verified(verdict)))
        stream.finish("the verification is over")
    }

    mutating func streamEnded(_ ending: StreamEnding, _ stream: inout XMLStream) {
        if case .answered = state { return }
        state = .answered
        stream.act(.attempt(.verified(.error(.remoteServerNotFound, words: ending.words))))
    }
}
