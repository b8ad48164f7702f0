import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Resource binding (RFC 6120 §7).
extension Sessions {
    /// A second resource is not bound on one stream (RFC 6120 §7.1): whoever asks for it is told.
    public static let binding = ServiceDeclaration(
        "ResourceBinding", requests: [.init("bind", Namespaces.bind, [.set], to: .ownAccount)])

    /// A stanza on a connection that has logged in and bound nothing: all it may do is bind, or see to its account.
    mutating func receivedUnbound(
        _ stanza: Stanza, _ account: AccountName, on connection: ConnectionID, _ turn: Turn
    ) {
        let isOurs = stanza.to.map { $0 == account.jid || ($0.isDomain && turn.policy.houses($0.domainpart)) } ?? true
        guard stanza.kind == .iq, isOurs, let type = stanza.iqType else {
            // RFC 6120 §7.1
            turn.perform(.close(StreamError(.notAuthorized)), on: connection)
            return
        }
        if type == .set, let bind = stanza.payload("bind", Namespaces.bind) {
            self.bind(bind, stanza, account: account.jid, account.number, on: connection, turn)
        } else if type.isRequest {
            turn.admit(stanza, from: .login(connection, account))
        }
    }

    /// An account has another password: who has not bound a resource yet logged in with the old one, but for the connection that has
    /// chosen the new one.
    public mutating func passwordChanged(_ account: AccountName, generation: UInt64, by connection: ConnectionID?) {
        guard let connection, case .authenticated(account, _) = connections[connection] else { return }
        connections[connection] = .authenticated(account, generation: generation)
    }

    /// A client proved itself: it may bind a resource, or resume a session.
    public mutating func clientAdmitted(_ connection: ConnectionID, _ account: AccountName, generation: UInt64) {
        connections[connection] = .authenticated(account, generation: generation)
    }

    /// A request that had to wait for something comes now.
    public mutating func requestReady(_ stanza: Stanza, on connection: ConnectionID, _ turn: Turn) {
        received(stanza, on: connection, turn)
        endDoomed(turn)
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
        switch self.bind(wanted, account, number, on: connection, turn) {
        case .failure(let error): refuse(error)
        case .success(let id):
            let jid = sessions[id].jid
            let text = Element("jid", Namespaces.bind, text: jid.description)
            turn.perform(
                .send(stanza.result(Element("bind", Namespaces.bind, elements: [text])).serialized()), on: connection)
            turn.note(.sessionBound(jid))
        }
    }

    /// Binds a resource to a connection: the one that is wanted, or any where that is empty.
    mutating func bind(
        _ wanted: String, _ account: JID, _ number: AddressNumber, on connection: ConnectionID, _ turn: Turn
    ) -> Result<SessionID, StanzaError> {
        // RFC 6120 §7.7.2.1: what is no resourcepart is made one, rather than that somebody cannot log in for an emoji in the name of
        // his telephone; §7.6: the server generates what the client leaves open.
        let resource =
            wanted.isEmpty ? nil : (try? Resourcepart.prepare(wanted)) ?? Resourcepart.conforming(wanted)
        let jid = JID(
            preparedLocalpart: account.localpart, preparedDomainpart: account.domainpart,
            preparedResourcepart: resource ?? turn.random.identifier())
        if let place = online.place(of: account), let older = session(of: jid, at: place) {
            // RFC 6120 §7.7.2.2: the newer session wins, since the older one is most often a dead connection.
            end(older, because: .conflict, turn)
        } else if let place = online.place(of: account),
            online[place].sessions.count >= turn.policy.client.resourcesPerAccount
        {
            return .failure(StanzaError(.resourceConstraint, .wait))  // RFC 6120 §7.6.2.1
        }
        // Who comes and goes faster than the contacts can be told waits for that.
        if jobs.count(of: number) >= SessionLimits.jobsPerAccount { return .failure(StanzaError(.resourceConstraint, .wait)) }
        let place = online.place(of: account) ?? online.insert(account, number)
        let id = sessions.insert(Session(jid: jid, account: place, accountNumber: number, connection: connection))
        online[place].sessions.append(id)
        connections[connection] = .bound(id)
        return .success(id)
    }
}
