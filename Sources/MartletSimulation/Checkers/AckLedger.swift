import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Holds every acknowledgement that leaves a site against what is committed there at that moment: no `<have/>` and no
/// client's `h` before its commit (`Docs/relay-protocol.md` §9.2).
struct AckLedger {
    private(set) var faults: [Fault] = []
    private(set) var checked = 0

    /// A site lets `<have/>` out.
    mutating func emitted(_ mark: RelayMark, peer: JID, local: JID, committed: some KeyValueTransaction) {
        checked += 1
        var row: HaveRow?
        if let peer = AddressTable.number(of: peer, in: committed), let local = AddressTable.number(of: local, in: committed) {
            row = HaveTable.row(peer: peer, local: local, laneClass: mark.lane, in: committed)
        }
        // What was said in the batch in which a new numbering replaced the old one was committed before.
        guard let row, row.epoch == mark.epoch ? row.number >= mark.number : row.retired.contains(mark.epoch) else {
            let words = "\(local) said that it has \(mark.number) of \(peer), on its disk is \(row?.number ?? 0)"
            return faults.append(Fault(.ackBeforeCommit, words))
        }
    }

    /// A site tells a client how much of what it sent was handled. `token` is that of the session (XEP-0198 §5).
    mutating func acknowledged(_ h: UInt32, token: String, account: JID, committed: some KeyValueTransaction) {
        checked += 1
        guard let session = token.split(separator: "-").first.flatMap({ UInt64($0) }),
            let number = AddressTable.number(of: account, in: committed)
        else {
            return faults.append(Fault(.ackBeforeCommit, "\(account) was told \(h) by a session that is not on the disk"))
        }
        let handled = ClientSessionTable.handled(number, session, in: committed)
        if handled < h {
            faults.append(Fault(.ackBeforeCommit, "\(account) was told \(h), on the disk is \(handled)"))
        }
    }
}
