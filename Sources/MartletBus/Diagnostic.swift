import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What a site tells its operator. A closed list, so that the runtime renders each in one place and tests can demand
/// that nothing unexpected was said. No bodies, no secrets.
public enum Diagnostic: Sendable, Equatable {
    /// How urgently it is meant.
    public enum Level: Sendable { case debug, info, notice, warning, error }

    case sessionBound(JID)
    case sessionResumed(JID)
    case sessionEnded(JID)
    case loginRefused(localpart: String, reason: String, RemoteAddress)
    case linkUp(DomainPair, acknowledgement: String)
    case linkDown(DomainPair, reason: String, retryAfter: Int64)
    /// A stream died as on a line that swallows large segments: the next ones to the peer have none of more bytes.
    case segmentsLimited(DomainPair, bytes: Int)
    /// A lane stopped: one of the two stores went back in time. Nothing was removed.
    case laneStopped(DomainPair, lane: String, reason: String)
    /// The peer's store went back in time: entries that it had acknowledged are sent again; `lost` before them are not kept any
    /// more.
    case sentAgain(DomainPair, lane: String, entries: Int, lost: Int)
    /// Our store went back in time: the peer's tags told how far it had come. `delivered` of what waited were there.
    case historiesParted(DomainPair, lane: String, delivered: Int, waiting: Int)
    /// A peer came with a new numbering: its store is new.
    case newEpoch(DomainPair, lane: String)
    /// A peer uses a numbering again that it had replaced: its store went back in time.
    case endedEpoch(DomainPair, lane: String)
    case peerAccepted(DomainPair, PeerProof)
    case peerRefused(DomainPair, reason: String)
    case numberOutOfOrder(DomainPair, lane: String, expected: UInt64, received: UInt64)
    /// A stanza was taken over for the peer, under that number.
    case entryAccepted(EntryTrace, id: String)
    /// A peer's entry was taken over here.
    case entryTaken(EntryTrace, id: String)
    /// Entries from `first` up to the named one were proven to be the peer's.
    case entriesProven(EntryTrace, first: UInt64, by: String)
    case entryExpired(DomainPair, entry: String)
    case entryHeld(DomainPair, entry: String, reason: String)
    /// An entry that may have arrived is not sent again, for that reason; its sender was told.
    case entryRefused(DomainPair, entry: String, reason: String)
    /// Streams to a peer ended over what somebody sent beside the lanes: no more of it is taken for a while.
    case senderRefused(DomainPair, sender: JID, reason: String)
    /// Somebody at the queue desk held, released or purged entries.
    case queueChanged(DomainPair, what: String, entries: Int)
    /// A stopped lane began a new numbering; `uncertain` entries may have been delivered before and were treated as `choice`
    /// says.
    case laneResynced(DomainPair, lane: String, uncertain: Int, choice: String)
    case clockBehind(milliseconds: Int64)
    /// The store had the format of an earlier version; so many rows were written anew.
    case storeMigrated(fromSchema: UInt32, rows: Int)
    case diskReserveReached(freeBytes: Int64)
    case diskFloorReached(freeBytes: Int64)
    /// Not even a commit is possible: nothing is written until there is room.
    case diskExhausted(freeBytes: Int64)
    case diskReserveLeft(freeBytes: Int64)
    case routingLoop(JID)
    /// One event or timer has caused more than ``TurnBound`` allows: a fault of ours, from which others wait.
    case longTurn(event: String, WorkCount)
    case accountChanged(JID, what: String)
    case repeatedMessageIgnored(JID)
    /// Somebody has blocked an address and says why (XEP-0377), in words for whoever runs the server.
    case abuseReported(by: JID, of: JID, reason: String, text: String)
    /// A party has caused more work than its budget: it is read more slowly.
    indirect case partyRests(KarmaPartyRow)
    /// Too much was begun from an address without a login: connections from there wait.
    case addressRests(RemoteAddress, milliseconds: Int64)

    /// How urgently it is meant.
    public var level: Level {
        switch self {
        case .entryAccepted, .entryTaken, .entriesProven: .debug
        case .sessionBound, .sessionResumed, .sessionEnded, .peerAccepted, .linkUp, .accountChanged,
            .repeatedMessageIgnored:
            .info
        case .linkDown, .segmentsLimited, .loginRefused, .peerRefused, .numberOutOfOrder, .diskReserveLeft, .queueChanged,
            .storeMigrated, .partyRests, .addressRests, .abuseReported:
            .notice
        case .newEpoch, .clockBehind, .entryExpired, .laneResynced, .sentAgain, .historiesParted, .senderRefused,
            .entryRefused:
            .warning
        case .entryHeld, .laneStopped, .endedEpoch, .diskReserveReached, .diskFloorReached, .diskExhausted,
            .routingLoop, .longTurn:
            .error
        }
    }
}

/// An entry as both sites name it in their logs: the pair, as the site sees it, the class of the lane and the number.
public struct EntryTrace: Sendable, Equatable {
    /// Our domain and the peer's.
    public var pair: DomainPair
    /// The lane.
    public var laneClass: LaneClass
    /// The number in the lane.
    public var number: UInt64

    /// The entry of that number.
    public init(_ pair: DomainPair, _ laneClass: LaneClass, _ number: UInt64) {
        self.pair = pair
        self.laneClass = laneClass
        self.number = number
    }
}
