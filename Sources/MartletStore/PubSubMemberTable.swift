import MartletPrimitives
import XMPPAddress

/// What an address is to a node (XEP-0060 §4.1). The numbers stand in the store.
public enum NodeAffiliation: UInt8, Sendable, CaseIterable {
    case none, outcast, member, publishOnly, publisher, owner
}

/// A subscription to a node (XEP-0060 §4.2), as stored.
public struct NodeSubscription: Sendable, Equatable {
    /// The numbers stand in the store.
    public enum State: UInt8, Sendable { case none, pending, unconfigured, subscribed }

    /// Whoever is notified, a bare or full JID.
    public var jid: String
    /// Whether it is.
    public var state: State
    /// Notifications are wanted.
    public var isDelivered = true
    /// The subscription ends then; nil never.
    public var expires: WallTime?

    /// That subscription.
    public init(jid: String, state: State) {
        self.jid = jid
        self.state = state
    }

    fileprivate init(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        jid = reader.takeString()
        state = State(rawValue: reader.take()) ?? .none
        isDelivered = reader.take(UInt8.self) != 0
        let time = reader.take(Int64.self)
        if time != 0 { expires = WallTime(milliseconds: time) }
    }

    fileprivate var row: [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.put(jid)
        writer.put(state.rawValue)
        writer.put(UInt8(isDelivered ? 1 : 0))
        writer.put(expires?.milliseconds ?? 0)
        return writer.bytes
    }
}

/// Who is what to nodes, and who is subscribed. No address has a number for it: whoever subscribes with a thousand addresses leaves
/// nothing behind when he goes.
///
/// node, digest of a bare JID → affiliation; node, digest of a bare JID, digest of the subscriber → ``NodeSubscription``; owner, digest of
/// a bare JID, node → nothing, by which one's own are found.
public enum PubSubMemberTable {
    /// The affiliation of a bare JID.
    public static func affiliation(_ node: NodeNumber, _ bare: JID, in store: some KeyValueTransaction) -> NodeAffiliation {
        guard let value = store.get(.pubsubAffiliation, key(node.value, bare)) else { return .none }
        return NodeAffiliation(rawValue: value[0]) ?? .none
    }

    /// Sets it; says whether there was one before.
    @discardableResult
    public static func set(
        _ affiliation: NodeAffiliation, _ node: NodeNumber, of owner: AddressNumber, _ bare: JID,
        in store: some KeyValueTransaction
    ) -> Bool {
        let key = key(node.value, bare)
        let had = store.get(.pubsubAffiliation, key) != nil
        if affiliation == .none {
            if had { store.delete(.pubsubAffiliation, key) }
        } else {
            var writer = ByteWriter(capacity: 32)
            writer.put(affiliation.rawValue)
            writer.put(bare.description)
            store.put(.pubsubAffiliation, key, writer.bytes)
        }
        updateIndex(node, of: owner, bare, in: store)
        return had
    }

    /// The affiliations of a node, as text.
    public static func affiliations(
        _ node: NodeNumber, limit: Int, in store: some KeyValueTransaction
    ) -> [(jid: String, affiliation: NodeAffiliation)] {
        var rows: [(String, NodeAffiliation)] = []
        store.forEach(.pubsubAffiliation, prefix: prefix(node.value)) { _, value in
            var reader = ByteReader(value)
            let affiliation = NodeAffiliation(rawValue: reader.take()) ?? .none
            rows.append((reader.takeString(), affiliation))
            return rows.count < limit
        }
        return rows
    }

    /// The subscription of exactly that address.
    public static func subscription(
        _ node: NodeNumber, _ jid: JID, in store: some KeyValueTransaction
    ) -> NodeSubscription? {
        store.get(.pubsubSubscription, key(node.value, jid.bare) + PubSubNodeTable.digest(jid.description))
            .map { NodeSubscription($0) }
    }

    /// The subscriptions of a bare JID and its resources.
    public static func subscriptions(
        _ node: NodeNumber, of bare: JID, in store: some KeyValueTransaction
    ) -> [NodeSubscription] {
        var rows: [NodeSubscription] = []
        store.forEach(.pubsubSubscription, prefix: key(node.value, bare)) { _, value in
            rows.append(NodeSubscription(value))
            return true
        }
        return rows
    }

    /// Writes a subscription, or removes it where its state is none; says whether there was one.
    @discardableResult
    public static func put(
        _ subscription: NodeSubscription, _ node: NodeNumber, of owner: AddressNumber, _ jid: JID,
        in store: some KeyValueTransaction
    ) -> Bool {
        let key = key(node.value, jid.bare) + PubSubNodeTable.digest(jid.description)
        let had = store.get(.pubsubSubscription, key) != nil
        if subscription.state == .none {
            if had { store.delete(.pubsubSubscription, key) }
        } else {
            store.put(.pubsubSubscription, key, subscription.row)
        }
        updateIndex(node, of: owner, jid.bare, in: store)
        return had
    }

    /// Up to `limit` subscriptions of a node behind a place, and the place of the last.
    public static func subscriptions(
        _ node: NodeNumber, after place: [UInt8], limit: Int, in store: some KeyValueTransaction
    ) -> (rows: [NodeSubscription], last: [UInt8]) {
        var rows: [NodeSubscription] = []
        let prefix = prefix(node.value)
        var (last, next) = (place, place.isEmpty ? prefix : place + [0])
        while rows.count < limit, let entry = store.firstEntry(.pubsubSubscription, atOrAfter: next),
            entry.key.starts(with: prefix)
        {
            rows.append(NodeSubscription(entry.value))
            last = entry.key
            next = entry.key + [0]
        }
        return (rows, last)
    }

    /// The nodes of an owner to which a bare JID is something or subscribed.
    public static func nodes(
        of owner: AddressNumber, _ bare: JID, limit: Int, in store: some KeyValueTransaction
    ) -> [NodeNumber] {
        var nodes: [NodeNumber] = []
        store.forEach(.pubsubMember, prefix: key(owner.value, bare)) { key, _ in
            var reader = ByteReader(key, from: 24)
            nodes.append(NodeNumber(reader.take()))
            return nodes.count < limit
        }
        return nodes
    }

    /// Removes the first affiliation or subscription of a node that is there; false where none is left.
    public static func removeFirst(_ node: NodeNumber, of owner: AddressNumber, in store: some KeyValueTransaction) -> Bool {
        let prefix = prefix(node.value)
        if let entry = store.firstEntry(.pubsubSubscription, atOrAfter: prefix), entry.key.starts(with: prefix) {
            store.delete(.pubsubSubscription, entry.key)
            if let jid = try? JID(NodeSubscription(entry.value).jid) { updateIndex(node, of: owner, jid.bare, in: store) }
            return true
        }
        if let entry = store.firstEntry(.pubsubAffiliation, atOrAfter: prefix), entry.key.starts(with: prefix) {
            store.delete(.pubsubAffiliation, entry.key)
            var reader = ByteReader(entry.value, from: 1)
            if let jid = try? JID(reader.takeString()) { updateIndex(node, of: owner, jid, in: store) }
            return true
        }
        return false
    }

    private static func updateIndex(
        _ node: NodeNumber, of owner: AddressNumber, _ bare: JID, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 8)
        writer.put(node.value)
        let index = key(owner.value, bare) + writer.bytes
        let own = key(node.value, bare)
        let isSubscribed = store.firstEntry(.pubsubSubscription, atOrAfter: own)?.key.starts(with: own) ?? false
        if isSubscribed || store.get(.pubsubAffiliation, own) != nil {
            store.put(.pubsubMember, index, [])
        } else {
            store.delete(.pubsubMember, index)
        }
    }

    private static func prefix(_ number: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(number)
        return writer.bytes
    }

    private static func key(_ number: UInt64, _ bare: JID) -> [UInt8] {
        prefix(number) + PubSubNodeTable.digest(bare.description)
    }
}
