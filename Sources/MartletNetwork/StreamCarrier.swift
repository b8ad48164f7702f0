import XMPPAddress
import XMPPStreams

/// What carries a client's stream that has no socket of its own: a WebSocket, or the HTTP requests of a BOSH session.
///
/// One per stream, confined to its event loop, which calls it. It tells the stream what it hears by ``CarriedStream``.
public protocol StreamCarrier: AnyObject {
    /// What TLS says of the way that the stream takes: what a login may be bound to.
    var tlsFacts: TLSFacts { get }
    /// Bytes that the other side has not taken yet.
    var waitingBytes: Int { get }
    /// Counts what it has taken.
    var progress: UInt64 { get }
    /// Takes bytes of the stream's document: whole elements, a header or the end tag.
    func write(_ bytes: [UInt8])
    /// More may be heard.
    func readOn()
    /// Nothing follows what was written: ends when that is sent.
    func close()
    /// Ends at once. ``CarriedStream/ended(_:)`` follows from it, here or later.
    func abort(_ words: String)
}

/// A client's stream as its carrier sees it.
public struct CarriedStream {
    private let handler: ConnectionHandler

    init(_ handler: ConnectionHandler) { self.handler = handler }

    /// The stream begins. Called once, first.
    public func begin() { handler.carriedBegan() }

    /// The other side has said this. Not to be called while the stream does not take any more.
    public func heard(_ bytes: [UInt8]) { handler.carriedHeard(bytes) }

    /// Whether more may be heard now; if not, ``StreamCarrier/readOn()`` says when.
    public func mayHear() -> Bool { handler.carriedMayHear() }

    /// The way is gone. Called once, last.
    public func ended(_ words: String) { handler.carriedEnded(words) }

    /// Whoever speaks here has caused so many microseconds of work besides what is said.
    public func charge(_ work: Int64) { handler.chargeCarrying(work) }

    /// Whether a new document is awaited: the first, or the one behind a login.
    public var awaitsHeader: Bool { handler.engine.awaitsHeader }

    /// Whether somebody has logged in.
    public var isAuthenticated: Bool { handler.engine.isAuthenticated }

    /// Who has logged in.
    public var account: JID? { handler.proven }

    /// Its number, for the log.
    public var name: String { "\(handler.id)" }
}

/// A connection whose stream is carried.
extension ConnectionHandler {
    func carriedBegan() {
        tell { $0.connected(directTLS: true, into: &$1) }
        flush()
    }

    func carriedHeard(_ bytes: [UInt8]) {
        guard isOpen else { return }
        if engine.keepsUnread, engine.unreadByteCount > Self.withheldLimit { return abort("said more than it waited for") }
        hear { $0.received(bytes, into: &$1) }
        if engine.isWithholding { goOn() }
        flush()
        chargeRead(bytes.count)
    }

    func carriedMayHear() -> Bool {
        guard isOpen, isFull else { return true }
        readIsHeld = true
        return false
    }

    func carriedEnded(_ words: String) {
        if ending == nil { ending = words }
        channelEnded()
    }

    func chargeCarrying(_ work: Int64) {
        costs.work += work
        chargeRead(0)
    }

    /// Hands what the stream has written to what carries it.
    func carry() {
        guard let carrier, !unsent.isEmpty, !isClosed else { return }
        let bytes = unsent
        unsent = []
        carrier.write(bytes)
        let waiting = carrier.waitingBytes
        let verdict = gauge.wrote(waiting: waiting) { carrier.progress }
        if verdict == .calm, gauge.isBeyondBearing(waiting: waiting) { return abort("reads too slowly") }
        follow(verdict)
    }
}
