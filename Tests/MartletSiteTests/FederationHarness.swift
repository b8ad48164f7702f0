import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// One federation with a store in memory and a clock that moves when told.
struct FederationHarness {
    static let local = JID(preparedLocalpart: nil, preparedDomainpart: "pilsen.example", preparedResourcepart: nil)
    static let peer = JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)
    static let alice = JID(preparedLocalpart: "alice", preparedDomainpart: "pilsen.example", preparedResourcepart: "desk")
    static let bob = JID(preparedLocalpart: "bob", preparedDomainpart: "brno.example", preparedResourcepart: nil)
    static let outgoing = DomainPair(local: local, peer: peer)

    let store = MemoryStore()
    var federation = Federation()
    var policy: SitePolicy
    var now: Int64 = 1000
    var random = RandomStream(seed: 7)
    /// What the last steps let out, in order.
    var effects: [Effect] = []
    /// Stanzas that went to the bus.
    var routed: [Stanza] = []
    /// What the rest of the site was told of links.
    private var changes: [LinkChange] = []
    var timers: [(SiteTimer, Int64)] = []
    /// The most rows that one batch has touched.
    var longestBatch = 0
    /// What is held in memory, and by whom.
    var memory = MemoryLedger()
    /// What the disk has room for, where a step says nothing else.
    var room = StoreRoom.ample
    /// Batches so far.
    var batches = 0
    private var nextSlot: UInt32 = 0

    init(known: Bool = true) {
        policy = SitePolicy(domains: [Self.local])
        if known { policy.federation.knownPeers = [Self.peer] }
        // What was acknowledged is gone at once; tests of what is kept ask for it.
        policy.federation.keep = KeepLimit(time: 0, bytes: 0)
    }

    /// One batch of one step.
    mutating func step(belowReserve: Bool = false, _ body: (inout Federation, Turn) -> Void) {
        let rows = CountingTransaction(store.begin())
        let turn = Turn(
            now: Instant(milliseconds: now), wall: WallTime(milliseconds: 1_700_000_000_000 + now), random: random,
            store: rows, policy: policy, room: belowReserve ? .reserve : room)
        turn.memory = memory
        body(&federation, turn)
        federation.endBatch(turn)
        federation.writeBatch(turn)
        longestBatch = max(longestBatch, rows.touched)
        batches += 1
        random = turn.random
        memory = turn.memory
        effects += turn.effects + turn.afterCommit
        routed += turn.outgoing.map(\.stanza)
        for case .linkChanged(let change) in turn.takeNotices() { changes.append(change) }
        timers += turn.takeTimers().map { ($0.timer, $0.at.milliseconds) }
        #expect(throws: Never.self) { try store.commit() }
    }

    /// Lets time pass, firing what is due.
    mutating func pass(_ milliseconds: Int64) {
        let end = now + milliseconds
        while let index = timers.indices.filter({ timers[$0].1 <= end }).min(by: { timers[$0].1 < timers[$1].1 }) {
            let (timer, at) = timers.remove(at: index)
            now = max(now, at)
            step { if case .link(let timer) = timer { $0.timerFired(timer, $1) } }
        }
        now = end
    }

    mutating func accept(_ stanza: Stanza, from origin: Origin = .account, belowReserve: Bool = false) {
        step(belowReserve: belowReserve) { $0.accept(Envelope(stanza, from: origin), $1) }
    }

    mutating func acceptMessage(_ text: String, to: JID = bob) {
        accept(Self.message(text, to: to))
    }

    static func message(_ text: String, from: JID = alice, to: JID = bob) -> Stanza {
        Stanza(
            .message, from: from, to: to, id: text, type: "chat", payloads: [Element("body", Namespaces.client, text: text)])
    }

    /// Requests to dial since the last look.
    mutating func takeDials() -> [DialRequest] {
        let dials = effects.compactMap { if case .dial(let request) = $0 { request } else { nil } }
        effects.removeAll { if case .dial = $0 { true } else { false } }
        return dials
    }

    /// What the rest of the site was told of links since the last look.
    mutating func takeChanges() -> [LinkChange] {
        defer { changes = [] }
        return changes
    }

    mutating func newConnection() -> ConnectionID {
        nextSlot += 1
        return ConnectionID(loop: 0, slot: nextSlot, generation: 1)
    }

    /// The attempt under way succeeds.
    mutating func dialSucceeds(relay: Bool, managed: Bool = false, bidi: Bool = false) throws -> ConnectionID {
        let dials = takeDials()
        let request = try #require(dials.last)
        let connection = newConnection()
        let features = PeerFeatures(
            relay: relay, streamManagement: managed, proof: .certificate, peerCertificateVerified: false,
            isBidirectional: bidi)
        step { $0.dialed(request.id, connection, features, [], $1) }
        return connection
    }

    mutating func dialFails(_ failure: DialFailure = .unreachable("connection refused")) {
        guard let request = takeDials().last else { return }
        step { $0.dialFailed(request.id, failure, $1) }
    }

    mutating func receive(_ event: PeerStreamEvent, on connection: ConnectionID) {
        step { $0.received(event, on: connection, $1) }
    }

    /// Elements written to `connection` since the last look.
    mutating func takeSent(_ connection: ConnectionID) -> [Element] {
        var sent: [Element] = []
        for case .stream(connection, .send(let bytes)) in effects {
            if let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.client) { sent.append(element) }
        }
        effects.removeAll { if case .stream(connection, .send) = $0 { true } else { false } }
        return sent
    }

    /// A have of the peer for the chat lane.
    static func have(_ mark: RelayMark?) -> Element {
        var have = Element(
            "have", Namespaces.relay, [("from", peer.description), ("to", local.description), ("lane", "chat")])
        for (name, value) in mark?.attributes ?? [("n", "0")] { have[name] = value }
        return have
    }

    /// The numbers of the messages among `elements`, with their marks.
    static func marks(_ elements: [Element]) -> [RelayMark] {
        elements.compactMap { $0.first("seq", Namespaces.relay).flatMap(RelayMark.init) }
    }

    /// A new process on the same store.
    mutating func restart() {
        federation = Federation()
        memory = MemoryLedger()
        timers = []
        effects = []
        step { $0.boot($1) }
    }

    /// An attempt to reach the first peer is under way.
    var isDialling: Bool {
        if case .dialling? = federation.links.first?.state { true } else { false }
    }

    var waiting: Int { federation.figures.waiting }
}

extension PeerLinks {
    /// The link that was made so many links later than the first.
    subscript(place: UInt32) -> PeerLink { self[LinkID(slot: place)] }

    var first: PeerLink? { isEmpty ? nil : self[0] }
}
