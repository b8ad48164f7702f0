import MartletBus
import MartletPrimitives
import MartletStore

/// Drives a ``Site``: batch → one write transaction → commit → effects (*output commit*). The runtime uses it with LMDB
/// and the machine's clocks, the simulator with a store in memory and virtual time.
///
/// A batch that wrote something binding is committed before its effects are returned. One that wrote only what the
/// protocol brings again returns its effects at once; its transaction stays open and is committed with the next binding
/// batch or after 100 ms. Acknowledgements wait for that commit in either case.
///
/// On a full disk nothing can be committed, and nothing is admitted whose loss anybody would notice: what is written all the same
/// (removals, counters) stays in the open transaction until there is room. Whoever dies meanwhile has died when the disk became full.
public struct SiteDriver {
    private var site: Site
    private let store: any KeyValueStore
    private var random: RandomStream
    private var transaction: (any KeyValueTransaction)?
    private var afterCommit: [Effect] = []
    /// Between turns; each has it while it lasts.
    private var memory = MemoryLedger()
    /// When the open transaction must be committed, in monotonic milliseconds.
    private var commitDeadline: Int64?
    /// Site time minus monotonic time.
    private var offset: Int64 = 0
    /// When ``handle(_:monotonic:wall:)`` has to be called at the latest, in monotonic milliseconds. Stored, because whoever asks
    /// a driver that may be nil for a computed property copies the whole site first.
    public private(set) var nextWake: Int64?
    /// The disk had little room when it was looked at last. Stored for the same reason.
    public private(set) var isShortOfRoom = false
    /// So much was written since the last look at the disk that the next one is due before anything else.
    public private(set) var wantsLook = false

    /// Lazy writes reach the disk after this long, milliseconds: the most that an acknowledgement waits for company.
    private static let lazyCommitDelay: Int64 = 100
    /// What an open transaction may take, on the safe side, where the disk has little room: its pages are free again two commits later.
    private static let openBytesWhenShort = 2 << 20
    /// Acknowledgements that wait for a commit while there is none; the oldest give way, since later ones say more.
    private static let heldEffects = 4096

    /// A driver for the site whose state is in `store`.
    public init(store: any KeyValueStore, policy: SitePolicy, random: RandomStream) {
        self.store = store
        self.random = random
        site = Site(policy: policy)
    }

    /// Reads the store, which is brought to our schema before. `monotonic` is in milliseconds from any origin; `look` is what was found
    /// on the disk.
    public mutating func boot(
        monotonic: Int64, wall: WallTime, look: StoreRoom.Look? = nil
    ) throws(StoreFailure) -> [Effect] {
        defer { setNextWake() }
        let migrated = try StoreMigration.run(store)
        offset = Site.instantOfStart(begin(), wall: wall).milliseconds - monotonic
        let turn = makeTurn(monotonic, wall)
        if let look { site.looked(look, turn) }
        if let migrated { turn.note(.storeMigrated(fromSchema: migrated.schema, rows: migrated.rows)) }
        site.boot(turn)
        site.endBatch(turn)
        return try finish(turn, monotonic)
    }

    /// One batch: takes the events out of the list, in their order, until so much was written that others should not wait for more;
    /// what is left belongs to the next batch. A look at the disk begins one: what was written before it was admitted by the look before,
    /// and is committed by that one. Without events only timers fire. Throws when the commit failed: then this value must
    /// not be used any more, the state on disk is the truth.
    public mutating func handle(
        _ events: inout [SiteEvent], monotonic: Int64, wall: WallTime
    ) throws(StoreFailure) -> [Effect] {
        defer { setNextWake() }
        let turn = makeTurn(monotonic, wall)
        // Taken out, so that nobody else holds a stanza that is changed on its way: no copy is made of it.
        events.reverse()
        let count = events.count
        while !turn.isFull, let event = events.popLast() {
            if case .diskSampled = event, events.count + 1 < count {
                events.append(event)
                break
            }
            site.handle(event, turn)
        }
        events.reverse()
        site.handle(.tick, turn)
        site.endBatch(turn)
        return try finish(turn, monotonic)
    }

    /// Commits what is open; the last call.
    public mutating func close() throws(StoreFailure) -> [Effect] {
        defer { setNextWake() }
        guard canCommit else {
            if transaction != nil { store.abort() }
            transaction = nil
            return []
        }
        return try commit(before: [])
    }

    private mutating func setNextWake() {
        isShortOfRoom = site.level != .ample
        wantsLook = site.room.wantsLook(open: transaction?.bytesWritten ?? 0)
        let timer = site.nextDeadline.map { $0.milliseconds - offset }
        // The next look at the disk says whether it is time.
        let commitDeadline = canCommit ? commitDeadline : nil
        nextWake = if let timer, let commitDeadline { min(timer, commitDeadline) } else { timer ?? commitDeadline }
    }

    private mutating func begin() -> any KeyValueTransaction {
        if let transaction { return transaction }
        let fresh = store.begin()
        transaction = fresh
        return fresh
    }

    private mutating func makeTurn(_ monotonic: Int64, _ wall: WallTime) -> Turn {
        let turn = Turn(
            now: Instant(milliseconds: offset + monotonic), wall: wall, random: random, store: begin(),
            policy: site.currentPolicy, room: site.room)
        swap(&turn.memory, &memory)
        return turn
    }

    private mutating func finish(_ turn: Turn, _ monotonic: Int64) throws(StoreFailure) -> [Effect] {
        random = turn.random
        swap(&turn.memory, &memory)
        afterCommit += turn.afterCommit
        guard canCommit else {
            dropOldest()
            if turn.hasWrites { commitDeadline = commitDeadline ?? monotonic }
            return turn.takeEffects()
        }
        if isShortOfRoom, turn.store.bytesWritten > Self.openBytesWhenShort { return try commit(before: turn.takeEffects()) }
        if turn.isBinding { return try commit(before: turn.takeEffects()) }
        if turn.hasWrites, commitDeadline == nil { commitDeadline = monotonic + Self.lazyCommitDelay }
        guard let deadline = commitDeadline, monotonic < deadline else { return try commit(before: turn.takeEffects()) }
        return turn.takeEffects()
    }

    /// There is a limit to what waits for a commit that cannot be made: later acknowledgements say more than earlier ones. The end of a
    /// stream is said once, and there are no more of them than streams.
    private mutating func dropOldest() {
        var excess = afterCommit.count - Self.heldEffects
        if excess <= 0 { return }
        afterCommit.removeAll { effect in
            guard excess > 0, case .stream(_, .send) = effect else { return false }
            excess -= 1
            return true
        }
    }

    /// Whether what is written can be made durable.
    private var canCommit: Bool { site.room.admitsCommit }

    private mutating func commit(before effects: consuming [Effect]) throws(StoreFailure) -> [Effect] {
        if let transaction {
            if transaction.writes > 0 {
                let bytes = transaction.bytesWritten
                try store.commit()
                site.committed(bytes)
            } else {
                store.abort()
            }
        }
        transaction = nil
        commitDeadline = nil
        effects += afterCommit
        afterCommit.removeAll(keepingCapacity: true)
        return effects
    }
}
