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
    private var sessions: Sessions
    private var federation = Federation()
    private var services = Services()
    private var timers = TimerQueue()
    /// Timers that fired in this batch.
    private var firedInBatch = 0
    private var policy: SitePolicy
    private var isBelowReserve = false
    /// Empty between turns: room for the stanzas that one causes.
    private var routed: [(stanza: Stanza, origin: Origin)] = []

    /// Stanzas for which that room is kept.
    private static let keptRoom = 64
    /// Stanzas may cause stanzas, and so on, this often in one turn (a bounce of a bounce of …); then it is a loop.
    private static let hopLimit = 32
    /// Timers that fire in one batch; the others that are due follow in the next ones. Thousands of clients are asked for
    /// acknowledgements at the full second, and whoever writes then must not wait for all of them.
    static let timersInBatch = 200
    /// How often site time is noted in the store, milliseconds.
    private static let clockMarkInterval: Int64 = 60_000

    /// A site that has not read its store yet.
    public init(policy: SitePolicy) {
        self.policy = policy
        sessions = Sessions(policy: policy)
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
            MetaTable.set(.secret, turn.random.bytes(32), in: turn.store)
        }
        if let noted = MetaTable.number(.wallTime, in: turn.store), turn.wall.milliseconds < noted {
            turn.note(.clockBehind(milliseconds: noted - turn.wall.milliseconds))
        }
        markClock(turn)
        sessions.boot(turn)
        federation.boot(turn)
        settle(turn)
    }

    /// One event to completion.
    public mutating func handle(_ event: consuming SiteEvent, _ turn: Turn) {
        switch consume event {
        case .client(let connection, let fact):
            sessions.received(fact, on: connection, turn)
        case .server(let connection, let fact):
            federation.received(fact, on: connection, turn)
        case .dialed(let dial, let connection, let features, let endpoints):
            federation.dialed(dial, connection, features, endpoints, turn)
        case .dialFailed(let dial, let failure):
            federation.dialFailed(dial, failure, turn)
        case .dialbackAnswered(let dial, let verdict):
            federation.dialbackEnded(dial, verdict, turn)
        case .keysDerived(let id, let keys):
            sessions.keysDerived(id, keys, turn)
        case .tick:
            break
        case .command(let id, let command):
            turn.perform(.answer(id, answer(command, turn)))
        case .policyChanged(let policy):
            self.policy = policy
            turn.adopt(policy)
            sessions.policyChanged(turn)
            federation.policyChanged(turn)
        case .diskSampled(let freeBytes):
            sampleDisk(freeBytes, turn)
        case .shutdownRequested:
            markClock(turn)
            sessions.shutdown(turn)
            federation.shutdown(turn)
            turn.perform(.shutdownComplete)
        }
        settle(turn)
        fireTimers(turn)
    }

    /// After the last event of a batch.
    public mutating func endBatch(_ turn: Turn) {
        federation.endBatch(turn)
        settle(turn)
        sessions.writeBatch(turn)
        federation.writeBatch(turn)
        firedInBatch = 0
    }

    /// When the next timer is due.
    public var nextDeadline: Instant? { timers.next }

    /// The policy in force.
    public var currentPolicy: SitePolicy { policy }
    /// Whether new durable stanzas are refused.
    public var refusesDurable: Bool { isBelowReserve }

    private mutating func fireTimers(_ turn: Turn) {
        while firedInBatch < Self.timersInBatch, let timer = timers.take(dueAt: turn.now) {
            firedInBatch += 1
            if timer == .clockMark {
                markClock(turn)
            } else {
                sessions.timerFired(timer, turn)
                federation.timerFired(timer, turn)
            }
            settle(turn)
        }
    }

    /// Works off the stanzas that the turn caused, then collects its timers.
    private mutating func settle(_ turn: Turn) {
        var outgoing: [(stanza: Stanza, origin: Origin)] = []
        swap(&outgoing, &routed)
        for hop in 0...Self.hopLimit {
            turn.takeOutgoing(&outgoing)
            if outgoing.isEmpty, !carryOver(turn) { break }
            for (stanza, origin) in outgoing {
                if hop == Self.hopLimit {
                    turn.note(.routingLoop(stanza.to ?? policy.domains[0]))
                } else {
                    route(stanza, origin, turn)
                }
            }
            outgoing.removeAll(keepingCapacity: outgoing.count <= Self.keptRoom)
        }
        swap(&outgoing, &routed)
        for (timer, instant) in turn.takeTimers() { timers.add(timer, at: instant) }
    }

    /// What the parts of the site have to tell one another, since they never call each other; false where there is nothing.
    private mutating func carryOver(_ turn: Turn) -> Bool {
        let changes = federation.takeChanges()
        for change in changes { sessions.linkChanged(change, turn) }
        let links = sessions.takeWantedLinks()
        for pair in links { federation.reach(pair, turn) }
        let offices = sessions.takeOfficeQuestions()
        for id in offices {
            guard let question = sessions.officeQuestion(id, turn) else { continue }
            let waiting = question.pairs.map { ($0, federation.ownWaiting(of: question.account, on: $0, turn)) }
            sessions.showOffices(id, waiting: waiting, turn)
        }
        let questions = services.takeQueueQuestions()
        for question in questions {
            let cancelled = federation.cancel(question.cancelled, of: question.account, turn)
            let entries = federation.ownEntries(of: question.account, turn)
            services.answer(question, cancelled, entries, turn)
        }
        return !changes.isEmpty || !links.isEmpty || !offices.isEmpty || !questions.isEmpty
    }

    /// The bus: a stanza goes to the most specific owner of its address; the default route is federation.
    private mutating func route(_ stanza: Stanza, _ origin: Origin, _ turn: Turn) {
        guard let to = stanza.to else { return }
        if !policy.serves(to.domainpart) {
            federation.accept(stanza, from: origin, turn)
        } else if to.localpart == nil {
            services.deliver(stanza, from: origin, turn)
        } else {
            sessions.deliver(stanza, from: origin, turn)
        }
    }

    private mutating func answer(_ command: Command, _ turn: Turn) -> CommandAnswer {
        switch command {
        case .status:
            let figures = federation.figures
            return .status(
                StatusRow(
                    accounts: sessions.accountCount, sessions: sessions.sessionCount, links: figures.links,
                    waitingEntries: figures.waiting))
        case .drain(let otherHost):
            sessions.drain(to: otherHost, turn)
            return .done("clients were told to reconnect at \(otherHost)")
        case .addUser, .changePassword, .removeUser, .listUsers:
            return sessions.handle(command, turn) ?? .refused("not understood")
        case .listLinks, .showLink, .retryLinks, .listQueue, .listAges, .holdEntries, .releaseEntries, .purgeEntries,
            .planResync, .resync, .exportEntries, .importRecords:
            return federation.handle(command, turn)
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
    private mutating func sampleDisk(_ freeBytes: Int64, _ turn: Turn) {
        let below = freeBytes < policy.diskReserve
        guard below != isBelowReserve else { return }
        isBelowReserve = below
        turn.setBelowReserve(below)
        turn.note(below ? .diskReserveReached(freeBytes: freeBytes) : .diskReserveLeft(freeBytes: freeBytes))
    }
}
