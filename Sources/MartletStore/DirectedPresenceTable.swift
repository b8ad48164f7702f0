import MartletPrimitives

/// The addresses to which a session has sent directed presence (RFC 6121 §4.6): they are told when it ends, also when
/// the server was restarted in between.
public enum DirectedPresenceTable {
    /// Notes an address.
    public static func put(
        _ account: AddressNumber, session: UInt64, _ address: AddressNumber, in store: some KeyValueTransaction
    ) {
        store.put(.directed, key(account, session, address), [])
    }

    /// Forgets an address.
    public static func remove(
        _ account: AddressNumber, session: UInt64, _ address: AddressNumber, in store: some KeyValueTransaction
    ) {
        store.delete(.directed, key(account, session, address))
    }

    /// The addresses of a session.
    public static func addresses(
        of account: AddressNumber, session: UInt64, in store: some KeyValueTransaction
    ) -> [AddressNumber] {
        var addresses: [AddressNumber] = []
        store.forEach(.directed, prefix: Array(key(account, session, AddressNumber(0))[..<16])) { key, _ in
            var reader = ByteReader(key, from: 16)
            addresses.append(AddressNumber(reader.take()))
            return true
        }
        return addresses
    }

    private static func key(_ account: AddressNumber, _ session: UInt64, _ address: AddressNumber) -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.put(account.value)
        writer.put(session)
        writer.put(address.value)
        return writer.bytes
    }
}
