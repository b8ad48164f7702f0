import Glibc
import Logging
import MartletBus
import MartletRuntime
import MartletTLS
import NIOCore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Joins one socket, its TLS engine and its stream engine: bytes one way, the engine's actions the other. Knows no
/// protocol.
///
/// One per connection, from its acceptance or dialling until its socket is closed; confined to its event loop. What the
/// engine writes during one read, or one batch of the site, leaves as one flush.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Who hears what the stream reports.
    enum Listener {
        case client
        case server
        /// A connection that is being dialled: until it is ready its events belong to the attempt.
        case attempt(DialAttempt)
    }

    enum Phase {
        case open
        /// The socket is gone; what came before its end is still being handed over.
        case draining
        /// Everything written is being flushed; what still comes in is thrown away.
        case closing
        case closed
    }

    let id: ConnectionID
    /// Whether the loop will flush this connection at the end of the batch.
    var isTouched = false
    /// Who hears what the stream reports; the dialer changes it once.
    var listener: Listener
    /// What it is counted as; nil for a connection that we opened.
    var berth: (census: ConnectionCensus, number: Berths.Number)?
    /// Who says that he has proven himself, and what he is then, until the site admits him.
    var claimed: (group: Berths.Group, name: JID)?
    let loop: ConnectionLoop
    let address: RemoteAddress
    /// How much of what it says is on its way to the site.
    var handover: HandoverWindow
    /// When it may be read again, while it rests.
    var restUntil = NIODeadline.uptimeNanoseconds(0)
    var gauge: ReadingGauge
    private(set) var engine: StreamEngine
    /// What reading has cost, and who pays.
    var costs = Costs()
    private let directTLS: Bool
    /// What carries it where it has no socket of its own.
    private(set) var carrier: (any StreamCarrier)?
    /// Who has logged in here.
    var proven: JID?
    private var tls: TLSEngine?
    private(set) var context: ChannelHandlerContext?
    private var writer: DirectWriter?
    private var phase = Phase.open
    var unsent: [UInt8] = []
    /// TLS was ended by the other side: we follow when everything before that is handed over.
    private var hasHeardLast = false
    var readIsHeld = false
    /// Its handshake has to wait for its turn.
    var awaitsHandshake = false
    private var discarded = 0
    /// The last place that the site named in what it sent; and the last one that was written to the socket, with the count of bytes
    /// that had been written then.
    private var mark: UInt64?
    private(set) var written: (mark: UInt64?, end: UInt64) = (nil, 0)
    private var bytesWritten: UInt64 = 0
    /// Why the connection ended, in words for the operator.
    var ending: String?

    /// What an accepted connection costs its address pays until somebody has logged in.
    init(
        id: ConnectionID, loop: ConnectionLoop, address: RemoteAddress, engine: StreamEngine, directTLS: Bool,
        listener: Listener, isAccepted: Bool, carrier: (any StreamCarrier)? = nil
    ) {
        self.id = id
        self.address = address
        self.loop = loop
        self.engine = engine
        self.directTLS = directTLS
        self.listener = listener
        self.carrier = carrier
        handover = HandoverWindow(limit: loop.settings.unhandledLimit)
        costs.address = isAccepted ? address : nil
        gauge = ReadingGauge(bound: loop.settings.outboundLimit, ceiling: loop.settings.outboundCeiling)
    }

    var isOpen: Bool { phase == .open }
    var isClosed: Bool { phase == .closed }
    /// What was heard fills what may wait.
    var isFull: Bool { handover.room <= 0 || engine.isWithholding || engine.holdsReads || awaitsHandshake }
    // MARK: from the socket

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { started() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) { started() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        guard phase == .open else { return discard(buffer.readableBytes) }
        // NIO reads on although nobody asks when the other side has gone: nobody needs a handshake any more.
        if awaitsHandshake { return abort("ended before its TLS handshake began") }
        // Only behind the other side's end NIO reads on although nobody asks.
        if engine.keepsUnread, engine.unreadByteCount > Self.withheldLimit { return abort("said more than it waited for") }
        if case .attempt(let attempt) = listener { attempt.moved() }
        if let tls {
            buffer.withUnsafeReadableBytes { receive($0, tls) }
        } else {
            hear { $0.received(Array(buffer.readableBytesView), into: &$1) }
        }
        if engine.isWithholding { goOn() }
        flush()
        chargeRead(buffer.readableBytes)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if ending == nil, let tls, tls.receivedEnd() == .handshakeUnfinished { ending = "ended during the TLS handshake" }
        channelEnded()
    }

    /// The way to the other side is gone.
    func channelEnded() {
        // Nobody hears an answer any more, but what was said was said, also while the site was at something else.
        if phase == .open, engine.keepsUnread {
            phase = .draining
        } else {
            ended()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if ending == nil { ending = NetworkWords.words(for: error) }
        context.close(promise: nil)
    }

    /// While too much of this connection waits, the site has to answer first, or wants it to rest, nothing more is read: TCP slows
    /// the sender down.
    func read(context: ChannelHandlerContext) {
        if phase == .open, isFull {
            readIsHeld = true
        } else if phase == .closing, discarded > Self.discardLimit {
            // Whoever goes on sending does not read our last words either.
        } else {
            context.read()
        }
    }

    /// Takes what was withheld as far as there is room again, and reads on where nothing is left.
    func goOn() {
        // What tells the site nothing takes no room.
        while engine.isWithholding, handover.room > 0 { hear { $0.takeOn(into: &$1) } }
        if !engine.keepsUnread {
            if phase == .draining { return ended() }
            if hasHeardLast { return closeAfterFlush() }
        }
        guard readIsHeld, handover.isOpen, !engine.isWithholding, !engine.holdsReads, !awaitsHandshake else { return }
        readIsHeld = false
        if let carrier { carrier.readOn() } else { context?.read() }
    }

    // MARK: from the loop

    /// The site wants something.
    func perform(_ command: StreamCommand) {
        if case .admit = command, let claimed { prove(claimed.group, claimed.name) }
        if case .welcome(let welcome) = command { prove(.person, welcome.identity.bare) }
        if let action = StreamEngine.onlyAction(of: command, whileWriting: engine.writesAtOnce) { return perform(action) }
        if case .rest(let milliseconds) = command { return rest(milliseconds) }
        tell { $0.perform(command, into: &$1) }
        goOn()
    }

    /// The site has handled that many of the events posted.
    func handled(_ count: Int) {
        handover.handled(count)
        guard handover.isOpen else { return }
        goOn()
        flush()
    }

    /// Sends what was written since the last flush.
    func flush() {
        guard !unsent.isEmpty || tls?.hasOutput == true, let context, phase != .closed else { return carry() }
        // Ten thousand idle connections keep no room for what they may say one day.
        let bytes = unsent
        unsent = []
        if let tls {
            do {
                try tls.sendLast(bytes)
            } catch {
                if ending == nil { ending = "TLS: \(error)" }
            }
            tls.withOutput { write($0, context) }
        } else {
            bytes.withUnsafeBytes { write($0, context) }
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ context: ChannelHandlerContext) {
        guard !bytes.isEmpty, let writer else { return }
        bytesWritten += UInt64(bytes.count)
        if mark != written.mark { written = (mark, bytesWritten) }
        if writer.write(bytes, context) { return }
        // The channel holds the rest: it is a reader that is slower than what there is to say.
        guard !context.channel.isWritable else { return }
        let waiting = waiting(context)
        let verdict = gauge.wrote(waiting: waiting) { progress(context) }
        // The site hears of it first, however much came at once.
        if verdict == .calm, gauge.isBeyondBearing(waiting: waiting) { return abort("reads too slowly") }
        follow(verdict)
    }

    /// Bytes that the kernel has not taken yet.
    private func waiting(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// How far the other side has come: TCP tells what its machine has. The kernel here takes more only in large steps.
    private func progress(_ context: ChannelHandlerContext) -> UInt64 {
        TCPProgress.acknowledgedBytes(context.channel) ?? bytesWritten - UInt64(waiting(context))
    }

    func follow(_ verdict: ReadingGauge.Verdict) {
        switch verdict {
        case .calm: break
        case .watch: loop.after(ReadingGauge.patience, id) { $0.lookedAgain() }
        case .congested:
            guard phase == .open else { return }
            if case .client = listener { report(ClientStreamEvent.congested) } else { report(PeerStreamEvent.congested) }
        }
    }

    private func lookedAgain() {
        if let context { follow(gauge.looked(waiting: waiting(context), progress: progress(context))) }
        if let carrier { follow(gauge.looked(waiting: carrier.waitingBytes, progress: carrier.progress)) }
    }

    /// Ends the connection at once.
    func abort(_ words: String) {
        if ending == nil { ending = words }
        if phase == .draining { return ended() }
        if let carrier { carrier.abort(words) } else { context?.close(promise: nil) }
    }

    // MARK: the engine's actions

    /// The connection is there. An attempt's channel says so twice: when we are added to it, and when it becomes active after that.
    private func started() {
        guard let context, writer == nil else { return }
        writer = DirectWriter(context.channel)
        chargeBeginning()
        tell { $0.connected(directTLS: directTLS, into: &$1) }
        flush()
    }

    private func receive(_ ciphertext: UnsafeRawBufferPointer, _ tls: TLSEngine) {
        let wasEstablished = tls.isEstablished
        var plaintext = loop.takeScratch()
        var failure: TLSError?
        do {
            _ = try tls.receive(ciphertext, plaintext: &plaintext)
        } catch {
            failure = error
        }
        if !wasEstablished, tls.state != .handshaking {
            tell { $0.tlsEstablished(TLSFacts(tls), into: &$1) }
        }
        if !plaintext.isEmpty { hear { $0.received(plaintext, into: &$1) } }
        loop.returnScratch(plaintext)
        if let failure {
            flush()
            abort("TLS: \(failure)")
        } else if tls.state == .closed {
            hasHeardLast = true
            if !engine.keepsUnread { closeAfterFlush() }
        }
    }

    /// Tells the engine a fact and performs what it wants.
    func tell(_ fact: (inout StreamEngine, inout [StreamAction]) -> Void) {
        var actions = loop.takeActions()
        engine.allow(handover.room)
        fact(&engine, &actions)
        for action in actions { perform(action) }
        loop.returnActions(actions)
    }

    private func perform(_ action: StreamAction) {
        switch action {
        case .write(let bytes):
            guard phase == .open else { return }
            if costs.isReading { costs.answered(bytes.count) }
            write(bytes)
        case .startTLS(let asServer, let serverName):
            guard phase == .open else { return }
            flush()
            startTLS(asServer: asServer, serverName: serverName)
        case .client(let event): report(event)
        case .peer(let event): report(event)
        case .attempt(let event):
            if case .attempt(let attempt) = listener { attempt.reported(event, by: self) }
        case .deriveKeys(let derivation):
            costs.work += WorkPrice.derivation
            derive(derivation)
        case .setTimer(let timer, let milliseconds):
            loop.after(milliseconds, id) { $0.resumed { $0.timerFired(timer, into: &$1) } }
        case .place(let place):
            mark = place
        case .close:
            closeAfterFlush()
        case .reset:
            reset()
        }
    }

    private func write(_ bytes: [UInt8]) {
        // The common case: one stanza leaves in the array in which it came.
        if unsent.isEmpty { unsent = bytes } else { unsent += bytes }
    }

    private func startTLS(asServer: Bool, serverName: String?) {
        if let carrier { return tell { $0.tlsEstablished(carrier.tlsFacts, into: &$1) } }
        guard !asServer || mayShakeHands() else { return }
        do throws(TLSError) {
            tls =
                switch listener {
                case .client: try TLSEngine(accepting: loop.contexts.client)
                case .server where asServer: try TLSEngine(accepting: loop.contexts.accepting)
                case .server, .attempt:
                    try TLSEngine(
                        connecting: loop.contexts.connecting, serverName: serverName ?? "", alpn: ["xmpp-server"])
                }
        } catch {
            abort("TLS: \(error)")
        }
    }

    /// Flushes, says that nothing follows, and waits for the other side to say the same: a socket that is closed with
    /// unread bytes would take the last words with it.
    private func closeAfterFlush() {
        guard phase == .open, context != nil || carrier != nil else { return }
        flush()
        phase = .closing
        tls?.shutdown()
        flush()
        if let carrier { carrier.close() } else { context?.close(mode: .output, promise: nil) }
        if readIsHeld {
            readIsHeld = false
            context?.read()
        }
        loop.after(ConnectionHandler.lingering, id) { $0.abort("closed") }
    }

    /// Closes so that the kernel forgets what it holds: a dead line would carry it after it returned.
    private func reset() {
        // On the channel's own loop this is done when it returns.
        _ = (context?.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        abort("given up")
    }

    /// Throws away what comes after the end, up to a bound; then nothing is read any more until the time for last words is over.
    private func discard(_ count: Int) { discarded += count }

    /// More than a client had under way that stops when it hears of the end, bytes.
    private static let discardLimit = 256 << 10
    /// What may be kept of what was said before the other side closed its socket, bytes: a client that sends so much and does not wait for
    /// the end of the stream was promised nothing for it.
    static let withheldLimit = 1 << 20
    /// How long the other side may take to read the last words, milliseconds.
    private static let lingering: Int64 = 3000

    private func ended() {
        guard phase != .closed else { return }
        phase = .closed
        let words = ending ?? "closed by the other side"
        sayLastCosts()
        tell { $0.connectionClosed(words, into: &$1) }
        tls = nil
        carrier = nil
        unsent = []
        loop.remove(id)
    }
}
