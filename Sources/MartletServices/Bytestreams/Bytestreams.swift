// XEP-0065: SOCKS5 Bytestreams, version 1.8.2, complete as a proxy over TCP
import MartletBus
import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A proxy for what clients send one another beside XMPP, such as files, where neither reaches the other.
///
/// The site owns one. It tells where the proxy is, and has a stream begun that one of our people asks for; the sockets are elsewhere
/// (``Work/activateBytestream(_:)``). Our people's clients alone have streams begun; the other end may be anybody's whom they told.
public struct Bytestreams {
    /// What waits for its stream to begin. Look-up only: each has an answer, at once.
    private var waiting: [WorkID: Stanza] = [:]
    private var count: UInt64 = 0

    /// Requests that may wait; each takes as long as a look at a table.
    private static let bound = 256
    /// Bytes of the name of a stream: clients make them of 10 to 40.
    private static let nameBytes = 1023

    /// Nobody waits.
    public init() {}

    /// For the proxy's domain.
    public static let declaration = ServiceDeclaration(
        "Bytestreams", features: [.init(Namespaces.bytestreams, of: [.host(.proxy)])],
        requests: [.init("query", Namespaces.bytestreams, [.get, .set], to: .host, at: [.proxy])])

    /// Where the proxy is (§4.3), or that a stream is to begin (§6.3.5).
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard let host = request.host, let from = request.stanza.from else { return .error(StanzaError(.badRequest)) }
        guard request.session != nil else {
            return .error(StanzaError(.forbidden, text: "This proxy is for people who have an account here"))
        }
        if request.type == .get {
            let place = turn.policy.bytestreams
            return .result(
                Element(
                    "query", Namespaces.bytestreams,
                    elements: [
                        Element(
                            "streamhost", Namespaces.bytestreams,
                            [("jid", host.domain.description), ("host", place.host), ("port", "\(place.port)")])
                    ]))
        }
        guard let name = request.payload["sid"], !name.isEmpty, name.utf8.count <= Self.nameBytes,
            let text = request.payload.first("activate", Namespaces.bytestreams)?.text
        else { return .error(StanzaError(.badRequest)) }
        guard let target = try? JID(text) else { return .error(StanzaError(.jidMalformed)) }
        guard waiting.count < Self.bound else { return .error(StanzaError(.resourceConstraint, .wait)) }
        let digest = Digest.hash(.sha1, Array((name + from.description + target.description).utf8))
        count += 1
        let id = WorkID.bytestream(count)
        waiting[id] = request.stanza
        turn.perform(
            .work(id, .activateBytestream(BytestreamActivation(digest: Hex.encode(digest), account: from.bare))))
        return .later
    }

    /// The stream has begun, or why not. True where it was one of these.
    public mutating func workDone(_ id: WorkID, _ result: WorkResult, _ turn: Turn) {
        guard let stanza = waiting.removeValue(forKey: id) else { return }
        let outcome: BytestreamOutcome = if case .bytestream(let outcome) = result { outcome } else { .stopped }
        if let error = Self.error(outcome) {
            turn.bounce(stanza, error)
        } else {
            turn.route(stanza.result(), from: .service)
        }
    }

    /// §6.3.5.
    private static func error(_ outcome: BytestreamOutcome) -> StanzaError? {
        switch outcome {
        case .begun: nil
        case .unknown: StanzaError(.itemNotFound, text: "Nobody is connected for this stream")
        case .oneEnd: StanzaError(.notAllowed, text: "Only one end of this stream is connected")
        case .tooMany: StanzaError(.resourceConstraint, .wait, text: "As many streams of yours run as may")
        case .stopped: StanzaError(.internalServerError, .wait, text: "The proxy is not there at the moment")
        }
    }
}
