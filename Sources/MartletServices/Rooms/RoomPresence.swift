import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What a room says of an occupant (XEP-0045 §7.2.3, §7.6, §7.14, §8, §9): one presence in the forms in which different people see it.
struct RoomPresence {
    /// The status codes of XEP-0045 §15.6.
    enum Status: Int {
        case showsAddresses = 100
        case isSelf = 110
        case isArchived = 170
        case isCreated = 201
        case nickIsChanged = 210
        case banned = 301
        case hasNewNick = 303
        case kicked = 307
        case affiliationChanged = 321
        case becameMembersOnly = 322
        case shutDown = 332
        case failed = 333
    }

    /// The room's address with the nickname.
    let from: JID
    /// The real address.
    let jid: JID
    var isAvailable = true
    var role: RoomRole
    var affiliation: RoomAffiliation
    /// What the occupant himself says.
    var content: [UInt8] = []
    /// The nickname that he has from now on.
    var newNick: String?
    /// Who has done it, where somebody has.
    var actor: String?
    /// Why.
    var reason: String?
    /// For everybody.
    var statuses: [Status] = []
    /// For himself, beside ``Status/isSelf``.
    var ownStatuses: [Status] = []
    /// What is said of a room that goes (§10.9).
    var destruction: Element?
    /// The XEP-0421 id.
    var occupantID: String
    /// Nobody but himself sees it: his role is not shown in this room.
    var isHidden = false

    var nick: String { from.resourcepart ?? "" }

    /// The stanza without addressee.
    func stanza(showsAddress: Bool, isSelf: Bool) -> Stanza {
        var stanza = Stanza(.presence, from: from, type: isAvailable ? nil : "unavailable")
        stanza.content = content
        var item = Element("item", Namespaces.roomUser, [("affiliation", affiliation.name), ("role", role.name)])
        if showsAddress || isSelf { item["jid"] = jid.description }
        if let newNick { item["nick"] = newNick }
        if let actor { item.append(Element("actor", Namespaces.roomUser, [("nick", actor)])) }
        if let reason { item.append(Element("reason", Namespaces.roomUser, text: reason)) }
        var x = Element("x", Namespaces.roomUser, elements: [item])
        if let destruction { x.append(destruction) }
        for status in (isSelf ? ownStatuses + [.isSelf] : []) + statuses {
            x.append(Element("status", Namespaces.roomUser, [("code", String(status.rawValue))]))
        }
        stanza.append(x)
        stanza.append(Element("occupant-id", Namespaces.occupantID, [("id", occupantID)]))
        return stanza
    }
}

extension Stanza {
    /// What of an occupant's presence the others see: without what he has said to the room, and what only a room may say.
    var shownInRoom: [UInt8] {
        guard !content.isEmpty else { return [] }
        var shown: [UInt8] = []
        for payload in payloads {
            switch payload.namespace {
            case Namespaces.rooms, Namespaces.roomUser, Namespaces.occupantID: continue
            default: payload.write(to: &shown, within: Namespaces.client)
            }
        }
        return shown
    }
}
