import Glibc
import Logging
import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import XMPPStreams

/// Carries out what a site wants.
public protocol EffectDispatcher: Sendable {
    /// The effects of a batch in the order of its turns. Called on the site's thread, after the commit where one was
    /// needed; must not wait for anything.
    func dispatch(_ effects: [Effect])

    /// How many stanzas and nonzas of each connection the last batch handled, so that reading can go on. Called on the
    /// site's thread after every batch.
    func handled(_ counts: [(connection: ConnectionID, count: Int)])
}

/// Runs one ``Site`` on a thread of its own: takes a batch of events, handles them inside one write transaction,
/// commits, and only then lets the effects out (*output commit*).
///
/// A batch that wrote nothing, or only what the protocol brings again, lets its effects go at once; its transaction
/// stays open and is committed with the next binding batch or after 100 ms. Acknowledgements wait for the commit in
/// either case. A failed commit ends the process: recovery is always the boot path.
public final class SiteLoop: Sendable {
    private let inbox = SiteInbox()
    private let worker: Worker

    /// A loop over `store`, which it owns from now on. `diskProbe` gives the free bytes under the store.
    public init(
        store: sending any KeyValueStore, policy: SitePolicy, dispatcher: any EffectDispatcher, logger: Logger,
        diskProbe: @escaping @Sendable () -> Int64?
    ) {
        worker = Worker(
            inbox: inbox, store: store, policy: policy, dispatcher: dispatcher, logger: logger, diskProbe: diskProbe)
    }

    /// Starts the site's thread: reads the store, then handles events.
    public func start() { worker.start() }

    /// Adds an event, from any thread.
    public func post(_ event: SiteEvent) { inbox.post(event) }

    /// Handles what was posted, commits, and ends the thread; returns when it has ended.
    public func stop() {
        inbox.stop()
        worker.join()
    }
}

/// The site's thread. Everything here is touched by that thread only.
private final class Worker: @unchecked Sendable {
    // SAFETY: the fields are set in init, before the thread exists, and used by that thread alone afterwards; `thread`
    // is written by start() and read by join(), both called by the owner.
    private let inbox: SiteInbox
    private let store: any KeyValueStore
    private let dispatcher: any EffectDispatcher
    private let logger: Logger
    private let diskProbe: @Sendable () -> Int64?
    private var site: Site
    private var random = RandomStream(key: KernelRandom.bytes(32))
    private var thread: pthread_t = 0

    private var transaction: (any KeyValueTransaction)?
    /// When the open transaction must be committed, milliseconds of the monotonic clock.
    private var commitDeadline: Int64?
    private var afterCommit: [Effect] = []
    private var base: Int64 = 0
    private var nextProbe: Int64 = 0

    /// Lazy writes reach the disk after this long, milliseconds.
    private static let lazyCommitDelay: Int64 = 100
    /// Events in one batch: enough to share a commit, short enough that nobody waits long.
    private static let batchEvents = 1000
    /// How often free space is looked at, milliseconds.
    private static let probeInterval: Int64 = 5000

    init(
        inbox: SiteInbox, store: any KeyValueStore, policy: SitePolicy, dispatcher: any EffectDispatcher, logger: Logger,
        diskProbe: @escaping @Sendable () -> Int64?
    ) {
        self.inbox = inbox
        self.store = store
        self.dispatcher = dispatcher
        self.logger = logger
        self.diskProbe = diskProbe
        site = Site(policy: policy)
    }

    func start() {
        let this = Unmanaged.passRetained(self)
        let result = pthread_create(&thread, nil, { argument in
            guard let argument else { return nil }
            Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        }, this.toOpaque())
        precondition(result == 0, "the site's thread could not be made: error \(result)")
    }

    func join() {
        pthread_join(thread, nil)
    }

    private func run() {
        let first = begin()
        base = Site.instantOfStart(first, wall: SystemClock.wall).milliseconds - SystemClock.monotonic
        let turn = makeTurn(first)
        site.boot(turn)
        site.endBatch(turn)
        finish(turn)
        while let events = inbox.take(until: nextWake) {
            var start = events.startIndex
            repeat {
                let end = min(start + Self.batchEvents, events.endIndex)
                handle(events[start..<end])
                start = end
            } while start < events.endIndex
        }
        commit()
    }

    private var nextWake: Int64? {
        let timer = site.nextDeadline.map { $0.milliseconds - base }
        return [timer, commitDeadline, nextProbe].compactMap { $0 }.min()
    }

    private func handle(_ events: ArraySlice<SiteEvent>) {
        let turn = makeTurn(begin())
        var counts: [(connection: ConnectionID, count: Int)] = []
        if events.isEmpty { site.handle(.tick, turn) }
        for event in events {
            site.handle(event, turn)
            count(event, &counts)
        }
        if SystemClock.monotonic >= nextProbe {
            nextProbe = SystemClock.monotonic + Self.probeInterval
            if let free = diskProbe() { site.handle(.diskSampled(freeBytes: free), turn) }
        }
        site.endBatch(turn)
        finish(turn)
        if !counts.isEmpty { dispatcher.handled(counts) }
    }

    private func count(_ event: SiteEvent, _ counts: inout [(connection: ConnectionID, count: Int)]) {
        switch event {
        case .client(let connection, .stanza), .client(let connection, .nonza), .server(let connection, .stanza),
            .server(let connection, .nonza):
            if counts.last?.connection == connection {
                counts[counts.count - 1].count += 1
            } else {
                counts.append((connection, 1))
            }
        default:
            break
        }
    }

    private func begin() -> any KeyValueTransaction {
        if let transaction { return transaction }
        let fresh = store.begin()
        transaction = fresh
        return fresh
    }

    private func makeTurn(_ transaction: any KeyValueTransaction) -> Turn {
        let turn = Turn(
            now: Instant(milliseconds: base + SystemClock.monotonic), wall: SystemClock.wall, random: random,
            store: transaction, policy: site.currentPolicy)
        turn.advance(to: turn.now, wall: turn.wall, policy: site.currentPolicy, isBelowReserve: site.refusesDurable)
        return turn
    }

    /// Output commit.
    private func finish(_ turn: Turn) {
        random = turn.random
        afterCommit += turn.afterCommit
        if turn.isBinding {
            commit(before: turn.effects)
        } else {
            if turn.hasWrites, commitDeadline == nil { commitDeadline = SystemClock.monotonic + Self.lazyCommitDelay }
            release(turn.effects)
            if let deadline = commitDeadline {
                if SystemClock.monotonic >= deadline { commit() }
            } else {
                commit()
            }
        }
    }

    private func commit(before effects: [Effect] = []) {
        if transaction != nil {
            do {
                if let transaction, transaction.writes > 0 { try store.commit() } else { store.abort() }
            } catch {
                preconditionFailure("the store could not commit: \(error)")
            }
            transaction = nil
        }
        commitDeadline = nil
        let acknowledgements = afterCommit
        afterCommit.removeAll(keepingCapacity: true)
        release(effects + acknowledgements)
    }

    private func release(_ effects: [Effect]) {
        guard !effects.isEmpty else { return }
        for case .note(let diagnostic) in effects { DiagnosticRendering.log(diagnostic, to: logger) }
        dispatcher.dispatch(effects)
    }
}
