import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What is on its way in rooms: in a room one thing after the other, the rooms in turns, a slice at a time. What few are to be told is told
/// at once.
extension Rooms {
    /// Everybody in the room is to be told; who enters later is not. The first slice goes now, where nothing stands before it.
    mutating func tell(_ kind: RoomJob.Kind, at place: Int, _ party: Party, _ turn: Turn) {
        add(RoomJob(kind: kind, party: party, through: rooms[place].lastNumber), at: place, turn)
    }

    /// One occupant alone is to be told.
    mutating func tell(_ kind: RoomJob.Kind, only number: UInt64, at place: Int, _ party: Party, _ turn: Turn) {
        add(RoomJob(kind: kind, party: party, after: number - 1, through: number), at: place, turn)
    }

    private mutating func add(_ job: RoomJob, at place: Int, _ turn: Turn) {
        rooms[place].jobs.append(job)
        turn.memory.changed(by: job.bytes, for: job.party)
        guard !rooms[place].isInLine, !rooms[place].awaitsHistory else { return }
        var slice = RoomSlice()
        advance(place, &slice, turn)
        lineUp(place, turn)
    }

    /// What is left waits for the room's turn.
    mutating func lineUp(_ place: Int, _ turn: Turn) {
        if !rooms[place].jobs.isEmpty, !rooms[place].isInLine, !rooms[place].awaitsHistory {
            rooms[place].isInLine = true
            line.append(rooms[place].number)
        }
        guard !line.isEmpty, !isScheduled else { return }
        isScheduled = true
        turn.schedule(.rooms(.work), after: RoomLimits.pause)
    }

    /// The next slice: of the room whose turn it is.
    mutating func workDue(_ turn: Turn) {
        isScheduled = false
        while let number = line.popFirst() {
            guard let place = place(of: number) else { continue }
            rooms[place].isInLine = false
            if let job = rooms[place].jobs.first { (turn.bill.payer, turn.bill.isPaid) = (job.party, false) }
            var slice = RoomSlice()
            advance(place, &slice, turn)
            lineUp(place, turn)
            settle(number, turn)
            break
        }
        guard !line.isEmpty, !isScheduled else { return }
        isScheduled = true
        turn.schedule(.rooms(.work), after: RoomLimits.pause)
    }

    /// As much as a slice may cause. Everything of one slice is on one bill.
    private mutating func advance(_ place: Int, _ slice: inout RoomSlice, _ turn: Turn) {
        while !slice.isSpent, !rooms[place].awaitsHistory, var job = rooms[place].jobs.first {
            if let payer = turn.bill.payer, payer != job.party, rooms[place].isInLine { return }
            guard work(&job, place, &slice, turn) else {
                rooms[place].jobs[rooms[place].jobs.startIndex].after = job.after
                return
            }
            rooms[place].jobs.removeFirst()
            turn.memory.changed(by: -job.bytes, for: job.party)
        }
    }

    /// A slice of one job; true at its end.
    private mutating func work(_ job: inout RoomJob, _ place: Int, _ slice: inout RoomSlice, _ turn: Turn) -> Bool {
        switch job.kind {
        case .presence(let presence): return show(presence, &job, place, &slice, turn)
        case .message(let stanza, let sequence, let delivery):
            let isDone = deliver(stanza, sequence, &job, place, &slice, turn)
            if let delivery { note(job, delivery, isDone: isDone, rooms[place].number, turn) }
            return isDone
        case .everybody(let number): return showEverybody(to: number, &job, place, &slice, turn)
        case .close(let closing): return goOn(closing, &job, place, &slice, turn)
        case .welcome(let number, let question):
            guard rooms[place].place(of: number) != nil else { return true }
            rooms[place].awaitsHistory = true
            turn.ask(.roomHistory(question))
            return true
        }
    }

    private func show(
        _ presence: RoomPresence, _ job: inout RoomJob, _ place: Int, _ slice: inout RoomSlice, _ turn: Turn
    ) -> Bool {
        let plain = presence.stanza(showsAddress: false, isSelf: false)
        let full = presence.stanza(showsAddress: true, isSelf: false)
        var index = rooms[place].place(from: job.after + 1)
        while index < rooms[place].occupants.count {
            let occupant = rooms[place].occupants[index]
            guard occupant.number <= job.through else { return true }
            guard !slice.isSpent else { return false }
            job.after = occupant.number
            index += 1
            // Presence does not wait in lanes: whoever comes back is shown everybody.
            if occupant.isSuspended {
                slice.visit()
                continue
            }
            let isSelf = occupant.nick == presence.nick && occupant.jid.hasSameBare(as: presence.jid)
            if presence.isHidden, !isSelf {
                slice.visit()
                continue
            }
            var stanza =
                isSelf
                ? presence.stanza(showsAddress: true, isSelf: true)
                : rooms[place].showsAddresses(to: occupant) ? full : plain
            stanza.to = occupant.jid
            slice.send(stanza.content.count)
            turn.routeFromRoom(stanza)
        }
        return true
    }

    private func deliver(
        _ stanza: Stanza, _ sequence: UInt64?, _ job: inout RoomJob, _ place: Int, _ slice: inout RoomSlice, _ turn: Turn
    ) -> Bool {
        var index = rooms[place].place(from: job.after + 1)
        while index < rooms[place].occupants.count {
            let number = rooms[place].occupants[index].number
            guard number <= job.through else { return true }
            guard !slice.isSpent else { return false }
            job.after = number
            var copy = stanza
            copy.to = rooms[place].occupants[index].jid
            index += 1
            slice.send(stanza.content.count)
            turn.routeFromRoom(copy, logged: sequence)
        }
        return true
    }

    /// Where a message has come that does not reach everybody in one turn: written with what was sent, so that nobody misses it and nobody
    /// gets it twice, whatever happens to the server in between.
    private func note(_ job: RoomJob, _ delivery: UInt64, isDone: Bool, _ room: AddressNumber, _ turn: Turn) {
        guard var row = RoomOccupantTable.delivery(room, delivery, in: turn.store) else { return }
        if isDone {
            RoomOccupantTable.remove(room, delivery: delivery, in: turn.store)
            StanzaLog.release(row.logSequence, in: turn.store)
        } else {
            row.after = job.after
            RoomOccupantTable.put(room, delivery: delivery, row, in: turn.store)
        }
    }

    private func showEverybody(
        to number: UInt64, _ job: inout RoomJob, _ place: Int, _ slice: inout RoomSlice, _ turn: Turn
    ) -> Bool {
        guard let viewer = rooms[place].place(of: number) else { return true }
        let reader = rooms[place].occupants[viewer]
        let showsAddresses = rooms[place].showsAddresses(to: reader)
        var index = rooms[place].place(from: job.after + 1)
        while index < rooms[place].occupants.count {
            let occupant = rooms[place].occupants[index]
            guard occupant.number <= job.through else { return true }
            guard !slice.isSpent else { return false }
            job.after = occupant.number
            // Of several sessions with one nickname one is shown; himself he sees last.
            guard !occupant.isSuspended, occupant.nick != reader.nick, rooms[place].place(ofNick: occupant.nick) == index else {
                slice.visit()
                index += 1
                continue
            }
            index += 1
            let presence = presence(of: occupant, at: place)
            if presence.isHidden { continue }
            var stanza = presence.stanza(showsAddress: showsAddresses, isSelf: false)
            stanza.to = reader.jid
            slice.send(stanza.content.count)
            turn.routeFromRoom(stanza)
        }
        return true
    }

    /// What the room says of somebody who is there.
    func presence(of occupant: RoomOccupant, at place: Int) -> RoomPresence {
        var presence = RoomPresence(
            from: rooms[place].address(of: occupant.nick), jid: occupant.jid, role: occupant.role,
            affiliation: occupant.affiliation, content: occupant.content,
            occupantID: occupantID(of: occupant.jid, in: rooms[place].jid))
        presence.isHidden = !rooms[place].row.configuration.broadcastRoles.contains(occupant.role)
        return presence
    }
}
