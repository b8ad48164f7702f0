import MartletPrimitives

/// Which addresses of a peer are tried when: several at a time, so that one which is silent keeps nobody from the next. The first
/// stream that is authenticated wins; the owner closes the others then.
///
/// RFC 8305 in spirit, in two steps. Connections begin one after the other, a moment apart, until one is there; its stream has some
/// seconds to itself. Then the next address is tried beside it, and so on: who accepts a connection and says nothing costs
/// these seconds and not the attempt. Whatever fails makes room for the next at once. The order of the list is the order of
/// the starts, so that RFC 2782's priorities hold for every server that answers within the seconds; a worse one is used only
/// where a better one is silent for longer.
///
/// Owned by one attempt. Facts are reported with the time, by any clock that does not go back, and answered with what is to be done.
public struct TargetRace: Sendable {
    /// What is to be done, in order.
    public enum Action: Sendable, Equatable {
        /// Open a connection; ``connected(_:at:)`` or ``failed(_:at:)`` follows.
        case connect(Endpoint)
        /// Begin the stream on a connection that was opened; ``won(_:at:)`` or ``failed(_:at:)`` follows.
        case begin(Endpoint)
        /// Close what was begun there; nothing follows.
        case abandon(Endpoint)
        /// Call ``timePassed(at:)`` then.
        case wake(at: Instant)
        /// Everything was tried in vain.
        case exhausted
    }

    /// Sockets at a time: what one attempt may cost us and the peer.
    static let limit = 4
    /// Until a connection is there, the next one begins so much later, milliseconds (RFC 8305 §5): long enough for a working line,
    /// short enough that nobody notices.
    static let connectStagger: Int64 = 250
    /// How long the newest stream is alone at most, milliseconds: a good line negotiates in a tenth of that, and one with a round trip
    /// of 600 ms, which takes longer, loses nothing by a second stream.
    static let streamStagger: Int64 = 2000
    /// While others wait for a place, whoever has one has to make room after so long, milliseconds: more than a slow line
    /// needs to carry two chains of certificates. Sixteen addresses get their turn in a minute.
    static let roomTime: Int64 = 15_000

    private static let longAgo = Instant(milliseconds: .min)

    private enum Stage: Equatable {
        case connecting
        /// The connection is there, and others have their seconds.
        case waiting
        case negotiating
    }

    private struct Runner {
        let endpoint: Endpoint
        var stage: Stage
        /// When that began.
        var since: Instant
    }

    private let stagger: Int64
    private let room: Int64
    private var untried: ArraySlice<Endpoint>
    /// In the order of their starts.
    private var runners: [Runner] = []
    /// When the last connection began; nil where the next need not wait for it.
    private var lastConnect: Instant?
    /// When the last stream began; nil where the next need not wait for it.
    private var lastBegin: Instant?
    private var isOver = false
    /// Addresses that had their seconds in vain: to be tried last the next time. True for those that took a connection.
    public private(set) var slow: [(endpoint: Endpoint, hasConnected: Bool)] = []

    /// A race between addresses, best first, that ends after `patience` milliseconds: with little time, the seconds are short.
    public init(_ endpoints: [Endpoint], patience: Int64) {
        var distinct: [Endpoint] = []
        for endpoint in endpoints where !distinct.contains(endpoint) { distinct.append(endpoint) }
        untried = distinct[...]
        stagger = min(Self.streamStagger, max(patience / 4, Self.connectStagger))
        room = min(Self.roomTime, patience)
    }

    /// Whether something else is under way or left than what goes on at `endpoint`.
    public func hasOthers(than endpoint: Endpoint) -> Bool {
        !untried.isEmpty || runners.contains { $0.endpoint != endpoint }
    }

    /// Where something is going on.
    public var underWay: [Endpoint] { runners.map(\.endpoint) }

    /// Whether what was begun at `endpoint` still takes part.
    public func isRunning(_ endpoint: Endpoint) -> Bool { index(of: endpoint) != nil }

    // MARK: facts

    /// The attempt began, or a moment has come that was asked for.
    public mutating func timePassed(at now: Instant) -> [Action] { isOver ? [] : advance(now) }

    /// A connection is there.
    public mutating func connected(_ endpoint: Endpoint, at now: Instant) -> [Action] {
        guard let index = index(of: endpoint), runners[index].stage == .connecting else { return [] }
        runners[index].stage = .waiting
        runners[index].since = now
        return advance(now)
    }

    /// A connection or a stream came to nothing.
    public mutating func failed(_ endpoint: Endpoint, at now: Instant) -> [Action] {
        guard let index = index(of: endpoint) else { return [] }
        noteIfSlow(runners[index], now)
        if runners[index].stage == .negotiating { lastBegin = nil }
        lastConnect = nil
        runners.remove(at: index)
        return advance(now)
    }

    /// A stream is authenticated: all others are to be closed before anything is sent on it.
    public mutating func won(_ endpoint: Endpoint, at now: Instant) -> [Action] {
        guard let index = index(of: endpoint) else { return [] }
        runners.remove(at: index)
        let actions = ended(at: now)
        // Who was only slower than the winner, perhaps on the same line, is not thought to have had no way for large segments.
        slow = slow.map { ($0.endpoint, false) }
        return actions
    }

    /// The attempt is over, because of its time or because nobody wants it any more.
    public mutating func ended(at now: Instant) -> [Action] {
        guard !isOver else { return [] }
        isOver = true
        for runner in runners { noteIfSlow(runner, now) }
        defer { runners = [] }
        return runners.map { .abandon($0.endpoint) }
    }

    // MARK: the rule

    private mutating func advance(_ now: Instant) -> [Action] {
        var actions: [Action] = []
        while let action = next(now) { actions.append(action) }
        if untried.isEmpty, runners.isEmpty {
            isOver = true
            actions.append(.exhausted)
        } else if let moment = nextMoment {
            actions.append(.wake(at: moment))
        }
        return actions
    }

    private mutating func next(_ now: Instant) -> Action? {
        guard let moment = nextMoment, moment <= now else { return nil }
        if let index = runners.firstIndex(where: { $0.stage == .waiting }) {
            runners[index].stage = .negotiating
            runners[index].since = now
            lastBegin = now
            return .begin(runners[index].endpoint)
        }
        if runners.count >= Self.limit {
            let oldest = runners.removeFirst()
            noteIfSlow(oldest, now)
            return .abandon(oldest.endpoint)
        }
        guard let endpoint = untried.popFirst() else { return nil }
        runners.append(Runner(endpoint: endpoint, stage: .connecting, since: now))
        lastConnect = now
        return .connect(endpoint)
    }

    /// When something is to be done next, if nothing happens before; nil where nothing is.
    private var nextMoment: Instant? {
        let isNegotiating = runners.contains { $0.stage == .negotiating }
        let turn = isNegotiating ? lastBegin.map { $0 + stagger } ?? Self.longAgo : Self.longAgo
        // Who has a connection comes before who has none.
        if runners.contains(where: { $0.stage == .waiting }) { return turn }
        guard !untried.isEmpty else { return nil }
        let start = max(turn, lastConnect.map { $0 + Self.connectStagger } ?? Self.longAgo)
        guard runners.count >= Self.limit, let oldest = runners.first else { return start }
        return max(start, oldest.since + room)
    }

    private func index(of endpoint: Endpoint) -> Int? {
        isOver ? nil : runners.firstIndex { $0.endpoint == endpoint }
    }

    private mutating func noteIfSlow(_ runner: Runner, _ now: Instant) {
        guard runner.stage != .waiting, now - runner.since >= stagger else { return }
        slow.append((runner.endpoint, runner.stage == .negotiating))
    }
}
