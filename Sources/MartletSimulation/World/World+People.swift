import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// People and their clients.
extension World {
    mutating func login(_ client: Int) {
        let site = clients[client].site
        guard sites[site].driver != nil else { return schedule.add(.login(client: client), after: 1000) }
        let connection = sites[site].newConnection(.client(client))
        clients[client].state = .authenticating(connection)
        clientPosts(
            client,
            .credentialsWanted(
                localpart: clients[client].account.localpart ?? "", domain: sites[site].domain, mechanism: .scramSHA256,
                address: RemoteAddress("192.0.2.\(client)")))
    }

    /// The client's own network fails; it comes back after `away`.
    mutating func dropClient(_ client: Int, away: Int64) {
        guard let connection = clients[client].connection else { return }
        count(.clientDrop)
        clients[client].streamLost()
        let site = clients[client].site
        let noticed = pick(3000)
        schedule.add(
            .arrive(
                site: site, incarnation: sites[site].incarnation, event: .client(connection, .closed("network failed"))),
            after: noticed)
        schedule.add(.login(client: client), after: away)
    }

    func person(_ address: JID) -> Int? { addresses.firstIndex { $0.hasSameBare(as: address) } }

    mutating func perform(_ deed: RunPlan.Deed) {
        let isForeign = deed.from >= clients.count || deed.to >= clients.count
        switch deed.kind {
        case .query: ask(deed.from, deed.to)
        case .message, .messageToDevice:
            let number = ledger.send(
                from: deed.from, to: deed.to, at: schedule.now, isToDevice: deed.kind == .messageToDevice,
                isFromForeign: deed.from >= clients.count,
                isForeign: isForeign)
            if deed.to < clients.count, rolledBack.contains(clients[deed.to].site) { ledger.allowLate(number) }
            var to = addresses[deed.to]
            if deed.kind == .messageToDevice, deed.to < clients.count, let device = clients[deed.to].device { to = device }
            let message = Stanza(
                .message, to: to, id: "m\(number)", type: "chat",
                payloads: [Element("body", Namespaces.client, text: String(number))])
            if deed.from >= clients.count { return foreignWrites(message, number, from: deed.from) }
            if mutation == .bounceToDevice { planted.devices[number] = clients[deed.from].device }
            for bytes in clients[deed.from].type(message) { clientSends(deed.from, bytes) }
        }
    }

    private mutating func ask(_ from: Int, _ to: Int) {
        guard from < clients.count, to < clients.count, let device = clients[to].device else { return }
        guard case .online = clients[from].state else { return }
        let number = ledger.ask()
        let query = Stanza(
            .iq, to: device, id: "q\(number)", type: "get", payloads: [Element("ping", Namespaces.ping)])
        for bytes in clients[from].ask(query) { clientSends(from, bytes) }
    }

    mutating func perform(_ command: StreamCommand, on connection: ConnectionID, ofClient client: Int) {
        let site = clients[client].site
        switch command {
        case .send(let bytes):
            audit(bytes, toClient: client)
            schedule.add(.clientReceives(client: client, connection: connection, bytes: bytes), after: Self.officeDelay)
        case .credentials(let credentials):
            let proof = AuthenticatedClient(
                account: clients[client].account, generation: credentials.generation, isSecure: true,
                address: RemoteAddress("192.0.2.\(client)"))
            clientPosts(client, .authenticated(proof))
        case .admit, .welcome:
            for bytes in clients[client].streamOpened(connection) { clientSends(client, bytes) }
        case .close, .abort, .refuseCredentials, .refuse:
            clients[client].streamLost()
            schedule.add(
                .arrive(site: site, incarnation: sites[site].incarnation, event: .client(connection, .closed("closed"))),
                after: 1)
            let pause = 1000 + pick(2000)
            schedule.add(.login(client: client), after: pause)
        case .mark, .rest, .hold, .goOn, .registrationHandled, .dialbackVerdict:
            break
        }
    }

    func event(_ bytes: [UInt8]) -> ClientStreamEvent? {
        if Self.isStanza(bytes) {
            let context = NamespaceContext(Namespaces.client)
            return (try? Stanza(parsing: bytes, contentNamespace: Namespaces.client, context: context)).map { .stanza($0) }
        }
        return (try? Element(parsing: bytes, defaultNamespace: Namespaces.client)).map { .nonza($0) }
    }

    mutating func clientSends(_ client: Int, _ bytes: [UInt8]) {
        if isTracing { note(clients[client].site, "← \(clients[client].account): \(Self.short(bytes))") }
        if let event = event(bytes) { clientPosts(client, event) }
    }

    mutating func clientPosts(_ client: Int, _ event: ClientStreamEvent) {
        guard let connection = clients[client].connection else { return }
        let site = clients[client].site
        schedule.add(
            .arrive(site: site, incarnation: sites[site].incarnation, event: .client(connection, event)),
            after: Self.officeDelay)
    }

    mutating func clientReceives(_ client: Int, _ connection: ConnectionID, _ bytes: [UInt8]) {
        guard clients[client].connection == connection else { return }
        // Several elements may be written at once: read them as the children of one.
        let wrapped = Array("<all>".utf8) + bytes + Array("</all>".utf8)
        guard let all = try? Element(parsing: wrapped, defaultNamespace: Namespaces.client) else {
            return faults.append(Fault(.malformed, "\(clients[client].account) received \(Self.short(bytes))"))
        }
        for element in all.elements {
            if element.name == "iq", let id = element["id"], id.hasPrefix("q"), let number = Int(id.dropFirst()) {
                if element["type"] == "get" { ledger.queryArrived(number) }
                if element["type"] == "result" { ledger.queryAnswered(number) }
            }
            let (answers, message) = clients[client].received(element)
            for answer in answers { clientSends(client, answer) }
            if let message { arrived(message, at: client) }
        }
    }

    private mutating func arrived(_ message: Element, at client: Int) {
        guard let id = message["id"], id.hasPrefix("m"), let number = Int(id.dropFirst()) else { return }
        guard message["type"] == "error" else {
            chart?.arrived(at: schedule.now, after: schedule.now - (ledger.sentAt(number) ?? schedule.now))
            return ledger.arrive(number, at: client, time: schedule.now)
        }
        if mutation == .bounceToDevice, planted.devices[number] != clients[client].device { return }
        let text = message.first("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text ?? ""
        ledger.bounce(number, at: client, isUncertain: text.contains("may have arrived"))
    }
}
