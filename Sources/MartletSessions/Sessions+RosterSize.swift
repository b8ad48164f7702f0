import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// How much an account may have in its roster: the whole of it is one answer, which somebody has to put together and to keep until it is
/// read.
extension Sessions {
    /// How large an account's roster is. One that an earlier version has written is looked through, once.
    func rosterSize(of account: AddressNumber, _ turn: Turn) -> RosterSize {
        if let size = RosterTable.size(of: account, in: turn.store) { return size }
        var size = RosterSize()
        for (contact, row) in RosterTable.contacts(of: account, in: turn.store) {
            size.items += 1
            size.bytes += RosterItem.size(AddressTable.address(contact, in: turn.store), row)
        }
        return size
    }

    /// Why an account may not have this in the place of what it had (nil: nothing) about a contact.
    func objection(
        to row: RosterRow, replacing old: RosterRow?, _ contact: JID, _ account: AddressNumber, _ turn: Turn
    ) -> StanzaError? {
        let size = rosterSize(of: account, turn)
        let limits = turn.policy.limits
        if old == nil, size.items >= limits.rosterItems {
            return StanzaError(.resourceConstraint, text: "The roster is full: it has \(size.items) contacts")
        }
        let growth = RosterItem.size(contact, row) - (old.map { RosterItem.size(contact, $0) } ?? 0)
        if growth > 0, size.bytes + growth > limits.rosterBytes {
            let words = "The roster is full: it has \(size.bytes >> 10) KiB in \(size.items) contacts, their names and groups"
            return StanzaError(.resourceConstraint, text: words)
        }
        return nil
    }

    /// What an account has about a contact is about to change, or to go (nil).
    func noteSize(
        _ row: RosterRow?, replacing old: RosterRow?, _ contact: JID, _ account: AddressNumber, _ turn: Turn
    ) {
        var size = rosterSize(of: account, turn)
        size.items += (row == nil ? 0 : 1) - (old == nil ? 0 : 1)
        size.bytes += (row.map { RosterItem.size(contact, $0) } ?? 0) - (old.map { RosterItem.size(contact, $0) } ?? 0)
        RosterTable.setSize(of: account, size, in: turn.store)
    }
}

extension RosterItem {
    /// Bytes of an item as clients see it.
    static func size(_ jid: JID, _ row: RosterRow) -> Int { element(jid, row).serialized(within: Namespaces.roster).count }
}
