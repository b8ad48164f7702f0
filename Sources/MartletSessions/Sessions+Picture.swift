import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The hash of an account's picture in the presence of its sessions (XEP-0153), put there by the server (XEP-0398 §4.3): whoever has no
/// other way to the picture sees that there is another one.
extension Sessions {
    /// Presence of a session as it goes to others.
    mutating func withPicture(_ stanza: Stanza, of id: SessionID, _ turn: Turn) -> Stanza {
        let place = sessions[id].account
        if !online[place].hasReadPicture {
            online[place].hasReadPicture = true
            online[place].picture = AvatarTable.hash(of: sessions[id].accountNumber, in: turn.store)
        }
        let picture = online[place].picture
        let hides = Self.hidesPicture(stanza)
        if stanza.to == nil { sessions[id].hidesPicture = hides }
        guard let picture, !hides else { return stanza }
        return Self.saying(picture, stanza)
    }

    /// An account has another picture, or none: whoever sees it hears of that.
    public mutating func pictureChanged(_ account: AccountName, hash: String?, _ turn: Turn) {
        guard let place = online.place(of: account.jid) else { return }
        online[place].hasReadPicture = true
        online[place].picture = hash
        let available = online[place].sessions.filter { sessions[$0].isAvailable }
        for id in available {
            let before = sessions[id].presence
            let hides = sessions[id].hidesPicture
            guard let before, !hides else { continue }
            let after = Self.saying(hash ?? "", before)
            if after != before { becomeAvailable(id, after, turn) }
        }
    }

    /// Whether a client says that it has no picture: an empty `<photo/>`, and not an empty `<x/>`, which says nothing (XEP-0398 §4.3).
    private static func hidesPicture(_ stanza: Stanza) -> Bool {
        guard mentionsPicture(stanza.content), let said = stanza.payload("x", Namespaces.vCardUpdate) else { return false }
        return said.first("photo", Namespaces.vCardUpdate)?.text.isEmpty == true
    }

    /// Before anything is parsed: hardly any presence does.
    private static func mentionsPicture(_ content: [UInt8]) -> Bool {
        let name = namespace
        guard content.count > name.count else { return false }
        for start in 0...(content.count - name.count)
        where content[start] == name[0] && content[start..<start + name.count].elementsEqual(name) { return true }
        return false
    }

    private static let namespace = Array(Namespaces.vCardUpdate.utf8)

    private static func saying(_ hash: String, _ stanza: Stanza) -> Stanza {
        let photo = Element("photo", Namespaces.vCardUpdate, text: hash)
        let update = Element("x", Namespaces.vCardUpdate, elements: [photo])
        let payloads = stanza.payloads
        guard let said = payloads.first(where: { $0.is("x", Namespaces.vCardUpdate) }) else {
            var copy = stanza
            copy.append(update)
            return copy
        }
        if said.first("photo", Namespaces.vCardUpdate)?.text == hash { return stanza }
        return Stanza(
            .presence, from: stanza.from, to: stanza.to, id: stanza.id, type: stanza.type, lang: stanza.lang,
            payloads: payloads.map { $0.is("x", Namespaces.vCardUpdate) ? update : $0 })
    }
}
