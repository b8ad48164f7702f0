import Glibc
import Logging
import MartletAdmin
import MartletBus
import MartletConfiguration
import MartletLMDB
import MartletNetwork
import MartletRuntime
import MartletStore
import Synchronization

/// A site without network, for commands while the node is stopped: the same code on the same store, under the same lock
/// as `serve` takes.
struct LocalSite {
    /// Keeps the answers and drops everything that would need the network.
    private final class Answers: EffectDispatcher {
        private let waiting = Mutex<[UInt64: CommandAnswer]>([:])
        private let arrived = Semaphore()

        func dispatch(_ effects: [Effect]) {
            for case .answer(let id, let answer) in effects {
                waiting.withLock { $0[id.value] = answer }
                arrived.signal()
            }
        }

        func handled(_ reports: [HandledReport]) {}

        func wait(for id: UInt64) -> CommandAnswer {
            while true {
                arrived.wait()
                if let answer = waiting.withLock({ $0.removeValue(forKey: id) }) { return answer }
            }
        }
    }

    private let loop: SiteLoop
    private let thread = EventLoopThread()
    private let answers = Answers()
    private let next = Counter()

    /// Opens the store; fails in words where a node (or another command) has it.
    init(_ configuration: SiteConfiguration) throws {
        let store = try StoreOpening.open(configuration)
        loop = SiteLoop(
            store: store, policy: SitePolicy(configuration), on: thread, dispatcher: answers,
            logger: Logger(label: "martlet") { _ in LineLogHandler(level: .warning) }, diskProbe: { nil },
            failed: ProcessEnd.storeFailed)
        loop.start()
    }

    /// The answer to one command.
    func ask(_ command: Command) -> CommandAnswer {
        let id = next.take()
        loop.post(.command(CommandID(id), command))
        return answers.wait(for: id)
    }

    /// Commits and gives the store back.
    func close() {
        loop.stop()
        thread.end()
    }
}

/// The store of a configuration, opened (or made, for its owner alone) in words for a person.
enum StoreOpening {
    static func open(_ configuration: SiteConfiguration) throws -> sending LMDBStore {
        umask(0o077)
        try Files.makeDirectory(configuration.dataDirectory)
        let mark = StoreMark(directory: configuration.dataDirectory)
        try mark.checkFile()
        do {
            let store = try LMDBStore(
                directory: configuration.dataDirectory, mapSize: UInt64(configuration.limits.mapSize),
                ahead: UInt64(min(configuration.limits.diskFloor, configuration.limits.mapSize / 4)), tables: Table.all,
                failed: ProcessEnd.storeFailed)
            try StoreMigration.check(store)
            try mark.check(store)
            return store
        } catch let error as StoreFailure {
            switch error {
            case .inUse(let pid):
                let who = pid > 0 ? "process \(pid)" : "another process"
                throw CommandFailure(
                    "the site in \(configuration.dataDirectory) is already running (\(who)): "
                        + "stop that one first, or use another --directory", error.exitStatus)
            default:
                throw CommandFailure("the store cannot be opened: \(error)", error.exitStatus)
            }
        }
    }
}

/// Numbers that are given out once.
final class Counter: Sendable {
    private let value = Atomic<UInt64>(0)

    func take() -> UInt64 { value.add(1, ordering: .relaxed).newValue }
}
