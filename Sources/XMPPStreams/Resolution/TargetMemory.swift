import MartletPrimitives

/// Addresses that were silent a short time ago: they come last, so that a list is gone through by several attempts however many
/// silent ones stand at its beginning.
///
/// One for the site, whoever is dialled: an address that does not answer for one domain hardly does for another.
public struct TargetMemory: Sendable {
    /// How long an address is thought of like that, milliseconds: a server that was repaired should not wait for long for its place,
    /// and asking one that was not costs two seconds.
    static let lifetime: Int64 = 600_000
    /// Addresses remembered: some for each peer of a busy site. Beyond it the oldest is forgotten.
    static let limit = 1024

    private struct Key: Hashable {
        let address: IPAddress
        let port: UInt16
        let directTLS: Bool

        init(_ endpoint: Endpoint) {
            address = endpoint.address
            port = endpoint.port
            directTLS = endpoint.directTLS
        }
    }

    /// Oldest first.
    private var silent: [(key: Key, since: Instant)] = []
    /// Addresses that took a connection and were silent then, as those do to which large segments find no way; oldest first.
    private var narrow: [(key: Key, limit: UInt16, since: Instant)] = []

    /// Nothing is known.
    public init() {}

    /// The race ended: who was silent, and who won.
    public mutating func raced(
        silent endpoints: [(endpoint: Endpoint, hasConnected: Bool)], winner: Endpoint?, at now: Instant
    ) {
        for (endpoint, hasConnected) in endpoints where hasConnected { narrowed(endpoint, at: now) }
        let known = endpoints.map { Key($0.endpoint) }
        let good = winner.map(Key.init)
        silent.removeAll { known.contains($0.key) || $0.key == good || now - $0.since >= Self.lifetime }
        silent += known.map { ($0, now) }
        if silent.count > Self.limit { silent.removeFirst(silent.count - Self.limit) }
    }

    private mutating func narrowed(_ endpoint: Endpoint, at now: Instant) {
        let before = segmentLimit(of: endpoint, at: now)
        narrow.removeAll { $0.key == Key(endpoint) || now - $0.since >= SegmentLimit.lifetime }
        guard let limit = SegmentLimit.below(before) ?? before else { return }
        narrow.append((Key(endpoint), limit, now))
        if narrow.count > Self.limit { narrow.removeFirst() }
    }

    /// How large the segments of the next connection to an address may be; nil for as large as the line says.
    public func segmentLimit(of endpoint: Endpoint, at now: Instant) -> UInt16? {
        narrow.first { $0.key == Key(endpoint) && now - $0.since < SegmentLimit.lifetime }?.limit
    }

    /// The addresses in the order in which to try them: those that were silent last, the one that was so last at the very end.
    public func ordered(_ endpoints: [Endpoint], at now: Instant) -> [Endpoint] {
        let places = endpoints.map { endpoint in
            silent.firstIndex { $0.key == Key(endpoint) && now - $0.since < Self.lifetime } ?? -1
        }
        // Where a list was in good order, it stays so.
        return zip(places, endpoints).enumerated()
            .sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }.map(\.element.1)
    }
}
