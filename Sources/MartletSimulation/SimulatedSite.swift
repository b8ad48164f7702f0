import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import XMPPAddress

/// A machine that runs one ``Site`` on a store in memory: can be killed before or after a commit, and started again.
struct SimulatedSite {
    let name: String
    let domain: JID
    let policy: SitePolicy
    let store: SimulatedStore
    /// nil while the machine is down.
    var driver: SiteDriver?
    /// Raised with each start: what was under way before concerns nobody.
    var incarnation: UInt32 = 0
    var nextSlot: UInt32 = 0
    /// Events since the last batch.
    var inbox: [SiteEvent] = []
    /// A batch is planned.
    var isScheduled = false
    /// Virtual time at which the driver asked to be woken.
    var wake: Int64?

    init(name: String, domain: JID, policy: SitePolicy) {
        self.name = name
        self.domain = domain
        self.policy = policy
        store = SimulatedStore()
    }

    /// One batch; nil while the machine is down. Throws when the process died in its commit.
    mutating func handle(
        _ events: [SiteEvent], monotonic: Int64, wall: WallTime
    ) throws(StoreFailure) -> [Effect]? {
        try driver?.handle(events[...], monotonic: monotonic, wall: wall)
    }

    /// A connection identifier that was never used before on this machine.
    mutating func newConnection() -> ConnectionID {
        nextSlot += 1
        return ConnectionID(loop: 0, slot: nextSlot, generation: incarnation)
    }
}

/// A store in memory whose process can die within a commit.
final class SimulatedStore: KeyValueStore {
    /// Where the process dies next.
    enum CrashPoint {
        case beforeCommit
        case afterCommit
    }

    let memory = MemoryStore()
    var crashPoint: CrashPoint?

    func begin() -> any KeyValueTransaction { memory.begin() }

    func commit() throws(StoreFailure) {
        switch crashPoint {
        case nil:
            try memory.commit()
        case .beforeCommit:
            memory.crashDuringCommit(survives: false)
            throw .failed(operation: "commit", detail: "the process died before it")
        case .afterCommit:
            memory.crashDuringCommit(survives: true)
            throw .failed(operation: "commit", detail: "the process died after it")
        }
    }

    func abort() { memory.abort() }
}
