import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Resource binding (RFC 6120 §7).
extension Sessions {
    /// A stanza on a connection that has logged in and bound nothing: all it may do is bind, or see to its account.
    mutating func receivedUnbound(
        _ stanza: Stanza, account: JID, _ number: AddressNumber, on connection: ConnectionID, _ turn: Turn
    ) {
        let isOurs = stanza.to.map { $0 == account || ($0.isDomain && turn.policy.serves($0.domainpart)) } ?? true
        guard stanza.kind == .iq, isOurs, let type = stanza.iqType else {
            // RFC 6120 §7.1
            turn.perform(.close(StreamError(.notAuthorized)), on: connection)
            return
        }
        guard type.isRequest else { return }
        if type == .set, let bind = stanza.payload("bind", Namespaces.bind) {
            self.bind(bind, stanza, account: account, number, on: connection, turn)
        } else if let query = stanza.payload("query", Namespaces.register) {
            let reply = registration(query, stanza, account: account, number, turn)
            if let row = AccountTable.row(number, in: turn.store) {
                // Its own change of the password.
                connections[connection] = .authenticated(account: account, number: number, generation: row.generation)
            }
            turn.perform(.send(reply.serialized()), on: connection)
        } else if type == .set, stanza.payload("session", Namespaces.session) != nil {
            turn.perform(.send(stanza.result().serialized()), on: connection)
        } else if let reply = stanza.errorReply(StanzaError(.notAllowed)) {
            turn.perform(.send(reply.serialized()), on: connection)
        }
    }

    /// Whether the account is still the one to which a connection has logged in; else the connection is closed. Between login
    /// and binding nothing else would notice another password, or another owner of the name.
    mutating func isCurrent(
        _ number: AddressNumber, _ generation: UInt64, on connection: ConnectionID, _ turn: Turn
    ) -> Bool {
        if AccountTable.row(number, in: turn.store)?.generation == generation { return true }
        connections[connection] = nil
        turn.perform(.close(StreamError(.notAuthorized)), on: connection)
        return false
    }

    private mutating func bind(
        _ bind: Element, _ stanza: Stanza, account: JID, _ number: AddressNumber, on connection: ConnectionID, _ turn: Turn
    ) {
        func refuse(_ error: StanzaError) {
            if let reply = stanza.errorReply(error) { turn.perform(.send(reply.serialized()), on: connection) }
        }
        let wanted = bind.first("resource", Namespaces.bind)?.text ?? ""
        let jid: JID
        if wanted.isEmpty {
            // RFC 6120 §7.6: the server generates what the client leaves open.
            jid = JID(
                preparedLocalpart: account.localpart, preparedDomainpart: account.domainpart,
                preparedResourcepart: turn.random.identifier())
        } else if let prepared = try? account.with(resourcepart: wanted) {
            jid = prepared
        } else {
            return refuse(StanzaError(.badRequest))  // RFC 6120 §7.7.2.1
        }
        if let place = accounts.place(of: account), let older = session(of: jid, at: place) {
            // RFC 6120 §7.7.2.2: the newer session wins, since the older one is most often a dead connection.
            end(older, because: .conflict, turn)
        } else if let place = accounts.place(of: account),
            accounts[place].sessions.count >= turn.policy.resourcesPerAccount
        {
            return refuse(StanzaError(.resourceConstraint, .wait))  // RFC 6120 §7.6.2.1
        }
        let place = accounts.place(of: account) ?? accounts.insert(account, number)
        let id = sessions.insert(Session(jid: jid, account: place, accountNumber: number, connection: connection))
        accounts[place].sessions.append(id)
        connections[connection] = .bound(id)
        let text = Element("jid", Namespaces.bind, text: jid.description)
        turn.perform(
            .send(stanza.result(Element("bind", Namespaces.bind, elements: [text])).serialized()), on: connection)
        turn.note(.sessionBound(jid))
    }
}
