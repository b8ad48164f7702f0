// XEP-0402: PEP Native Bookmarks, version 1.2.0, complete for a server, with both older ways
// XEP-0411: Bookmarks Conversion, version 1.1.0, complete
// XEP-0048: Bookmarks, version 1.2, complete for a server: rooms
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Bookmarks of rooms: clients keep them in three ways, and each sees what the others have written. The newest way, one item for each
/// room, has them; the node of the older way and private storage are views of it.
extension PubSub {
    /// For accounts.
    public static let bookmarks = ServiceDeclaration(
        "Bookmarks",
        features: [
            "\(Namespaces.bookmarks)#compat", "\(Namespaces.bookmarks)#compat-pep", Namespaces.bookmarksConversion,
        ].map { .init($0, of: [.account], when: \.pubsub.isEnabled) })

    /// All bookmarks in the older form; nil where there are none in the newer one.
    func storedBookmarks(_ asker: Asker, _ turn: Turn) -> Element? {
        guard let node = node(named: Namespaces.bookmarks, asker, turn) else { return nil }
        var storage = Element("storage", Namespaces.bookmarkStorage)
        for (_, row) in allItems(node, turn) {
            guard let conference = ContentReader.elements(in: row.payload).first else { continue }
            storage.append(Self.older(conference, jid: row.id))
        }
        for element in kept(asker.service.number, turn) { storage.append(element) }
        return storage
    }

    /// What else stands among the older bookmarks: addresses of pages.
    private func kept(_ account: AddressNumber, _ turn: Turn) -> [Element] {
        guard let kept = PrivateStorageTable.value(of: Self.name, account, in: turn.store) else { return [] }
        return ContentReader.elements(in: kept).first?.elements.filter { $0.name != "conference" } ?? []
    }

    private static let name = "\(Namespaces.bookmarkStorage) storage"

    /// Somebody has written all bookmarks in the older form; why not, where that cannot be.
    mutating func setBookmarks(_ storage: Element, _ asker: Asker, _ turn: Turn) -> Answer? {
        var wanted: [(id: String, element: Element)] = []
        for element in storage.all("conference", Namespaces.bookmarkStorage) {
            guard let jid = element["jid"].flatMap({ try? JID($0) })?.description, !wanted.contains(where: { $0.id == jid })
            else { continue }
            wanted.append((jid, element))
        }
        guard wanted.count <= PubSubLimits.bookmarks else {
            return .error(StanzaError(.resourceConstraint, .cancel, text: "Too many bookmarks for this way of keeping them"))
        }
        let before = node(named: Namespaces.bookmarks, asker, turn).map { allItems($0, turn) } ?? []
        var items: [(id: String, payload: Element)] = []
        for (id, element) in wanted {
            let old = before.first { $0.row.id == id }.flatMap { ContentReader.elements(in: $0.row.payload).first }
            let new = Self.newer(element, keeping: old)
            if new != old { items.append((id, new)) }
        }
        let gone = before.map(\.row.id).filter { id in !wanted.contains { $0.id == id } }
        let others = Element(
            "storage", Namespaces.bookmarkStorage, elements: storage.elements.filter { $0.name != "conference" })
        let text = others.serialized(within: Namespaces.client)
        guard text.count <= PubSubLimits.privateBytes, turn.admits(.state, bytes: text.count) else {
            return .error(.diskNearlyFull)
        }
        if let refused = write(items, removing: gone, to: Namespaces.bookmarks, asker, turn) { return refused }
        PrivateStorageTable.put(Self.name, asker.service.number, text, in: turn.store)
        return showBookmarks(asker, turn)
    }

    /// The node of the older way shows what there is now.
    @discardableResult
    mutating func showBookmarks(_ asker: Asker, _ turn: Turn) -> Answer? {
        guard let storage = storedBookmarks(asker, turn), storage.children.count <= PubSubLimits.bookmarks else { return nil }
        return write([("current", storage)], to: Namespaces.bookmarkStorage, asker, turn)
    }

    private func allItems(_ node: Node, _ turn: Turn) -> [(place: UInt64, row: ItemRow)] {
        var all: [(UInt64, ItemRow)] = []
        var next = node.row.removedUpTo + 1
        while all.count <= PubSubLimits.bookmarks, let found = PubSubItemTable.first(node.number, from: next, in: turn.store) {
            all.append(found)
            next = found.place + 1
        }
        return all
    }

    /// XEP-0402 §4: the same room as XEP-0048 has it.
    private static func older(_ conference: Element, jid: String) -> Element {
        var result = Element("conference", Namespaces.bookmarkStorage, [("jid", jid)])
        result["name"] = conference["name"]
        result["autojoin"] = conference["autojoin"]
        for name in ["nick", "password"] {
            if let part = conference.first(name, Namespaces.bookmarks) {
                result.append(Element(name, Namespaces.bookmarkStorage, text: part.text))
            }
        }
        return result
    }

    /// The other way round; what only the newer form can say stays.
    private static func newer(_ conference: Element, keeping old: Element?) -> Element {
        var result = Element("conference", Namespaces.bookmarks)
        result["name"] = conference["name"]
        result["autojoin"] = conference["autojoin"]
        for name in ["nick", "password"] {
            if let part = conference.first(name, Namespaces.bookmarkStorage) {
                result.append(Element(name, Namespaces.bookmarks, text: part.text))
            }
        }
        if let extensions = old?.first("extensions", Namespaces.bookmarks) { result.append(extensions) }
        return result
    }
}
