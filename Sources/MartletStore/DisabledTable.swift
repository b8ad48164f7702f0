import MartletPrimitives

/// Accounts that are there and may not log in: account → when that began, milliseconds since 1970.
public enum DisabledTable {
    /// An account may not log in.
    public static func put(_ account: AddressNumber, since time: WallTime, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 8)
        writer.put(time.milliseconds)
        store.put(.disabledAccount, key(account), writer.bytes)
    }

    /// It may again.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        store.delete(.disabledAccount, key(account))
    }

    /// All of them, in the order of their numbers.
    public static func all(in store: some KeyValueTransaction) -> [AddressNumber] {
        var accounts: [AddressNumber] = []
        store.forEach(.disabledAccount, prefix: []) { key, _ in
            accounts.append(AddressNumber(ByteReader.first(key)))
            return true
        }
        return accounts
    }

    private static func key(_ account: AddressNumber) -> [UInt8] {
        let key = NumberKey.one(account.value)
        return Array(key.span)
    }
}
