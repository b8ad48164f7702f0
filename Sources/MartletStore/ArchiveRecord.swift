import MartletPrimitives
import XMPPStanzas

/// Whose archives a message is to stand in, decided before it has a place in the log.
public struct ArchiveOwners: Sendable, Equatable {
    /// The account that has sent it; nil where it has none here, or keeps nothing of this message.
    public var sender: AddressNumber?
    /// The account that it is for; nil likewise. Who writes to himself is only this.
    public var addressee: AddressNumber?
    /// One half of its id: random, so that ids cannot be guessed, and those given before a store went back in time mean nothing.
    public var tag: UInt64
    /// Hides the place in the log, which is the other half.
    public var mask: UInt64

    /// Those owners, and what the id is made of.
    public init(sender: AddressNumber?, addressee: AddressNumber?, tag: UInt64, mask: UInt64) {
        self.sender = sender
        self.addressee = addressee
        self.tag = tag
        self.mask = mask
    }

    /// The record of the message at that place in the log.
    public func record(at sequence: UInt64) -> ArchiveRecord {
        ArchiveRecord(sender: sender, addressee: addressee, id: StableID(high: tag, low: mask ^ sequence))
    }
}

/// What a row of the log says of archives: it stands at its end, in rows whose first byte says so. All archives together are one holder
/// of the row, until the last of them has given it up.
public struct ArchiveRecord: Sendable, Equatable {
    /// The account that has sent it and keeps it.
    public var sender: AddressNumber?
    /// The account that it is for and that keeps it.
    public var addressee: AddressNumber?
    /// Its name, in both archives and in what is delivered.
    public var id: StableID

    /// The bytes at the end of a row.
    static let size = 32

    /// That record.
    public init(sender: AddressNumber?, addressee: AddressNumber?, id: StableID) {
        self.sender = sender
        self.addressee = addressee
        self.id = id
    }

    /// The owners, each once.
    public func forEachOwner(_ body: (AddressNumber) -> Void) {
        if let sender { body(sender) }
        if let addressee, addressee != sender { body(addressee) }
    }

    /// Whether it stands in the archive of an account.
    public func belongs(to account: AddressNumber) -> Bool { sender == account || addressee == account }

    /// The other owner; nil where there is none.
    public func other(than account: AddressNumber) -> AddressNumber? {
        if let sender, sender != account { return sender }
        if let addressee, addressee != account { return addressee }
        return nil
    }

    func write(to writer: inout ByteWriter) {
        writer.put(sender?.value ?? 0)
        writer.put(addressee?.value ?? 0)
        writer.put(id.high)
        writer.put(id.low)
    }

    /// Reads what stands at the end of a row.
    init(endOf row: Span<UInt8>) {
        let start = row.count - Self.size
        require(start > 0, "a row of \(row.count) bytes with an archive record")
        var parts: InlineArray<4, UInt64> = .init(repeating: 0)
        for index in 0..<Self.size { parts[index / 8] = parts[index / 8] << 8 | UInt64(row[start + index]) }
        self.init(
            sender: parts[0] == 0 ? nil : AddressNumber(parts[0]), addressee: parts[1] == 0 ? nil : AddressNumber(parts[1]),
            id: StableID(high: parts[2], low: parts[3]))
    }
}
