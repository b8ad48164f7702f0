// XEP-0421: Occupant identifiers for semi-anonymous MUCs, version 1.0.1, complete
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is said in rooms (XEP-0045 §7.4, §7.5, §8.1).
extension Rooms {
    mutating func receivedMessage(_ stanza: Stanza, _ from: JID, _ to: JID, _ party: Party, _ turn: Turn) {
        let type = stanza.messageType
        if type == .error { return failed(stanza, from, to, turn) }
        guard let place = place(of: to.bare, turn) else {
            return turn.bounce(stanza, StanzaError(.itemNotFound))
        }
        let number = rooms[place].number
        defer { settle(number, turn) }
        switch type {
        case .groupchat:
            // §7.5: that is no way to write to one.
            guard to.isBare else { return turn.bounce(stanza, StanzaError(.badRequest)) }
            guard let own = rooms[place].place(of: from) else {
                return turn.bounce(stanza, StanzaError(.notAcceptable, text: "You are not in this room"))  // §7.4
            }
            comeBack(own, at: place, party, turn)
            say(stanza, own, at: place, party, turn)
        case .normal, .chat, .headline:
            if to.isFull { return whisper(stanza, from, to, at: place, party, turn) }
            if carry(stanza, from, at: place, party, turn) || takeForm(stanza, from, at: place, party, turn) { return }
            turn.bounce(stanza, StanzaError(.notAcceptable))
        case .error: break
        }
    }

    // MARK: to everybody

    private mutating func say(_ stanza: Stanza, _ own: Int, at place: Int, _ party: Party, _ turn: Turn) {
        let occupant = rooms[place].occupants[own]
        guard rooms[place].jobs.count < RoomLimits.jobs,
            rooms[place].jobs.isEmpty || turn.memory.admits(party, ceiling: turn.policy.limits.memoryCeiling)
        else {
            return turn.bounce(
                stanza, StanzaError(.resourceConstraint, .wait, text: "Too much is on its way in this room"))
        }
        let payloads = stanza.payloads
        let subject = payloads.first { $0.is("subject", Namespaces.client) }
        let isSubject =
            subject != nil && !payloads.contains { $0.is("body", Namespaces.client) || $0.is("thread", Namespaces.client) }
        if isSubject, let subject {
            if let error = objection(toSubject: subject.text, by: occupant, at: place, turn) {
                return turn.bounce(stanza, error)
            }
        } else if occupant.role < .participant {
            return turn.bounce(stanza, StanzaError(.forbidden))  // §7.4
        }
        var said = Stanza(
            .message, from: rooms[place].address(of: occupant.nick), id: stanza.id, type: "groupchat", lang: stanza.lang)
        for payload in payloads where !isOurs(payload, at: place) { said.append(payload) }
        said.append(
            Element(
                "occupant-id", Namespaces.occupantID, [("id", occupantID(of: occupant.jid, in: rooms[place].jid))]))
        let durable = said.isDurableMessage
        guard !durable || turn.admits(.message, bytes: said.content.count) else {
            return turn.bounce(stanza, .diskNearlyFull)
        }
        if isSubject, let subject {
            rooms[place].row.subject = RoomRow.Subject(text: subject.text, nick: occupant.nick, time: turn.wall)
            write(place, turn)
        }
        send(said, at: place, party, turn)
    }

    /// A message of the room to everybody who is there now: in the room's archive and on its way, or refused before.
    mutating func send(_ message: Stanza, at place: Int, _ party: Party, _ turn: Turn) {
        var message = message
        var sequence: UInt64?
        // What is not told in this turn has its place in the store.
        let isWaiting = !rooms[place].jobs.isEmpty || rooms[place].awaitsHistory
        let isLong = rooms[place].occupants.count > RoomLimits.stanzas || isWaiting
        let durable = message.isDurableMessage
        let archives = durable ? archives(of: message, at: place, turn) : nil
        if durable, archives != nil || isLong {
            if let archives {
                let id = archives.record(at: StanzaLog.last(in: turn.store) + 1).id
                message.append(
                    Element("stanza-id", Namespaces.stanzaID, [("id", id.text), ("by", rooms[place].jid.description)]))
            }
            let logged = LoggedStanza(stanza: message, acceptedAt: turn.wall, acceptedInstant: turn.now)
            let holders = (archives == nil ? 0 : 1) + (isLong ? 1 : 0)
            sequence = StanzaLog.append(logged, holders: holders, archives: archives, in: turn.store)
            if let archives, let sequence { turn.noteArchived(message, archives, at: sequence) }
        }
        var delivery: UInt64?
        if isLong, let sequence {
            let row = RoomDeliveryRow(logSequence: sequence, after: 0, through: rooms[place].lastNumber)
            // The places of messages on their way are those in the log: later ones are greater.
            delivery = sequence
            RoomOccupantTable.put(rooms[place].number, delivery: sequence, row, in: turn.store)
        }
        let shared = archives == nil ? nil : sequence
        tell(.message(message, logged: shared, delivery: delivery), at: place, party, turn)
    }

    /// Where a message is to be kept; nil where it is not.
    private func archives(of message: Stanza, at place: Int, _ turn: Turn) -> ArchiveOwners? {
        guard turn.policy.archive.isEnabled, rooms[place].row.configuration.flags.contains(.isArchived),
            !message.forbids(.noPermanentStore)
        else { return nil }
        let isWorthIt = !message.traits.isDisjoint(with: [.body, .store]) || message.payloads.contains(where: Archive.isSaid)
        guard isWorthIt else { return nil }
        let tag = turn.random.next()
        return ArchiveOwners(sender: nil, addressee: rooms[place].number, tag: tag, mask: hash.hash(tag))
    }

    /// What only the room may say.
    private func isOurs(_ payload: Element, at place: Int) -> Bool {
        switch (payload.name, payload.namespace) {
        case ("stanza-id", Namespaces.stanzaID): payload["by"] == rooms[place].jid.description
        case (_, Namespaces.occupantID), (_, Namespaces.roomUser): true
        case ("delay", Namespaces.delay): payload["from"].flatMap { try? JID($0) }?.hasSameBare(as: rooms[place].jid) ?? false
        default: false
        }
    }

    /// §8.1.
    private func objection(
        toSubject text: String, by occupant: RoomOccupant, at place: Int, _ turn: Turn
    ) -> StanzaError? {
        let mayAll = rooms[place].row.configuration.flags.contains(.allowsSubject)
        guard occupant.role == .moderator || (mayAll && occupant.role == .participant) else { return StanzaError(.forbidden) }
        guard text.utf8.count <= turn.policy.rooms.subjectBytes else {
            return StanzaError(.notAcceptable, text: "A subject may have \(turn.policy.rooms.subjectBytes) bytes")
        }
        return nil
    }

    // MARK: to one

    /// §7.5.
    private mutating func whisper(
        _ stanza: Stanza, _ from: JID, _ to: JID, at place: Int, _ party: Party, _ turn: Turn
    ) {
        guard let own = rooms[place].place(of: from), let nick = to.resourcepart else {
            return turn.bounce(stanza, StanzaError(.notAcceptable, text: "You are not in this room"))
        }
        let sender = rooms[place].occupants[own]
        let readers = rooms[place].numbers(of: nick).compactMap { rooms[place].place(of: $0) }
        guard !readers.isEmpty else { return turn.bounce(stanza, StanzaError(.itemNotFound)) }
        let least: RoomRole? =
            switch rooms[place].row.configuration.privateMessages {
            case .anyone: .visitor
            case .participants: .participant
            case .moderators: .moderator
            case .nobody: nil
            }
        // A moderator is always heard, and can always be written to (§7.5, `muc#roomconfig_allowpm`).
        let isToModerator = rooms[place].occupants[readers[0]].role == .moderator
        guard let least, sender.role >= least || (isToModerator && least == .moderator) else {
            return turn.bounce(stanza, StanzaError(.forbidden))
        }
        var copy = stanza
        copy.from = rooms[place].address(of: sender.nick)
        copy.content = []
        for payload in stanza.payloads where !isOurs(payload, at: place) { copy.append(payload) }
        copy.append(Element("x", Namespaces.roomUser))
        copy.append(
            Element("occupant-id", Namespaces.occupantID, [("id", occupantID(of: from, in: rooms[place].jid))]))
        for reader in readers {
            let occupant = rooms[place].occupants[reader]
            copy.to = occupant.jid
            remember(copy, from: sender.number, to: occupant.number, at: place)
            turn.routeFromRoom(copy)
        }
    }

    private mutating func remember(_ stanza: Stanza, from: UInt64, to: UInt64, at place: Int) {
        guard let id = stanza.id, id.utf8.count <= RoomLimits.idBytes else { return }
        rooms[place].privateMessages.append((from, to, id))
        if rooms[place].privateMessages.count > RoomLimits.privateMessages { rooms[place].privateMessages.removeFirst() }
    }

    /// A private message did not arrive: whoever has written it is told, by the nickname to which he has written.
    mutating func passError(_ stanza: Stanza, _ occupant: RoomOccupant, _ to: JID, at place: Int, _ turn: Turn) {
        guard let id = stanza.id,
            let index = rooms[place].privateMessages.firstIndex(where: { $0.to == occupant.number && $0.id == id })
        else { return }
        let sender = rooms[place].privateMessages.remove(at: index).from
        guard let reader = rooms[place].place(of: sender) else { return }
        var copy = stanza
        copy.from = rooms[place].address(of: occupant.nick)
        copy.to = rooms[place].occupants[reader].jid
        turn.routeFromRoom(copy)
    }
}
