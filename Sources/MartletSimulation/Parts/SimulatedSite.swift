import MartletBus
import MartletPrimitives
import MartletSite
import XMPPAddress

/// A machine that runs one ``Site`` on a store in memory: can be killed before or after a commit, and started again.
struct SimulatedSite {
    /// What a connection of the site leads to.
    enum Owner {
        case nobody
        case client(Int)
        /// One end of a pipe.
        case pipe(Int, end: Int)
    }

    let name: String
    let domain: JID
    let policy: SitePolicy
    var store: SimulatedStore
    /// nil while the machine is down.
    var driver: SiteDriver?
    /// Raised with each start: what was under way before concerns nobody.
    var incarnation: UInt32 = 0
    /// Indexed by the slot of the connection; slots are never used again.
    var owners: [Owner] = [.nobody]
    /// Events since the last batch.
    var inbox: [SiteEvent] = []
    /// What it does away from the site.
    var work = SimulatedWork()
    /// A batch is planned.
    var isScheduled = false
    /// Virtual time at which the driver asked to be woken.
    var wake: Int64?
    /// Nobody can connect to it.
    var isBehindNAT = false

    // Troubles

    /// Commits take longer; the number of troubles that say so.
    var slowDisk = 0
    /// Until when the site's thread waits for its disk.
    var busyUntil: Int64 = 0
    var reserve = 0
    var nameFailures = 0
    var nameDenials = 0
    var certificateFailures = 0
    /// How wrong the machine's clock is, in milliseconds.
    var clockError: Int64 = 0

    init(name: String, domain: JID, policy: SitePolicy, mutation: Mutation?) {
        self.name = name
        self.domain = domain
        self.policy = policy
        store = SimulatedStore(mutation: mutation)
    }

    /// A connection identifier that was never used before on this machine.
    mutating func newConnection(_ owner: Owner) -> ConnectionID {
        owners.append(owner)
        return ConnectionID(loop: 0, slot: UInt32(owners.count - 1), generation: incarnation)
    }

    func owner(of connection: ConnectionID) -> Owner {
        connection.generation == incarnation ? owners[Int(connection.slot)] : .nobody
    }
}
