import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The site's own answers under the bare names of its domains. Each protocol is a pure function in a file of its own.
public struct Services {
    /// Services without state.
    public init() {}

    /// A stanza to one of our domains, or to a resource of it.
    public mutating func deliver(_ stanza: Stanza, from origin: Origin, _ turn: Turn) {
        switch stanza.kind {
        case .iq: deliverIQ(stanza, turn)
        case .message: turn.bounce(stanza, StanzaError(.serviceUnavailable))
        // Nobody lives here who could be seen or subscribed to (RFC 6121 §8.5.1).
        case .presence: break
        }
    }

    private func deliverIQ(_ stanza: Stanza, _ turn: Turn) {
        guard let type = stanza.iqType else { return turn.bounce(stanza, StanzaError(.badRequest)) }
        // Answers to what we never asked end here.
        guard type.isRequest else { return }
        let payloads = stanza.payloads
        guard payloads.count == 1 else { return turn.bounce(stanza, StanzaError(.badRequest)) }  // RFC 6120 §8.2.3
        guard stanza.to?.isFull != true else { return turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
        switch answer(payloads[0], type, stanza, turn) {
        case .success(let payload): turn.route(stanza.result(payload))
        case .failure(let error): turn.bounce(stanza, error)
        }
    }

    private func answer(_ payload: Element, _ type: IQType, _ stanza: Stanza, _ turn: Turn) -> Result<Element?, StanzaError> {
        switch (payload.name, payload.namespace, type) {
        case ("query", Namespaces.discoInfo, .get): Disco.info(payload, turn)
        case ("query", Namespaces.discoItems, .get): Disco.items(payload, turn)
        case ("ping", Namespaces.ping, .get): Ping.answer
        case ("query", Namespaces.version, .get): SoftwareVersion.answer(turn)
        case ("time", Namespaces.time, .get): EntityTime.answer(turn)
        case ("session", Namespaces.session, .set): Session.answer
        default: .failure(StanzaError(.serviceUnavailable))
        }
    }
}

/// RFC 3921's session establishment, a no-op that some clients address to the server (RFC 6121 appendix E).
enum Session {
    static var answer: Result<Element?, StanzaError> { .success(nil) }
}
