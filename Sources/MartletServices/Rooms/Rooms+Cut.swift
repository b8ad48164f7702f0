import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// People of other domains whose line goes down and comes back (`Docs/relay-protocol.md` §5).
///
/// While it is down the others see them as gone, with the reason; they keep their place, and what is said waits for them in the lane, in its
/// order and once. When it is back nobody is believed: whoever does not show himself is asked, and who is not there is gone for good.
extension Rooms {
    /// Somebody has entered a room: a line to people elsewhere is looked after from now on.
    mutating func entered(_ jid: JID, _ room: AddressNumber, _ address: JID, _ turn: Turn) {
        guard !turn.policy.houses(jid.domainpart) else { return }
        _ = peers.add(DomainPair(local: address.domain, peer: jid.domain), room)
    }

    mutating func left(_ jid: JID, _ room: AddressNumber, _ address: JID) {
        peers.remove(DomainPair(local: address.domain, peer: jid.domain), room)
    }

    /// How often the line to somebody in a room has come back.
    func recoveries(of jid: JID, in room: JID) -> UInt32 { peers.recoveries(DomainPair(local: room.domain, peer: jid.domain)) }

    /// Federation says what became of a link.
    public mutating func linkChanged(_ change: LinkChange, _ turn: Turn) {
        guard peers.place(of: change.pair) != nil else { return }
        switch change.kind {
        // That a stream has ended proves nothing; whether somebody can be reached shows when it is tried.
        case .lost: turn.ask(.reachPeer(change.pair))
        case .up, .failing, .counted, .healed: break
        }
    }

    /// The line to a peer is another to its people than before.
    public mutating func lineChanged(_ pair: DomainPair, _ state: LineState, _ turn: Turn) {
        guard let place = peers.place(of: pair) else { return }
        switch state {
        case .up:
            peers.change(place) {
                $0.isCut = false
                $0.recoveries += 1
            }
            peers.begin(.check, place)
        case .cut, .unreached:
            let words = CutWords.status(state, now: turn.wall, utcOffset: turn.policy.utcOffset)
            peers.change(place) { $0.isCut = true }
            peers.begin(.suspend(words: words ?? CutWords.unanswered), place)
        }
        scheduleChecks(turn)
    }

    /// Sees to it that the next slice comes when it is due. A timer that was set for later meets a slice that was done meanwhile.
    mutating func scheduleChecks(_ turn: Turn) {
        let soon = turn.now + RoomLimits.checkPause
        guard let due = peers.line.isEmpty ? peers.asked.first.map({ max($0.deadline, soon) }) : soon else { return }
        if let next = peers.next, next <= due { return }
        peers.next = due
        turn.schedule(.rooms(.checks), at: due)
    }

    /// The next slice: of the line whose turn it is, and of whoever has not answered.
    mutating func checksDue(_ turn: Turn) {
        guard let next = peers.next, next <= turn.now else { return }
        peers.next = nil
        remind(turn)
        while let pair = peers.line.popFirst() {
            guard let place = peers.place(of: pair), let work = peers.peers[place].work else { continue }
            // Whose line it is pays for what follows from it.
            (turn.bill.payer, turn.bill.isPaid) = (.peer(pair.peer), false)
            let isDone = goOn(work, pair, turn)
            if let place = peers.place(of: pair) {
                if isDone { peers.change(place) { $0.work = nil } } else { peers.line.append(pair) }
            }
            break
        }
        scheduleChecks(turn)
    }

    /// One slice; true at the end.
    private mutating func goOn(_ work: RoomPeers.Work, _ pair: DomainPair, _ turn: Turn) -> Bool {
        var room = AddressNumber(0)
        var visits = RoomLimits.visits
        var checks = RoomLimits.checks
        while let peer = peers.place(of: pair) {
            room = peers.peers[peer].room
            guard let number = peers.room(peer, from: room) else { return true }
            if number != room { peers.change(peer) { ($0.room, $0.after) = (number, 0) } }
            guard let place = place(of: number) else { return true }
            var index = rooms[place].place(from: peers.peers[peer].after + 1)
            while index < rooms[place].occupants.count {
                guard visits > 0, checks > 0 else { return false }
                visits -= 1
                let occupant = rooms[place].occupants[index]
                peers.change(peer) { $0.after = occupant.number }
                index += 1
                guard occupant.jid.domainpart == pair.peer.domainpart else { continue }
                checks -= 1
                switch work {
                case .suspend(let words): suspend(occupant.number, words, at: place, turn)
                case .check: ask(occupant.number, at: place, turn)
                }
            }
            peers.change(peer) { ($0.room, $0.after) = (AddressNumber(number.value + 1), 0) }
        }
        return true
    }

    /// To the others he is gone; he keeps his place.
    private mutating func suspend(_ number: UInt64, _ words: String, at place: Int, _ turn: Turn) {
        guard let own = rooms[place].place(of: number), !rooms[place].occupants[own].isSuspended else { return }
        rooms[place].change(at: own) {
            $0.isSuspended = true
            $0.asked = 0
        }
        let occupant = rooms[place].occupants[own]
        turn.lazily { RoomOccupantTable.put(rooms[place].number, number, occupant.row, in: turn.store) }
        let others = rooms[place].numbers(of: occupant.nick).compactMap { rooms[place].place(of: $0) }
        guard others.allSatisfy({ rooms[place].occupants[$0].isSuspended }) else { return }
        var presence = presence(of: occupant, at: place)
        presence.isAvailable = false
        presence.role = .none
        presence.content = []
        Element("status", Namespaces.client, text: words).write(to: &presence.content, within: Namespaces.client)
        tell(.presence(presence), at: place, .peer(occupant.jid.domain), turn)
    }

    // MARK: whether somebody is still there

    /// Asks somebody, in the name of the room.
    private mutating func ask(_ number: UInt64, at place: Int, _ turn: Turn) {
        guard let own = rooms[place].place(of: number) else { return }
        rooms[place].change(at: own) { $0.asked += 1 }
        let jid = rooms[place].occupants[own].jid
        let ping = Stanza(
            .iq, from: rooms[place].jid, to: jid, id: RoomRequestID.check(number, turn), type: "get",
            payloads: [Element("ping", Namespaces.ping)])
        peers.asked.append(
            RoomPeers.Asked(room: rooms[place].number, occupant: number, deadline: turn.now + RoomLimits.checkTime))
        turn.routeFromRoom(ping)
    }

    /// Who has not answered is asked once more, while the line is up, and then gone.
    private mutating func remind(_ turn: Turn) {
        var checks = RoomLimits.checks
        while checks > 0, let first = peers.asked.first, first.deadline <= turn.now {
            peers.asked.removeFirst()
            checks -= 1
            guard let place = place(of: first.room), let own = rooms[place].place(of: first.occupant) else { continue }
            let occupant = rooms[place].occupants[own]
            let pair = DomainPair(local: rooms[place].jid.domain, peer: occupant.jid.domain)
            guard occupant.asked > 0, let peer = peers.place(of: pair), !peers.peers[peer].isCut else { continue }
            if occupant.asked < RoomLimits.checkTries {
                ask(first.occupant, at: place, turn)
            } else {
                leave(own, statuses: [.failed], at: place, .site, turn)
                settle(first.room, turn)
            }
        }
    }

    /// Somebody who was asked has answered.
    mutating func checked(_ stanza: Stanza, _ number: UInt64, at place: Int, _ turn: Turn) {
        guard let own = rooms[place].place(of: number), let from = stanza.from, rooms[place].occupants[own].jid == from,
            rooms[place].occupants[own].asked > 0
        else { return }
        if stanza.isError {
            let condition = stanza.payload("error", Namespaces.client)?.elements.first {
                $0.namespace == Namespaces.stanzaErrors
            }
            // The line is down again, or nobody could be asked.
            if condition?.name == StanzaError.Condition.remoteServerTimeout.rawValue { return }
            if Self.isGone(stanza) {
                leave(own, statuses: [.failed], at: place, .site, turn)
                return settle(rooms[place].number, turn)
            }
        }
        rooms[place].change(at: own) { $0.asked = 0 }
        comeBack(own, at: place, .peer(from.domain), turn)
    }

    /// Somebody has shown that he is there: he is shown to the others again, and sees what he has missed of them.
    mutating func comeBack(_ own: Int, at place: Int, _ party: Party, _ turn: Turn) {
        guard rooms[place].occupants[own].isSuspended else { return }
        rooms[place].change(at: own) {
            $0.isSuspended = false
            $0.asked = 0
        }
        let occupant = rooms[place].occupants[own]
        turn.lazily { RoomOccupantTable.put(rooms[place].number, occupant.number, occupant.row, in: turn.store) }
        showAgain(occupant, toOthers: true, at: place, party, turn)
    }
}
