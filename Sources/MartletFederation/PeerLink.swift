import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// The relation of one of our domains to one peer domain: owns the lanes, survives streams and restarts.
struct PeerLink {
    /// Where the link stands between the streams it uses, one at a time.
    enum State {
        /// Nothing to do.
        case idle
        /// An attempt is under way.
        case dialling(DialID)
        /// A stream is authenticated.
        case up(ConnectionID, Carrier)
        /// We closed a foreign stream in order to learn what arrived: the peer's closing tag proves everything sent.
        case closing(ConnectionID, Carrier)
        /// The last attempt failed.
        case backingOff(until: Instant)
    }

    let pair: DomainPair
    /// Urgent first.
    var lanes = LaneClass.allCases.map(OutgoingLane.init)
    /// By which rules what waits was put into them; those of the policy come into force when nothing waits.
    var laneRules = LaneRules()
    /// What the stream in use may carry without acknowledgement.
    var window = SendWindow()
    var state = State.idle
    /// Raised whenever pending timers must become stale.
    var generation: UInt64 = 0
    /// Attempts that failed in a row.
    var failures = 0
    /// The last attempt failed. While that is so, a stream that the peer opened is used where there is one (XEP-0288).
    var cannotBeDialled = false
    /// The stream in use was opened by the peer.
    var isOnPeersStream = false
    /// Nobody was told that the link is up: nothing was heard on its stream yet.
    var isUpUntold = false
    /// Attempts in a row in which DNS said that the domain does not exist.
    var absences = 0
    var lastError = ""
    /// The rest of the site was told that the link fails, and not yet that it is up again.
    var isFailingTold = false
    /// Entries of its lanes that are kept aside for a human.
    var held = 0
    /// Whether we were ever let in, or configuration names the peer.
    var isStranger = true
    /// Unnumbered stanzas that wait for the attempt under way; bounded by ``volatileLimit``.
    var volatile: Deque<Stanza> = []
    /// Requests carried beside the lanes and not answered yet, oldest first; bounded by ``requestLimit``.
    var requests: Deque<Request> = []
    /// The peer has not heard our availability since the last stream broke.
    var needsRefresh = true
    /// Streams in a row that died with stanzas of which a foreign peer proved nothing (`Docs/relay-protocol.md` §6, rung 4).
    var doubtfulStreams = 0
    /// Since when the peer owes us a sign of life; nil when it owes nothing.
    var owedSince: Instant?
    /// The bytes that were under way then: what was written later does not keep the answer waiting.
    var owedBytes = 0
    /// What was written since its last sign of life, and what it had not acknowledged then, in bytes.
    var unheardBytes = 0
    /// It was asked for that sign.
    var wasAsked = false
    /// A timer for the next expiry is set: one for a link, not one for each time that something waits.
    var isExpiryArmed = false
    /// A timer for the next warning to senders is set.
    var isWarningArmed = false
    /// Which senders are being told that their messages wait; nil while nobody is.
    var warnings: WarningRound?
    /// A timer for the next slice of work on its lanes is set.
    var isWorkArmed = false
    /// A silence timer of this generation is pending.
    var isSilenceArmed = false
    /// Whose messages wait, while the link is down.
    var census: QueueCensus?
    /// Touched in this batch: acknowledgements are asked for at its end.
    var isTouched = false

    /// An IQ request that the peer has not answered.
    struct Request {
        var id: String
        var from: JID
        var to: JID
    }

    /// Unnumbered stanzas kept while an attempt is under way: a login's worth of presence and queries.
    static let volatileLimit = 512
    /// Requests remembered per link so that they can fail when the stream dies.
    static let requestLimit = 1024

    init(_ pair: DomainPair) {
        self.pair = pair
    }

    /// Entries on disk without acknowledgement, in all lanes.
    var waiting: UInt64 { lanes.reduce(0) { $0 + $1.waiting } }

    /// How the peer acknowledges on the stream in use, for the operator; empty where there is none.
    var acknowledgement: String {
        guard case .up(_, let carrier) = state, !isUpUntold else { return "" }
        return isOnPeersStream ? carrier.name + ", on the peer's stream" : carrier.name
    }

    /// What does not work, for the operator.
    var trouble: String { isUp && isOnPeersStream && !isUpUntold ? "cannot be called: \(lastError)" : lastError }

    /// The stream that carries the link now.
    var connection: ConnectionID? {
        switch state {
        case .up(let connection, _), .closing(let connection, _): connection
        case .idle, .dialling, .backingOff: nil
        }
    }

    /// Whether a foreign peer gets one entry at a time: the third time that the same is sent, so that the next end of a
    /// stream leaves at most one in doubt.
    var isDoubtful: Bool { doubtfulStreams >= 2 }

    /// Whether stanzas can be written now.
    var isUp: Bool {
        if case .up = state { true } else { false }
    }
}

/// How the peer acknowledges on the stream in use.
enum Carrier {
    /// Another Martlet: `<have/>` (`Docs/relay-protocol.md` §3).
    case relay
    /// A foreign server: XEP-0198 or a ping fence (§6).
    case foreign(ForeignCarrier)

    /// For the operator.
    var name: String {
        switch self {
        case .relay: "relay"
        case .foreign(let carrier): carrier.fence == nil ? "stream management" : "ping fence"
        }
    }
}

/// What is known about stanzas written to a foreign server (`Docs/relay-protocol.md` §6, rungs 1 to 3).
struct ForeignCarrier {
    /// Something written, or a void that foreign servers need not see, in its place in the order.
    enum Written {
        case entry(LaneClass, UInt64)
        case beside
        case void(LaneClass, UInt64)
    }

    /// The state of the ping fence, where XEP-0198 is not offered.
    struct Fence {
        /// The outstanding ping and how many unproven stanzas it covers.
        var outstanding: (id: String, covers: Int)?
        /// Pings in a row without an answer.
        var unanswered = 0
    }

    /// Stanzas written and not proven, oldest first.
    private(set) var unproven: Deque<Written> = []
    /// How many of them the peer has to prove.
    private(set) var unprovenCount = 0
    /// Stanzas that the peer has acknowledged, modulo 2³² (XEP-0198 §4).
    var acknowledged: UInt32 = 0
    /// An `<r/>` is outstanding.
    var wasRequested = false
    /// nil with XEP-0198.
    var fence: Fence?

    init(managed: Bool) {
        fence = managed ? nil : Fence()
    }

    /// Whether the end of the stream leaves an entry in doubt.
    var hasUnprovenEntry: Bool {
        unproven.contains { if case .entry = $0 { true } else { false } }
    }

    /// Something was written, or skipped.
    mutating func wrote(_ written: Written) {
        unproven.append(written)
        if case .void = written { return }
        unprovenCount += 1
    }

    /// Takes the oldest `count` stanzas as proven, with the voids behind them, and gives their entries.
    mutating func proved(_ count: Int) -> [(LaneClass, UInt64)] {
        var left = min(count, unprovenCount)
        unprovenCount -= left
        var entries: [(LaneClass, UInt64)] = []
        while let first = unproven.first {
            switch first {
            case .entry(let lane, let number):
                guard left > 0 else { return entries }
                left -= 1
                entries.append((lane, number))
            case .beside:
                guard left > 0 else { return entries }
                left -= 1
            case .void(let lane, let number):
                entries.append((lane, number))
            }
            unproven.removeFirst()
        }
        return entries
    }
}
