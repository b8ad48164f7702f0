import MartletPrimitives
import XMPPAddress
import XMPPStanzas

/// Which conversations with another domain go before others, and which give way: the class of the lane of each pair of
/// addresses (`Docs/relay-protocol.md` §1.1). Named by the administrator, since order is promised for a pair of people and a
/// class can therefore not depend on the single message.
public struct LaneRules: Sendable, Equatable {
    /// Accounts and domains whose messages go first, in both roles. Bare addresses.
    public let urgent: [JID]
    /// Those whose messages give way. What is in both lists is urgent.
    public let bulk: [JID]
    /// Look-up only.
    private let classes: [JID: LaneClass]

    /// These rules; without any address everything is chat.
    public init(urgent: [JID] = [], bulk: [JID] = []) {
        self.urgent = urgent
        self.bulk = bulk
        var classes: [JID: LaneClass] = [:]
        for address in bulk { classes[address] = .bulk }
        for address in urgent { classes[address] = .urgent }
        self.classes = classes
    }

    /// The class of everything between two addresses, whatever their resources. The more urgent of what is said of either.
    public func laneClass(_ one: JID, _ other: JID) -> LaneClass {
        if classes.isEmpty { return .chat }
        let found = [one.bare, one.domain, other.bare, other.domain].compactMap { classes[$0] }
        return found.min() ?? .chat
    }

    /// Equal lists say the same.
    public static func == (left: LaneRules, right: LaneRules) -> Bool { left.urgent == right.urgent && left.bulk == right.bulk }
}

/// The rules by which what waits for a peer was put into lanes. They stay in force until nothing waits, lest a pair whose
/// class has changed in the configuration overtake itself; absent while there were never any.
public enum LaneRulesTable {
    /// The rules for a pair of domains.
    public static func rules(local: AddressNumber, peer: AddressNumber, in store: some KeyValueTransaction) -> LaneRules {
        guard let bytes = store.get(.laneRules, key(local, peer)) else { return LaneRules() }
        var reader = ByteReader(bytes)
        var lists: [LaneClass: [JID]] = [:]
        while !reader.isAtEnd {
            guard let laneClass = LaneClass(rawValue: reader.take()) else { ourFault("a rule of unknown class") }
            let address = JID(
                preparedLocalpart: reader.takeOptionalString(), preparedDomainpart: reader.takeString(),
                preparedResourcepart: nil)
            lists[laneClass, default: []].append(address)
        }
        return LaneRules(urgent: lists[.urgent] ?? [], bulk: lists[.bulk] ?? [])
    }

    /// Stores the rules for a pair of domains.
    public static func update(
        _ rules: LaneRules, local: AddressNumber, peer: AddressNumber, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 64)
        for (laneClass, addresses) in [(LaneClass.urgent, rules.urgent), (.bulk, rules.bulk)] {
            for address in addresses {
                writer.put(laneClass.rawValue)
                writer.put(address.localpart)
                writer.put(address.domainpart)
            }
        }
        store.put(.laneRules, key(local, peer), writer.bytes)
    }

    private static func key(_ local: AddressNumber, _ peer: AddressNumber) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.put(local.value)
        writer.put(peer.value)
        return writer.bytes
    }
}
