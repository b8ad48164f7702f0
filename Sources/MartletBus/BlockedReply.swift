import XMPPStanzas
import XMPPXML

extension Stanza {
    /// What somebody gets who sends this to an address that he has blocked himself (XEP-0191 §3.3); nil where it is not to be answered.
    public var blockedReply: Stanza? {
        let error = StanzaError(.notAcceptable, .cancel, text: "You have blocked this address")
        guard let reply = errorReply(error) else { return nil }
        var element = error.element()
        element.append(Element("blocked", Namespaces.blockingErrors))
        return Stanza(reply.kind, from: reply.from, to: reply.to, id: reply.id, type: reply.type, payloads: [element])
    }
}
