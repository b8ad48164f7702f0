import MartletPrimitives

/// What is remembered of a peer domain.
public struct PeerRow: Sendable, Equatable {
    /// An address that led to the peer.
    public struct Endpoint: Sendable, Equatable {
        /// An IPv4 or IPv6 address in words.
        public var address: String
        /// The TCP port.
        public var port: UInt16
        /// TLS from the first byte (XEP-0368).
        public var directTLS: Bool

        /// That address.
        public init(address: String, port: UInt16, directTLS: Bool) {
            self.address = address
            self.port = port
            self.directTLS = directTLS
        }
    }

    /// We were let in at least once: the peer is no stranger.
    public var wasReached = false
    /// It showed a certificate that verified: from then on dialback alone is not enough.
    public var showedCertificate = false
    /// The addresses that worked last, best first, and when that was (site time).
    public var endpoints: [Endpoint] = []
    /// When the addresses worked, in site time.
    public var endpointsSeen = Instant(milliseconds: 0)

    /// The largest segments of TCP that arrive there, bytes; nil where nothing is wrong with them.
    public var segmentLimit: UInt16?
    /// When that was learnt, in site time.
    public var segmentLimitSet = Instant(milliseconds: 0)

    /// The most bytes of a stanza that it takes, as it said last (XEP-0478); nil where it never did.
    public var announcedBytes: UInt32?

    /// A peer of which nothing is known.
    public init() {}
}

/// What is remembered of all peer domains.
public enum PeerTable {
    /// What is remembered of `peer`.
    public static func row(_ peer: AddressNumber, in store: some KeyValueTransaction) -> PeerRow {
        var row = PeerRow()
        guard let bytes = store.get(.peer, key(peer)) else { return row }
        var reader = ByteReader(bytes)
        row.wasReached = reader.take(UInt8.self) != 0
        // Rows of earlier versions have 0 or 1 here.
        let flags = reader.take(UInt8.self)
        row.showedCertificate = flags & 1 != 0
        row.endpointsSeen = Instant(milliseconds: reader.take())
        if flags & 2 != 0 {
            row.segmentLimit = reader.take()
            row.segmentLimitSet = Instant(milliseconds: reader.take())
        }
        if flags & 4 != 0 { row.announcedBytes = reader.take() }
        while !reader.isAtEnd {
            row.endpoints.append(
                PeerRow.Endpoint(
                    address: reader.takeString(), port: reader.take(), directTLS: reader.take(UInt8.self) != 0))
        }
        return row
    }

    /// Stores what is remembered of `peer`.
    public static func update(_ peer: AddressNumber, _ row: PeerRow, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 64)
        writer.put(UInt8(row.wasReached ? 1 : 0))
        let flags = (row.showedCertificate ? 1 : 0) | (row.segmentLimit == nil ? 0 : 2) | (row.announcedBytes == nil ? 0 : 4)
        writer.put(UInt8(flags))
        writer.put(row.endpointsSeen.milliseconds)
        if let limit = row.segmentLimit {
            writer.put(limit)
            writer.put(row.segmentLimitSet.milliseconds)
        }
        if let announced = row.announcedBytes { writer.put(announced) }
        for endpoint in row.endpoints {
            writer.put(endpoint.address)
            writer.put(endpoint.port)
            writer.put(UInt8(endpoint.directTLS ? 1 : 0))
        }
        store.put(.peer, key(peer), writer.bytes)
    }

    private static func key(_ peer: AddressNumber) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(peer.value)
        return writer.bytes
    }
}
