import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// The start of the server.
extension Sessions {
    /// After the start: sessions that can be resumed are there again, without connection; contacts of the others are told
    /// that they are gone.
    public mutating func boot(_ turn: Turn) {
        senders = SenderMarks(in: turn.store)
        startedAt = turn.now
        let stored = ClientSessionTable.sessions(in: turn.store)
        for (account, number, row) in stored where row.state == .resumable {
            restore(account, number, row, turn)
        }
        for (account, number, row) in stored {
            switch row.state {
            case .resumable: break
            case .fleeting:
                let bare = AddressTable.address(account, in: turn.store)
                let jid = JID(
                    preparedLocalpart: bare.localpart, preparedDomainpart: bare.domainpart,
                    preparedResourcepart: row.resource)
                tellGone(jid, account, session: number, turn)
            case .ended:
                // Whoever saw it may not have been told before the end of the process: a refresh of the line says it again.
                departures[account] = max(departures[account] ?? row.endedAt, row.endedAt)
                if turn.now - row.endedAt > SessionLimits.endedSessionLifetime {
                    ClientSessionTable.remove(account, number, in: turn.store)
                }
            }
        }
        continueRemovals(turn)
        wantLinksOfRestored(turn)
        endDoomed(turn)
    }

    /// `Docs/relay-protocol.md` R5: sessions that are there again believe what was true before the start, so the peers of
    /// their contacts are reached, which refreshes presence with them.
    private mutating func wantLinksOfRestored(_ turn: Turn) {
        var place = online.place(from: .first)
        while let current = place {
            let account = online[current]
            if account.sessions.contains(where: { sessions[$0].isAvailable }) {
                for contact in RosterTable.contacts(of: account.number, with: .to, in: turn.store) {
                    let peer = AddressTable.address(contact, in: turn.store).domain
                    let pair = DomainPair(local: account.jid.domain, peer: peer)
                    if turn.policy.houses(peer.domainpart) || peers.place(of: pair) != nil { continue }
                    let place = peers.makePlace(of: pair)
                    turn.ask(.reachPeer(pair))
                    schedule(.reached, place, after: SessionLimits.reachTime, turn)
                }
            }
            place = online.place(after: current)
        }
    }

    private mutating func restore(_ account: AddressNumber, _ number: UInt64, _ row: ClientSessionRow, _ turn: Turn) {
        let bare = AddressTable.address(account, in: turn.store)
        let jid = JID(
            preparedLocalpart: bare.localpart, preparedDomainpart: bare.domainpart, preparedResourcepart: row.resource)
        let place = online.place(of: bare) ?? online.insert(bare, account)
        var session = Session(jid: jid, account: place, accountNumber: account, connection: nil)
        session.number = number
        session.isRestored = true
        session.isInterested = row.isInterested
        session.hasCarbons = row.hasCarbons
        session.knowsBlocked = row.knowsBlocked
        if row.hasCarbons { carbonCount += 1 }
        session.presence = ClientSessionTable.presence(account, number, in: turn.store)
        session.priority = session.presence?.priority ?? 0
        session.directed = DirectedPresenceTable.addresses(of: account, session: number, in: turn.store).map {
            AddressTable.address($0, in: turn.store)
        }
        var management = Session.Management(isResumable: true, token: row.token)
        management.handled = ClientSessionTable.handled(account, number, in: turn.store)
        management.isUncertain = true
        session.management = management
        for slot in ClientSlotTable.slots(account, number, in: turn.store) {
            session.outbox.restore(slot)
        }
        let id = sessions.insert(session)
        online[place].sessions.append(id)
        noteReady(id, isRestored: true, turn)
        tellCapabilities(of: id, .restored, turn)
        detach(id, turn)
    }
}
