import Collections
import MartletBus
import MartletPrimitives

/// What a link knows of the stream in use, and forgets with it. Owned by its ``PeerLink``.
///
/// It stands beside the link's state and not inside it: a stanza changes it in place.
struct LinkStream {
    /// Who opened a stream.
    enum Opener: Equatable {
        /// We did, for this link.
        case us
        /// The peer did, for itself; it carries our stanzas because the peer cannot be dialled (XEP-0288).
        case peer
        /// The component, which nobody calls (XEP-0114).
        case component
    }

    /// Who opened it.
    let opener: Opener
    /// When it began.
    let beganAt: Instant
    /// What a foreign server has not proven (`Docs/relay-protocol.md` §6); nil on a stream to another Martlet, which says what
    /// it has by `<have/>` (§3).
    var foreign: ForeignCarrier?
    /// What the stream may carry without acknowledgement.
    var window: SendWindow
    /// What the peer owes on it.
    var life = SignsOfLife()
    /// Nobody was told that the link is up: nothing was heard on the stream yet, which may be as dead as the attempts to dial.
    private(set) var isUntold: Bool
    /// The peer gave a sign of life on it, or was given up for want of one.
    private(set) var isSettled = false

    /// The last moment that a mark on it has told.
    private var toldMoment: WallTime?

    /// What was written to it beside the lanes.
    var besides = BesideMemory()
    /// What was written to it is suspected of its end already.
    var isBlamed = false

    /// A stream that begins. One that answers a call is alive.
    init(openedBy opener: Opener, at now: Instant, foreign: ForeignCarrier?, window: SendWindow) {
        self.opener = opener
        beganAt = now
        self.window = window
        self.foreign = foreign
        isUntold = opener == .peer
    }

    /// The peer gave a sign of life, while `bytesInFlight` were not acknowledged; true if it was the first one that counts.
    /// With how long it took to answer a question that was put to it (``SignsOfLife/heard(bytesInFlight:at:)``).
    mutating func heard(bytesInFlight: Int, at now: Instant) -> (isFirst: Bool, delay: Int64?) {
        defer {
            isUntold = false
            isSettled = true
        }
        besides.heard()
        return (isUntold, life.heard(bytesInFlight: bytesInFlight, at: now))
    }

    /// What the mark of an entry that was taken over at `moment` and is written now has to say of it: nothing while the mark before
    /// says it well enough.
    mutating func momentToTell(_ moment: WallTime) -> WallTime? {
        if let told = toldMoment, 0..<PeerClock.grain ~= moment.milliseconds - told.milliseconds { return nil }
        toldMoment = moment
        return moment
    }

    /// It is given up for silence.
    mutating func wasSilent() { isSettled = true }

    /// How the peer acknowledges, for the operator.
    var acknowledgement: String {
        let name = foreign?.name ?? "relay"
        return switch opener {
        case .us: name
        case .peer: name + ", on the peer's stream"
        case .component: name + ", of a component"
        }
    }
}

/// What a stream leaves behind when it is gone.
struct LostStream {
    /// The connection that it was on.
    var connection: ConnectionID
    /// Requests that nobody will answer any more.
    var requests: Deque<PeerRequests.Request>
    /// The peer ended it before it gave a sign of life there.
    var wasRebuffed: Bool
    /// When it began.
    var beganAt: Instant
    /// We closed it, and the peer's closing tag proved everything.
    var isProven: Bool
}
