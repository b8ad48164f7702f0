import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What somebody who enters is told of what was said before (XEP-0045 §7.2.13 to §7.2.15), out of the room's archive.
extension Rooms {
    /// What he wants of it (§7.2.14), and may have.
    func history(_ wish: Element?, for occupant: UInt64, at place: Int, _ turn: Turn) -> RoomHistoryQuestion {
        let own = Int(rooms[place].row.configuration.maxHistory)
        let most = own == 0 ? turn.policy.rooms.history : min(own, turn.policy.rooms.history)
        var question = RoomHistoryQuestion(room: rooms[place].number, occupant: occupant, stanzas: most)
        guard let wish else { return question }
        if let stanzas = wish["maxstanzas"].flatMap({ Int($0) }) { question.stanzas = max(0, min(most, stanzas)) }
        if let characters = wish["maxchars"].flatMap({ Int($0) }) {
            question.characters = max(0, characters)
            if characters <= 0 { question.stanzas = 0 }
        }
        if let seconds = wish["seconds"].flatMap({ Int64($0) }), seconds >= 0 {
            let (span, isTooLong) = seconds.multipliedReportingOverflow(by: 1000)
            if !isTooLong {
                question.since = WallTime(milliseconds: turn.wall.milliseconds - min(span, turn.wall.milliseconds))
            }
        }
        if let since = wish["since"].flatMap({ WallTime($0) }) {
            question.since = max(since, question.since ?? since)
        }
        return question
    }

    /// What was said, the oldest first: it goes to him, and the subject behind it; then the room goes on.
    public mutating func historyFound(
        _ question: RoomHistoryQuestion, _ found: [(sequence: UInt64, message: LoggedStanza)], _ turn: Turn
    ) {
        guard let place = place(of: question.room) else { return }
        rooms[place].awaitsHistory = false
        defer {
            lineUp(place, turn)
            settle(question.room, turn)
        }
        guard let own = rooms[place].place(of: question.occupant) else { return }
        let reader = rooms[place].occupants[own].jid
        for (sequence, logged) in found {
            var stanza = logged.stanza
            stanza.to = reader
            stanza.stamp(from: rooms[place].jid, logged.acceptedAt)
            turn.routeFromRoom(stanza, logged: sequence)
        }
        turn.routeFromRoom(subject(for: reader, at: place))
    }

    /// §7.2.15: always, and empty where nobody has ever said one.
    private func subject(for reader: JID, at place: Int) -> Stanza {
        let subject = rooms[place].row.subject
        let room = rooms[place].jid
        var stanza = Stanza(
            .message, from: subject.map { rooms[place].address(of: $0.nick) } ?? room, to: reader, type: "groupchat",
            payloads: [Element("subject", Namespaces.client, text: subject?.text ?? "")])
        if let subject { stanza.stamp(from: room, subject.time) }
        return stanza
    }
}
