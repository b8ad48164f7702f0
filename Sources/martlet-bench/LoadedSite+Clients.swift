import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The clients of the site: they log in, acknowledge what they get, and write messages.
extension LoadedSite {
    /// Logs accounts in; makes them first if they are new.
    mutating func logIn(_ count: Int, isNew: Bool = true) throws {
        if isNew { try makeAccounts(count) }
        for client in clients { place[client.connection.slot] = nil }
        clients = []
        for start in stride(from: 0, to: count, by: Self.loginsTogether) {
            try logIn((start..<min(start + Self.loginsTogether, count)).map(Self.account))
        }
        try settle()
    }

    /// Logins in a batch.
    private static let loginsTogether = 100

    private mutating func makeAccounts(_ count: Int) throws {
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        var events: [SiteEvent] = []
        for index in 0..<count {
            let jid = Self.account(index)
            events.append(.command(CommandID(0), .accounts(.add(jid, PasswordKeys(sha1: keys, sha256: keys)))))
        }
        try handle(events)
    }

    /// Brings clients in. An older session of the same resource ends.
    private mutating func logIn(_ accounts: [JID]) throws {
        let arrivals = accounts.map { (account: $0, connection: newConnection()) }
        try batch(
            arrivals.map {
                .client(
                    $0.connection,
                    .credentialsWanted(
                        localpart: $0.account.localpart ?? "", domain: $0.account.domain, mechanism: .scramSHA256,
                        address: RemoteAddress("192.0.2.1")))
            })
        let enable = Element("enable", Namespaces.streamManagement, [("resume", "true")])
        let bind = Self.stanzas(
            "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>")
        let begin = Self.stanzas("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        var events: [SiteEvent] = []
        for (account, connection) in arrivals {
            let generation = generations.removeValue(forKey: connection.slot) ?? 0
            place[connection.slot] = clients.count
            clients.append(Client(jid: (try? account.with(resourcepart: "desk")) ?? account, connection: connection))
            events.append(
                .client(
                    connection,
                    .authenticated(
                        AuthenticatedClient(
                            account: account, generation: generation, isSecure: true, address: RemoteAddress("192.0.2.1")))))
            events += bind.map { .client(connection, .stanza($0)) }
            events.append(.client(connection, .nonza(enable)))
            events += begin.map { .client(connection, .stanza($0)) }
        }
        try handle(events)
    }

    /// The account of that number.
    static func account(_ index: Int) -> JID {
        JID(preparedLocalpart: "person\(index)", preparedDomainpart: domain.domainpart, preparedResourcepart: nil)
    }

    /// The stanzas of a text.
    static func stanzas(_ xml: String) -> [Stanza] {
        ContentReader.elements(in: Array(xml.utf8)).compactMap {
            try? Stanza(
                parsing: $0.serialized(within: Namespaces.client), contentNamespace: Namespaces.client,
                context: NamespaceContext(Namespaces.client))
        }
    }

    /// A client got something: counts it and says so when asked.
    mutating func clientGot(_ bytes: [UInt8], _ place: Int) {
        if bytes.starts(with: "<r ".utf8) {
            acknowledge(place)
        } else if bytes.starts(with: "<enabled".utf8) {
            clients[place].handled = 0
        } else if bytes.starts(with: "<message".utf8) || bytes.starts(with: "<presence".utf8) || bytes.starts(with: "<iq".utf8)
        {
            clients[place].handled &+= 1
            received += 1
            lookedUp?.append(bytes)
            if acknowledgesEach { acknowledge(place) }
        }
    }

    private mutating func acknowledge(_ place: Int) {
        let answer = Element("a", Namespaces.streamManagement, [("h", String(clients[place].handled))])
        pending.append(.client(clients[place].connection, .nonza(answer)))
    }

    // MARK: messages

    /// A chat message of a client as clients send them, some 300 bytes without its body.
    mutating func message(from client: Int, to: String, body: String) -> SiteEvent {
        written += 1
        let text = """
            <message to='\(to)' type='chat' id='m-\(written)-4f1d2c'><body>\(body)</body>\
            <request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>\
            <origin-id xmlns='urn:xmpp:sid:0' id='m-\(written)-4f1d2c'/></message>
            """
        guard let stanza = Self.stanzas(text).first else { preconditionFailure("the message is none") }
        return .client(clients[client].connection, .stanza(stanza))
    }
}
