import HTTPTypes
import HummingbirdCore
import MartletCrypto
import MartletNetwork
import MartletPrimitives
import MartletRuntime
import NIOCore
import Synchronization
import XMPPAddress
import XMPPStreams

/// The BOSH sessions of a node, by their secret names, and how many there may be.
final class BOSHHost: Sendable {
    private struct Entry {
        let sid: [UInt8]
        let carrier: NIOLoopBound<BOSHCarrier>
        let eventLoop: any EventLoop
        /// Counted for as long as nobody has logged in.
        var stranger: RemoteAddress?
    }

    private struct State {
        /// By the half of its name that is no secret to whoever measures how long a look-up takes. Look-up only.
        var sessions: [String: Entry] = [:]
        /// Sessions in which nobody has logged in. Look-up only.
        var strangers: [RemoteAddress: Int] = [:]
        var strangerCount = 0
        /// Bytes of bodies that are being read.
        var bodyBytes = 0
    }

    private let state = Mutex(State())
    private let settings: SettingsBox

    /// Bytes of bodies that are read at a time: a hundred of the largest stanzas. Others are asked to come again.
    private static let bodyBytes = 32 << 20
    /// What stands around the stanzas of a body.
    private static let around = 16 << 10

    init(_ settings: SettingsBox) { self.settings = settings }

    /// Where the sessions' requests come.
    var route: WebRoute {
        WebRoute(.at(WebPaths.bosh), [.post], isForPages: true) { [self] request in
            guard settings.settings.web.offersBOSH else { throw WebError(.notFound, "there is no BOSH here") }
            return .bytes(try await answer(request), "text/xml; charset=utf-8")
        }
    }

    private func answer(_ request: WebRequest) async throws -> [UInt8] {
        let limit = settings.settings.configuration.limits.clientStanzaBytes + Self.around
        let room = min(request.length ?? limit, limit)
        guard take(room) else {
            throw WebError(.serviceUnavailable, "too much is being said at the same time", headers: [.retryAfter: "2"])
        }
        defer { giveBack(room) }
        let bytes = try await request.wholeBody(upTo: limit)
        guard let body = try? BOSHRequest(parsing: bytes, limit: limit), body.rid != nil else {
            return BOSHSession.terminated("bad-request")
        }
        let answer = await withCheckedContinuation { (continuation: CheckedContinuation<[UInt8]?, Never>) in
            request.visitor.eventLoop.execute { [self] in
                let reply = Reply(continuation)
                if body.sid == nil { begin(body, request, reply) } else { go(on: body, request, reply) }
            }
        }
        return answer ?? BOSHSession.terminated("item-not-found")
    }

    private func take(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.bodyBytes + bytes <= Self.bodyBytes else { return false }
            state.bodyBytes += bytes
            return true
        }
    }

    private func giveBack(_ bytes: Int) { state.withLock { $0.bodyBytes -= bytes } }

    // MARK: sessions

    /// Sessions in which nobody has logged in: of all that there are half, and of one address as many as it may have connections.
    private func mayBegin(_ address: RemoteAddress) -> Bool {
        let configuration = settings.settings.configuration
        let most = configuration.web.boshSessions
        return state.withLock { state in
            state.sessions.count < most && state.strangerCount < max(1, most / 2)
                && state.strangers[address, default: 0] < min(configuration.limits.connectionsPerAddress, max(1, most / 4))
        }
    }

    /// On the loop of the request's connection, which is the session's from then on.
    private func begin(_ body: BOSHRequest, _ request: WebRequest, _ reply: Reply) {
        let address = request.address
        guard mayBegin(address) else { return reply.give(BOSHSession.terminated("policy-violation")) }
        let sid = Hex.encode(KernelRandom.bytes(32))
        var terms = BOSHSession.Terms()
        let web = settings.settings.web
        terms.inactivity = web.boshInactivity.components.seconds * 1000
        // Where a proxy stands in front, what TLS says here is not what it says to the client. Nor is a session one connection's.
        let carrier = BOSHCarrier(
            body, sid: sid, terms: terms, request.visitor, from: address, TLSFacts(), reply.give,
            whenProven: { [self] in proven(sid) }, whenOver: { [self] in over(sid) })
        guard !carrier.isOver else { return }
        let entry = Entry(
            sid: Array(sid.utf8), carrier: NIOLoopBound(carrier, eventLoop: request.visitor.eventLoop),
            eventLoop: request.visitor.eventLoop, stranger: address)
        state.withLock { state in
            state.sessions[Self.key(sid)] = entry
            state.strangers[address, default: 0] += 1
            state.strangerCount += 1
        }
        watch(request, reply, entry, 0)
    }

    private static func key(_ sid: String) -> String { String(sid.prefix(16)) }

    private func go(on body: BOSHRequest, _ request: WebRequest, _ reply: Reply) {
        let sid = body.sid ?? ""
        guard let entry = state.withLock({ $0.sessions[Self.key(sid)] }), constantTimeEqual(entry.sid, Array(sid.utf8)) else {
            return reply.give(BOSHSession.terminated("item-not-found"))
        }
        let visitor = request.visitor
        if entry.eventLoop === visitor.eventLoop { return hand(body, request, reply, entry) }
        entry.eventLoop.execute { [self] in hand(body, request, reply, entry) }
    }

    /// On the session's loop.
    private func hand(_ body: BOSHRequest, _ request: WebRequest, _ reply: Reply, _ entry: Entry) {
        let carrier = entry.carrier.value
        if let account = carrier.account { request.visitor.belongs(to: account) }
        let id = carrier.received(body, reply.give)
        watch(request, reply, entry, id)
    }

    /// The session hears if the client is gone before it has its answer.
    private func watch(_ request: WebRequest, _ reply: Reply, _ entry: Entry, _ id: BOSHSession.RequestID) {
        request.visitor.eventLoop.execute {
            guard reply.isWaiting else { return }
            request.door.value.whenGone = {
                reply.give(nil)
                entry.eventLoop.execute { entry.carrier.value.gone(id) }
            }
        }
    }

    private func proven(_ sid: String) { state.withLock { Self.forgetStranger(sid, &$0) } }

    private func over(_ sid: String) {
        state.withLock { state in
            Self.forgetStranger(sid, &state)
            state.sessions[Self.key(sid)] = nil
        }
    }

    private static func forgetStranger(_ sid: String, _ state: inout State) {
        guard let address = state.sessions[key(sid)]?.stranger else { return }
        state.sessions[key(sid)]?.stranger = nil
        state.strangerCount -= 1
        let left = state.strangers[address, default: 1] - 1
        state.strangers[address] = left > 0 ? left : nil
    }
}

/// Answers a request once.
private final class Reply: Sendable {
    private let held: Mutex<CheckedContinuation<[UInt8]?, Never>?>

    init(_ continuation: CheckedContinuation<[UInt8]?, Never>) { held = Mutex(continuation) }

    var isWaiting: Bool { held.withLock { $0 != nil } }

    func give(_ body: [UInt8]?) {
        held.withLock { held in
            defer { held = nil }
            return held
        }?.resume(returning: body)
    }
}
