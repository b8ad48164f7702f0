import Glibc
import MartletBus
import MartletLMDB
import MartletPrimitives
import MartletSite
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// A whole site over a real store with clients and peers that answer at once: everything of a running server between
/// its sockets. Made and driven by one benchmark.
///
/// The clock is the machine's, but jumps where a benchmark has no days to wait.
struct LoadedSite {
    static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "pilsen.example", preparedResourcepart: nil)

    private(set) var driver: SiteDriver
    let directory: String
    /// The cost of all batches so far.
    private(set) var cost = Cost()
    private(set) var clients: [Client] = []
    private(set) var peers: [Peer] = []
    /// Answers to commands, the last first.
    private(set) var answers: [CommandAnswer] = []
    /// Stanzas that clients got.
    private(set) var received = 0
    private var store: LMDBStore?
    private var skipped: Int64 = 0
    private var place: [UInt32: Int] = [:]
    private var nextSlot: UInt32 = 0
    private var pending: [SiteEvent] = []
    private let policy: SitePolicy

    /// A client with stream management and resumption.
    struct Client {
        var jid: JID
        var connection: ConnectionID
        /// Stanzas received.
        var handled: UInt32 = 0
    }

    /// Another office.
    struct Peer {
        let jid: JID
        /// Its line works.
        var isReachable: Bool
        var connection: ConnectionID?
        var dial: DialID?
        /// The last mark that it took over of each lane. Look-up only.
        var marks: [LaneClass: RelayMark] = [:]
        var received = 0
        /// The last element of those that came and were not answered.
        var unread: [UInt8]?
    }

    /// Opens the store in `directory` and boots; `peers` are known offices, all cut off at first.
    init(directory: String, peers: [String]) throws {
        var policy = SitePolicy(domains: [Self.domain])
        policy.knownPeers = peers.map { JID(preparedLocalpart: nil, preparedDomainpart: $0, preparedResourcepart: nil) }
        self.policy = policy
        self.directory = directory
        self.peers = policy.knownPeers.map { Peer(jid: $0, isReachable: false) }
        let opened = try LMDBStore(directory: directory, tables: Table.all)
        store = opened
        driver = SiteDriver(store: opened, policy: policy, random: RandomStream(seed: 7))
        let effects = try driver.boot(monotonic: now, wall: wall)
        look(at: effects)
        try settle()
    }

    /// Ends the process, as it were, and starts it again. What the start has cost.
    mutating func restart() throws -> Cost {
        let effects = try driver.close()
        look(at: effects)
        // The files are closed with their last owner.
        store = nil
        driver = SiteDriver(store: MemoryStore(), policy: policy, random: RandomStream(seed: 8))
        let opened = try LMDBStore(directory: directory, tables: Table.all)
        store = opened
        driver = SiteDriver(store: opened, policy: policy, random: RandomStream(seed: 9))
        for index in peers.indices {
            peers[index].connection = nil
            peers[index].dial = nil
        }
        pending = []
        place = [:]
        let before = (Meter.wall, Meter.processor)
        let booted = try driver.boot(monotonic: now, wall: wall)
        var cost = Cost()
        cost.add(wall: Meter.wall - before.0, processor: Meter.processor - before.1)
        look(at: booted)
        try settle()
        return cost
    }

    // MARK: time

    private var now: Int64 { Meter.wall / 1_000_000 + skipped }
    private var wall: WallTime { WallTime(milliseconds: 1_795_300_000_000 + now) }

    /// Milliseconds pass at once; what is due meanwhile happens in the order of its time.
    mutating func pass(_ milliseconds: Int64, upTo turns: Int = .max) throws {
        let end = now + milliseconds
        var done = 0
        while let next = driver.nextWake, next <= end, done < turns {
            skipped += max(0, next - now)
            try handle([.tick])
            done += 1
        }
        if done < turns { skipped += max(0, end - now) }
    }

    // MARK: batches

    /// One batch, and then what clients and peers answer to it.
    mutating func handle(_ events: [SiteEvent]) throws {
        try batch(events)
        try settle()
    }

    /// One batch without what follows.
    @discardableResult
    mutating func batch(_ events: [SiteEvent]) throws -> Cost {
        var events = events
        let before = (Meter.wall, Meter.processor)
        let effects = try driver.handle(&events, monotonic: now, wall: wall)
        var spent = Cost()
        spent.add(wall: Meter.wall - before.0, processor: Meter.processor - before.1)
        cost.add(wall: spent.wall, processor: spent.processor)
        look(at: effects)
        return spent
    }

    /// Lets clients and peers answer until nobody has anything to say, in batches of at most 1,000 as the site's loop.
    mutating func settle() throws {
        while true {
            answerForPeers()
            if pending.isEmpty { return }
            let events = Array(pending.prefix(1000))
            pending.removeFirst(events.count)
            try batch(events)
        }
    }

    /// Forgets the longest batch so far.
    mutating func beginPart() { cost = Cost() }

    /// Asks as an operator does.
    mutating func ask(_ command: Command) throws -> (answer: CommandAnswer?, cost: Cost) {
        answers = []
        let spent = try batch([.command(CommandID(1), command)])
        try settle()
        return (answers.last, spent)
    }

    // MARK: clients

    /// Logs accounts in; makes them first if they are new.
    mutating func logIn(_ count: Int, isNew: Bool = true) throws {
        if isNew { try makeAccounts(count) }
        for client in clients { place[client.connection.slot] = nil }
        clients = []
        for index in 0..<count { try logIn(Self.account(index)) }
        try settle()
    }

    private mutating func makeAccounts(_ count: Int) throws {
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        var events: [SiteEvent] = []
        for index in 0..<count {
            let jid = Self.account(index)
            events.append(.command(CommandID(0), .addUser(jid, PasswordKeys(sha1: keys, sha256: keys))))
        }
        try handle(events)
    }

    /// Brings a client in. An older session of the same resource ends.
    private mutating func logIn(_ account: JID) throws {
        let connection = newConnection()
        generation = 0
        try batch([
            .client(
                connection,
                .credentialsWanted(
                    localpart: account.localpart ?? "", mechanism: .scramSHA256, address: RemoteAddress("192.0.2.1")))
        ])
        let client = AuthenticatedClient(account: account, generation: generation, isSecure: true)
        place[connection.slot] = clients.count
        clients.append(Client(jid: (try? account.with(resourcepart: "desk")) ?? account, connection: connection))
        let enable = Element("enable", Namespaces.streamManagement, [("resume", "true")])
        try handle(
            [.client(connection, .clientAuthenticated(client))]
                + Self.stanzas(
                    "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>"
                ).map { .client(connection, .stanza($0)) } + [.client(connection, .nonza(enable))]
                + Self.stanzas("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>").map {
                    .client(connection, .stanza($0))
                })
    }

    private var generation: UInt64 = 0

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

    private mutating func newConnection() -> ConnectionID {
        nextSlot += 1
        return ConnectionID(loop: 0, slot: nextSlot, generation: 0)
    }

    // MARK: peers

    /// The line of a peer works from now on, or not any more.
    mutating func setReachable(_ index: Int, _ isReachable: Bool) throws {
        peers[index].isReachable = isReachable
        if !isReachable, let connection = peers[index].connection {
            peers[index].connection = nil
            place[connection.slot] = nil
            try handle([.server(connection, .closed("cut"))])
        } else if isReachable {
            try batch([.command(CommandID(0), .retryLinks(peers[index].jid))])
        }
    }

    /// Where clients stand in `place`, peers stand below zero.
    private mutating func look(at effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .stream(let connection, .send(let bytes)):
                guard let place = place[connection.slot] else { continue }
                if place >= 0 { clientGot(bytes, place) } else { peerGot(bytes, -1 - place) }
            case .stream(_, .credentials(let found)):
                generation = found.generation
            case .dial(let request):
                if let index = peers.firstIndex(where: { $0.jid == request.pair.peer }) { peers[index].dial = request.id }
            case .answer(_, let answer):
                answers.append(answer)
            case .stream(let connection, .close(let error)):
                let name = place[connection.slot].map { $0 < 0 ? "a peer" : "a client" } ?? "an old stream"
                if let error, place[connection.slot] != nil { print("the site closes the stream of \(name): \(error)") }
            default:
                break
            }
        }
    }

    private mutating func clientGot(_ bytes: [UInt8], _ place: Int) {
        if bytes.starts(with: "<r ".utf8) {
            let connection = clients[place].connection
            let answer = Element("a", Namespaces.streamManagement, [("h", String(clients[place].handled))])
            pending.append(.client(connection, .nonza(answer)))
        } else if bytes.starts(with: "<enabled".utf8) {
            clients[place].handled = 0
        } else if bytes.starts(with: "<message".utf8) || bytes.starts(with: "<presence".utf8) || bytes.starts(with: "<iq".utf8)
        {
            clients[place].handled &+= 1
            received += 1
        }
    }

    private mutating func peerGot(_ bytes: [UInt8], _ index: Int) {
        if bytes.starts(with: "<ask".utf8) {
            pending += LaneClass.allCases.map { have(index, $0) }
            return
        }
        peers[index].received += 1
        peers[index].unread = bytes
    }

    /// Like a Martlet: one `<have/>` for what came in a batch.
    private mutating func answerForPeers() {
        for index in peers.indices {
            if let dial = peers[index].dial {
                peers[index].dial = nil
                if peers[index].isReachable {
                    let connection = newConnection()
                    peers[index].connection = connection
                    place[connection.slot] = -1 - index
                    let features = PeerFeatures(
                        relay: true, streamManagement: false, proof: .certificate, peerCertificateVerified: true)
                    pending.append(.dialed(dial, connection, features, endpoints: []))
                } else {
                    pending.append(.dialFailed(dial, .unreachable("the line is down")))
                }
            }
            if let bytes = peers[index].unread {
                peers[index].unread = nil
                guard let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.client),
                    let mark = RelayMark(element.first("seq", Namespaces.relay) ?? element)
                else { continue }
                peers[index].marks[mark.lane] = mark
                pending.append(have(index, mark.lane))
            }
        }
    }

    private func have(_ index: Int, _ lane: LaneClass) -> SiteEvent {
        var have = Element(
            "have", Namespaces.relay, [("from", peers[index].jid.description), ("to", Self.domain.description)])
        var mark = peers[index].marks[lane]
        mark?.after = nil
        for (name, value) in mark?.attributes ?? [("lane", lane.name), ("n", "0")] { have[name] = value }
        let connection = peers[index].connection ?? ConnectionID(loop: 0, slot: 0, generation: 0)
        return .server(connection, .nonza(have))
    }

    // MARK: the store

    /// The size of the store's file, bytes.
    var fileSize: UInt64 { store?.sizeOnDisk ?? 0 }
}
