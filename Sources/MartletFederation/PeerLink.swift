import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// The relation of one of our domains to one peer domain: owns the lanes, survives streams and restarts.
///
/// Owned by ``PeerLinks``. What happens to the link is told to it by methods named as facts, which keep what belongs together
/// together; what follows for others when an attempt or a stream fails stands in `Federation+Failures.swift`.
struct PeerLink {
    /// Where the link stands between the streams it uses, one at a time.
    enum State: Equatable {
        /// Nothing to do.
        case idle
        /// An attempt is under way.
        case dialling(DialID)
        /// A stream is authenticated.
        case up(ConnectionID)
        /// We closed a foreign stream in order to learn what arrived: the peer's closing tag proves everything sent.
        case closing(ConnectionID)
        /// The last attempt failed.
        case backingOff(until: Instant)
    }

    /// Timers of which one is set for a link, not one for each time that something waits.
    struct Timers {
        /// For the next expiry.
        var expiry = false
        /// For the next warning to senders.
        var warning = false
        /// For the next slice of work on its lanes.
        var work = false
        /// For the end of what is kept of what was acknowledged.
        var trim = false
    }

    /// Whose link.
    let pair: DomainPair
    /// Where it stands.
    private(set) var state = State.idle
    /// What is known of the stream in use: there is one exactly while the state is `up` or `closing`. Facts about the link
    /// make and remove it; its parts change in place.
    var stream: LinkStream?
    /// What was learnt about how the peer is reached.
    private(set) var reach: Reach
    /// What streams that ended have taught about it.
    var suspicion = StreamSuspicion()
    /// The place of the first held entry whose sender was not told yet, while there may be one: a timer is set then.
    var untoldHeld: UInt64?
    /// How fast its line is.
    var pace = LinePace()
    /// The most bytes of a stanza that the peer takes, as far as it has said so (XEP-0478).
    var announcedBytes: Int?
    /// A foreign peer answers no ping and proves by its closing tag what it got: what the next stream may carry
    /// (`Docs/relay-protocol.md` §6, rung 3). nil where another rung works, or none.
    private(set) var closingWindow: SendWindow?
    /// Raised whenever pending timers must become stale.
    private(set) var generation: UInt64 = 0
    /// Urgent first.
    var lanes = LaneClass.allCases.map(OutgoingLane.init)
    /// By which rules what waits was put into them; those of the policy come into force when nothing waits.
    var laneRules = LaneRules()
    /// How much waits in its lanes, and whose it is.
    var load = Load<UInt32>(part: 16)
    /// Entries of its lanes that are kept aside for a human.
    var held = 0
    /// Unnumbered stanzas that wait for the attempt under way.
    var beside = WaitingBeside()
    /// Requests carried beside the lanes.
    var requests = PeerRequests()
    /// The account whose stanza was the first that found the link down: attempts to reach the peer are its doing.
    private(set) var wantedBy: JID?
    /// The peer has not heard our availability since the last stream broke.
    private(set) var needsRefresh = true
    /// The rest of the site was told that the link fails, and not yet that it is up again.
    private var isFailingTold = false
    /// The stream that we closed was closed by the peer, too.
    private var isCloseAnswered = false
    /// Streams in a row that died with stanzas of which a foreign peer proved nothing (`Docs/relay-protocol.md` §6, rung 4).
    private var doubtfulStreams = 0
    /// Which timers are set.
    var timers = Timers()
    /// Which senders are being told that their messages wait; nil while nobody is.
    var warnings: WarningRound?
    /// What was done after a store went back in time, if it was.
    var healing: Healing?
    /// Whose messages wait, while the link is down.
    var census: QueueCensus?
    /// It is none any more: for ``PeerLinks`` alone.
    private(set) var isForgotten = false
    /// Touched in this batch: for ``PeerLinks`` alone.
    var isTouched = false

    /// A link to which nothing has happened. `isStranger`: we were never let in, and configuration does not name the peer.
    init(_ pair: DomainPair, isStranger: Bool) {
        self.pair = pair
        reach = Reach(isStranger: isStranger)
    }

    // MARK: what happens to it

    /// Configuration names the peer, or it was an office once.
    mutating func becameKnown() { reach.becameKnown() }

    /// Somebody has written there and has to wait.
    mutating func wanted(by sender: JID) {
        if wantedBy == nil { wantedBy = sender.bare }
    }

    /// An attempt is under way.
    mutating func attemptBegan(_ dial: DialID) { state = .dialling(dial) }

    /// The attempt failed. What follows is for ``Federation`` to find out; until then the state stays.
    mutating func attemptFailed(_ failure: DialFailure) { reach.attemptFailed(failure) }

    /// There is no reason any more to wait for the end of a pause.
    mutating func pauseCutShort() { outdateTimers() }

    /// A pause begins before the next attempt.
    mutating func pauseBegan(until end: Instant, after reason: String, _ setback: Setback) {
        outdateTimers()
        reach.pauseBegan(after: reason, setback)
        state = .backingOff(until: end)
    }

    /// An authenticated stream carries the link from now on.
    mutating func streamBegan(
        on connection: ConnectionID, openedBy opener: LinkStream.Opener, at now: Instant, foreign: ForeignCarrier?
    ) {
        outdateTimers()
        reach.streamBegan(openedBy: opener)
        pace.streamBegan()
        if foreign?.isManaged != false { closingWindow = nil }
        wantedBy = nil
        stream = LinkStream(openedBy: opener, at: now, foreign: foreign, window: closingWindow ?? SendWindow())
        state = .up(connection)
    }

    /// The peer gave a sign of life; true if it was the first one on a stream of which nobody was told.
    mutating func heard(at now: Instant) -> Bool {
        reach.heard()
        let bytes = bytesInFlight
        guard let (isFirst, delay) = stream?.heard(bytesInFlight: bytes, at: now) else { return false }
        if let delay { pace.answered(after: delay) }
        return isFirst
    }

    /// From now on the peer owes a sign of life: when to look; nil where it owed one already, or a timer is set for that.
    mutating func answerExpected(at now: Instant, limit: Int64) -> Instant? {
        guard let life = stream?.life, life.owedSince == nil else { return nil }
        let patience = pace.patience(behind: life.unheardBytes, atLeast: shortestPatience, atMost: limit)
        return stream?.life.becameDue(at: now, patience: patience)
    }

    /// What is borne on any line: a foreign server answers when it gets round to it, unless it never answers at all.
    private var shortestPatience: Int64 {
        stream?.foreign == nil || closingWindow != nil ? LinePace.shortest : ForeignCarrier.patience
    }

    /// A ping fence was answered: nothing has to be closed.
    mutating func fenceReturned() { closingWindow = nil }

    /// The stream was given up for silence.
    mutating func wasSilent() {
        pace.wasSilent()
        stream?.wasSilent()
        closingWindow = nil
    }

    /// Entries are the peer's: nothing is in doubt.
    mutating func entriesProven() { doubtfulStreams = 0 }

    /// The rest of the site is told that the link is up; true if the peer wants our availability again. Who has what waiting
    /// is not asked while it is up.
    mutating func upTold() -> Bool {
        isFailingTold = false
        census = nil
        defer { needsRefresh = false }
        return needsRefresh
    }

    /// The link fails; true if the rest of the site does not know it yet and is told now, once for however many attempts.
    mutating func failingTold() -> Bool {
        defer { isFailingTold = true }
        return !isFailingTold
    }

    /// The peer missed something of our availability, or somebody wants to know who is there.
    mutating func refreshWanted() { needsRefresh = true }

    /// We closed the stream, and wait for the peer to do the same.
    mutating func closeBegan() {
        guard case .up(let connection) = state else { return }
        state = .closing(connection)
    }

    /// When the peer is to have closed its stream, too: it was silent for its whole patience already.
    mutating func closeExpected(at now: Instant, limit: Int64) -> Instant? {
        let patience = pace.patience(behind: bytesInFlight, atLeast: LinePace.shortest, atMost: limit)
        return stream?.life.closeBegan(at: now, patience: patience)
    }

    /// The peer closed after we did: it has parsed everything.
    mutating func closeAnswered(at now: Instant, limit: Int) {
        _ = heard(at: now)
        isCloseAnswered = true
        closingWindow = stream?.window.afterClose(limit: limit)
    }

    /// The stream is gone, and with it all that was known of it; nil if there was none.
    mutating func streamLost() -> LostStream? {
        guard let connection, let stream else { return nil }
        if isUp, stream.foreign?.hasUnprovenEntry == true { doubtfulStreams += 1 }
        for index in lanes.indices { lanes[index].streamLost() }
        outdateTimers()
        needsRefresh = true
        let lost = LostStream(
            connection: connection, requests: requests.streamLost(), wasRebuffed: !stream.isSettled,
            beganAt: stream.beganAt, isProven: isCloseAnswered)
        isCloseAnswered = false
        self.stream = nil
        state = .idle
        return lost
    }

    /// Nothing wants another attempt. `reason` is what is wrong with the peer, or empty.
    mutating func rested(after reason: String) {
        outdateTimers()
        reach.rested(after: reason)
        if connection == nil { state = .idle }
    }

    /// It is none any more.
    mutating func wasForgotten() {
        outdateTimers()
        isForgotten = true
        lanes = []
    }

    /// Everything that waited was answered: there may be no such peer.
    mutating func gaveUp(_ reason: String) {
        outdateTimers()
        isFailingTold = false
        census = nil
        reach.gaveUp(reason)
        wantedBy = nil
        state = .idle
    }

    private mutating func outdateTimers() { generation += 1 }

    // MARK: what others ask

    /// Entries on disk without acknowledgement, in all lanes.
    var waiting: UInt64 { lanes.reduce(0) { $0 + $1.waiting } }

    /// Bytes of entries on the stream in use without acknowledgement.
    var bytesInFlight: Int { lanes.reduce(0) { $0 + $1.bytesInFlight } }

    /// How the peer acknowledges on the stream in use, for the operator; empty where there is none.
    var acknowledgement: String { isUp && !isUpUntold ? stream?.acknowledgement ?? "" : "" }

    /// What does not work now, for the operator: nothing while the link is up, whoever opened its stream.
    var trouble: String { isUp && !isUpUntold ? "" : reach.lastError }

    /// Why the link is on a stream that the peer opened: what became of the last attempt to call it; empty where it is not.
    var detour: String { isUp && isOnPeersStream ? reach.lastError : "" }

    /// Whether nothing would be lost with the link but the reason why its peer was not reached: somebody mistyped a domain, and
    /// nobody waits for it.
    var isForgettable: Bool {
        state == .idle && reach.isStranger && waiting == 0 && held == 0 && beside.isEmpty && warnings == nil && !timers.work
    }

    /// The stream that carries the link now.
    var connection: ConnectionID? {
        switch state {
        case .up(let connection), .closing(let connection): connection
        case .idle, .dialling, .backingOff: nil
        }
    }

    /// Whether stanzas can be written now.
    var isUp: Bool {
        if case .up = state { true } else { false }
    }

    /// Whether stanzas can be written now, to another Martlet (`Docs/relay-protocol.md` §3).
    var isRelayed: Bool { isUp && stream?.foreign == nil }

    /// Whether the stream in use was opened by the peer.
    var isOnPeersStream: Bool { stream?.opener == .peer }

    /// Nobody was told that the link is up: nothing was heard on its stream yet.
    var isUpUntold: Bool { stream?.isUntold == true }

    /// Whether a foreign peer gets one entry at a time: the third time that the same is sent, so that the next end of a
    /// stream leaves at most one in doubt.
    var isDoubtful: Bool { doubtfulStreams >= 2 }
}
