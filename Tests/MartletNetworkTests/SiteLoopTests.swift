import Logging
import MartletBus
import MartletNetwork
import MartletRuntime
import MartletStore
import Synchronization
import Testing
import XMPPAddress

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
        let loop = SiteLoop(
            store: MemoryStore(), policy: SitePolicy(domains: [try JID("pilsen.example")]), on: EventLoopThread.alone(),
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
}
