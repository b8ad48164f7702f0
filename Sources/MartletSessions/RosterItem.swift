import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// An `<item/>` of a roster set (RFC 6121 §2.1.2), checked.
struct RosterItem {
    var jid: JID
    var name: String
    var groups: [String]
    var isRemoval: Bool

    /// Reads the query of a roster set (RFC 6121 §2.1.5, §2.3.3).
    init(_ query: Element) throws(StanzaError) {
        let items = query.elements
        guard items.count == 1, items[0].is("item", Namespaces.roster), let text = items[0]["jid"] else {
            throw StanzaError(.badRequest)
        }
        guard let jid = try? JID(text) else { throw StanzaError(.jidMalformed) }
        self.jid = jid.bare
        isRemoval = items[0]["subscription"] == "remove"
        name = items[0]["name"] ?? ""
        groups = []
        guard name.utf8.count <= SessionLimits.rosterNameBytes else { throw StanzaError(.notAcceptable) }
        for element in items[0].all("group", Namespaces.roster) {
            let group = element.text
            guard !group.isEmpty, group.utf8.count <= SessionLimits.rosterNameBytes else { throw StanzaError(.notAcceptable) }
            guard !groups.contains(group) else { throw StanzaError(.badRequest) }
            guard groups.count < SessionLimits.rosterGroups else { throw StanzaError(.notAcceptable) }
            groups.append(group)
        }
    }

    /// The item as clients see it.
    static func element(_ jid: JID, _ row: RosterRow) -> Element {
        var item = Element("item", Namespaces.roster, [("jid", jid.description)])
        if !row.name.isEmpty { item["name"] = row.name }
        let subscription =
            switch (row.flags.contains(.to), row.flags.contains(.from)) {
            case (false, false): "none"
            case (true, false): "to"
            case (false, true): "from"
            case (true, true): "both"
            }
        item["subscription"] = subscription
        if row.flags.contains(.pendingOut) { item["ask"] = "subscribe" }
        if row.flags.contains(.approved) { item["approved"] = "true" }
        for group in row.groups { item.append(Element("group", Namespaces.roster, text: group)) }
        return item
    }

    /// An item that no account owns, as clients see it. The account sees the contact and not the other way round: `to`.
    static func element(_ item: SharedRosterItem) -> Element {
        Element(
            "item", Namespaces.roster, [("jid", item.jid.description), ("name", item.name), ("subscription", "to")],
            elements: [Element("group", Namespaces.roster, text: item.group)])
    }

    /// What a roster push says about a contact that was removed.
    static func removal(_ jid: JID) -> Element {
        Element("item", Namespaces.roster, [("jid", jid.description), ("subscription", "remove")])
    }
}
