import MartletStore
import XMPPAddress

/// Somebody in a room: one session, by its real full JID. Several sessions of one person may have one nickname.
struct RoomOccupant: Sendable {
    /// His number in the room, in the order of joining; never given twice.
    let number: UInt64
    /// The real full JID.
    let jid: JID
    /// The nickname.
    var nick: String
    var role: RoomRole
    var affiliation: RoomAffiliation
    /// What his presence says to the others.
    var content: [UInt8]
    /// The line to his server is down: to the others he is gone, and what is said waits for him in the lane.
    var isSuspended = false
    /// The line's count of recoveries when he was last shown everything.
    var recovery: UInt32 = 0
    /// How often he was asked whether he is still there, without an answer.
    var asked: UInt8 = 0

    /// As stored.
    var row: RoomOccupantRow {
        RoomOccupantRow(
            jid: jid, nick: nick, role: role, affiliation: affiliation, state: isSuspended ? .suspended : .present,
            content: content)
    }
}
