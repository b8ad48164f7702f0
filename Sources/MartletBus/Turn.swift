import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A bound resource; survives connections and, with stream management, restarts.
public struct SessionID: Hashable, Sendable {
    /// The place in the slab.
    public var slot: UInt32
    /// Which use of the place.
    public var generation: UInt32

    /// Use `generation` of `slot`.
    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// The relation of one of our domains to one peer domain; survives everything, owns a queue.
public struct LinkID: Hashable, Sendable {
    /// The place in the list of links.
    public var slot: UInt32

    /// The link in `slot`.
    public init(slot: UInt32) { self.slot = slot }
}

/// One event handled to completion: its time, its randomness, its transaction, and what it wants done.
///
/// A turn lives for one batch on the site's thread and is handed to every part of the site in turn.
public final class Turn {
    /// Site time.
    public let now: Instant
    /// Calendar time, for stamps that people read.
    public let wall: WallTime
    /// The only source of randomness.
    public var random: RandomStream
    /// The batch's write transaction.
    public let store: any KeyValueTransaction
    /// What may change while running.
    public private(set) var policy: SitePolicy
    /// Leave after the batch: after its commit where it wrote anything binding, else at once.
    public private(set) var effects: [Effect] = []
    /// Leave only after the next commit, also from a batch that has only lazy writes: acknowledgements.
    public private(set) var afterCommit: [Effect] = []
    /// Stanzas to be routed, in order.
    public private(set) var outgoing: [Envelope] = []
    /// Whether parts of the site have told or asked anything.
    public private(set) var hasNews = false
    /// What parts of the site have told the others, in order.
    public private(set) var notices: [Notice] = []
    /// What parts of the site want of others, in order.
    public private(set) var questions: [Question] = []
    /// Messages that were written to the log for archives, in the order of the log.
    public private(set) var archived: [ArchivedMessage] = []
    /// Timers to be set.
    public private(set) var timers: [(timer: SiteTimer, at: Instant)] = []
    /// Who holds how much of the process's memory.
    public var memory = MemoryLedger()
    /// How much room the store had when the batch began, or when it was looked at since.
    private var room: StoreRoom
    /// Whom the event in hand costs.
    public var bill = Bill()

    private var lazyWrites = 0
    private let writesBefore: Int

    /// A turn inside `store`'s transaction.
    public init(
        now: Instant, wall: WallTime, random: RandomStream, store: any KeyValueTransaction, policy: SitePolicy,
        room: StoreRoom = .ample
    ) {
        self.now = now
        self.wall = wall
        self.random = random
        self.store = store
        self.policy = policy
        self.room = room
        writesBefore = store.writes
    }

    /// Whether something of that kind may be written now, whose longest value has so many bytes: the one place that decides what a disk
    /// has room for. Asked before anything of it is written; a refusal is `resource-constraint` for whoever wanted it. `beside` is what
    /// will have been written before it.
    public func admits(_ kind: WriteKind, bytes: Int = 0, beside: Int = 0) -> Bool {
        room.admits(kind, bytes: bytes, open: store.bytesWritten + beside)
    }

    /// Whether a file may come that will have so many bytes, with its row; `beside` is what other files on their way will have.
    public func admitsFile(bytes: UInt64, beside: UInt64) -> Bool {
        admits(.state) && room.admitsFile(bytes: Int64(clamping: bytes &+ beside), open: store.bytesWritten)
    }

    /// Whether so many rows were written that the batch ends: everybody who says something now waits for its commit, and a row may be a
    /// page of 4 KiB. A commit for each three hundred messages costs nothing that shows.
    public var isFull: Bool { store.writes - writesBefore >= Self.batchWrites }

    /// Rows that one batch writes, and those of its last event: eight megabytes at most, some tens of milliseconds on a slow disk.
    private static let batchWrites = 2000

    /// Whether anything was written that has to be on disk before the effects leave.
    public var isBinding: Bool { store.writes - writesBefore > lazyWrites }

    /// Whether anything was written at all.
    public var hasWrites: Bool { store.writes > writesBefore }

    /// How far the batch has come.
    public var mark: WorkMark {
        WorkMark(
            rows: store.touched, writes: store.writes, effects: effects.count, acknowledgements: afterCommit.count)
    }

    /// What was done since `mark`: counted from what there is, so that nothing can be forgotten.
    public func count(since mark: WorkMark) -> WorkCount {
        var count = WorkCount()
        count.rows = store.touched - mark.rows
        count.writes = store.writes - mark.writes
        for index in mark.effects..<effects.count { count.add(effects[index]) }
        for index in mark.acknowledgements..<afterCommit.count { count.add(afterCommit[index]) }
        return count
    }

    /// Runs `body`, whose writes may be lost in a crash because the protocol brings them again: entries removed on an
    /// acknowledgement, counters of volatile stanzas. They are committed with the next binding batch or within 100 ms.
    public func lazily(_ body: () -> Void) {
        let before = store.writes
        body()
        lazyWrites += store.writes - before
    }

    /// Hands a stanza to the bus that came from outside: `from` is set, `to` but for one to the sender's own account.
    public func admit(_ stanza: consuming Stanza, from origin: Origin) {
        let entrance: Checkpoint =
            switch origin {
            case .peer, .component, .bundle: .fromPeer
            case .session, .login, .account, .service, .room, .site: .fromClient
            }
        outgoing.append(Envelope(stanza, from: origin, entrance: entrance))
    }

    /// Hands a stanza to the bus that the site says itself. `to` must be set.
    public func route(_ stanza: consuming Stanza, from origin: Origin) {
        outgoing.append(Envelope(stanza, from: origin))
    }

    /// Hands a notification to the bus: whoever cannot be reached now is told the last one when he is there again.
    public func routeNews(_ stanza: consuming Stanza) {
        var envelope = Envelope(stanza, from: .account)
        envelope.isNews = true
        outgoing.append(envelope)
    }

    /// Hands a room's stanza to the bus; `sequence` is the row of the log that all who get it share.
    public func routeFromRoom(_ stanza: consuming Stanza, logged sequence: UInt64? = nil) {
        var envelope = Envelope(stanza, from: .room)
        envelope.logSequence = sequence
        outgoing.append(envelope)
    }

    /// Bounces a stanza, where RFC 6120 §8.3.1 allows an answer.
    public func bounce(_ stanza: Stanza, _ error: StanzaError) {
        if let reply = stanza.errorReply(error) { route(reply, from: .site) }
    }

    /// Tells the other parts of the site a fact.
    public func notify(_ notice: Notice) {
        hasNews = true
        notices.append(notice)
    }

    /// Asks whoever can answer.
    public func ask(_ question: Question) {
        hasNews = true
        questions.append(question)
    }

    /// Tells the archives of a message that was just written to the log.
    public func noteArchived(_ stanza: Stanza, _ owners: ArchiveOwners, at sequence: UInt64) {
        archived.append(ArchivedMessage(sequence: sequence, stanza: stanza, owners: owners, time: wall))
    }

    /// Tells a connection to do something.
    public func perform(_ command: StreamCommand, on connection: ConnectionID) {
        effects.append(.stream(connection, command))
    }

    /// Sends bytes that acknowledge something: they leave only once everything written so far is on disk.
    public func acknowledge(_ bytes: [UInt8], on connection: ConnectionID) {
        afterCommit.append(.stream(connection, .send(bytes)))
    }

    /// Closes a stream once everything written so far is on disk: our closing tag says that what the client acknowledged before
    /// its own is settled.
    public func closeAfterCommit(_ connection: ConnectionID) {
        afterCommit.append(.stream(connection, .close(nil)))
    }

    /// Has a connection rest, which costs nobody anything.
    public func rest(_ connection: ConnectionID, milliseconds: Int64) {
        effects.append(.stream(connection, .rest(milliseconds)))
    }

    /// Any other effect.
    public func perform(_ effect: Effect) {
        effects.append(effect)
    }

    /// Tells the operator.
    public func note(_ diagnostic: Diagnostic) {
        effects.append(.note(diagnostic))
    }

    /// Sets a timer.
    public func schedule(_ timer: SiteTimer, at instant: Instant) {
        timers.append((timer, instant))
    }

    /// Sets a timer `milliseconds` from now.
    public func schedule(_ timer: SiteTimer, after milliseconds: Int64) {
        timers.append((timer, now + milliseconds))
    }
}

extension Turn {
    /// For the site: the stanzas to route, for an empty list whose room the next ones take.
    public func takeOutgoing(_ taken: inout [Envelope]) {
        swap(&taken, &outgoing)
    }

    /// For the site: the facts that were told.
    public func takeNotices() -> [Notice] {
        hasNews = false
        var taken: [Notice] = []
        swap(&taken, &notices)
        return taken
    }

    /// For the site: what was asked.
    public func takeQuestions() -> [Question] {
        var taken: [Question] = []
        swap(&taken, &questions)
        return taken
    }

    /// For the site: the messages that were written for archives.
    public func takeArchived() -> [ArchivedMessage] {
        var taken: [ArchivedMessage] = []
        swap(&taken, &archived)
        return taken
    }

    /// For the driver: the effects, which the turn holds no longer.
    public func takeEffects() -> [Effect] {
        var taken: [Effect] = []
        swap(&taken, &effects)
        return taken
    }

    /// For the site: the timers that were set.
    public func takeTimers() -> [(timer: SiteTimer, at: Instant)] {
        var taken: [(timer: SiteTimer, at: Instant)] = []
        swap(&taken, &timers)
        return taken
    }

    /// For the site: the policy changed in this turn.
    public func adopt(_ policy: SitePolicy) { self.policy = policy }

    /// For the site: the disk was looked at in this turn.
    public func setRoom(_ room: StoreRoom) { self.room = room }
}
