import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The site's own answers under the bare names of its domains. Each protocol is a pure function in a file of its own.
public struct Services {
    /// Requests that wait for an answer from federation, within one turn.
    private var questions: [QueueQuestion] = []

    /// Services without state.
    public init() {}

    /// Requests about waiting messages since the last call.
    public mutating func takeQueueQuestions() -> [QueueQuestion] {
        defer { questions.removeAll() }
        return questions
    }

    /// What federation has said to such a request: what became of the entries to cancel, and what waits.
    public func answer(_ question: QueueQuestion, _ cancelled: [Cancellation], _ entries: OwnEntries, _ turn: Turn) {
        turn.route(QueueCommand.answer(question, cancelled, entries))
    }

    /// A stanza to one of our domains, or to a resource of it.
    public mutating func deliver(_ stanza: Stanza, from origin: Origin, _ turn: Turn) {
        switch stanza.kind {
        case .iq: deliverIQ(stanza, from: origin, turn)
        case .message: turn.bounce(stanza, StanzaError(.serviceUnavailable))
        // Nobody lives here who could be seen or subscribed to (RFC 6121 §8.5.1).
        case .presence: break
        }
    }

    private mutating func deliverIQ(_ stanza: Stanza, from origin: Origin, _ turn: Turn) {
        guard let type = stanza.iqType else { return turn.bounce(stanza, StanzaError(.badRequest)) }
        // Answers to what we never asked end here.
        guard type.isRequest else { return }
        let payloads = stanza.payloads
        guard payloads.count == 1 else { return turn.bounce(stanza, StanzaError(.badRequest)) }  // RFC 6120 §8.2.3
        guard stanza.to?.isFull != true else { return turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
        let isOwn = if case .session = origin { true } else { false }
        if payloads[0].is("command", Namespaces.commands), type == .set {
            switch QueueCommand.received(payloads[0], stanza, isOwn: isOwn, turn) {
            case .question(let question): questions.append(question)
            case .reply(let reply): turn.route(reply)
            }
            return
        }
        switch answer(payloads[0], type, stanza, isOwn: isOwn, turn) {
        case .success(let payload): turn.route(stanza.result(payload))
        case .failure(let error): turn.bounce(stanza, error)
        }
    }

    private func answer(
        _ payload: Element, _ type: IQType, _ stanza: Stanza, isOwn: Bool, _ turn: Turn
    ) -> Result<Element?, StanzaError> {
        switch (payload.name, payload.namespace, type) {
        case ("query", Namespaces.discoInfo, .get): Disco.info(payload, turn)
        case ("query", Namespaces.discoItems, .get): Disco.items(payload, of: stanza.to, isOwn: isOwn, turn)
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
