import MartletPrimitives

/// Profiles as vcard-temp (XEP-0054), where they were written in that form last; else the node has them.
public enum VCardTable {
    /// The profile of an account, one element as text.
    public static func vCard(of account: AddressNumber, in store: some KeyValueTransaction) -> [UInt8]? {
        let key = NumberKey.one(account.value)
        var value: [UInt8] = []
        return store.read(.vCard, key.span) { value = Array($0) } ? value : nil
    }

    /// Writes it.
    public static func put(_ account: AddressNumber, _ vCard: [UInt8], in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        store.put(.vCard, key.span, vCard.span)
    }

    /// Removes it.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        store.delete(.vCard, key.span)
    }
}

/// The hash of each account's picture, which stands in its presence (XEP-0153).
public enum AvatarTable {
    /// The hash of an account's picture; nil where it has none.
    public static func hash(of account: AddressNumber, in store: some KeyValueTransaction) -> String? {
        let key = NumberKey.one(account.value)
        var value: [UInt8] = []
        return store.read(.avatar, key.span) { value = Array($0) } ? String(decoding: value, as: UTF8.self) : nil
    }

    /// Writes it, or removes it.
    public static func set(_ account: AddressNumber, _ hash: String?, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        if let hash { store.put(.avatar, key.span, Array(hash.utf8).span) } else { store.delete(.avatar, key.span) }
    }
}

/// What clients keep at the server for themselves (XEP-0049): account and digest of a namespace → the elements of
/// that namespace as text.
public enum PrivateStorageTable {
    /// What stands under a namespace.
    public static func value(
        of namespace: String, _ account: AddressNumber, in store: some KeyValueTransaction
    ) -> [UInt8]? { store.get(.privateStorage, key(account, namespace)) }

    /// Writes it.
    public static func put(
        _ namespace: String, _ account: AddressNumber, _ value: [UInt8], in store: some KeyValueTransaction
    ) { store.put(.privateStorage, key(account, namespace), value) }

    /// How many namespaces an account has there, and their bytes, but for those of that namespace.
    public static func size(
        of account: AddressNumber, without namespace: String, in store: some KeyValueTransaction
    ) -> (count: Int, bytes: Int) {
        var size = (count: 0, bytes: 0)
        let own = key(account, namespace)
        store.forEach(.privateStorage, prefix: Array(own[..<8])) { key, value in
            if key != own { size = (size.count + 1, size.bytes + value.count) }
            return true
        }
        return size
    }

    /// Removes everything of an account.
    public static func removeAll(of account: AddressNumber, in store: some KeyValueTransaction) {
        let prefix = Array(key(account, "")[..<8])
        while let entry = store.firstEntry(.privateStorage, atOrAfter: prefix), entry.key.starts(with: prefix) {
            store.delete(.privateStorage, entry.key)
        }
    }

    private static func key(_ account: AddressNumber, _ namespace: String) -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.put(account.value)
        PubSubNodeTable.digest(namespace).withUnsafeBytes { writer.append($0) }
        return writer.bytes
    }
}
