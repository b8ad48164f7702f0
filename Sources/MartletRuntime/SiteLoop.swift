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

    /// That many events of these connections were handled, so that reading can go on. Called on the site's thread.
    func handled(_ reports: [HandledReport])
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

    /// Adds an event, from any thread; with `report` the dispatcher hears when it was handled.
    public func post(_ event: SiteEvent, reporting report: HandledReport? = nil) { inbox.post(event, report) }

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
    private let dispatcher: any EffectDispatcher
    private let logger: Logger
    private let diskProbe: @Sendable () -> Int64?
    private var driver: SiteDriver
    private var thread: pthread_t = 0
    private var nextProbe: Int64 = 0

    /// Events in one batch: enough to share a commit, short enough that nobody waits long.
    private static let batchEvents = 1000
    /// How often free space is looked at, milliseconds.
    private static let probeInterval: Int64 = 5000

    init(
        inbox: SiteInbox, store: any KeyValueStore, policy: SitePolicy, dispatcher: any EffectDispatcher, logger: Logger,
        diskProbe: @escaping @Sendable () -> Int64?
    ) {
        self.inbox = inbox
        self.dispatcher = dispatcher
        self.logger = logger
        self.diskProbe = diskProbe
        driver = SiteDriver(store: store, policy: policy, random: RandomStream(key: KernelRandom.bytes(32)))
    }

    func start() {
        let this = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
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
        release(
            committed { driver throws(StoreFailure) in
                try driver.boot(monotonic: SystemClock.monotonic, wall: SystemClock.wall)
            })
        while let (events, reports) = inbox.take(until: min(driver.nextWake ?? .max, nextProbe)) {
            var start = events.startIndex
            repeat {
                let end = min(start + Self.batchEvents, events.endIndex)
                handle(events[start..<end])
                start = end
            } while start < events.endIndex
            if !reports.isEmpty { dispatcher.handled(reports) }
        }
        release(committed { driver throws(StoreFailure) in try driver.close() })
    }

    private func handle(_ events: ArraySlice<SiteEvent>) {
        var batch = events
        let now = SystemClock.monotonic
        if now >= nextProbe {
            nextProbe = now + Self.probeInterval
            if let free = diskProbe() { batch.append(.diskSampled(freeBytes: free)) }
        }
        release(
            committed { driver throws(StoreFailure) in
                try driver.handle(batch, monotonic: now, wall: SystemClock.wall)
            })
    }

    /// A failed commit ends the process: what the site believes and what is on disk are no longer the same.
    private func committed(_ work: (inout SiteDriver) throws(StoreFailure) -> [Effect]) -> [Effect] {
        do {
            return try work(&driver)
        } catch {
            preconditionFailure("the store could not commit: \(error)")
        }
    }

    private func release(_ effects: [Effect]) {
        guard !effects.isEmpty else { return }
        for case .note(let diagnostic) in effects { DiagnosticRendering.log(diagnostic, to: logger) }
        dispatcher.dispatch(effects)
    }
}
