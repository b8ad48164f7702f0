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

    /// `[[sites]]`: one office with its server.
    public struct Site: Equatable, Sendable {
        /// The name by which links and crashes refer to it.
        public var name: String
        /// Its domain, prepared.
        public var domain: String
        /// The localparts of its accounts, prepared.
        public var users: [String]
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

        /// The software of a foreign server.
        public enum Software: String, CaseIterable, Sendable { case prosody, ejabberd }
    }

    /// `[[links]]`: the line between two servers.
    public struct Link: Equatable, Sendable {
        /// The names of the two.
        public var between: [String]
        /// How long bytes take in each direction.
        public var delay: Duration
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
    }
}
