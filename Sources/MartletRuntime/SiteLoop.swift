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

/// Runs one ``Site`` on its ``SiteThread``: takes a batch of events, handles them inside one write transaction, commits,
/// and only then lets the effects out (*output commit*).
///
/// A batch that wrote nothing, or only what the protocol brings again, lets its effects go at once; its transaction
/// stays open and is committed with the next binding batch or after 100 ms. Acknowledgements wait for the commit in
/// either case. A failed commit ends the process: recovery is always the boot path.
public final class SiteLoop: Sendable {
    private let inbox = SiteInbox()
    private let thread: any SiteThread
    private let worker: Worker

    /// A loop over `store`, which it owns from now on. `diskProbe` looks at the room of the store; `failed` ends the process
    /// when a commit has failed.
    public init(
        store: sending any KeyValueStore, policy: SitePolicy, on thread: any SiteThread, dispatcher: any EffectDispatcher,
        logger: Logger, diskProbe: @escaping @Sendable () -> StoreRoom.Look?,
        failed: @escaping @Sendable (StoreFailure) -> Never = { ourFault("\($0)") }
    ) {
        self.thread = thread
        worker = Worker(
            inbox: inbox, store: store, policy: policy, thread: thread, dispatcher: dispatcher, logger: logger,
            diskProbe: diskProbe, failed: failed)
    }

    /// Reads the store, on the site's thread; from then on events are handled.
    public func start() {
        thread.execute { [worker] in worker.boot() }
    }

    /// Adds an event, from any thread; with `report` the dispatcher hears when it was handled.
    public func post(_ event: SiteEvent, reporting report: HandledReport? = nil) {
        if inbox.post(event, report) { thread.execute { [worker] in worker.step() } }
    }

    /// Handles what was posted and commits; returns when that has been done. Not to be called on the site's thread.
    public func stop() {
        inbox.close()
        let done = Semaphore()
        thread.execute { [worker] in
            worker.close()
            done.signal()
        }
        done.wait()
    }
}

/// The site on its thread. Everything here is touched by that thread only.
private final class Worker: @unchecked Sendable {
    // SAFETY: the fields are set in init, before the thread knows of it, and used by that thread alone afterwards: every
    // method is called from work that SiteLoop gives it.
    private let inbox: SiteInbox
    private let thread: any SiteThread
    private let dispatcher: any EffectDispatcher
    private let logger: Logger
    private let diskProbe: @Sendable () -> StoreRoom.Look?
    private let failed: @Sendable (StoreFailure) -> Never
    /// nil once the site has ended: whoever opens the store next must not find it open.
    private var driver: SiteDriver?
    private var taken = SiteInbox.Content()
    private var line = EventLine()
    private var watch = DiskWatch()
    /// When the thread's timers will fire, the earliest last: one is only added if it is earlier than all others.
    private var alarms: [Int64] = []
    private var brake = LogBrake()
    private var isRunning = false

    /// Events in one batch: enough to share a commit, short enough that nobody waits long.
    private static let batchEvents = 1000
    /// Bytes of the stanzas of one batch: its transaction is in memory until its end.
    private static let batchBytes = 16 << 20
    /// Events for which the inbox keeps room between batches.
    private static let keptRoom = 4 * batchEvents

    init(
        inbox: SiteInbox, store: any KeyValueStore, policy: SitePolicy, thread: any SiteThread,
        dispatcher: any EffectDispatcher, logger: Logger, diskProbe: @escaping @Sendable () -> StoreRoom.Look?,
        failed: @escaping @Sendable (StoreFailure) -> Never
    ) {
        self.inbox = inbox
        self.thread = thread
        self.dispatcher = dispatcher
        self.logger = logger
        self.diskProbe = diskProbe
        self.failed = failed
        driver = SiteDriver(store: store, policy: policy, random: RandomStream(key: KernelRandom.bytes(32)))
    }

    func boot() {
        isRunning = true
        let look = diskProbe()
        release(
            committed { driver throws(StoreFailure) in
                try driver?.boot(monotonic: SystemClock.monotonic, wall: SystemClock.wall, look: look)
            })
        step()
    }

    /// Handles what was posted, and timers that are due.
    func step() {
        guard isRunning else { return }
        inbox.take(&taken)
        line.add(&taken)
        if line.isEmpty, wake > SystemClock.monotonic { return setAlarm() }
        repeat {
            handleBatch()
            // What came meanwhile does not wait for everything that came before.
            inbox.take(&taken)
            line.add(&taken)
        } while !line.isEmpty
        setAlarm()
    }

    func close() {
        guard isRunning else { return }
        step()
        release(committed { driver throws(StoreFailure) in try driver?.close() })
        isRunning = false
        driver = nil
    }

    private func handleBatch() {
        var events = line.takeBatch(Self.batchEvents, Self.batchBytes).events
        let count = events.count
        handle(&events)
        let reports = line.handled(count - events.count, left: events.isEmpty ? [] : events)
        if !reports.isEmpty { dispatcher.handled(reports) }
        if !events.isEmpty { events = [] }
        line.giveBackRoom(to: &taken, &events, limit: Self.keptRoom)
    }

    /// Handles events until a batch is full; those that are left belong to the next one.
    private func handle(_ events: inout [SiteEvent]) {
        let now = SystemClock.monotonic
        if watch.isDue(at: now, isWanted: driver?.wantsLook ?? false, isShort: driver?.isShortOfRoom ?? false),
            let look = diskProbe()
        {
            // First: what comes with it is judged by it.
            events.insert(.diskSampled(freeBytes: look.freeBytes, growth: look.growth), at: 0)
        }
        release(
            committed { driver throws(StoreFailure) in
                try driver?.handle(&events, monotonic: now, wall: SystemClock.wall)
            })
    }

    // MARK: timers

    private var wake: Int64 { min(driver?.nextWake ?? .max, watch.next(isShort: driver?.isShortOfRoom ?? false)) }

    private func setAlarm() {
        let wake = wake
        if let next = alarms.last, next <= wake { return }
        alarms.append(wake)
        thread.schedule(after: max(0, wake - SystemClock.monotonic)) { [self] in alarmRang() }
    }

    private func alarmRang() {
        guard isRunning else { return }
        alarms.removeLast()
        if wake <= SystemClock.monotonic { step() } else { setAlarm() }
    }

    /// A failed commit ends the process: what the site believes and what is on disk are no longer the same.
    private func committed(_ work: (inout SiteDriver?) throws(StoreFailure) -> [Effect]?) -> [Effect] {
        do {
            return try work(&driver) ?? []
        } catch {
            failed(error)
        }
    }

    private func release(_ effects: [Effect]) {
        guard !effects.isEmpty else { return }
        for index in effects.indices where effects[index].isNote {
            guard case .note(let diagnostic) = effects[index],
                let unsaid = brake.admits(diagnostic, at: Instant(milliseconds: SystemClock.monotonic))
            else { continue }
            DiagnosticRendering.log(diagnostic, unsaid: unsaid, to: logger)
        }
        dispatcher.dispatch(effects)
    }
}
