/// What the descriptors of the process are for. Strangers take those for connections to us and nothing else: what we need ourselves, to write, to be
/// asked, to find and to call other servers, is not theirs to take.
public struct DescriptorPlan: Sendable, Equatable {
    /// Connections that others open.
    public let connections: Int
    /// Connections that we open to other servers, in use and on the way.
    public let calls: Int
    /// Attempts to reach other servers at a time.
    public let attempts: Int
    /// Sockets for questions to DNS.
    public let resolver: Int

    /// Store, logs, control socket and whoever asks there, loops, listeners.
    static let own = 64
    /// Connections to other servers where descriptors are few: ten offices, hundreds of other domains, and two connections for an attempt,
    /// which tries the next address when the first is silent. With more descriptors they are an eighth of all.
    static let calls = 1024
    /// Sockets for DNS at most: as many as there are questions.
    static let questions = 256

    /// The plan for a process that may have `limit` descriptors.
    public init(limit: Int) {
        let rest = max(128, limit - Self.own)
        calls = min(max(Self.calls, limit / 8), rest / 4)
        resolver = min(Self.questions, rest / 8)
        attempts = min(Dialer.attemptsLimit, calls / 2)
        connections = rest - calls - resolver
    }
}
