import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStreams

/// What sessions know of the people of one peer domain as a whole: whether the link is there, and the work under way because
/// it went or came back. One piece of work at a time; whatever is newer takes the place of what is older.
struct PeerPresence {
    /// The link, as people are told of it.
    enum Line: Equatable {
        /// Never up since the start.
        case unreached
        /// Closed because nobody needed it.
        case resting
        case up
        /// Down for less than the grace, or not yet tried again. `wasUp`: at some time since the start.
        case down(since: Instant, WallTime, isTried: Bool, wasUp: Bool)
        /// Down for longer: whoever is behind it is unavailable, for the reason that people are told.
        case cut(LineState)
    }

    /// Work in slices; each remembers where the next one begins.
    enum Work {
        /// Both sides are told anew how things are.
        case refresh(after: RosterTable.Pair?)
        /// Whoever was sent directed presence is told of it again, session by session of each account.
        case directed(DirectedPlace)
        /// Whoever was not confirmed becomes unavailable, account by account.
        case sweep(place: OnlinePlace)
        /// Sessions older than this process are told of contacts that nobody has confirmed.
        case absentees(after: RosterTable.Pair?)
        /// Subscriptions that nobody has answered are asked for again.
        case requests(after: RosterTable.Pair?)
    }

    /// Subscriptions that were asked for and not answered (RFC 6121 §3.1.2).
    struct Requests {
        /// They are to be asked for again when the line is there and nothing else is under way.
        var isDue = false
        /// A timer will say so.
        var isScheduled = false
        /// When that was done last.
        var lastAsked: Instant?
        /// How long to wait after the next time.
        var pause = SessionLimits.requestPause
        /// Some were found in the round under way.
        var areThere = false
    }

    /// Where the work on directed presence stands.
    struct DirectedPlace: Equatable {
        var account = OnlinePlace.first
        /// Among all addresses of the account's sessions.
        var offset = 0
    }

    /// Directed presence that was taken back while the line was down.
    struct Farewell: Equatable {
        var from: JID
        var to: JID

        /// What it takes in memory.
        var bytes: Int { from.bytes + to.bytes + 128 }
    }

    let pair: DomainPair
    var line = Line.unreached
    var work: Work?
    /// Raised with each change of the line, so that timers become stale.
    var generation: UInt64 = 0
    /// What was said before is no longer believed without being said again.
    var staleBefore = Instant(milliseconds: 0)
    /// When the refresh under way began, and the last one that was completed.
    var refreshBegan = Instant(milliseconds: 0)
    var lastRefresh: Instant?
    /// Answers to probes are under way.
    var awaitsAnswers = false
    /// Who has to hear, when the line is back, that somebody has gone; bounded by ``SessionLimits/farewells`` and
    /// ``SessionLimits/farewellBytes``.
    private(set) var farewells: Deque<Farewell> = []
    private var farewellBytes = 0
    /// What nobody there has answered.
    var requests = Requests()
    /// There may be sessions that know contacts from before the start of this process.
    var hasOldSessions = true

    init(_ pair: DomainPair) {
        self.pair = pair
    }

    /// One more; the oldest give way.
    mutating func add(_ farewell: Farewell) {
        while farewells.count >= SessionLimits.farewells || farewellBytes + farewell.bytes > SessionLimits.farewellBytes {
            removeFarewell()
        }
        farewells.append(farewell)
        farewellBytes += farewell.bytes
    }

    /// The oldest was said, or gives way.
    mutating func removeFarewell() { farewellBytes -= farewells.removeFirst().bytes }

    /// These need not be said.
    mutating func removeFarewells(where isGone: (Farewell) -> Bool) {
        farewells.removeAll(where: isGone)
        farewellBytes = farewells.reduce(0) { $0 + $1.bytes }
    }

    /// The same things are said twice: by the peer's own refresh, and in answer to our probes.
    var hearsRepetitions: Bool {
        switch line {
        case .unreached, .resting: false
        case .up: work != nil || awaitsAnswers
        case .down, .cut: true
        }
    }

    /// Why nobody there can be reached, where that is so for certain.
    var cut: LineState? {
        switch line {
        case .cut(let state): state
        case .unreached, .down(_, _, _, wasUp: false): .unreached
        case .resting, .up, .down(_, _, _, wasUp: true): nil
        }
    }
}
