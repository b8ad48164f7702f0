import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Senders hear that something of theirs is held (`Docs/relay-protocol.md` S7): what is held within some seconds is told together, and which
/// rows are untold stands in the store, so that the end of a process leaves nobody without a word.
extension Federation {
    /// How long after the first, milliseconds, senders are told: what is held meanwhile is told together.
    static let heldNotice: Int64 = 10_000
    /// Held entries that one turn looks at.
    private static let toldPerTurn = 128
    /// Milliseconds between two turns.
    private static let heldPause: Int64 = 20

    /// The sender of the entry that is held at that place is told soon.
    mutating func tellLater(_ place: UInt64, _ slot: LinkID, _ turn: Turn) {
        if links[slot].untoldHeld == nil { turn.schedule(.link(.heldNotice(slot)), after: Self.heldNotice) }
        // Places are given again.
        links[slot].untoldHeld = min(links[slot].untoldHeld ?? place, place)
    }

    /// Each sender of what was held lately is told so, once for all that one turn finds.
    mutating func tellHeld(_ slot: LinkID, _ turn: Turn) {
        guard let first = links[slot].untoldHeld else { return }
        guard turn.admits(.bounce) else { return turn.schedule(.link(.heldNotice(slot)), after: Self.heldNotice) }
        let lanes = links[slot].lanes.compactMap { $0.id }
        var found: [(place: UInt64, row: HeldRow)] = []
        var looked = 0
        var next: UInt64?
        HeldTable.forEach(from: first, in: turn.store) { place, row in
            guard looked < Self.toldPerTurn else {
                next = place
                return false
            }
            looked += 1
            if row.isUntold, lanes.contains(row.lane) { found.append((place, row)) }
            return true
        }
        var senders: [(sender: JID, count: Int)] = []
        for (place, row) in found {
            var row = row
            row.isUntold = false
            HeldTable.update(place, row, in: turn.store)
            guard let sender = StanzaLog.head(row.logSequence, in: turn.store)?.sender?.bare else { continue }
            if let index = senders.firstIndex(where: { $0.sender == sender }) {
                senders[index].count += 1
            } else {
                senders.append((sender, 1))
            }
        }
        for (sender, count) in senders { tellHeld(sender, count, slot, turn) }
        links[slot].untoldHeld = next
        if next != nil { turn.schedule(.link(.heldNotice(slot)), after: Self.heldPause) }
    }

    private func tellHeld(_ sender: JID, _ count: Int, _ slot: LinkID, _ turn: Turn) {
        let peer = links[slot].pair.peer
        let what = count == 1 ? "What you sent to \(peer) is" : "\(count) things that you sent to \(peer) are"
        let text =
            "\(what) held here, because that server does not take it or ends the connection over it. Nothing is lost, but nothing "
            + "is sent either until an administrator of this server has looked at it."
        turn.route(
            Stanza(
                .message, from: links[slot].pair.local, to: sender, id: turn.random.identifier(), type: "normal",
                payloads: [Element("body", Namespaces.client, [], [.text(text)])]),
            from: .service)
    }
}
