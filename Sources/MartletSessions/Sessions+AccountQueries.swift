import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// IQ requests that the site answers on behalf of an account (RFC 6121 §8.5.2.1.3).
extension Sessions {
    /// A request of a client to its own account. Returns the answer.
    mutating func answer(ownRequest stanza: Stanza, by id: SessionID, _ turn: Turn) -> Stanza? {
        let payloads = stanza.payloads
        guard payloads.count == 1 else {
            return stanza.errorReply(StanzaError(.badRequest))  // RFC 6120 §8.2.3
        }
        let payload = payloads[0]
        switch (payload.name, payload.namespace) {
        case ("query", Namespaces.roster): return roster(payload, stanza, by: id, turn)
        case ("session", Namespaces.session) where stanza.iqType == .set: return stanza.result()
        case ("bind", Namespaces.bind): return stanza.errorReply(StanzaError(.notAllowed))
        case ("query", Namespaces.register):
            return registration(payload, stanza, account: sessions[id].jid.bare, sessions[id].accountNumber, turn)
        default: return generalAnswer(payload, stanza, turn)
        }
    }

    /// A request of somebody else to the bare JID of an account. Only who may see the account's presence learns that it
    /// exists (XEP-0030 §8); for everybody else it is as if there were none.
    mutating func answer(request stanza: Stanza, _ number: AddressNumber, _ turn: Turn) {
        guard stanza.iqType?.isRequest == true, let from = stanza.from, let to = stanza.to else { return }
        let payloads = stanza.payloads
        if payloads.count == 1, payloads[0].is("query", Namespaces.roster) {
            return turn.bounce(stanza, StanzaError(.forbidden))  // RFC 6121 §2.3.3
        }
        guard payloads.count == 1, from.hasSameBare(as: to) || isSubscribed(from, to: number, turn),
            let reply = generalAnswer(payloads[0], stanza, turn)
        else { return turn.bounce(stanza, StanzaError(.serviceUnavailable)) }
        turn.route(reply)
    }

    private func generalAnswer(_ payload: Element, _ stanza: Stanza, _ turn: Turn) -> Stanza? {
        switch (payload.name, payload.namespace, stanza.iqType) {
        case ("ping", Namespaces.ping, .get):
            return stanza.result()
        case ("query", Namespaces.discoInfo, .get):
            guard let info = DiscoFeatures.info(payload, of: .account, policy: turn.policy) else {
                return stanza.errorReply(StanzaError(.itemNotFound))
            }
            return stanza.result(info)
        case ("query", Namespaces.discoItems, .get):
            return stanza.result(Element("query", Namespaces.discoItems))
        default:
            return stanza.errorReply(StanzaError(.serviceUnavailable))
        }
    }

    /// The ping by which a client proves what it has read; it comes from the server.
    func fencePing(for id: SessionID, _ turn: Turn) -> Stanza {
        let jid = sessions[id].jid
        return Stanza(
            .iq, from: jid.domain, to: jid, id: turn.random.identifier(), type: "get",
            payloads: [Element("ping", Namespaces.ping)])
    }
}
