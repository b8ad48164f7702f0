import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// Two federations and the one stream that leads from the first to the second.
struct TwoFederations {
    typealias Harness = FederationHarness

    var pilsen = Harness()
    var brno = Harness()
    /// Brno runs a build that remembers no tags and answers no question for them.
    var isBrnoOlder: Bool
    private var link: ConnectionID?
    private var arriving: ConnectionID?

    init(isBrnoOlder: Bool = true) {
        self.isBrnoOlder = isBrnoOlder
        brno.policy = SitePolicy(domains: [Harness.peer])
        brno.policy.federation.knownPeers = [Harness.local]
    }

    /// The attempt under way succeeds, and everything that can be said is said.
    mutating func connect() throws {
        _ = pilsen.takeDials().isEmpty
        if case .dialling = pilsen.federation.links[0].state {} else { pilsen.step { _ = $0.retry(nil, $1) } }
        pilsen.step { federation, turn in
            // Asked again, so that the request stands in the effects whatever was looked at before.
            if case .dialling(let id) = federation.links[0].state {
                turn.perform(.dial(federation.request(id, federation.links[0].pair, .link, by: Cause(.person, .site), turn)))
            }
        }
        link = try pilsen.dialSucceeds(relay: true)
        arriving = brno.newConnection()
        if let arriving {
            brno.receive(
                .peerVerified(DomainPair(local: Harness.peer, peer: Harness.local), .certificate), on: arriving)
        }
        talk()
    }

    /// The stream dies; what was written and not read is gone.
    mutating func cut() {
        if let link { pilsen.receive(.closed("reset"), on: link) }
        if let arriving { brno.receive(.closed("reset"), on: arriving) }
        link = nil
        arriving = nil
        pilsen.effects = []
        brno.effects = []
    }

    /// Carries bytes both ways until nobody has anything to say.
    mutating func talk(answering: Bool = true) {
        guard let link, let arriving else { return }
        while true {
            let outbound = Self.takeBytes(&pilsen, link)
            for bytes in outbound { brno.receive(event(bytes), on: arriving) }
            let inbound = Self.takeBytes(&brno, arriving)
            if answering { for bytes in inbound { pilsen.receive(event(bytes), on: link) } }
            if outbound.isEmpty, inbound.isEmpty { return }
        }
    }

    /// What people in Brno got, and what senders in Pilsen were told.
    var delivered: [String] { brno.routed.compactMap { $0.isError ? nil : $0.id } }
    var bounced: [String] { pilsen.routed.compactMap { $0.isError ? $0.id : nil } }
    var isStopped: Bool { pilsen.federation.links[0].lanes[1].row?.isStopped == true }

    private static func takeBytes(_ harness: inout Harness, _ connection: ConnectionID) -> [[UInt8]] {
        var sent: [[UInt8]] = []
        for case .stream(connection, .send(let bytes)) in harness.effects { sent.append(bytes) }
        harness.effects.removeAll { if case .stream(connection, .send) = $0 { true } else { false } }
        return sent
    }

    private func event(_ bytes: [UInt8]) -> PeerStreamEvent {
        if let stanza = try? Stanza(
            parsing: bytes, contentNamespace: Namespaces.server, context: NamespaceContext(Namespaces.server))
        {
            return .stanza(stanza)
        }
        guard var nonza = try? Element(parsing: bytes, defaultNamespace: Namespaces.server) else { return .streamEnded }
        if isBrnoOlder { nonza.attributes.removeAll { ["tags", "all"].contains($0.name) } }
        return .nonza(nonza)
    }
}

@Suite struct FederationResyncTests {
    typealias Harness = FederationHarness

    private func resync(_ two: inout TwoFederations, _ choice: UncertainChoice?) -> CommandAnswer {
        var answer = CommandAnswer.refused("")
        two.pilsen.step { answer = $0.resync(Harness.peer, uncertain: choice, $1) }
        return answer
    }

    private func plan(_ two: inout TwoFederations) throws -> ResyncRow {
        var rows: [ResyncRow] = []
        two.pilsen.step { rows = $0.resyncRows(Harness.peer, $1) }
        #expect(rows.count == 1)
        return try #require(rows.first)
    }

    @Test(
        "S2: the peer's store went back; what waits is not there, and arrives under a new numbering", arguments: [false, true])
    func peerWentBack(_ whollyNew: Bool) throws {
        var two = TwoFederations()
        two.pilsen.acceptMessage("a")
        if whollyNew { two.brno.store.restore(MemoryStore().snapshot()) }
        var backup = two.brno.store.snapshot()
        try two.connect()
        if !whollyNew { backup = two.brno.store.snapshot() }
        two.pilsen.acceptMessage("b")
        two.pilsen.acceptMessage("c")
        two.talk()
        #expect(two.delivered == ["a", "b", "c"])
        two.cut()
        two.brno.store.restore(backup)
        two.brno.restart()
        two.brno.routed = []
        two.pilsen.acceptMessage("d")
        try two.connect()
        #expect(two.isStopped)
        #expect(two.delivered.isEmpty)
        let row = try plan(&two)
        #expect(row.reason.contains("the peer went back"))
        #expect(!row.wasOurStore)
        #expect((row.waiting, row.uncertain, row.lost) == (1, 0, whollyNew ? 3 : 2))
        two.cut()
        two.pilsen.restart()
        #expect(try plan(&two) == row, "the facts are on disk")
        try two.connect()
        #expect(two.isStopped)
        #expect(resync(&two, nil) == .done("the lane to brno.example begins anew, 1 waited"))
        two.talk()
        two.pilsen.acceptMessage("e")
        two.talk()
        #expect(two.delivered == ["d", "e"])
        #expect(two.pilsen.waiting == 0)
        two.cut()
        try two.connect()
        #expect(!two.isStopped)
        #expect(two.delivered == ["d", "e"])
    }

    /// We restore a backup in which `old…` waited; they were delivered afterwards. Then `new` is written before the line is
    /// back. `extra` were numbered and delivered after the backup too.
    private func weWentBack(extra: Int) throws -> TwoFederations {
        var two = TwoFederations()
        two.pilsen.acceptMessage("first")
        try two.connect()
        two.cut()
        two.pilsen.acceptMessage("old1")
        two.pilsen.acceptMessage("old2")
        let backup = two.pilsen.store.snapshot()
        try two.connect()
        for number in 0..<extra { two.pilsen.acceptMessage("forgotten\(number)") }
        two.talk()
        two.cut()
        #expect(two.delivered.count == 3 + extra)
        two.pilsen.store.restore(backup)
        two.pilsen.restart()
        two.pilsen.acceptMessage("new")
        two.brno.routed = []
        two.pilsen.routed = []
        try two.connect()
        return two
    }

    @Test(
        "S5: what a restored backup brought along may have arrived, also under its new number; what was written since has not")
    func uncertainAnswers() throws {
        for isResynced in [false, true] {
            var two = try weWentBack(extra: 1)
            if isResynced {
                two.cut()
                guard case .done = resync(&two, .resend) else { return #expect(Bool(false), "the resync was refused") }
            }
            let places: [QueueRow] = two.pilsen.rows()
            #expect(places.map(\.state) == [.sent, .sent, .waiting])
            #expect(two.pilsen.deskHold([places[0]]).refused.count == 1)
            two.pilsen.pass(two.pilsen.policy.federation.entryLifetime + 3_600_000)
            let texts = two.pilsen.routed.filter(\.isError).compactMap {
                $0.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text
            }
            #expect(texts.map { $0.contains("may have arrived") } == [true, true, false])
        }
    }

    @Test(
        "S2: our own store went back; what the backup brought along is uncertain, what was written since is not",
        arguments: UncertainChoice.allCases, [1, 3])
    func weWentBack(_ choice: UncertainChoice, _ extra: Int) throws {
        var two = try weWentBack(extra: extra)
        #expect(two.isStopped)
        let row = try plan(&two)
        #expect(row.reason.contains("we went back"))
        #expect(row.wasOurStore)
        #expect((row.waiting, row.uncertain, row.lost) == (3, 2, 0))
        #expect(resync(&two, nil) == .refused("say what becomes of the uncertain entries: resend, drop or hold"))
        #expect(two.isStopped)
        guard case .done = resync(&two, choice) else { return #expect(Bool(false), "the resync was refused") }
        two.talk()
        switch choice {
        case .resend: #expect(two.delivered == ["old1", "old2", "new"])
        case .drop, .hold: #expect(two.delivered == ["new"])
        }
        #expect(two.bounced == (choice == .drop ? ["old1", "old2"] : []))
        let held = two.pilsen.rows { $0.state == .held }
        #expect(held.count == (choice == .hold ? 2 : 0))
        #expect(two.pilsen.waiting == 0)
        #expect(two.pilsen.store.count(.log) == held.count)
        if choice == .hold {
            #expect(two.pilsen.deskPurge([held[0]]).done == 1)
            #expect(two.bounced == ["old1"])
            #expect(two.pilsen.deskRelease([held[1]]).done == 1)
            two.talk()
            #expect(two.delivered == ["new", "old2"])
        }
        two.pilsen.acceptMessage("later")
        two.talk()
        #expect(two.delivered.last == "later")
    }

    @Test("S2: a peer with a numbering after ours means that we went back over a resync: everything old is uncertain")
    func backOverResync() throws {
        var two = TwoFederations()
        two.pilsen.acceptMessage("first")
        try two.connect()
        two.cut()
        two.pilsen.acceptMessage("old")
        let backup = two.pilsen.store.snapshot()
        // The peer loses its store, the lane begins anew, everything arrives; then we lose ours.
        two.brno.store.restore(MemoryStore().snapshot())
        two.brno.restart()
        try two.connect()
        #expect(resync(&two, nil) == .done("the lane to brno.example begins anew, 1 waited"))
        two.talk()
        #expect(two.delivered == ["first", "old"])
        two.cut()
        two.pilsen.store.restore(backup)
        two.pilsen.restart()
        two.pilsen.acceptMessage("new")
        try two.connect()
        #expect(two.isStopped)
        let row = try plan(&two)
        #expect(row.wasOurStore)
        #expect((row.waiting, row.uncertain) == (2, 1))
        guard case .done = resync(&two, .drop) else { return #expect(Bool(false), "the resync was refused") }
        two.talk()
        #expect(two.delivered == ["first", "old", "new"])
        #expect(two.bounced == ["old"])
    }

    @Test("S2: a peer that went back over a resync knows a numbering that ended, and has nothing of this one")
    func peerBackOverResync() throws {
        var two = TwoFederations()
        two.pilsen.acceptMessage("first")
        try two.connect()
        let backup = two.brno.store.snapshot()
        two.pilsen.acceptMessage("second")
        two.talk()
        two.cut()
        two.brno.store.restore(backup)
        two.brno.restart()
        try two.connect()
        #expect(two.isStopped)
        guard case .done = resync(&two, nil) else { return #expect(Bool(false), "the resync was refused") }
        two.pilsen.acceptMessage("third")
        two.talk()
        #expect(two.delivered == ["first", "second", "third"])
        two.cut()
        two.brno.store.restore(backup)
        two.brno.restart()
        try two.connect()
        let row = try plan(&two)
        #expect(!row.wasOurStore)
        #expect((row.waiting, row.uncertain, row.lost) == (0, 0, 2), "what the resync left behind, and the third")
        guard case .done = resync(&two, nil) else { return #expect(Bool(false), "the resync was refused") }
        two.pilsen.acceptMessage("fourth")
        two.talk()
        #expect(two.delivered == ["first", "second", "third", "fourth"])
    }

    @Test("a lane that nothing stopped is not begun anew")
    func nothingStopped() throws {
        var two = TwoFederations()
        two.pilsen.acceptMessage("a")
        try two.connect()
        let epoch = two.pilsen.federation.links[0].lanes[1].row?.epoch
        #expect(resync(&two, .resend) == .refused("nothing stands still with brno.example"))
        #expect(two.pilsen.federation.links[0].lanes[1].row?.epoch == epoch)
    }

    @Test("federation.rollback = continue: the lane goes on by itself, with an alarm")
    func continues() throws {
        var two = TwoFederations()
        two.pilsen.policy.federation.continuesAfterRollback = true
        two.pilsen.acceptMessage("a")
        try two.connect()
        two.cut()
        two.brno.store.restore(MemoryStore().snapshot())
        two.brno.restart()
        two.pilsen.acceptMessage("b")
        try two.connect()
        #expect(!two.isStopped)
        #expect(two.delivered == ["a", "b"])
    }
}
