import MartletPrimitives

/// When accounts were there last (XEP-0012): written when the last of an account's sessions becomes unavailable.
public enum LastActivityTable {
    /// What is known of one account.
    public struct Row: Sendable, Equatable {
        /// When it left.
        public var time: WallTime
        /// What it said then.
        public var status: String

        /// It left at that time with these words.
        public init(time: WallTime, status: String) {
            self.time = time
            self.status = status
        }
    }

    /// What is known of an account; nil if it was never there.
    public static func row(_ account: AddressNumber, in store: some KeyValueTransaction) -> Row? {
        let key = NumberKey.one(account.value)
        guard let bytes = store.get(.lastActivity, Array(key.span)) else { return nil }
        var reader = ByteReader(bytes)
        let time = WallTime(milliseconds: reader.take())
        return Row(time: time, status: reader.takeString())
    }

    /// An account has left.
    public static func put(_ account: AddressNumber, _ row: Row, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        var writer = ByteWriter(capacity: 16 + row.status.utf8.count)
        writer.put(row.time.milliseconds)
        writer.put(row.status)
        store.put(.lastActivity, Array(key.span), writer.bytes)
    }

    /// An account is gone.
    public static func remove(_ account: AddressNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(account.value)
        store.delete(.lastActivity, key.span)
    }
}
