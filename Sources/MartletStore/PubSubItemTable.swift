import MartletPrimitives

/// An item of a node, as stored.
public struct ItemRow: Sendable, Equatable {
    /// Its id within the node.
    public var id: String
    /// Who published it: a bare JID.
    public var publisher: String
    /// When.
    public var published: WallTime
    /// What: one element as text, or nothing.
    public var payload: [UInt8]

    /// That item.
    public init(id: String, publisher: String, published: WallTime, payload: [UInt8]) {
        self.id = id
        self.publisher = publisher
        self.published = published
        self.payload = payload
    }

    /// What it counts for.
    public var size: UInt64 { UInt64(payload.count + id.utf8.count + publisher.utf8.count + Self.frame) }
    private static let frame = 64

    fileprivate init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        id = reader.takeString()
        publisher = reader.takeString()
        published = WallTime(milliseconds: reader.take())
        payload = reader.takeBytes()
    }

    fileprivate var row: [UInt8] {
        var writer = ByteWriter(capacity: payload.count + id.utf8.count + publisher.utf8.count + 20)
        writer.put(id)
        writer.put(publisher)
        writer.put(published.milliseconds)
        writer.put(payload)
        return writer.bytes
    }
}

/// Items: node and place → ``ItemRow``, in the order in which they were published; node and digest of the id → place; deadline, node and
/// place of those that go by themselves.
public enum PubSubItemTable {
    /// The item at a place.
    public static func row(_ node: NodeNumber, _ place: UInt64, in store: some KeyValueTransaction) -> ItemRow? {
        let key = NumberKey.two(node.value, place)
        var row: [UInt8] = []
        return store.read(.pubsubItem, key.span) { row = Array($0) } ? ItemRow(row) : nil
    }

    /// The place of the item with an id; what was removed has none.
    public static func place(
        of id: String, _ node: NodeNumber, removedUpTo: UInt64, in store: some KeyValueTransaction
    ) -> UInt64? {
        guard let value = store.get(.pubsubItemByID, idKey(node, id)) else { return nil }
        let place = ByteReader.first(value)
        return place > removedUpTo ? place : nil
    }

    /// Writes an item.
    public static func put(_ node: NodeNumber, _ place: UInt64, _ row: ItemRow, in store: some KeyValueTransaction) {
        let key = NumberKey.two(node.value, place)
        store.put(.pubsubItem, key.span, row.row.span)
        var writer = ByteWriter(capacity: 8)
        writer.put(place)
        store.put(.pubsubItemByID, idKey(node, row.id), writer.bytes)
    }

    /// Removes an item.
    public static func remove(_ node: NodeNumber, _ place: UInt64, _ row: ItemRow, in store: some KeyValueTransaction) {
        let key = NumberKey.two(node.value, place)
        store.delete(.pubsubItem, key.span)
        let id = idKey(node, row.id)
        // It may have been published anew.
        if let value = store.get(.pubsubItemByID, id), ByteReader.first(value) == place { store.delete(.pubsubItemByID, id) }
    }

    /// The first item at or behind a place.
    public static func first(
        _ node: NodeNumber, from place: UInt64, in store: some KeyValueTransaction
    ) -> (place: UInt64, row: ItemRow)? {
        found(store.firstEntry(.pubsubItem, atOrAfter: key(node, place)), node)
    }

    /// The last item before a place.
    public static func last(
        _ node: NodeNumber, before place: UInt64 = .max, in store: some KeyValueTransaction
    ) -> (place: UInt64, row: ItemRow)? {
        found(store.lastEntry(.pubsubItem, before: key(node, place)), node)
    }

    private static func found(_ entry: KeyValueEntry?, _ node: NodeNumber) -> (place: UInt64, row: ItemRow)? {
        guard let entry, ByteReader.first(entry.key) == node.value else { return nil }
        var reader = ByteReader(entry.key, from: 8)
        return (reader.take(), ItemRow(entry.value))
    }

    private static func key(_ node: NodeNumber, _ place: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.put(node.value)
        writer.put(place)
        return writer.bytes
    }

    private static func idKey(_ node: NodeNumber, _ id: String) -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.put(node.value)
        PubSubNodeTable.digest(id).withUnsafeBytes { writer.append($0) }
        return writer.bytes
    }

    // MARK: items that go by themselves

    /// An item goes at that time.
    public static func expire(
        _ node: NodeNumber, _ place: UInt64, at deadline: Instant, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 24)
        writer.put(UInt64(clamping: deadline.milliseconds))
        writer.put(node.value)
        writer.put(place)
        store.put(.pubsubExpiry, writer.bytes, [])
    }

    /// The first item that goes.
    public static func firstExpiry(
        in store: some KeyValueTransaction
    ) -> (deadline: Instant, node: NodeNumber, place: UInt64, key: [UInt8])? {
        guard let entry = store.firstEntry(.pubsubExpiry, atOrAfter: []) else { return nil }
        var reader = ByteReader(entry.key)
        let deadline = Instant(milliseconds: Int64(clamping: reader.take(UInt64.self)))
        return (deadline, NodeNumber(reader.take()), reader.take(), entry.key)
    }

    /// It has gone.
    public static func forgetExpiry(_ key: [UInt8], in store: some KeyValueTransaction) { store.delete(.pubsubExpiry, key) }
}
