import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Notifications, and what services answer.
extension Push {
    /// A message has come for an account, of whose resources these are connected. Told are the registrations of others.
    public mutating func arrived(_ stanza: Stanza, at account: JID, connected: [String], _ turn: Turn) {
        guard let own = accounts[account], stanza.messageType != .error, stanza.messageType != .headline, !stanza.canWait else {
            return
        }
        for index in own.registrations.indices where !connected.contains(own.registrations[index].row.resource) {
            accounts[account]?.registrations[index].count += 1
            publish(index, of: account, turn)
        }
    }

    /// A session has lost its connection before it has acknowledged so many messages.
    public mutating func detached(_ session: JID, unread: Int, _ turn: Turn) {
        guard let own = accounts[session.bare] else { return }
        for index in own.registrations.indices where own.registrations[index].row.resource == session.resourcepart {
            accounts[session.bare]?.registrations[index].count += unread
            publish(index, of: session.bare, turn)
        }
    }

    /// §7: tells a service how many messages there are, unless it is being told.
    private mutating func publish(_ index: Int, of account: JID, _ turn: Turn) {
        guard let registration = accounts[account]?.registrations[index], registration.count > 0 else { return }
        if let request = registration.request, turn.now - request.at < Self.patience { return }
        let id = turn.random.identifier()
        accounts[account]?.registrations[index].request = (id, turn.now)
        accounts[account]?.registrations[index].count = 0
        var form = DataForm(.submit)
        form.fields = [
            DataForm.Field("FORM_TYPE", values: ["urn:xmpp:push:summary"]),
            DataForm.Field("message-count", values: [String(registration.count)]),
        ]
        let notification = Element("notification", Namespaces.push, elements: [form.element])
        var publish = Element(
            "publish", Namespaces.nodes,
            elements: [
                Element("item", Namespaces.nodes, elements: [notification])
            ])
        if !registration.row.node.isEmpty { publish["node"] = registration.row.node }
        var request = Element("pubsub", Namespaces.nodes, elements: [publish])
        if let options = ContentReader.elements(in: registration.row.options).first {
            request.append(Element("publish-options", Namespaces.nodes, elements: [options]))
        }
        turn.route(
            Stanza(.iq, from: account, to: registration.service, id: id, type: "set", payloads: [request]), from: .service)
    }

    /// An answer has come for an account. An error that does not pass ends the registration, and so do many in a row (§7).
    public mutating func answered(_ stanza: Stanza, at account: JID, connected: [String], _ turn: Turn) {
        guard let own = accounts[account], let id = stanza.id,
            let index = own.registrations.firstIndex(where: { $0.request?.id == id && $0.service == stanza.from })
        else { return }
        accounts[account]?.registrations[index].request = nil
        if stanza.isError {
            accounts[account]?.registrations[index].failures += 1
            let failures = own.registrations[index].failures + 1
            if Self.isFinal(stanza) || failures >= Self.failures {
                let number = own.registrations[index].number
                return remove(of: AccountName(account, own.number), turn) { $0.number == number }
            }
        } else {
            accounts[account]?.registrations[index].failures = 0
        }
        // What came meanwhile; unless its reader has come himself.
        if connected.contains(own.registrations[index].row.resource) {
            accounts[account]?.registrations[index].count = 0
        } else if !stanza.isError {
            publish(index, of: account, turn)
        }
    }

    /// Whether an error says that nobody is interested there any more.
    private static func isFinal(_ stanza: Stanza) -> Bool {
        let conditions =
            stanza.payload("error", Namespaces.client)?.elements.filter { $0.namespace == Namespaces.stanzaErrors } ?? []
        let final: Set<String> = [
            "bad-request", "forbidden", "gone", "item-not-found", "not-allowed", "not-authorized", "registration-required",
            "feature-not-implemented",
        ]
        return conditions.contains { final.contains($0.name) }
    }
}
