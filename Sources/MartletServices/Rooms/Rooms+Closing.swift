import MartletBus
import MartletStore
import XMPPAddress
import XMPPXML

/// Many who go at once, because the room goes or because it is for others now.
struct RoomClosing {
    enum What {
        /// The room is destroyed (XEP-0045 §10.9), with these words.
        case everybody(Element)
        /// The room is for members only (§10.2).
        case strangers
    }

    let what: What
}

/// Everybody, or everybody who is no member, leaves a room: a slice at a time, as a room may be large.
extension Rooms {
    /// They go, before anything that is said from now on. A room that is destroyed is locked at once, and lasts no longer than its last
    /// occupant; that stands in its row, so that a restart finds it closed.
    mutating func close(_ closing: RoomClosing, at place: Int, _ party: Party, _ turn: Turn) {
        if case .everybody = closing.what {
            rooms[place].row.isLocked = true
            rooms[place].row.configuration.flags.remove(.isPersistent)
            write(place, turn)
        }
        tell(.close(closing), at: place, party, turn)
    }

    /// A slice of it; true at the end.
    mutating func goOn(
        _ closing: RoomClosing, _ job: inout RoomJob, _ place: Int, _ slice: inout RoomSlice, _ turn: Turn
    ) -> Bool {
        // What is said of those who go comes behind this.
        let wasInLine = rooms[place].isInLine
        rooms[place].isInLine = true
        defer { rooms[place].isInLine = wasInLine }
        var index = rooms[place].place(from: job.after + 1)
        while index < rooms[place].occupants.count {
            let occupant = rooms[place].occupants[index]
            guard occupant.number <= job.through else { return true }
            guard !slice.isSpent else { return false }
            job.after = occupant.number
            switch closing.what {
            case .everybody(let destruction):
                slice.send(destruction.children.count + 256)
                leave(index, affiliation: RoomAffiliation.none, destruction: destruction, at: place, job.party, turn)
            case .strangers where occupant.affiliation < .member:
                slice.send(256)
                leave(index, statuses: [.becameMembersOnly], at: place, job.party, turn)
            case .strangers:
                slice.visit()
                index += 1
            }
        }
        return true
    }
}
