import Glibc
import Logging
import MartletBus
import MartletNetwork
import MartletStore
import Synchronization
import Testing
import XMPPAddress

@testable import MartletRuntime

@Suite struct SiteLoopTests {
    /// Keeps what it is told.
    private final class Dispatcher: EffectDispatcher {
        let reports = Mutex<[HandledReport]>([])
        let answers = Mutex<[CommandID]>([])

        func dispatch(_ effects: [Effect]) {
            for case .answer(let id, _) in effects { answers.withLock { $0.append(id) } }
        }

        func handled(_ reports: [HandledReport]) {
            let answered = answers.withLock { $0.count }
            for report in reports {
                #expect(report.count <= answered, "reported before the effects of what was handled left")
            }
            self.reports.withLock { $0 += reports }
        }
    }

    @Test("a connection hears once that its events were handled, after their effects, and only if it asked")
    func reports() throws {
        let dispatcher = Dispatcher()
        let thread = EventLoopThread()
        defer { thread.end() }
        let loop = SiteLoop(
            store: MemoryStore(), policy: SitePolicy(domains: [try JID("pilsen.example")]), on: thread,
            dispatcher: dispatcher, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, diskProbe: { nil })
        let connection = ConnectionID(loop: 0, slot: 7, generation: 1)
        loop.start()
        for number in 1...2500 {
            let report = number % 16 == 0 ? HandledReport(connection: connection, count: 16) : nil
            loop.post(.command(CommandID(UInt64(number)), .status), reporting: report)
        }
        loop.stop()
        #expect(dispatcher.answers.withLock { $0.count } == 2500)
        let reports = dispatcher.reports.withLock { $0 }
        #expect(reports.map(\.count).reduce(0, +) == 2500 / 16 * 16)
        #expect(reports.allSatisfy { $0.connection == connection })
    }

    @Test("after the end nobody holds the store, whatever timers are still set: whoever opens it next finds it free")
    func end() throws {
        let thread = EventLoopThread()
        defer { thread.end() }
        let isHeld = Held()
        let loop = SiteLoop(
            store: Store(isHeld), policy: SitePolicy(domains: [try JID("pilsen.example")]), on: thread,
            dispatcher: Dispatcher(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, diskProbe: { nil })
        loop.start()
        loop.stop()
        let stillHeld = isHeld.value.load(ordering: .relaxed)
        #expect(!stillHeld)
    }

    @Test(
        "free space is looked at before what it decides about, each second, four times as often when it is short, and when much was written"
    )
    func diskWatch() {
        var watch = DiskWatch()
        func look(at now: Int64, isWanted: Bool = false, isShort: Bool = false) -> Bool {
            watch.isDue(at: now, isWanted: isWanted, isShort: isShort)
        }
        let looks = [
            look(at: 10), look(at: 9 + DiskWatch.age), look(at: 10 + DiskWatch.age),
            look(at: 10 + DiskWatch.age + DiskWatch.ageWhenShort, isShort: true),
            look(at: 1300), look(at: 1300, isWanted: true), look(at: 1301),
        ]
        #expect(looks == [true, false, true, true, false, true, false])
        #expect(watch.next(isShort: false) == 1300 + DiskWatch.idleInterval)
        #expect(watch.next(isShort: true) == 1300 + DiskWatch.ageWhenShort)
    }

    @Test("room that was made is there for the next event within a second, and what is gone is gone for the same batch")
    func probes() throws {
        let free = Atomic<Int64>(1 << 40)
        let dispatcher = RoomDispatcher()
        let thread = EventLoopThread()
        defer { thread.end() }
        let loop = SiteLoop(
            store: MemoryStore(), policy: SitePolicy(domains: [try JID("pilsen.example")]), on: thread,
            dispatcher: dispatcher, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            diskProbe: { StoreRoom.Look(freeBytes: free.load(ordering: .relaxed)) })
        loop.start()
        for bytes in [Int64(16 << 20), 1 << 40, 16 << 20] {
            free.store(bytes, ordering: .relaxed)
            let limit = SystemClock.monotonic + 60_000
            while dispatcher.notes.withLock({ $0.last != bytes }), SystemClock.monotonic < limit { usleep(10_000) }
        }
        loop.stop()
        #expect(dispatcher.notes.withLock { $0 } == [16 << 20, 1 << 40, 16 << 20])
    }

    /// Keeps what is noted of free space.
    private final class RoomDispatcher: EffectDispatcher {
        let notes = Mutex<[Int64]>([])

        func dispatch(_ effects: [Effect]) {
            for case .note(let diagnostic) in effects {
                switch diagnostic {
                case .diskReserveLeft(let bytes), .diskReserveReached(let bytes), .diskFloorReached(let bytes):
                    notes.withLock { $0.append(bytes) }
                default: break
                }
            }
        }

        func handled(_ reports: [HandledReport]) {}
    }

    /// Whether a store still exists.
    private final class Held: Sendable {
        let value = Atomic(true)
    }

    /// A store that tells when it is gone.
    private final class Store: KeyValueStore {
        private let rows = MemoryStore()
        private let isHeld: Held

        init(_ isHeld: Held) { self.isHeld = isHeld }

        deinit { isHeld.value.store(false, ordering: .relaxed) }

        func begin() -> any KeyValueTransaction { rows.begin() }
        func commit() throws(StoreFailure) { try rows.commit() }
        func abort() { rows.abort() }
    }
}
