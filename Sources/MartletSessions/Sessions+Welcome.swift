// XEP-0386: Bind 2, version 1.1.0, complete but for offline messages, which are still sent: not every one is in an archive
import MartletBus
import MartletCrypto
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Clients that want more in one step with their login (XEP-0388): a session resumed, or a resource bound and what is to be on for it.
extension Sessions {
    /// A client proved itself, and is told so with what comes of its wishes; `metadata` describes its archive at this moment.
    public mutating func welcome(
        _ admission: Admission, _ account: AccountName, generation: UInt64, metadata: Element? = nil,
        on connection: ConnectionID, _ turn: Turn
    ) {
        connections[connection] = .authenticated(account, generation: generation)
        var told = admission.told
        // XEP-0386 §3.2: a resumed session is bound already.
        if let wanted = admission.request.resumption {
            let failed = resume(
                wanted, account: account.jid, account.number, within: admission, on: connection, turn)
            guard let failed else { return }
            told.insert(failed, at: 0)
        }
        if let wanted = admission.request.resource {
            return welcomeOld(wanted, account, on: connection, turn)
        }
        guard let binding = admission.request.binding else {
            let welcome = Welcome(account.jid, told, additionalData: admission.additionalData)
            return turn.perform(.welcome(welcome), on: connection)
        }
        let resource = Self.resource(for: binding, admission.request.agent, account, turn)
        guard case .success(let id) = bind(resource, account.jid, account.number, on: connection, turn) else {
            connections[connection] = nil
            return turn.perform(.refuse(.temporaryAuthFailure), on: connection)
        }
        if let client = admission.client { replaceOthers(client, by: id, turn) }
        var bound = Element("bound", Namespaces.bind2)
        if let metadata { bound.append(metadata) }
        for feature in binding.features { if let answer = begin(feature, id, turn) { bound.append(answer) } }
        told.insert(bound, at: 0)
        let jid = sessions[id].jid
        turn.perform(.welcome(Welcome(jid, told, additionalData: admission.additionalData)), on: connection)
        turn.note(.sessionBound(jid))
        if sessions[id].management != nil { managementBegan(id, on: connection, turn) }
    }

    /// A client from before XMPP 1.0 (XEP-0078), which has named its resource with its login.
    private mutating func welcomeOld(
        _ resource: String, _ account: AccountName, on connection: ConnectionID, _ turn: Turn
    ) {
        guard case .success(let id) = bind(resource, account.jid, account.number, on: connection, turn) else {
            connections[connection] = nil
            return turn.perform(.refuse(.temporaryAuthFailure), on: connection)
        }
        turn.perform(.welcome(Welcome(sessions[id].jid)), on: connection)
        turn.note(.sessionBound(sessions[id].jid))
    }

    /// Turns on what a client wants for its session; nil where that needs no answer, and for what is not known.
    private mutating func begin(_ feature: Element, _ id: SessionID, _ turn: Turn) -> Element? {
        guard let known = InlineFeature(rawValue: feature.namespace) else { return nil }
        switch (known, feature.name) {
        case (.streamManagement, "enable") where sessions[id].management == nil:
            return beginManagement(feature, id, turn)
        case (.carbons, "enable"): setCarbons(true, for: id, turn)
        case (.clientState, "inactive"): sessions[id].isInactive = true
        default: break
        }
        return nil
    }

    /// XEP-0386 §3.2: a client that comes anew has given up the session that it had.
    private mutating func replaceOthers(_ client: ClientKey, by id: SessionID, _ turn: Turn) {
        let place = sessions[id].account
        for other in online[place].sessions where other != id && sessions[other].client == client {
            end(other, because: .conflict, turn)
        }
        sessions[id].client = client
    }

    /// XEP-0386 §3.2.1: the client's tag, and what is the same whenever that client comes; something new where it does not say who it is.
    private static func resource(
        for binding: BindingRequest, _ agent: UserAgent, _ account: AccountName, _ turn: Turn
    ) -> String {
        var own = turn.random.identifier()
        if let id = agent.id, let secret = MetaTable.bytes(.secret, in: turn.store) {
            let name = "resource:\(account.number.value):\(id):\(binding.tag)"
            own = Hex.encode(HMAC.authenticate(.sha256, key: secret, name.utf8).prefix(8))
        }
        return binding.tag.isEmpty ? own : binding.tag + "/" + own
    }

    /// The clients of an account that have a session.
    public func connectedClients(of account: JID) -> [ClientKey] {
        guard let place = online.place(of: account) else { return [] }
        return online[place].sessions.compactMap { sessions[$0].client }
    }

    /// The owner of an account has taken away a client's access.
    public mutating func clientRevoked(_ account: JID, _ client: ClientKey, _ turn: Turn) {
        guard let place = online.place(of: account) else { return }
        for id in online[place].sessions where sessions[id].client == client {
            end(id, because: .streamError(StreamError(.notAuthorized)), turn)
        }
    }
}
