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
    var clients: [Client] = []
    var peers: [Peer] = []
    /// Answers to commands, the last first.
    private(set) var answers: [CommandAnswer] = []
    /// Stanzas that clients got.
    var received = 0
    /// What came to clients that look something up; nil while nobody does.
    var lookedUp: [[UInt8]]?
    /// Messages written so far, which gives each its id.
    var written = 0
    /// Clients acknowledge each message at once instead of when they are asked.
    var acknowledgesEach = false
    /// What clients and peers have to say in the next batch.
    var pending: [SiteEvent] = []
    /// Whose connection it is: an index of `clients`, or for peers -1 and below. Look-up only.
    var place: [UInt32: Int] = [:]
    /// What the site said of the account that a connection wants. Look-up only.
    var generations: [UInt32: UInt64] = [:]
    private var store: LMDBStore?
    private var skipped: Int64 = 0
    private var nextSlot: UInt32 = 0
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
        /// It is no Martlet, offers no stream management, and never says what it got.
        var isMute = false
        var connection: ConnectionID?
        var dial: DialID?
        /// The last mark that it took over of each lane. Look-up only.
        var marks: [LaneClass: RelayMark] = [:]
        var received = 0
        /// The last element of those that came and were not answered.
        var unread: [UInt8]?
    }

    /// Opens the store in `directory` and boots; `peers` are known offices, all cut off at first.
    init(directory: String, peers: [String], archives: Bool = false) throws {
        var policy = SitePolicy(domains: [Self.domain])
        policy.archive.isEnabled = archives
        // What is measured is larger than any office lets it become.
        policy.archive.bytesPerAccount = .max
        policy.federation.knownPeers = peers.map {
            JID(preparedLocalpart: nil, preparedDomainpart: $0, preparedResourcepart: nil)
        }
        self.policy = policy
        self.directory = directory
        self.peers = policy.federation.knownPeers.map { Peer(jid: $0, isReachable: false) }
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
        let start = Reading()
        let booted = try driver.boot(monotonic: now, wall: wall)
        let cost = Cost(since: start)
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
    mutating func handle(_ events: consuming [SiteEvent]) throws {
        try batch(events)
        try settle()
    }

    /// One batch without what follows.
    @discardableResult
    mutating func batch(_ events: consuming [SiteEvent]) throws -> Cost {
        let start = Reading()
        var effects: [Effect] = []
        repeat { effects += try driver.handle(&events, monotonic: now, wall: wall) } while !events.isEmpty
        let spent = Cost(since: start)
        cost.add(spent)
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

    // MARK: connections

    /// One that was not there before.
    mutating func newConnection() -> ConnectionID {
        nextSlot += 1
        return ConnectionID(loop: 0, slot: nextSlot, generation: 0)
    }

    /// Where clients stand in `place`, peers stand below zero.
    private mutating func look(at effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .stream(let connection, .send(let bytes)):
                guard let place = place[connection.slot] else { continue }
                if place >= 0 { clientGot(bytes, place) } else { peerGot(bytes, -1 - place) }
            case .stream(let connection, .credentials(let found)):
                generations[connection.slot] = found.generation
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

    // MARK: the store

    /// The size of the store's file, bytes.
    var fileSize: UInt64 { store?.sizeOnDisk ?? 0 }
}
