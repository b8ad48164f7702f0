import Glibc
import Synchronization
import XMPPStreams

/// The resolver: puts queries to DNS through libunbound, with its cache and, given a trust anchor, DNSSEC validation.
///
/// The process owns one, from before the first connection to after the last. One thread of its own does everything; a
/// lookup only leaves a note for it. Every lookup is answered exactly once, on that thread.
public final class UnboundResolver: Sendable {
    /// Which servers to ask and what to believe.
    public struct Configuration: Sendable {
        /// Servers that resolve for us, as `address` or `address@port`. Empty: those of `/etc/resolv.conf`, and if it names
        /// none, the servers of the root zone and down from there.
        public var servers: [String]
        /// The file whose names win over DNS for A and AAAA, in the form of `/etc/hosts`; `nil` for none.
        public var hostsFile: String?
        /// A file with the trust anchors of DNSSEC (Debian: `/usr/share/dns/root.key`). Without one nothing is ever secure.
        public var trustAnchorFile: String?
        /// Lookups that may be outstanding; one more fails at once. A peer costs 2 to 34 (see `PeerResolution`).
        public var outstandingLimit: Int
        /// Sockets in use at a time; what does not fit waits.
        public var sockets: Int

        /// A configuration; what is not named has the value for production.
        public init(
            servers: [String] = [], hostsFile: String? = UnboundResolver.hostsFile(), trustAnchorFile: String? = nil,
            outstandingLimit: Int = UnboundResolver.outstandingLimit, sockets: Int = UnboundResolver.outstandingLimit
        ) {
            self.servers = servers
            self.hostsFile = hostsFile
            self.trustAnchorFile = trustAnchorFile
            self.outstandingLimit = outstandingLimit
            self.sockets = sockets
        }
    }

    /// The system's file of hosts; nil where there is none: such a machine is none the worse, and containers come so.
    public static func hostsFile(_ path: String = "/etc/hosts") -> String? { access(path, F_OK) == 0 ? path : nil }

    /// How many lookups may be outstanding unless the configuration says otherwise.
    public static let outstandingLimit = 256
    /// How long a lookup may take unless the caller says otherwise.
    public static let defaultDeadline = Duration.seconds(5)

    private let worker: UnboundWorker

    /// Starts the resolver's thread.
    ///
    /// - Throws: ``UnboundFailure`` for a server that is no address, or a file that cannot be read.
    public init(_ configuration: Configuration = Configuration()) throws(UnboundFailure) {
        worker = UnboundWorker(try UnboundContext(configuration), outstandingLimit: configuration.outstandingLimit)
        try worker.start()
    }

    /// The resolver for these servers, otherwise as in production.
    public convenience init(servers: [String]) throws(UnboundFailure) {
        try self.init(Configuration(servers: servers))
    }

    deinit {
        worker.stop()
    }

    /// Asks one question, from any thread.
    ///
    /// `completion` is called once, on the resolver's thread, or on the caller's if the question needs no lookup or there
    /// are too many: it must not block. After `deadline` the answer is a failure; the cache may still learn the late one.
    public func lookup(
        _ query: ResolutionQuery, deadline: Duration = UnboundResolver.defaultDeadline,
        completion: @escaping @Sendable (ResolverAnswer) -> Void
    ) {
        guard query.isPossibleName else { return completion(.nameDoesNotExist) }
        worker.accept(UnboundLookup(query: query, deadline: .now + deadline, completion: completion))
    }

    /// Ends the thread and waits for it; outstanding lookups fail. Lookups after it fail at once.
    public func shutdown() {
        worker.stop()
    }
}

/// Why the resolver could not be set up.
public struct UnboundFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for the operator.
    public let description: String
}
