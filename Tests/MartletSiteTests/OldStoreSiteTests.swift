import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The office of `Tests/Stores/schema-*.dump`, started by this version.
private struct OldOffice {
    static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "north.example", preparedResourcepart: nil)
    static let peer = JID(preparedLocalpart: nil, preparedDomainpart: "south.example", preparedResourcepart: nil)

    let store = MemoryStore()
    /// The same rows, migrated, which no site changes.
    let rows = MemoryStore()
    var driver: SiteDriver
    var effects: [Effect] = []
    private var nextSlot: UInt32 = 0
    /// Calendar time at its last commit that noted it.
    private let start: Int64

    init(_ name: String) throws {
        let dump = try StoreDump(name)
        try dump.load(into: store)
        try dump.load(into: rows)
        try StoreMigration.run(rows)
        start = MetaTable.number(.wallTime, in: rows.begin()) ?? 0
        rows.abort()
        var policy = SitePolicy(domains: [Self.domain])
        policy.federation.knownPeers = [Self.peer]
        driver = SiteDriver(store: store, policy: policy, random: RandomStream(seed: 7))
        effects += try driver.boot(monotonic: 0, wall: WallTime(milliseconds: start + 1000))
    }

    mutating func handle(_ event: SiteEvent) throws {
        var events = [event]
        effects += try driver.handle(&events, monotonic: 1, wall: WallTime(milliseconds: start + 1001))
    }

    /// A connection that has logged in.
    mutating func authenticate(_ user: String) throws -> ConnectionID {
        nextSlot += 1
        let connection = ConnectionID(loop: 0, slot: nextSlot, generation: 0)
        let wanted = ClientStreamEvent.credentialsWanted(
            localpart: user, domain: Self.domain, mechanism: .scramSHA256, address: RemoteAddress("192.0.2.1"))
        try handle(.client(connection, wanted))
        var generation: UInt64 = 0
        for case .stream(connection, .credentials(let found)) in effects { generation = found.generation }
        #expect(generation > 0, "\(user) has an account")
        let account = JID(
            preparedLocalpart: user, preparedDomainpart: Self.domain.domainpart, preparedResourcepart: nil)
        let client = AuthenticatedClient(
            account: account, generation: generation, isSecure: true, address: RemoteAddress("192.0.2.1"))
        try handle(.client(connection, .authenticated(client)))
        return connection
    }

    mutating func send(_ xml: String, on connection: ConnectionID) throws {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            let bytes = element.serialized(within: Namespaces.client)
            let context = NamespaceContext(Namespaces.client)
            if let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.client, context: context) {
                try handle(.client(connection, .stanza(stanza)))
            } else {
                try handle(.client(connection, .nonza(element)))
            }
        }
    }

    /// What was sent on a connection since the last look.
    mutating func take(_ connection: ConnectionID) -> [Element] {
        var sent: [Element] = []
        for case .stream(connection, .send(let bytes)) in effects { sent += ContentReader.elements(in: bytes) }
        effects.removeAll { if case .stream(connection, .send) = $0 { true } else { false } }
        return sent
    }
}

@Suite("A store made by the build before, at work")
struct OldStoreSiteTests {
    private static let dumps = ["schema-1.dump", "schema-2.dump"]

    @Test("the operator is told once that the store was migrated", arguments: zip(dumps, [UInt32(1), 2]))
    func note(name: String, schema: UInt32) throws {
        var office = try OldOffice(name)
        var rows: Int?
        for case .note(.storeMigrated(fromSchema: schema, let migrated)) in office.effects { rows = migrated }
        #expect(schema == 1 ? rows ?? 0 > 20 : rows == 0)
        _ = try office.driver.close()
        var again = SiteDriver(
            store: office.store, policy: SitePolicy(domains: [OldOffice.domain]), random: RandomStream(seed: 8))
        for case .note(.storeMigrated) in try again.boot(monotonic: 0, wall: WallTime(milliseconds: 0)) {
            Issue.record("migrated twice")
        }
    }

    @Test("what earlier versions had no tables for works, and is there after a start", arguments: dumps)
    func newTables(name: String) throws {
        var office = try OldOffice(name)
        let dora = try office.authenticate("dora")
        try office.send(
            "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>", on: dora)
        _ = office.take(dora)
        let requests = [
            "<block xmlns='urn:xmpp:blocking'><item jid='eva@south.example'/></block>",
            "<enable xmlns='urn:xmpp:push:0' jid='push.example' node='n'/>",
            "<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query>",
            """
            <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item id='1'><x xmlns='urn:x'/></item></publish></pubsub>
            """,
            "<vCard xmlns='vcard-temp'><FN>Dora</FN></vCard>",
        ]
        for (index, payload) in requests.enumerated() {
            try office.send("<iq type='set' id='r\(index)'>\(payload)</iq>", on: dora)
            #expect(office.take(dora).last { $0["id"] == "r\(index)" }?["type"] == "result", "\(payload)")
        }
        _ = try office.driver.close()
        var policy = SitePolicy(domains: [OldOffice.domain])
        policy.federation.knownPeers = [OldOffice.peer]
        var again = SiteDriver(store: office.store, policy: policy, random: RandomStream(seed: 8))
        _ = try again.boot(monotonic: 0, wall: WallTime(milliseconds: 0))
        _ = try again.close()
        let rows = office.store.begin()
        defer { office.store.abort() }
        for table in [Table.blocked, .push, .privateStorage, .pubsubNode, .pubsubItem, .vCard] {
            #expect(rows.firstEntry(table, atOrAfter: []) != nil, "table \(table.rawValue)")
        }
    }

    @Test("mailboxes deliver, and requests that wait are shown", arguments: dumps)
    func mailbox(name: String) throws {
        var office = try OldOffice(name)
        let dora = try office.authenticate("dora")
        try office.send(
            "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>"
                + "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>", on: dora)
        let got = office.take(dora)
        #expect(
            got.filter { $0.name == "message" }.compactMap(\.body) == [
                "Grüße & Küsse", "the second for dora", "from the other office",
            ])
        #expect(got.first { $0["id"] == "m1" }?.lang == "de")
        #expect(got.filter { $0.name == "message" }.allSatisfy { $0.delay?["from"] == "north.example" })
        #expect(
            Set(got.filter { $0["type"] == "subscribe" }.compactMap { $0["from"] }) == [
                "alice@north.example", "sam@south.example",
            ])
    }

    @Test("a session resumes, and what its client has not acknowledged comes again", arguments: dumps)
    func resumption(name: String) throws {
        var office = try OldOffice(name)
        let rows = office.rows.begin()
        let session = try #require(
            ClientSessionTable.sessions(in: rows).first { $0.row.state == .resumable && $0.row.resource == "phone" })
        let slots = ClientSlotTable.slots(session.account, session.session, in: rows)
        let sent = slots.filter { $0.number < ClientSlotTable.unsent }
        let bob = try office.authenticate("bob")
        let before = (sent.first?.number ?? 1) - 1
        try office.send("<resume xmlns='urn:xmpp:sm:3' previd='\(session.row.token)' h='\(before)'/>", on: bob)
        let got = office.take(bob)
        #expect(got.first?.name == "resumed")
        #expect(
            got.filter { $0.name == "message" }.compactMap(\.body) == [
                "for the phone, first", "for the phone, while it is away", "for bob, whatever he uses",
            ])
    }

    @Test("lanes go on from where they were: what waits is sent under its numbers, voids among it", arguments: dumps)
    func lanes(name: String) throws {
        var office = try OldOffice(name)
        var request: DialRequest?
        for case .dial(let wanted) in office.effects { request = wanted }
        let connection = ConnectionID(loop: 0, slot: 99, generation: 1)
        let features = PeerFeatures(
            relay: true, streamManagement: false, proof: .certificate, peerCertificateVerified: false,
            isBidirectional: false)
        try office.handle(.dialed(try #require(request).id, connection, features, endpoints: []))
        let lanes = LaneTable.all(in: office.rows.begin()).map(\.1).filter { $0.waiting > 0 }
        #expect(Set(lanes.map(\.laneClass)) == [.urgent, .chat, .bulk])
        for lane in lanes {
            #expect(lane.acked > 0)
            var have = Element("have", Namespaces.relay, [("from", "south.example"), ("to", "north.example")])
            let mark = RelayMark(
                lane: lane.laneClass, epoch: lane.epoch, number: lane.acked, tag: lane.ackedTag, after: nil)
            for (name, value) in mark.attributes { have[name] = value }
            try office.handle(.server(connection, .nonza(have)))
        }
        let sent = office.take(connection)
        for lane in lanes {
            let numbers = sent.compactMap { element -> UInt64? in
                let mark = element.name == "void" ? element : element.first("seq", Namespaces.relay)
                return mark?["lane"] == lane.laneClass.name ? mark?["n"].flatMap { UInt64($0) } : nil
            }
            #expect(numbers == Array(lane.acked + 1...lane.assigned), "\(lane.laneClass)")
        }
        let bodies = sent.filter { $0.name == "message" }.compactMap(\.body)
        let chat = ["worth two days", "waits one", "waits two", "waits four", "waits six"]
        #expect(bodies.filter(chat.contains) == chat)
        #expect(bodies.filter { $0.hasPrefix("waits urgent") }.count == 3)
        #expect(bodies.filter { $0.hasPrefix("waits bulk") }.count == 3)
        #expect(!bodies.contains("waits held") && !bodies.contains("waits purged"))
    }
}
