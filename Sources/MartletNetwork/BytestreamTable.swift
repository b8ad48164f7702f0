import MartletBus

/// The bytestreams of a proxy: which connections want the same one, and which run.
///
/// A core, owned by a ``BytestreamProxy``: connections are numbers, time comes in, what to do comes out.
struct BytestreamTable {
    /// What a connection is.
    private struct Connection {
        var digest: String
        /// When it has said which stream it wants, or when anything was moved on it last; milliseconds.
        var at: Int64
    }

    private struct Stream {
        /// One or two.
        var ends: [Int]
        /// Whose it is, since it runs.
        var account: String?
    }

    /// How much there may be of it.
    struct Limits: Equatable {
        /// Streams of one account that run.
        var streamsPerAccount: Int
        /// Bytes in a second of all streams of one account, both ways together.
        var bytesPerSecond: Int
        /// So long a stream may stand still, milliseconds.
        var idleTime: Int64
        /// So long the ends of one may wait for it to begin, milliseconds.
        var patience: Int64 = 60_000
    }

    var limits: Limits
    /// By the digest. Look-up only.
    private var streams: [String: Stream] = [:]
    /// Look-up only.
    private var connections: [Int: Connection] = [:]
    /// Running streams of each account. Look-up only.
    private var running: [String: Int] = [:]
    /// When an account's budget is paid, milliseconds. Look-up only; with its streams it goes.
    private var free: [String: Double] = [:]

    init(_ limits: Limits) { self.limits = limits }

    /// A connection wants a stream; false where two others do.
    mutating func wants(_ digest: String, _ connection: Int, at now: Int64) -> Bool {
        var stream = streams[digest] ?? Stream(ends: [])
        guard stream.ends.count < 2 else { return false }
        stream.ends.append(connection)
        streams[digest] = stream
        connections[connection] = Connection(digest: digest, at: now)
        return true
    }

    /// A stream is to begin, for an account.
    mutating func activate(_ digest: String, _ account: String, at now: Int64) -> (BytestreamOutcome, ends: [Int]) {
        guard var stream = streams[digest] else { return (.unknown, []) }
        guard stream.account == nil else { return (.begun, []) }
        guard stream.ends.count == 2 else { return (.oneEnd, []) }
        guard running[account] ?? 0 < limits.streamsPerAccount else { return (.tooMany, []) }
        running[account, default: 0] += 1
        stream.account = account
        streams[digest] = stream
        for end in stream.ends { connections[end]?.at = now }
        return (.begun, stream.ends)
    }

    /// The other end of a stream that runs.
    func partner(of connection: Int) -> Int? {
        guard let digest = connections[connection]?.digest, let stream = streams[digest], stream.account != nil else {
            return nil
        }
        return stream.ends.first { $0 != connection }
    }

    /// So many bytes were moved. Milliseconds until that connection may be read again: what its account's other streams move counts too.
    mutating func moved(_ bytes: Int, from connection: Int, at now: Int64) -> Int64 {
        connections[connection]?.at = now
        guard let digest = connections[connection]?.digest, let stream = streams[digest], let account = stream.account else {
            return 0
        }
        for end in stream.ends { connections[end]?.at = now }
        let paid = max(Double(now), free[account] ?? 0) + Double(bytes) * 1000 / Double(max(1, limits.bytesPerSecond))
        free[account] = paid
        // A tenth of a second is moved at once.
        return max(0, Int64(paid) - now - 100)
    }

    /// A connection is gone. The other end, which goes too where the stream ran.
    mutating func left(_ connection: Int) -> Int? {
        guard let digest = connections.removeValue(forKey: connection)?.digest, var stream = streams[digest] else { return nil }
        stream.ends.removeAll { $0 == connection }
        guard let account = stream.account else {
            streams[digest] = stream.ends.isEmpty ? nil : stream
            return nil
        }
        streams[digest] = nil
        running[account, default: 1] -= 1
        if running[account] == 0 {
            running[account] = nil
            free[account] = nil
        }
        if let other = stream.ends.first { connections[other] = nil }
        return stream.ends.first
    }

    /// Connections that have stood still for too long, in the order of their numbers.
    func overdue(at now: Int64) -> [Int] {
        connections.filter { _, connection in
            let limit = streams[connection.digest]?.account == nil ? limits.patience : limits.idleTime
            return now - connection.at >= limit
        }.keys.sorted()
    }

    /// Streams that run.
    var count: Int { running.values.reduce(0, +) }
}
