import MartletCrypto
import MartletPrimitives

/// The number of a node in the store.
public struct NodeNumber: Hashable, Comparable, Sendable {
    /// From 1.
    public var value: UInt64

    /// The node of that number.
    public init(_ value: UInt64) { self.value = value }

    /// The order in which nodes were made.
    public static func < (left: NodeNumber, right: NodeNumber) -> Bool { left.value < right.value }
}

/// A node (XEP-0060 §1.2), as stored.
public struct NodeRow: Sendable, Equatable {
    /// Whose node it is: an account, or a host of ours.
    public var owner: AddressNumber
    /// Its name there.
    public var name: String
    /// Who made it: a bare JID.
    public var creator: String
    /// When.
    public var created: WallTime
    /// How it behaves.
    public var configuration: NodeConfiguration
    /// The place that the next item gets.
    public var nextPlace: UInt64 = 1
    /// Items up to this place count as removed; rows of them may be left.
    public var removedUpTo: UInt64 = 0
    /// Items that it has.
    public var items = 0
    /// Their bytes.
    public var bytes: UInt64 = 0
    /// Subscriptions of any state.
    public var subscriptions = 0
    /// Addresses with an affiliation.
    public var affiliations = 0
    /// It was deleted, and what it had is being removed.
    public var isDeleted = false

    /// A new node.
    public init(owner: AddressNumber, name: String, creator: String, created: WallTime, configuration: NodeConfiguration) {
        self.owner = owner
        self.name = name
        self.creator = creator
        self.created = created
        self.configuration = configuration
    }

    fileprivate init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        owner = AddressNumber(reader.take())
        name = reader.takeString()
        creator = reader.takeString()
        created = WallTime(milliseconds: reader.take())
        nextPlace = reader.take()
        removedUpTo = reader.take()
        items = Int(reader.take(UInt32.self))
        self.bytes = reader.take()
        subscriptions = Int(reader.take(UInt32.self))
        affiliations = Int(reader.take(UInt32.self))
        isDeleted = reader.take(UInt8.self) != 0
        configuration = NodeConfiguration(&reader)
    }

    fileprivate var row: [UInt8] {
        var writer = ByteWriter(capacity: 128 + name.utf8.count)
        writer.put(owner.value)
        writer.put(name)
        writer.put(creator)
        writer.put(created.milliseconds)
        writer.put(nextPlace)
        writer.put(removedUpTo)
        writer.put(UInt32(clamping: items))
        writer.put(bytes)
        writer.put(UInt32(clamping: subscriptions))
        writer.put(UInt32(clamping: affiliations))
        writer.put(UInt8(isDeleted ? 1 : 0))
        configuration.write(to: &writer)
        return writer.bytes
    }
}

/// How many nodes an owner has, and how much stands in them.
public struct NodeOwnerRow: Sendable, Equatable {
    /// Nodes.
    public var nodes = 0
    /// Bytes of their items.
    public var bytes: UInt64 = 0

    /// Nothing.
    public init() {}
}

/// Nodes: number → ``NodeRow``; owner and digest of the name → number; owner → ``NodeOwnerRow``; number → nodes whose rows are being
/// removed. No name is a key, since it may be longer than keys are.
public enum PubSubNodeTable {
    /// A node.
    public static func row(_ node: NodeNumber, in store: some KeyValueTransaction) -> NodeRow? {
        let key = NumberKey.one(node.value)
        var row: [UInt8] = []
        return store.read(.pubsubNode, key.span) { row = Array($0) } ? NodeRow(row) : nil
    }

    /// Writes a node.
    public static func put(_ node: NodeNumber, _ row: NodeRow, in store: some KeyValueTransaction) {
        let key = NumberKey.one(node.value)
        store.put(.pubsubNode, key.span, row.row.span)
    }

    /// A node of an owner by its name; nil where there is none.
    public static func node(
        _ name: String, of owner: AddressNumber, in store: some KeyValueTransaction
    ) -> (number: NodeNumber, row: NodeRow)? {
        guard let number = store.get(.pubsubNodeByName, nameKey(owner, name)) else { return nil }
        let node = NodeNumber(ByteReader.first(number))
        guard let row = row(node, in: store), row.name == name else { return nil }
        return (node, row)
    }

    /// Makes a node.
    public static func insert(_ row: NodeRow, in store: some KeyValueTransaction) -> NodeNumber {
        // Never used again: what is to be removed of one that was deleted must not be found in another.
        let last = MetaTable.number(.lastNode, in: store) ?? 0
        MetaTable.set(.lastNode, last + 1, in: store)
        let node = NodeNumber(UInt64(last + 1))
        var writer = ByteWriter(capacity: 8)
        writer.put(node.value)
        store.put(.pubsubNodeByName, nameKey(row.owner, row.name), writer.bytes)
        put(node, row, in: store)
        return node
    }

    /// A node is found by its name no more, and its rows are to be removed.
    public static func markDeleted(_ node: NodeNumber, _ row: NodeRow, in store: some KeyValueTransaction) {
        var row = row
        row.isDeleted = true
        store.delete(.pubsubNodeByName, nameKey(row.owner, row.name))
        put(node, row, in: store)
        noteSweep(node, in: store)
    }

    /// Removes the row of a node, which has nothing any more.
    public static func remove(_ node: NodeNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(node.value)
        store.delete(.pubsubNode, key.span)
    }

    /// Up to `limit` nodes of an owner behind a place, in the order of the digests of their names; the place of the last.
    public static func nodes(
        of owner: AddressNumber, after place: [UInt8], limit: Int, in store: some KeyValueTransaction
    ) -> (nodes: [NodeNumber], last: [UInt8]) {
        var nodes: [NodeNumber] = []
        var last = place
        var writer = ByteWriter(capacity: 24)
        writer.put(owner.value)
        let prefix = writer.bytes
        var next = place.isEmpty ? prefix : place + [0]
        while nodes.count < limit, let entry = store.firstEntry(.pubsubNodeByName, atOrAfter: next),
            entry.key.starts(with: prefix)
        {
            nodes.append(NodeNumber(ByteReader.first(entry.value)))
            last = entry.key
            next = entry.key + [0]
        }
        return (nodes, last)
    }

    // MARK: owners

    /// What an owner has.
    public static func owner(_ owner: AddressNumber, in store: some KeyValueTransaction) -> NodeOwnerRow {
        var row = NodeOwnerRow()
        let key = NumberKey.one(owner.value)
        _ = store.read(.pubsubOwner, key.span) {
            var reader = ByteReader(Array($0))
            row.nodes = Int(reader.take(UInt32.self))
            row.bytes = reader.take()
        }
        return row
    }

    /// Writes what an owner has.
    public static func put(_ owner: AddressNumber, _ row: NodeOwnerRow, in store: some KeyValueTransaction) {
        let key = NumberKey.one(owner.value)
        guard row != NodeOwnerRow() else {
            store.delete(.pubsubOwner, key.span)
            return
        }
        var writer = ByteWriter(capacity: 12)
        writer.put(UInt32(clamping: row.nodes))
        writer.put(row.bytes)
        store.put(.pubsubOwner, key.span, writer.bytes.span)
    }

    // MARK: what is being removed

    /// Rows of a node are to be removed.
    public static func noteSweep(_ node: NodeNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(node.value)
        store.put(.pubsubSweep, key.span, [UInt8]().span)
    }

    /// They were.
    public static func forgetSweep(_ node: NodeNumber, in store: some KeyValueTransaction) {
        let key = NumberKey.one(node.value)
        store.delete(.pubsubSweep, key.span)
    }

    /// The nodes of which rows are to be removed.
    public static func sweeps(in store: some KeyValueTransaction) -> [NodeNumber] {
        var nodes: [NodeNumber] = []
        store.forEach(.pubsubSweep, prefix: []) { key, _ in
            nodes.append(NodeNumber(ByteReader.first(key)))
            return true
        }
        return nodes
    }

    static func digest(_ text: String) -> ArraySlice<UInt8> { Digest.hash(.sha256, text.utf8)[..<16] }

    private static func nameKey(_ owner: AddressNumber, _ name: String) -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.put(owner.value)
        digest(name).withUnsafeBytes { writer.append($0) }
        return writer.bytes
    }
}
