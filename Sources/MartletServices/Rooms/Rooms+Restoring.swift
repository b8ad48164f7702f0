import MartletBus
import MartletStore
import XMPPAddress
import XMPPStreams

/// Rooms after a start of the server: read one after the other, and those sooner to whom somebody speaks.
extension Rooms {
    /// Who is in a room, and what was on its way.
    mutating func load(_ room: inout Room, _ turn: Turn) {
        for (number, row) in RoomOccupantTable.occupants(room.number, in: turn.store) {
            room.append(
                RoomOccupant(
                    number: number, jid: row.jid, nick: row.nick, role: row.role, affiliation: row.affiliation,
                    content: row.content, isSuspended: row.state == .suspended))
            entered(row.jid, room.number, room.jid, turn)
        }
        for (number, row) in RoomOccupantTable.deliveries(room.number, in: turn.store) {
            guard let logged = StanzaLog.stanza(row.logSequence, in: turn.store) else { continue }
            let shared = logged.archive?.belongs(to: room.number) == true ? row.logSequence : nil
            let kind = RoomJob.Kind.message(logged.stanza, logged: shared, delivery: number)
            let job = RoomJob(kind: kind, party: .site, after: row.after, through: row.through)
            room.jobs.append(job)
            turn.memory.changed(by: job.bytes, for: .site)
            room.nextNumber = max(room.nextNumber, row.through + 1)
        }
    }

    /// The next room, and then rows of rooms that are gone.
    mutating func restoreDue(_ turn: Turn) {
        if let from = restored {
            let occupied = RoomOccupantTable.firstRoom(from: from, in: turn.store)
            let busy = RoomOccupantTable.firstDelivery(from: from, in: turn.store)
            let next = [occupied, busy].compactMap { $0 }.min()
            restored = next.map { AddressNumber($0.value + 1) }
            if let next { restore(next, turn) }
        }
        if restored == nil, let room = RoomTable.firstSweep(in: turn.store) {
            var left = RoomLimits.removedPerSlice
            while left > 0, RoomAffiliationTable.removeFirst(room, in: turn.store) { left -= 1 }
            if left > 0 { RoomTable.forgetSweep(room, in: turn.store) }
        } else if restored == nil {
            return
        }
        turn.schedule(.rooms(.restore), after: RoomLimits.restorePause)
    }

    private mutating func restore(_ number: AddressNumber, _ turn: Turn) {
        let jid = AddressTable.address(number, in: turn.store)
        guard let place = place(of: number, jid, turn) else { return }
        lineUp(place, turn)
        // Sessions that are gone were to say so; whoever has not is gone nevertheless.
        let ours = rooms[place].occupants.map(\.jid).filter { turn.policy.hasPeople(at: $0.domainpart) }
        if !ours.isEmpty { turn.ask(.roomSessions(room: number, ours)) }
        // Nobody knows what became of the others: their lines are tried.
        for index in peers.peers.indices where peers.count(index, number) > 0 {
            turn.ask(.reachPeer(peers.peers[index].pair))
        }
        settle(number, turn)
    }

    /// These sessions are there no more.
    public mutating func sessionsMissing(_ missing: [JID], in room: AddressNumber, _ turn: Turn) {
        for jid in missing {
            guard let place = place(of: room), let own = rooms[place].place(of: jid) else { continue }
            leave(own, statuses: [.shutDown], at: place, .site, turn)
        }
        settle(room, turn)
    }
}
