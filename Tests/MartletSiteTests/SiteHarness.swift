import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// One whole site with a store in memory and a clock that moves when told: for what its parts do together.
struct SiteHarness {
    static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "pilsen.example", preparedResourcepart: nil)
    static let peer = JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)

    var driver: SiteDriver
    var now: Int64 = 1000
    private var effects: [Effect] = []
    private var nextSlot: UInt32 = 0

    static var policy: SitePolicy {
        var policy = SitePolicy(domains: [Self.domain])
        policy.federation.knownPeers = [Self.peer]
        return policy
    }

    init(users: [String] = ["alice", "carol"], policy: SitePolicy = Self.policy, store: MemoryStore = MemoryStore()) {
        driver = SiteDriver(store: store, policy: policy, random: RandomStream(seed: 7))
        #expect(throws: Never.self) { effects += try driver.boot(monotonic: now, wall: wall) }
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        for (number, user) in users.enumerated() {
            let account = (try? JID(user)).flatMap { $0.localpart == nil ? nil : $0 } ?? Self.account(user)
            let command = Command.accounts(.add(account, PasswordKeys(sha1: keys, sha256: keys)))
            handle(.command(CommandID(UInt64(number)), command))
        }
    }

    private var wall: WallTime { WallTime(milliseconds: 1_700_000_000_000 + now) }

    static func account(_ user: String) -> JID {
        JID(preparedLocalpart: user, preparedDomainpart: domain.domainpart, preparedResourcepart: nil)
    }

    mutating func handle(_ event: SiteEvent) {
        var events = [event]
        let before = effects.count
        #expect(throws: Never.self) { effects += try driver.handle(&events, monotonic: now, wall: wall) }
        for case .note(.longTurn(let event, let count)) in effects[before...] {
            Issue.record("a turn was long: \(event), \(count)")
        }
    }

    /// A stanza of another server, as it comes on a stream that has proven it.
    mutating func receive(_ stanza: Stanza) {
        let connection = ConnectionID(loop: 9, slot: 9, generation: 9)
        if let from = stanza.from {
            let pair = DomainPair(local: Self.domain, peer: from.domain)
            handle(.server(connection, .peerVerified(pair, .certificate, .none)))
        }
        handle(.server(connection, .stanza(stanza)))
    }

    /// The process dies, and a new one starts from what the store has.
    mutating func restart(_ store: MemoryStore, policy: SitePolicy = Self.policy, look: StoreRoom.Look? = nil) {
        store.crash()
        effects = []
        driver = SiteDriver(store: store, policy: policy, random: RandomStream(seed: 8))
        #expect(throws: Never.self) { effects += try driver.boot(monotonic: now, wall: wall, look: look) }
    }

    /// Lets time pass in steps of 50 ms.
    mutating func pass(_ milliseconds: Int64) {
        let end = now + milliseconds
        while now < end {
            now = min(now + 50, end)
            handle(.tick)
        }
    }

    /// A client that is available and has fetched the roster.
    mutating func login(_ user: String, at domain: JID = Self.domain) -> ConnectionID {
        let account = JID(preparedLocalpart: user, preparedDomainpart: domain.domainpart, preparedResourcepart: nil)
        nextSlot += 1
        let connection = ConnectionID(loop: 0, slot: nextSlot, generation: 0)
        handle(
            .client(
                connection,
                .credentialsWanted(
                    localpart: user, domain: domain, mechanism: .scramSHA256,
                    address: RemoteAddress("192.0.2.1"))))
        var generation: UInt64 = 0
        for case .stream(connection, .credentials(let found)) in effects { generation = found.generation }
        let client = AuthenticatedClient(
            account: account, generation: generation, isSecure: true, address: RemoteAddress("192.0.2.1"))
        handle(.client(connection, .authenticated(client)))
        send("<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>", on: connection)
        send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>", on: connection)
        send("<presence/>", on: connection)
        return connection
    }

    mutating func send(_ xml: String, on connection: ConnectionID) {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            let bytes = element.serialized(within: Namespaces.client)
            guard
                let stanza = try? Stanza(
                    parsing: bytes, contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
            else {
                handle(.client(connection, .nonza(element)))
                continue
            }
            handle(.client(connection, .stanza(stanza)))
        }
    }

    /// Another server that has opened a stream to us, and to which one of ours is open: on which stream it sends, and on which it gets.
    mutating func connectPeer() -> (theirs: ConnectionID, ours: ConnectionID) {
        nextSlot += 2
        let theirs = ConnectionID(loop: 0, slot: nextSlot - 1, generation: 0)
        let ours = ConnectionID(loop: 0, slot: nextSlot, generation: 0)
        handle(.server(theirs, .peerVerified(DomainPair(local: Self.domain, peer: Self.peer), .certificate)))
        var last: DialRequest?
        for case .dial(let request) in effects { last = request }
        effects.removeAll { if case .dial = $0 { true } else { false } }
        let features = PeerFeatures(relay: false, streamManagement: true, proof: .certificate, peerCertificateVerified: true)
        if let last { handle(.dialed(last.id, ours, features, endpoints: [])) }
        return (theirs, ours)
    }

    /// A stanza of somebody at another server.
    mutating func send(_ xml: String, from: String, on connection: ConnectionID) {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            var element = element
            element["from"] = from
            let bytes = element.serialized(within: Namespaces.client)
            guard
                let stanza = try? Stanza(
                    parsing: bytes, contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
            else { continue }
            handle(.server(connection, .stanza(stanza)))
        }
    }

    /// What was sent on a connection since the last look.
    mutating func take(_ connection: ConnectionID) -> [Element] {
        var sent: [Element] = []
        for case .stream(connection, .send(let bytes)) in effects { sent += ContentReader.elements(in: bytes) }
        effects.removeAll { if case .stream(connection, .send) = $0 { true } else { false } }
        return sent
    }

    /// What a connection was told other than to send something, since the last look.
    mutating func takeCommands(_ connection: ConnectionID) -> [StreamCommand] {
        var commands: [StreamCommand] = []
        effects.removeAll {
            guard case .stream(connection, let command) = $0 else { return false }
            if case .send = command { return false }
            commands.append(command)
            return true
        }
        return commands
    }

    /// Asks at the control socket.
    mutating func ask(_ command: Command) -> CommandAnswer? {
        let id = CommandID(1_000_000)
        handle(.command(id, command))
        var answer: CommandAnswer?
        effects.removeAll {
            guard case .answer(id, let found) = $0 else { return false }
            answer = found
            return true
        }
        return answer
    }

    mutating func sendNonza(_ xml: String, on connection: ConnectionID) {
        for element in ContentReader.elements(in: Array(xml.utf8)) { handle(.client(connection, .nonza(element))) }
    }

    /// Everything that was wanted since the last look.
    mutating func takeEffects() -> [Effect] {
        defer { effects = [] }
        return effects
    }

    /// The attempt under way reaches a server that is no Martlet.
    mutating func dialReachesForeigner(managed: Bool) {
        var last: DialRequest?
        for case .dial(let request) in effects { last = request }
        effects.removeAll { if case .dial = $0 { true } else { false } }
        guard let last else { return }
        nextSlot += 1
        let features = PeerFeatures(
            relay: false, streamManagement: managed, proof: .certificate, peerCertificateVerified: false)
        handle(.dialed(last.id, ConnectionID(loop: 0, slot: nextSlot, generation: 0), features, endpoints: []))
    }

    /// The attempt under way fails.
    mutating func dialFails() {
        var last: DialRequest?
        for case .dial(let request) in effects { last = request }
        effects.removeAll { if case .dial = $0 { true } else { false } }
        if let last { handle(.dialFailed(last.id, .unreachable("connection refused"))) }
    }
}
