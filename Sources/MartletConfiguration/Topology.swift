/// A company on one page: its sites, their people, the links between them, and the trouble they are in for. Read from
/// `Topologies/*.toml` by the simulator and by the rehearsals with real processes.
///
/// Times count from the beginning of the run.
public struct Topology: Equatable, Sendable {
    /// The sites, each with its own server.
    public var sites: [Site] = []
    /// Servers of other software.
    public var foreignServers: [ForeignServer] = []
    /// Lines between sites, or between a site and a foreign server. What no link joins is joined without delay or fault.
    public var links: [Link] = []
    /// What people write.
    public var traffic = Traffic()
    /// Servers that are killed.
    public var crashes: [Crash] = []
    /// Sites whose store is put back to an earlier state.
    public var restores: [Restore] = []
    /// What the seed adds.
    public var chaos = Chaos()

    /// `[[sites]]`: one office with its server.
    public struct Site: Equatable, Sendable {
        /// The name by which links and crashes refer to it.
        public var name: String
        /// Its domain, prepared.
        public var domain: String
        /// The localparts of its accounts, prepared.
        public var users: [String]
        /// Those of them whose messages go before all others, by localpart.
        public var urgentUsers: [String] = []
        /// Those of them whose messages give way to all others.
        public var bulkUsers: [String] = []
        /// How long a message waits for another server before it goes back; nil for the server's default.
        public var entryLifetime: Duration?
        /// How long what was acknowledged is kept; nil for the server's default.
        public var keepAcknowledged: Duration?
        /// Nobody can connect to it; it connects to the others.
        public var isBehindNAT = false
    }

    /// `[[foreign_servers]]`: one server of other software.
    public struct ForeignServer: Equatable, Sendable {
        /// The name by which links and crashes refer to it.
        public var name: String
        /// Its domain, prepared.
        public var domain: String
        /// What it runs.
        public var software: Software
        /// The localparts of its accounts, prepared.
        public var users: [String]

        /// The software of a foreign server. In simulations Prosody stands for XEP-0198 between servers, ejabberd for a
        /// server without acknowledgements.
        public enum Software: String, CaseIterable, Sendable { case prosody, ejabberd }
    }

    /// `[[links]]`: the line between two servers.
    public struct Link: Equatable, Sendable {
        /// The names of the two.
        public var between: [String]
        /// How long bytes take in each direction.
        public var delay: Duration
        /// How many bytes it carries in a second in each direction; nil where that is no matter.
        public var bytesPerSecond: Int?
        /// When the line is broken, in the order of the file.
        public var outages: [Outage]
    }

    /// `[[links.outages]]`: a time in which a line is broken.
    public struct Outage: Equatable, Sendable {
        /// When it begins.
        public var start: Duration
        /// How long it lasts.
        public var duration: Duration
        /// How it shows.
        public var kind: Kind
        /// How often it comes altogether.
        public var times = 1
        /// How long after one beginning the next comes.
        public var every: Duration = .zero

        /// How a broken line shows to those who use it.
        public enum Kind: String, CaseIterable, Sendable {
            /// Nothing arrives and nothing is said: connections seem to live, attempts run into their timeout.
            case blackHole = "black_hole"
            /// Connections break and attempts are refused at once.
            case refuse
            /// Bytes arrive in one direction only, from the second end to the first.
            case halfOpen = "half_open"
            /// Connections that exist break once at the start; new ones work after the duration.
            case cut
        }
    }

    /// `[traffic]`: messages between users of all servers, chosen by the seed.
    public struct Traffic: Equatable, Sendable {
        /// How many are sent altogether.
        public var messages = 100
        /// How many are sent in a second, on average.
        public var ratePerSecond = 10.0

        /// The defaults.
        public init() {}
    }

    /// `[[crashes]]`: a server is killed without warning and started again.
    public struct Crash: Equatable, Sendable {
        /// The name of the site.
        public var site: String
        /// When it is killed.
        public var at: Duration
        /// How long it stays down.
        public var downtime: Duration
        /// It is stopped in good order, as for an upgrade.
        public var isGraceful = false
    }

    /// `[[restores]]`: a backup of a site's store is taken, and put back later: what happened in between is forgotten.
    public struct Restore: Equatable, Sendable {
        /// The name of the site.
        public var site: String
        /// When the backup is taken.
        public var backup: Duration
        /// When the site is killed and the backup put back.
        public var at: Duration
        /// How long the site stays down.
        public var downtime: Duration
    }

    /// `[chaos]`: trouble chosen by the seed, beside what the file plans.
    public struct Chaos: Equatable, Sendable {
        /// How many troubles a run gets on average.
        public var faults = 3
        /// From which they are chosen.
        public var kinds = Trouble.allCases.filter { !$0.takesStoresBack }

        /// The defaults.
        public init() {}
    }

    /// What can go wrong without anybody's plan. None of them may cost a message, repeat one, or change the order, but for those that
    /// take a store back, which are chosen only where the file names them.
    public enum Trouble: String, CaseIterable, Sendable {
        /// A line that goes up and down.
        case flap
        /// Nothing arrives and nothing is said.
        case blackHole = "black_hole"
        /// Bytes arrive in one direction only.
        case halfOpen = "half_open"
        /// Attempts are refused.
        case refuse
        /// 9.6 kbit/s.
        case slowLine = "slow_line"
        /// A server is killed.
        case crash
        /// A server is stopped and started in good order.
        case restart
        /// Each commit takes long.
        case slowDisk = "slow_disk"
        /// The disk's reserve is reached.
        case reserve
        /// A clock jumps.
        case clockJump = "clock_jump"
        /// Names are not resolved.
        case nameFailure = "name_failure"
        /// Certificates are refused.
        case certificate
        /// A person's own network fails.
        case clientDrop = "client_drop"
        /// A backup is put back, perhaps twice, perhaps at the other end as well.
        case restore
        /// A store is lost, and a new one begun.
        case forget

        /// What a store knew is forgotten.
        public var takesStoresBack: Bool { self == .restore || self == .forget }
    }
}
