// XEP-0124: Bidirectional-streams Over Synchronous HTTP (BOSH), version 1.11.2, complete but for more than one stream in a session, acknowledgements by report, and what clients older than 1.6 want (script syntax, HTTP errors)
// XEP-0206: XMPP Over BOSH, version 1.4, complete
import MartletCrypto
import MartletPrimitives
import XMPPStanzas
import XMPPXML

/// One BOSH session: HTTP requests on one side, a stream's document on the other.
///
/// A core. What happened comes in; what is to be done is appended to a list. Requests are named by numbers that whoever has the
/// connections gives them. It lives from the request that begins it until ``Action/forget``.
public struct BOSHSession: Sendable {
    /// Names a request that waits for its answer.
    public typealias RequestID = UInt64

    /// What is to be done.
    public enum Action: Equatable, Sendable {
        /// The stream is told this part of its document. With `isHeader` it is one, and nonsense where the stream awaits none.
        case hear([UInt8], isHeader: Bool = false)
        /// A request is answered with this.
        case answer(RequestID, [UInt8])
        /// The stream's way is gone, in words for the operator.
        case lose(String)
        /// Nothing of the session is left.
        case forget
    }

    /// What the site is willing to do (XEP-0124 §7.2).
    public struct Terms: Sendable {
        /// How long a request waits for something to be said, seconds: shorter than what proxies bear.
        public var longestWait = 60
        /// Requests that wait at a time.
        public var mostHeld = 2
        /// How long a client may be without a request, milliseconds.
        public var inactivity: Int64 = 60_000
        /// How often one may ask whose requests do not wait, seconds.
        public var polling = 5
        /// How long it may ask not to be expected, seconds: a page that is left for another one.
        public var longestPause = 120
        /// The most bytes of an answer with more than one element.
        public var answerBytes = 256 << 10

        /// The defaults.
        public init() {}
    }

    /// What no document can have: the stream ends over it, in its own words.
    public static let nonsense = DocumentCutter.nonsense
    static let namespace = "http://jabber.org/protocol/httpbind"
    static let xmppNamespace = "urn:xmpp:xbosh"

    /// A request that was taken, in the order of their numbers.
    struct Slot: Sendable {
        enum State: Sendable {
            case waiting(RequestID, until: Instant)
            case answered([UInt8])
        }

        let rid: UInt64
        var state: State

        var waiting: (id: RequestID, until: Instant)? {
            if case .waiting(let id, let until) = state { (id, until) } else { nil }
        }

        /// Whether it has waited long enough.
        func isDue(_ now: Instant) -> Bool {
            if case .waiting(_, let until) = state { until <= now } else { false }
        }

        var isWaiting: Bool {
            if case .waiting = state { true } else { false }
        }
    }

    /// One that came before those it follows.
    struct Early: Sendable {
        var request: BOSHRequest
        var id: RequestID
        var until: Instant
    }

    let sid: String
    let terms: Terms
    let wait: Int
    let hold: Int
    let clientVersion: [Int]
    let takesAcks: Bool
    var cutter = DocumentCutter()
    var nextRID: UInt64
    var slots: [Slot] = []
    var early: [Early] = []
    /// Elements that no request has taken, the oldest first.
    var queue: [[UInt8]] = []
    /// Bytes of them.
    public internal(set) var waitingBytes = 0
    /// Bytes that requests have taken.
    public internal(set) var progress: UInt64 = 0
    /// Our header, once it was written; and whether the client was told what follows from it.
    var header: StreamHeader?
    var hasGreeted = false
    /// What ends it, when the stream has ended.
    var ending: [UInt8]?
    /// It is over for the stream.
    var isLost = false
    var isForgotten = false
    /// When it heard of the client last, and how long that may be ago.
    var lastSeen: Instant
    var inactivity: Int64
    var lastPoll: Instant?
    /// What the next request's key must be the image of (§15).
    var key: String?

    /// Begins with a request that names no session. `sid` cannot be guessed: whoever knows it is its client.
    public init(
        _ request: BOSHRequest, _ id: RequestID, sid: String, terms: Terms, at now: Instant, into actions: inout [Action]
    ) {
        self.sid = sid
        self.terms = terms
        wait = min(request.wait ?? terms.longestWait, terms.longestWait)
        hold = min(request.hold ?? 1, terms.mostHeld)
        clientVersion = request.protocolVersion
        takesAcks = request.ack == 1
        nextRID = (request.rid ?? 0) + 1
        lastSeen = now
        inactivity = terms.inactivity
        key = request.newKey
        // The answer is what there is to say: the stream greets.
        slots = [Slot(rid: request.rid ?? 0, state: .waiting(id, until: now + Self.greetingTime))]
        actions.append(.hear(Self.header(request), isHeader: true))
        if !request.payload.isEmpty { actions.append(.hear(request.payload)) }
    }

    /// The stream greets at once; longer than a loop under load takes.
    private static let greetingTime: Int64 = 10_000

    static func header(_ request: BOSHRequest) -> [UInt8] {
        DocumentCutter.header(
            to: request.to, from: request.from, version: request.version ?? "1.0", language: request.language)
    }

    /// Requests that may be under way at a time (§7.2): one more than wait, so that there is always one to say something with.
    var requests: Int { max(hold + 1, 2) }

    /// Whether requests do not wait: the client asks now and then.
    var isPolling: Bool { hold == 0 || wait == 0 }

    // MARK: requests

    /// A request came that names the session.
    public mutating func received(_ request: BOSHRequest, _ id: RequestID, at now: Instant, into actions: inout [Action]) {
        guard let rid = request.rid else { return refuse(id, "bad-request", now, &actions) }
        lastSeen = now
        if let index = slots.firstIndex(where: { $0.rid == rid }) { return repeated(index, id, now, &actions) }
        // §14.2: it is to be one of those that may be under way.
        guard rid >= nextRID, rid < nextRID + UInt64(requests) else { return refuse(id, "item-not-found", now, &actions) }
        if rid > nextRID {
            if let index = early.firstIndex(where: { $0.request.rid == rid }) {
                actions.append(.answer(early[index].id, body()))
                early.remove(at: index)
            }
            early.append(Early(request: request, id: id, until: now + Int64(max(wait, 1)) * 1000))
        } else {
            take(request, id, now, &actions)
            while !isForgotten, let index = early.firstIndex(where: { $0.request.rid == nextRID }) {
                let next = early.remove(at: index)
                take(next.request, next.id, now, &actions)
            }
        }
        guard !isForgotten else { return }
        if early.count + slots.count(where: { $0.waiting != nil }) > requests {
            return terminate("policy-violation", "more requests at a time than agreed", now, &actions)
        }
        settle(now, &actions)
    }

    /// §14.3: its answer was lost, or the connection on which it waited was.
    private mutating func repeated(_ index: Int, _ id: RequestID, _ now: Instant, _ actions: inout [Action]) {
        switch slots[index].state {
        case .answered(let body): actions.append(.answer(id, body))
        case .waiting(let other, let until):
            actions.append(.answer(other, body()))
            slots[index].state = .waiting(id, until: until)
        }
    }

    private mutating func take(_ request: BOSHRequest, _ id: RequestID, _ now: Instant, _ actions: inout [Action]) {
        guard takesKey(request) else { return refuse(id, "item-not-found", now, &actions) }
        // §12: who asks too often is told to go.
        if isPolling, request.isEmpty {
            let isTooSoon = lastPoll.map { now - $0 < Int64(terms.polling) * 1000 } ?? false
            if isTooSoon, queue.isEmpty { return refuse(id, "policy-violation", now, &actions) }
            lastPoll = now
        }
        slots.append(Slot(rid: nextRID, state: .waiting(id, until: now + (isPolling ? 0 : Int64(wait) * 1000))))
        nextRID += 1
        if let ack = request.ack { slots.removeAll { $0.rid <= ack && $0.waiting == nil } }
        inactivity = terms.inactivity
        if request.isRestart { actions.append(.hear(Self.header(request), isHeader: true)) }
        if !request.payload.isEmpty { actions.append(.hear(request.payload)) }
        if request.isTerminate { actions.append(.hear(DocumentCutter.end)) }
        if let pause = request.pause {
            guard pause <= terms.longestPause else { return terminate("policy-violation", "a pause too long", now, &actions) }
            inactivity = Int64(pause) * 1000
            answerAll(now, &actions)
        }
    }

    /// §15: each request shows what the one before promised.
    private mutating func takesKey(_ request: BOSHRequest) -> Bool {
        if let expected = key {
            guard let shown = request.key,
                constantTimeEqual(Array(Hex.encode(Digest.hash(.sha1, Array(shown.utf8))).utf8), Array(expected.utf8))
            else { return false }
            key = request.newKey ?? shown
        } else if let new = request.newKey {
            key = new
        }
        return true
    }

    /// The connection of a request is gone before its answer.
    public mutating func gone(_ id: RequestID, at now: Instant, into actions: inout [Action]) {
        early.removeAll { $0.id == id }
        guard let index = slots.firstIndex(where: { $0.waiting?.id == id }) else { return }
        // Nothing was said in it: whoever asks again hears that, and what there is to say in the next.
        slots[index].state = .answered(body(slots[index].rid))
        lastSeen = now
    }
}
