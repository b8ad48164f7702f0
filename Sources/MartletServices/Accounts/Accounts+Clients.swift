// XEP-0494: Client Access Management, version 0.1.0, complete for clients that name themselves as XEP-0388 has it
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The clients that have access to an account: its owner sees them, and takes their access away.
extension Accounts {
    /// For the own account, by one of its sessions.
    public static let clientAccess = ServiceDeclaration(
        "ClientAccess", features: [.init(Namespaces.clientAccess, of: [.account])],
        requests: [
            .init("list", Namespaces.clientAccess, [.get], to: .ownAccount),
            .init("revoke", Namespaces.clientAccess, [.set], to: .ownAccount),
        ])

    /// A client has logged in with the password; with what it is told, if it wanted a token.
    mutating func admitted(
        _ request: LoginRequest, _ account: AccountName, generation: UInt64, _ turn: Turn
    ) -> Admission {
        guard let id = request.agent.id else { return Admission(request, client: nil) }
        let client = ClientKey(agentID: id)
        var admission = Admission(request, client: client)
        let known = ClientTable.row(account.number, client, in: turn.store)
        guard known != nil || turn.admits(.note) else { return admission }
        if known == nil { makeRoom(account.number, turn) }
        var row = known ?? ClientRow(firstSeen: turn.wall.milliseconds)
        see(request.agent, &row, turn)
        row.passwordGeneration = generation
        guard let wanted = request.tokenMechanism, let element = issue(wanted, generation, in: &row, turn) else {
            turn.lazily { ClientTable.put(account.number, client, row, in: turn.store) }
            return admission
        }
        // Binding: a token that was given is good after a crash too.
        ClientTable.put(account.number, client, row, in: turn.store)
        admission.told.append(element)
        return admission
    }

    /// A client is here, and says what it is.
    func see(_ agent: UserAgent, _ row: inout ClientRow, _ turn: Turn) {
        row.lastSeen = turn.wall.milliseconds
        if !agent.software.isEmpty { row.software = agent.software }
        if !agent.device.isEmpty { row.device = agent.device }
    }

    /// Forgets clients that were not here for the longest time, so that one more can be remembered.
    private func makeRoom(_ account: AddressNumber, _ turn: Turn) {
        let clients = ClientTable.clients(of: account, in: turn.store)
        guard clients.count >= AccountLimits.clientsPerAccount else { return }
        let oldest = clients.sorted { ($0.row.lastSeen, $0.key.text) < ($1.row.lastSeen, $1.key.text) }
        for client in oldest.prefix(clients.count - AccountLimits.clientsPerAccount + 1) {
            ClientTable.remove(account, client.key, in: turn.store)
        }
    }

    /// Forgets the clients of an account that is gone.
    func forgetClients(of account: AddressNumber, _ turn: Turn) {
        for client in ClientTable.clients(of: account, in: turn.store) {
            ClientTable.remove(account, client.key, in: turn.store)
        }
    }

    /// Lists the clients of an account (XEP-0494 §2.1), or takes the access of one away (§2.2). `connected` have a session.
    public func answerClientAccess(_ request: Request, connected: [ClientKey], _ turn: Turn) -> Answer {
        guard let account = request.account, let row = AccountTable.row(account.number, in: turn.store) else {
            return .error(StanzaError(.serviceUnavailable))
        }
        let clients = ClientTable.clients(of: account.number, in: turn.store)
        if request.type == .get {
            let shown = clients.compactMap {
                Self.element($0.key, $0.row, row.generation, isConnected: connected.contains($0.key), turn)
            }
            return .result(Element("clients", Namespaces.clientAccess, elements: shown))
        }
        guard let id = request.payload["id"] else { return .error(StanzaError(.badRequest)) }
        guard let key = ClientKey(id), let client = clients.first(where: { $0.key == key }) else {
            return .error(StanzaError(.itemNotFound))
        }
        if client.row.passwordGeneration == row.generation {
            // It knows the password, and would come again.
            return .error(
                StanzaError(.serviceUnavailable, text: "This client knows the password: change it to shut the client out"),
                Element("password-reset-required", Namespaces.clientAccess))
        }
        ClientTable.remove(account.number, key, in: turn.store)
        turn.note(.accountChanged(account.jid, what: "access of a client revoked"))
        turn.notify(.clientRevoked(account, key))
        return .result()
    }

    /// A client that has access; nil for one that has had it.
    private static func element(
        _ key: ClientKey, _ row: ClientRow, _ generation: UInt64, isConnected: Bool, _ turn: Turn
    ) -> Element? {
        let hasPassword = row.passwordGeneration == generation
        let hasToken = [row.current, row.fresh].contains { token in
            token.map { $0.generation == generation && turn.wall.milliseconds < $0.expiry } ?? false
        }
        guard hasPassword || hasToken || isConnected else { return nil }
        func element(_ name: String, _ elements: [Element] = []) -> Element {
            Element(name, Namespaces.clientAccess, elements: elements)
        }
        func text(_ name: String, _ text: String) -> Element { Element(name, Namespaces.clientAccess, text: text) }
        var methods: [Element] = []
        if hasPassword { methods.append(element("password")) }
        if hasToken { methods.append(element("fast")) }
        var agent: [Element] = []
        if !row.software.isEmpty { agent.append(text("software", row.software)) }
        if !row.device.isEmpty { agent.append(text("device", row.device)) }
        var client = element(
            "client",
            [
                text("first-seen", WallTime(milliseconds: row.firstSeen).description),
                text("last-seen", WallTime(milliseconds: row.lastSeen).description), element("auth", methods),
                Element("permission", Namespaces.clientAccess, [("status", "unrestricted")]), element("user-agent", agent),
            ])
        client["connected"] = String(isConnected)
        client["id"] = key.text
        client["type"] = "session"
        return client
    }
}
