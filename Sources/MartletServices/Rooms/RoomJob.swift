import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What is on its way in a room to everybody, or to somebody: one after the other, so that everybody sees the same in the same order.
struct RoomJob {
    enum Kind {
        /// Somebody's presence to everybody.
        case presence(RoomPresence)
        /// A message to everybody: without `to`; its row in the log where the room's archive has it; and where it stands in the store on its
        /// way, by the number of that row.
        case message(Stanza, logged: UInt64?, delivery: UInt64?)
        /// Everybody's presence to somebody who has entered.
        case everybody(to: UInt64)
        /// What was said before, and the subject, to somebody who has entered.
        case welcome(to: UInt64, RoomHistoryQuestion)
        /// Many go.
        case close(RoomClosing)
    }

    let kind: Kind
    /// Who pays for it.
    let party: Party
    /// Occupants up to this one are done.
    var after: UInt64 = 0
    /// The last occupant whom it concerns.
    let through: UInt64
    /// What it was booked for in memory.
    var bytes: Int {
        switch kind {
        case .message(let stanza, _, _): stanza.content.count + 128
        case .presence(let presence): presence.content.count + 256
        case .everybody, .welcome: 64
        case .close: RoomLimits.reasonBytes
        }
    }
}

/// What one slice may still cause.
struct RoomSlice {
    private var stanzas = RoomLimits.stanzas
    private var bytes = RoomLimits.bytes
    private var visits = RoomLimits.visits

    var isSpent: Bool { stanzas <= 0 || bytes <= 0 || visits <= 0 }

    mutating func send(_ size: Int) {
        stanzas -= 1
        bytes -= size
    }

    mutating func visit() { visits -= 1 }
}
