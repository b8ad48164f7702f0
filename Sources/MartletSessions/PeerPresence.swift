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
        /// Never used since the start, or closed because nobody needed it.
        case unknown
        case up
        /// Down for less than the grace, or not yet tried again.
        case down(since: Instant, WallTime, isTried: Bool)
        /// Down for longer: whoever is behind it is unavailable.
        case cut(since: WallTime)
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
    }

    let pair: DomainPair
    var line = Line.unknown
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
    /// Who has to hear, when the line is back, that somebody has gone; bounded by ``SessionLimits/farewells``.
    var farewells: Deque<Farewell> = []
    /// There may be sessions that know contacts from before the start of this process.
    var hasOldSessions = true

    init(_ pair: DomainPair) {
        self.pair = pair
    }

    /// The same things are said twice: by the peer's own refresh, and in answer to our probes.
    var hearsRepetitions: Bool {
        switch line {
        case .unknown: false
        case .up: work != nil || awaitsAnswers
        case .down, .cut: true
        }
    }

    /// When the cut began.
    var cutSince: WallTime? {
        if case .cut(let since) = line { since } else { nil }
    }
}
