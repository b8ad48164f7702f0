import MartletBus
import MartletNetwork
import MartletPrimitives
import NIOCore
import XMPPAddress
import XMPPStreams

/// Carries a client's stream in the requests of a BOSH session.
///
/// One per session; confined to the event loop on which the session began, to which its requests come from whichever loops they arrive at.
final class BOSHCarrier: StreamCarrier {
    /// A request that waits for its answer; nil: its session will not give one.
    typealias Reply = @Sendable ([UInt8]?) -> Void

    let tlsFacts: TLSFacts
    private let eventLoop: any EventLoop
    private var session: BOSHSession
    private var stream: CarriedStream?
    private var replies: [BOSHSession.RequestID: Reply] = [:]
    private var nextID: BOSHSession.RequestID = 1
    /// Requests that came while the stream takes nothing more.
    private var parked: [(request: BOSHRequest, id: BOSHSession.RequestID)] = []
    private var isActing = false
    private var pending: [BOSHSession.Action] = []
    private var wake: (at: Instant, timer: Scheduled<Void>)?
    private(set) var isOver = false
    /// Called once, when nothing is left of the session.
    private let whenOver: () -> Void
    /// Called once, when somebody has logged in.
    private var whenProven: (() -> Void)?

    /// Requests of a session that may be parked: as many as may be under way, and those that a client repeats because they take long.
    private static let mostParked = 8
    /// A request: its part of TLS and HTTP, and the task that answers it, microseconds.
    private static let requestPrice: Int64 = 60

    private static var now: Instant { Instant(milliseconds: Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000)) }

    /// A session that begins with this request, which the visitor's loop calls.
    init(
        _ request: BOSHRequest, sid: String, terms: BOSHSession.Terms, _ visitor: WebVisitor, from address: RemoteAddress,
        _ facts: TLSFacts, _ reply: @escaping Reply, whenProven: @escaping () -> Void, whenOver: @escaping () -> Void
    ) {
        tlsFacts = facts
        eventLoop = visitor.eventLoop
        self.whenOver = whenOver
        self.whenProven = whenProven
        var actions: [BOSHSession.Action] = []
        session = BOSHSession(request, 0, sid: sid, terms: terms, at: Self.now, into: &actions)
        replies[0] = reply
        let stream = visitor.openStream(self, from: address, takesConnection: false)
        self.stream = stream
        stream.begin()
        perform(actions)
    }

    // MARK: requests

    /// A request came that names the session. Returns its number, for ``gone(_:)``, and who has logged in.
    func received(_ request: BOSHRequest, _ reply: @escaping Reply) -> BOSHSession.RequestID {
        let id = nextID
        nextID += 1
        guard !isOver else {
            reply(nil)
            return id
        }
        replies[id] = reply
        stream?.charge(Self.requestPrice)
        if !parked.isEmpty || !(stream?.mayHear() ?? true) {
            if parked.count < Self.mostParked { parked.append((request, id)) } else { give(id, nil) }
        } else {
            take(request, id)
        }
        return id
    }

    /// Who has logged in here: its requests' connections are not strangers'.
    var account: JID? { stream?.account }

    private func take(_ request: BOSHRequest, _ id: BOSHSession.RequestID) {
        act { $0.received(request, id, at: Self.now, into: &$1) }
    }

    /// The connection of a request is gone.
    func gone(_ id: BOSHSession.RequestID) {
        replies[id] = nil
        parked.removeAll { $0.id == id }
        act { $0.gone(id, at: Self.now, into: &$1) }
    }

    private func give(_ id: BOSHSession.RequestID, _ body: [UInt8]?) { replies.removeValue(forKey: id)?(body) }

    // MARK: the session's wishes

    private func act(_ fact: (inout BOSHSession, inout [BOSHSession.Action]) -> Void) {
        var actions: [BOSHSession.Action] = []
        fact(&session, &actions)
        perform(actions)
    }

    /// In order, also where one leads to others.
    private func perform(_ actions: [BOSHSession.Action]) {
        pending += actions
        guard !isActing else { return }
        isActing = true
        while !pending.isEmpty {
            let next = pending
            pending = []
            for action in next { perform(action) }
        }
        isActing = false
        if whenProven != nil, stream?.account != nil {
            whenProven?()
            whenProven = nil
        }
        schedule()
    }

    private func perform(_ action: BOSHSession.Action) {
        switch action {
        case .hear(let bytes, let isHeader):
            guard let stream else { return }
            stream.heard(isHeader && !stream.awaitsHeader ? BOSHSession.nonsense : bytes)
        case .answer(let id, let body): give(id, body)
        case .lose(let words): lose(words)
        case .forget: over()
        }
    }

    /// Never from within what the stream does.
    private func lose(_ words: String) {
        eventLoop.assumeIsolated().execute { [self] in
            stream?.ended(words)
            stream = nil
        }
    }

    private func over() {
        guard !isOver else { return }
        isOver = true
        wake?.timer.cancel()
        wake = nil
        for (_, reply) in replies { reply(nil) }
        replies = [:]
        parked = []
        whenOver()
    }

    private func schedule() {
        guard !isOver, let next = session.nextWake else { return }
        if let wake, wake.at <= next { return }
        wake?.timer.cancel()
        let timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(max(1, next - Self.now))) { [weak self] in
            guard let self else { return }
            wake = nil
            act { $0.timePassed(at: Self.now, into: &$1) }
        }
        wake = (next, timer)
    }

    // MARK: from the stream

    var waitingBytes: Int { session.waitingBytes }

    var progress: UInt64 { session.progress }

    func write(_ bytes: [UInt8]) {
        guard session.wrote(bytes) else { return abort("what was to be sent is no element") }
        act { $0.flushed(at: Self.now, into: &$1) }
    }

    func readOn() {
        while !parked.isEmpty, stream?.mayHear() ?? true {
            let next = parked.removeFirst()
            take(next.request, next.id)
        }
    }

    func close() {
        act { $0.closed(at: Self.now, into: &$1) }
        lose("closed by us")
    }

    func abort(_ words: String) {
        act { $0.closed(at: Self.now, into: &$1) }
        lose(words)
    }
}
