import MartletPrimitives

/// What accounts have blocked (XEP-0191): account and address, both as numbers; the row says nothing else.
public enum BlockTable {
    /// An account blocks an address.
    public static func put(_ account: AddressNumber, _ address: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.two(account.value, address.value)
        let value: InlineArray<1, UInt8> = [0]
        store.put(.blocked, key.span, value.span)
    }

    /// It does so no longer.
    public static func remove(_ account: AddressNumber, _ address: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.two(account.value, address.value)
        store.delete(.blocked, key.span)
    }

    /// Whether it blocks an address.
    public static func blocks(_ account: AddressNumber, _ address: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        let key = NumberKey.two(account.value, address.value)
        return store.read(.blocked, key.span) { _ in }
    }

    /// An address that an account blocks; nil where there is none.
    public static func first(of account: AddressNumber, in store: some KeyValueTransaction) -> AddressNumber? {
        let key = NumberKey.two(account.value, 0)
        let start = Array(key.span)
        guard let found = store.firstEntry(.blocked, atOrAfter: start), found.key.starts(with: start[..<8]) else { return nil }
        return AddressNumber(ByteReader.first(Array(found.key[8...])))
    }

    /// Everything that anybody blocks, account by account.
    public static func forEach(in store: some KeyValueTransaction, _ body: (AddressNumber, AddressNumber) -> Void) {
        store.forEach(.blocked, prefix: []) { key, _ in
            var reader = ByteReader(key)
            let account = AddressNumber(reader.take())
            body(account, AddressNumber(reader.take()))
            return true
        }
    }
}
