import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension World {
    mutating func login(_ client: Int) {
        let site = clients[client].site
        guard sites[site].driver != nil else { return schedule.add(.login(client: client), after: 1000) }
        let connection = sites[site].newConnection()
        clients[client].state = .authenticating(connection)
        clientPosts(
            client,
            .credentialsWanted(
                localpart: clients[client].account.localpart ?? "", mechanism: .scramSHA256,
                address: RemoteAddress("192.0.2.\(client)")))
    }

    /// The client's own network fails; it comes back a little later.
    mutating func dropClient(_ client: Int) {
        guard let connection = clients[client].connection, !isHealing else { return }
        clients[client].streamLost()
        let site = clients[client].site
        schedule.add(
            .arrive(
                site: site, incarnation: sites[site].incarnation, event: .client(connection, .closed("network failed"))),
            after: pick(3000))
        schedule.add(.login(client: client), after: 500 + pick(10_000))
    }

    mutating func type(_ client: Int, _ to: Int) {
        let from = clients[client].account.description
        let addressee = clients[to].account
        let number = ledger.send(from: from, to: addressee.description)
        let message = Stanza(
            .message, to: addressee, id: "m\(number)", type: "chat",
            payloads: [Element("body", Namespaces.client, text: String(number))])
        for bytes in clients[client].type(message) { clientSends(client, bytes) }
    }

    func event(_ bytes: [UInt8]) -> StreamEvent? {
        let context = NamespaceContext(Namespaces.client)
        if let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.client, context: context) {
            return .stanza(stanza)
        }
        return (try? Element(parsing: bytes, defaultNamespace: Namespaces.client)).map { .nonza($0) }
    }

    mutating func clientSends(_ client: Int, _ bytes: [UInt8]) {
        if let event = event(bytes) { clientPosts(client, event) }
    }

    mutating func clientPosts(_ client: Int, _ event: StreamEvent) {
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
            return faults.append("a client received what is not XML: \(String(decoding: bytes, as: UTF8.self))")
        }
        for element in all.elements {
            let (answers, message) = clients[client].received(element, bytes: bytes)
            for answer in answers { clientSends(client, answer) }
            if let message { arrived(message, at: client) }
        }
    }

    private mutating func arrived(_ message: Element, at client: Int) {
        guard let from = message["from"].flatMap({ try? JID($0) }) else { return }
        if message["type"] == "error" { return ledger.bounce() }
        guard let number = message.first("body", Namespaces.client).flatMap({ Int($0.text) }) else { return }
        ledger.arrive(number, from: from.bare.description, to: clients[client].account.description)
    }

    /// The judgement: what the ledger says, and that nothing waits or leaks anywhere.
    mutating func report() -> Report {
        var faults = faults + ledger.faults + stops.map { "stopped without a rollback: \($0)" }
        for client in clients where !client.isIdle { faults.append("\(client.account) still holds messages") }
        for site in sites {
            for (table, name) in [(Table.entry, "entries"), (Table.mailbox, "mailbox rows"), (Table.log, "log rows")] {
                let rows = site.store.memory.count(table)
                if rows > 0 { faults.append("\(site.name) has \(rows) \(name) left") }
            }
        }
        return Report(ledger: ledger, digest: digest, faults: faults, crashes: crashes, cuts: cuts)
    }
}
