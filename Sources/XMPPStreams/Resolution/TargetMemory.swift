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

    /// Nothing is known.
    public init() {}

    /// The race ended: who was silent, and who won.
    public mutating func raced(silent endpoints: [Endpoint], winner: Endpoint?, at now: Instant) {
        let known = endpoints.map(Key.init)
        let good = winner.map(Key.init)
        silent.removeAll { known.contains($0.key) || $0.key == good || now - $0.since >= Self.lifetime }
        silent += known.map { ($0, now) }
        if silent.count > Self.limit { silent.removeFirst(silent.count - Self.limit) }
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
