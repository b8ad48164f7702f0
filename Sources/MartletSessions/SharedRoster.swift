import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// The items of all rosters that no account owns, merged from their sources: the other offices today. What an account sees is its own
/// items and, of these, those whose address it has not put into its roster itself.
///
/// Part of ``Sessions``. It stands in the store as rosters showed it last, so that clients that resume a session after a restart hear
/// of a change too.
struct SharedRoster {
    /// By source, in the order of the sources.
    private var bySource: [[SharedRosterItem]] = RosterSource.allCases.map { _ in [] }
    /// The part of the roster's version that these items are; nil where there are none.
    private(set) var version: String?

    /// Every item, in the order of the sources.
    var items: [SharedRosterItem] { bySource.flatMap { $0 } }

    /// The item of an address.
    func item(_ jid: JID) -> SharedRosterItem? { items.first { $0.jid == jid } }

    /// The items that an account sees.
    func items(for account: AddressNumber, in store: some KeyValueTransaction) -> [SharedRosterItem] {
        items.filter { !RosterTable.hasContact($0.jid, of: account, in: store) }
    }

    /// The item of an address, if the account has not put that into its roster itself.
    func item(_ jid: JID, for account: AddressNumber, in store: some KeyValueTransaction) -> SharedRosterItem? {
        item(jid).flatMap { RosterTable.hasContact(jid, of: account, in: store) ? nil : $0 }
    }

    /// A source says anew what it has. Returns what rosters showed before if that is something else. Where it is not written, for want of
    /// room, the next start finds the difference once more.
    mutating func change(
        _ source: RosterSource, _ items: [SharedRosterItem], isWritten: Bool, in store: some KeyValueTransaction
    ) -> [SharedRosterItem]? {
        let place = RosterSource.allCases.firstIndex(of: source) ?? 0
        let stored = Self.decode(MetaTable.bytes(source.name, in: store) ?? [])
        bySource[place] = items
        let all = Self.encode(self.items)
        version = self.items.isEmpty ? nil : String(SeenPresence.digest(all), radix: 16)
        guard stored != items else { return nil }
        if isWritten { MetaTable.set(source.name, Self.encode(items), in: store) }
        return stored
    }

    private static func encode(_ items: [SharedRosterItem]) -> [UInt8] {
        var writer = ByteWriter(capacity: items.count * 64)
        for item in items {
            writer.put(item.jid.description)
            writer.put(item.name)
            writer.put(item.group)
        }
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> [SharedRosterItem] {
        var items: [SharedRosterItem] = []
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
            let address = reader.takeString()
            let (name, group) = (reader.takeString(), reader.takeString())
            if let jid = try? JID(address) { items.append(SharedRosterItem(jid: jid, name: name, group: group)) }
        }
        return items
    }
}

extension RosterSource {
    /// Where its items stand in the store.
    fileprivate var name: MetaTable.Name {
        switch self {
        case .offices: .offices
        }
    }
}
