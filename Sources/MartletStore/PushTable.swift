import MartletPrimitives

/// Where accounts want their messages to be announced (XEP-0357), each under a number of its account.
public enum PushTable {
    /// One registration.
    public struct Row: Sendable, Equatable {
        /// The push service.
        public var service: String
        /// The node there; empty for none.
        public var node: String
        /// What is sent along with each notification, as XML; empty for nothing.
        public var options: [UInt8]
        /// The resource that has asked: as long as it is connected it is told by itself.
        public var resource: String

        /// That registration.
        public init(service: String, node: String, options: [UInt8], resource: String) {
            self.service = service
            self.node = node
            self.options = options
            self.resource = resource
        }
    }

    /// Stores a registration.
    public static func put(_ account: AddressNumber, _ number: UInt64, _ row: Row, in store: some KeyValueTransaction) {
        let key = NumberKey.two(account.value, number)
        var writer = ByteWriter(capacity: 64 + row.options.count)
        writer.put(row.service)
        writer.put(row.node)
        writer.put(row.resource)
        writer.put(row.options)
        store.put(.push, Array(key.span), writer.bytes)
    }

    /// Removes one.
    public static func remove(_ account: AddressNumber, _ number: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.two(account.value, number)
        store.delete(.push, key.span)
    }

    /// The number of a registration of an account; nil where there is none.
    public static func first(of account: AddressNumber, in store: some KeyValueTransaction) -> UInt64? {
        let key = NumberKey.two(account.value, 0)
        let start = Array(key.span)
        guard let found = store.firstEntry(.push, atOrAfter: start), found.key.starts(with: start[..<8]) else { return nil }
        return ByteReader.first(Array(found.key[8...]))
    }

    /// All registrations, account by account.
    public static func forEach(
        in store: some KeyValueTransaction, _ body: (_ account: AddressNumber, _ number: UInt64, Row) -> Void
    ) {
        store.forEach(.push, prefix: []) { key, value in
            var place = ByteReader(key)
            let account = AddressNumber(place.take())
            let number: UInt64 = place.take()
            var reader = ByteReader(value)
            let (service, node, resource) = (reader.takeString(), reader.takeString(), reader.takeString())
            body(account, number, Row(service: service, node: node, options: reader.takeBytes(), resource: resource))
            return true
        }
    }
}
