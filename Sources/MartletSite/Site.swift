import MartletBus
import MartletFederation
import MartletPrimitives
import MartletServices
import MartletSessions
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// One office: everything that is true about it, as one deterministic value.
///
/// `event + time + randomness + transaction → effects`; no clocks, sockets, locks or logs. The runtime drives it on one
/// thread, the simulator drives many of them on virtual time. Usage: ``boot(_:)`` once per start, then for each batch
/// ``handle(_:_:)`` per event and ``endBatch(_:)``; afterwards the turn holds the effects, to be let out after the
/// commit.
public struct Site {
    var accounts = Accounts()
    var sessions = Sessions()
    var federation = Federation()
    var offices = Offices()
    var archive = Archive()
    var pubsub = PubSub()
    var rooms = Rooms()
    var uploads = Uploads()
    var interceptors = Interceptors()
    var bounces = Bounces()
    var blocking = Blocking()
    var push = Push()
    var administration = Administration()
    var multicast = Multicast()
    var lastKnown = LastKnown()
    var bytestreams = Bytestreams()
    /// In the order of their list, which is that of the catalogue.
    let services: [SiteService]
    /// What they declare.
    let catalogue: ServiceCatalogue
    /// Where at least one of them looks on.
    let observed: [Checkpoint]
    var timers = TimerQueue()
    /// What everybody has caused.
    var karma = Karma()
    /// Clients are being sent away: what they say at last is heard, whatever it costs.
    private(set) var isStopping = false
    /// Timers that fired in this batch.
    private var firedInBatch = 0
    var policy: SitePolicy {
        didSet { watchesLinks = Uploads.watchesLinks(policy) }
    }
    /// Messages of offices may show files that are to be fetched.
    private(set) var watchesLinks: Bool
    /// Answers questions in the place of the parts that would, where it returns true; for suites of one part alone.
    var standIn: ((Question, inout Site, Turn) -> Bool)?
    /// The room of the store: what was seen last, less what was written since.
    private(set) var room = StoreRoom.ample
    /// What there was room for at the last look, as the operator was told.
    private(set) var level = DiskRoom.ample
    /// Empty between turns: room for the stanzas that one causes.
    var routed: [Envelope] = []

    /// Stanzas for which that room is kept.
    static let keptRoom = 64
    /// Stanzas may cause stanzas, and so on, this often in one turn (a bounce of a bounce of …); then it is a loop.
    static let hopLimit = 32
    /// Timers that fire in one batch; the others that are due follow in the next ones. Thousands of clients are asked for
    /// acknowledgements at the full second, and whoever writes then must not wait for all of them.
    static let timersInBatch = 200
    /// How often site time is noted in the store, milliseconds.
    private static let clockMarkInterval: Int64 = 60_000

    /// A site that has not read its store yet.
    public init(policy: SitePolicy) { self.init(policy: policy, services: SiteService.all) }

    /// The same with other services.
    init(policy: SitePolicy, services: [SiteService]) {
        self.policy = policy
        watchesLinks = Uploads.watchesLinks(policy)
        self.services = services
        let catalogue = ServiceCatalogue(services.map(\.declaration))
        self.catalogue = catalogue
        observed = Checkpoint.allCases.filter { !catalogue.observers(at: $0).isEmpty }
    }

    /// Site time of a start: what the store noted last, advanced by the wall-clock difference, never backwards and at
    /// most a day, so that a wrong clock expires nothing (`Docs/relay-protocol.md` §8).
    public static func instantOfStart(_ store: some KeyValueTransaction, wall: WallTime) -> Instant {
        guard let site = MetaTable.number(.siteTime, in: store), let noted = MetaTable.number(.wallTime, in: store) else {
            return Instant(milliseconds: 0)
        }
        return Instant(milliseconds: site + min(max(wall.milliseconds - noted, 0), 86_400_000))
    }

    /// After a start: prepares a new store, or continues where the last commit left off.
    public mutating func boot(_ turn: Turn) {
        if MetaTable.schema(in: turn.store) == nil {
            MetaTable.setSchema(MetaTable.schemaVersion, in: turn.store)
            // Whoever has made the store has given it one.
            if MetaTable.bytes(.secret, in: turn.store) == nil {
                MetaTable.set(.secret, turn.random.bytes(MetaTable.secretBytes), in: turn.store)
            }
        }
        if let noted = MetaTable.number(.wallTime, in: turn.store), turn.wall.milliseconds < noted {
            turn.note(.clockBehind(milliseconds: noted - turn.wall.milliseconds))
        }
        sessions.turnBegins()
        markClock(turn)
        accounts.boot(turn)
        interceptors.boot(turn)
        bounces.boot(turn)
        blocking.boot(turn)
        push.boot(turn)
        administration.boot(turn)
        multicast.boot(turn)
        lastKnown.boot(turn)
        offices.policyChanged(turn)
        sessions.boot(turn)
        federation.boot(turn)
        archive.boot(turn)
        pubsub.boot(turn)
        rooms.boot(turn)
        uploads.boot(turn)
        settle(turn)
    }

    /// One event to completion.
    public mutating func handle(_ event: consuming SiteEvent, _ turn: Turn) {
        sessions.turnBegins()
        let mark = turn.mark
        var (source, work): (ConnectionID?, Int64) = (nil, WorkPrice.event)
        let name = Self.name(of: event)
        switch consume event {
        case .client(let connection, let fact):
            source = connection
            if case .spent(let spent) = fact { work = spent }
            received(fact, on: connection, turn)
        case .server(let connection, let fact):
            source = connection
            if case .spent(let spent) = fact { work = spent }
            federation.received(fact, on: connection, turn)
        case .dialed(let dial, let connection, let features, let endpoints):
            federation.dialed(dial, connection, features, endpoints, turn)
        case .dialFailed(let dial, let failure):
            federation.dialFailed(dial, failure, turn)
        case .dialbackAnswered(let dial, let verdict):
            federation.dialbackEnded(dial, verdict, turn)
        case .workDone(let id, let result) where Uploads.owns(id):
            uploads.workDone(id, result, turn)
        case .workDone(let id, let result):
            accounts.workDone(id, result, turn)
            bytestreams.workDone(id, result, turn)
            settle(turn)
            accounts.requestHandled(turn)
        case .tick:
            break
        case .command(let id, let command):
            turn.perform(.answer(id, answer(command, turn)))
        case .policyChanged(let policy):
            self.policy = policy
            turn.adopt(policy)
            interceptors.policyChanged(turn)
            offices.policyChanged(turn)
            federation.policyChanged(turn)
            archive.policyChanged(turn)
        case .diskSampled(let freeBytes, let growth):
            looked(StoreRoom.Look(freeBytes: freeBytes, growth: growth), turn)
        case .restedAtLogin(let address, let milliseconds):
            restedAtLogin(address, milliseconds: milliseconds, turn)
        case .shutdownRequested:
            isStopping = true
            markClock(turn)
            sessions.shutdown(turn)
        }
        settle(turn)
        end(turn, since: mark, name, work, on: source)
        fireTimers(turn)
    }

    /// After the last event of a batch.
    public mutating func endBatch(_ turn: Turn) {
        federation.endBatch(turn)
        sessions.relieve(turn)
        settle(turn)
        archive.takeNew(turn)
        settle(turn)
        interceptors.writeBatch(turn)
        bounces.writeBatch(turn)
        federation.writeBatch(turn)
        sessions.turnBegins()
        firedInBatch = 0
    }

    /// When the next timer is due.
    public var nextDeadline: Instant? { timers.next }

    /// The policy in force.
    public var currentPolicy: SitePolicy { policy }

    /// A fact about a client's connection: before it is let in accounts decide, afterwards it is a session's.
    private mutating func received(_ event: consuming ClientStreamEvent, on connection: ConnectionID, _ turn: Turn) {
        switch consume event {
        case .credentialsWanted(let localpart, let domain, let mechanism, let address):
            accounts.credentialsWanted(localpart, domain, mechanism, address, on: connection, turn)
        case .authenticated where sessions.hasLoggedIn(connection):
            turn.perform(.refuse(.notAuthorized), on: connection)
        case .authenticated(let client):
            accounts.clientAuthenticated(client, on: connection, turn)
        case .tokenShown where sessions.hasLoggedIn(connection):
            turn.perform(.refuse(.notAuthorized), on: connection)
        case .tokenShown(let proof):
            accounts.tokenShown(proof, on: connection, turn)
        case .authenticationFailed(let localpart, let domain, let address):
            accounts.authenticationFailed(localpart, domain, address, turn)
        case .registrationRequested(let stanza, let domain, let address, let token):
            turn.bill.payer = sessions.party(on: connection)
            // What was said before counts first.
            let event = ClientStreamEvent.registrationRequested(stanza, domain: domain, address: address)
            if sessions.waits(event, on: connection, turn) { return }
            let isStranger = !sessions.hasLoggedIn(connection)
            accounts.registrationRequested(
                stanza, domain, address, isStranger: isStranger, invitation: token, on: connection, turn)
            settle(turn)
            accounts.requestHandled(turn)
        case let other:
            sessions.received(other, on: connection, turn)
        }
    }

    private mutating func fireTimers(_ turn: Turn) {
        while firedInBatch < Self.timersInBatch, let timer = timers.take(dueAt: turn.now) {
            firedInBatch += 1
            sessions.turnBegins()
            let mark = turn.mark
            switch timer {
            case .session(let timer): sessions.timerFired(timer, turn)
            case .link(let timer): federation.timerFired(timer, turn)
            case .offices(let timer): offices.timerFired(timer, turn)
            case .archive(let timer): archive.timerFired(timer, turn)
            case .pubsub(let timer): pubsub.timerFired(timer, turn)
            case .rooms(let timer): rooms.timerFired(timer, turn)
            case .uploads(let timer): uploads.timerFired(timer, turn)
            case .bounces: bounces.timerFired(turn)
            case .administration(let timer): administrationDue(timer, turn)
            case .multicast: multicast.timerFired(turn)
            case .lastKnown: lastKnown.timerFired(turn)
            case .clockMark: markClock(turn)
            }
            settle(turn)
            accounts.requestHandled(turn)
            end(turn, since: mark, Self.name(of: timer), WorkPrice.event, on: nil)
        }
    }

    /// Notes site time and calendar time, for the next start.
    private func markClock(_ turn: Turn) {
        turn.lazily {
            MetaTable.set(.siteTime, turn.now.milliseconds, in: turn.store)
            MetaTable.set(.wallTime, turn.wall.milliseconds, in: turn.store)
        }
        turn.schedule(.clockMark, after: Self.clockMarkInterval)
    }

    /// Admission instead of repair: a full disk is never met (relay protocol R4, S1).
    mutating func looked(_ look: StoreRoom.Look, _ turn: Turn) {
        room = StoreRoom(look, policy.limits)
        turn.setRoom(room)
        var (now, free) = (DiskRoom(freeBytes: look.freeBytes, policy.limits), look.freeBytes)
        // A file of free pages that cannot grow takes short stanzas and refuses long ones, which the operator has to know.
        if now == .ample, !room.takesLongValues { (now, free) = (.reserve, look.growth) }
        guard now != level else { return }
        level = now
        // What is only kept in case of need goes first.
        if now != .ample { federation.trimAll(turn) }
        switch now {
        case .ample: turn.note(.diskReserveLeft(freeBytes: free))
        case .reserve: turn.note(.diskReserveReached(freeBytes: free))
        case .none: turn.note(.diskFloorReached(freeBytes: free))
        case .exhausted: turn.note(.diskExhausted(freeBytes: free))
        }
    }

    /// For the driver: a transaction was made durable, which took at most so many bytes.
    mutating func committed(_ bytes: Int) { room.committed(bytes) }
}
