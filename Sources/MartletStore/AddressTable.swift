import MartletCrypto
import MartletPrimitives
import XMPPAddress

/// The number under which an address stands in all keys.
public struct AddressNumber: Hashable, Comparable, Sendable {
    /// From 1; 0 is never given.
    public var value: UInt64

    /// The address of that number.
    public init(_ value: UInt64) { self.value = value }

    /// The order of the numbers, which is the order in which addresses became known.
    public static func < (left: AddressNumber, right: AddressNumber) -> Bool { left.value < right.value }
}

/// Maps addresses to numbers and back, so that a hostile JID of 3,071 bytes never meets the limit of a key.
///
/// A row exists only for an address that something stored refers to. The key is the SHA-256 of the prepared address,
/// and the address is compared in full.
public enum AddressTable {
    /// The number of `address`, if it has one.
    public static func number(of address: JID, in store: some KeyValueTransaction) -> AddressNumber? {
        guard let row = store.get(.addressByDigest, key(address)) else { return nil }
        var reader = ByteReader(row)
        let number = reader.take(UInt64.self)
        require(reader.takeString() == address.description, "two addresses with one SHA-256: \(address)")
        return AddressNumber(number)
    }

    /// The number of `address`, given now if it has none.
    public static func makeNumber(of address: JID, in store: some KeyValueTransaction) -> AddressNumber {
        if let number = number(of: address, in: store) { return number }
        let number = (store.lastNumber(.addressByNumber) ?? 0) + 1
        var row = ByteWriter()
        row.put(number)
        row.put(address.description)
        store.put(.addressByDigest, key(address), row.bytes)
        var back = ByteWriter(capacity: 8)
        back.put(number)
        var parts = ByteWriter()
        parts.put(address.localpart)
        parts.put(address.domainpart)
        parts.put(address.resourcepart)
        store.append(.addressByNumber, back.bytes, parts.bytes)
        return AddressNumber(number)
    }

    /// Whether a number was given to an address.
    static func isKnown(_ number: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        let key = NumberKey.one(number.value)
        return store.read(.addressByNumber, key.span) { _ in }
    }

    /// The address of a number that a row refers to.
    public static func address(_ number: AddressNumber, in store: some KeyValueTransaction) -> JID {
        let key = NumberKey.one(number.value)
        var row: [UInt8] = []
        guard store.read(.addressByNumber, key.span, { row = Array($0) }) else {
            ourFault("a row refers to address \(number.value), which is not in the store")
        }
        var reader = ByteReader(row)
        return JID(
            preparedLocalpart: reader.takeOptionalString(), preparedDomainpart: reader.takeString(),
            preparedResourcepart: reader.takeOptionalString())
    }

    private static func key(_ address: JID) -> [UInt8] {
        var bytes: [UInt8] = []
        address.write(to: &bytes)
        return Digest.hash(.sha256, bytes)
    }
}

extension ByteReader {
    /// The leading number of a key.
    public static func first(_ key: [UInt8]) -> UInt64 {
        var reader = ByteReader(key)
        return reader.take(UInt64.self)
    }
}
