import MartletPrimitives
import XMPPStanzas

/// What this site has of an incoming lane (`Docs/relay-protocol.md` §2): written in the transaction of the delivery.
public struct HaveRow: Sendable, Equatable {
    /// The numbering that is being received.
    public var epoch: Epoch
    /// Everything up to this number is committed here.
    public var number: UInt64
    /// The tag that this number carried.
    public var tag: UInt64
    /// Numberings that ended, newest last: late bytes of an old socket must not bring one back.
    public var retired: [Epoch] = []

    /// How many retired numberings are remembered: an origin gets a new store once in years.
    public static let retiredLimit = 8

    /// The first entry of a lane.
    public init(epoch: Epoch, number: UInt64, tag: UInt64) {
        self.epoch = epoch
        self.number = number
        self.tag = tag
    }
}

/// What this site has of all incoming lanes.
public enum HaveTable {
    /// What we have of the lane from `peer` to `local`.
    public static func row(
        peer: AddressNumber, local: AddressNumber, laneClass: LaneClass, in store: some KeyValueTransaction
    ) -> HaveRow? {
        guard let bytes = store.get(.have, key(peer, local, laneClass)) else { return nil }
        var reader = ByteReader(bytes)
        var row = HaveRow(
            epoch: Epoch(high: reader.take(), low: reader.take()), number: reader.take(), tag: reader.take())
        while !reader.isAtEnd { row.retired.append(Epoch(high: reader.take(), low: reader.take())) }
        return row
    }

    /// Stores what we have.
    public static func update(
        _ row: HaveRow, peer: AddressNumber, local: AddressNumber, laneClass: LaneClass,
        in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 32)
        writer.put(row.epoch.high)
        writer.put(row.epoch.low)
        writer.put(row.number)
        writer.put(row.tag)
        for epoch in row.retired.suffix(HaveRow.retiredLimit) {
            writer.put(epoch.high)
            writer.put(epoch.low)
        }
        store.put(.have, key(peer, local, laneClass), writer.bytes)
    }

    private static func key(_ peer: AddressNumber, _ local: AddressNumber, _ laneClass: LaneClass) -> [UInt8] {
        var writer = ByteWriter(capacity: 17)
        writer.put(peer.value)
        writer.put(local.value)
        writer.put(laneClass.rawValue)
        return writer.bytes
    }
}
