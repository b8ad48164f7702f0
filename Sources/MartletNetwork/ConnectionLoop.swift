import MartletPrimitives
import Logging
import MartletBus
import MartletRuntime
import NIOCore
import XMPPStreams

/// One event loop as the site sees it: its number, its connections by slot, and what they share.
///
/// Confined to the loop. Made once per loop at start; a reload replaces ``settings``, ``contexts`` and the
/// configurations of the environments.
final class ConnectionLoop {
    /// What the site's thread sends to a loop.
    enum Item: Sendable {
        case command(slot: UInt32, generation: UInt32, StreamCommand)
        /// That many of the connection's events were handled, as it wanted to know: it may post as many more.
        case handled(slot: UInt32, generation: UInt32, Int)
        case dial(DialRequest)
        case cancelDial(DialID)
        /// These mechanisms are offered to nobody from now on.
        case withhold([SASLMechanism])
    }

    let index: UInt16
    let eventLoop: any EventLoop
    let site: any SitePort
    let passwords: WorkPool
    /// What was begun from each address without a login.
    let logins: LoginKarma
    /// Who is connected and who came lately; nil where nobody is counted.
    let census: ConnectionCensus?
    let logger: Logger
    /// Limits that connections take when they are made.
    private(set) var settings: NetworkSettings
    /// The certificates that handshakes use from now on.
    private(set) var contexts: TLSContexts
    /// What performs `dial`; set once before anything is posted.
    var dialer: Dialer?
    let environments: StreamEnvironments
    /// Connections of the listeners for the web.
    let web = WebConnections()
    private var table = SlotTable<ConnectionHandler>()
    /// Connections that got something in the batch being performed, each once.
    private var touched: [ConnectionHandler] = []
    /// Handshakes of those who call us.
    private var handshakes: HandshakeLine
    private var isHandshakeTimerSet = false
    private var scratch: [UInt8] = []
    private var actions: [StreamAction] = []

    init(
        index: UInt16, eventLoop: any EventLoop, site: any SitePort, passwords: WorkPool, settings: NetworkSettings,
        contexts: TLSContexts, logger: Logger, logins: LoginKarma? = nil, census: ConnectionCensus? = nil
    ) {
        self.index = index
        self.eventLoop = eventLoop
        self.site = site
        self.passwords = passwords
        self.logins = logins ?? LoginKarma(settings.loginBudget)
        self.settings = settings
        self.contexts = contexts
        self.logger = logger
        self.census = census
        handshakes = HandshakeLine(loops: settings.threads)
        environments = StreamEnvironments(settings)
    }

    /// This loop for closures that run on it.
    var bound: NIOLoopBound<ConnectionLoop> { NIOLoopBound(self, eventLoop: eventLoop) }

    /// The configuration was read anew: connections to come obey it, those that are being negotiated too.
    func reload(_ settings: NetworkSettings, _ contexts: TLSContexts) {
        self.settings = settings
        self.contexts = contexts
        environments.reload(settings)
    }

    /// These mechanisms are offered to nobody from now on.
    func withhold(_ mechanisms: [SASLMechanism]) { environments.withheld = mechanisms }

    // MARK: connections

    /// A connection that a listener accepted.
    func accept(_ listener: NetworkSettings.Listener, from address: RemoteAddress) -> ConnectionHandler {
        let role: StreamRole
        let hearer: ConnectionHandler.Listener
        switch listener.kind {
        case .client: (role, hearer) = (.clientReceiving, .client)
        case .server: (role, hearer) = (.serverReceiving, .server)
        case .component: (role, hearer) = (.componentReceiving, .server)
        case .web: ourFault("a connection of the web is no stream")
        }
        let environment = environments.accepting(listener)
        return insert { id in
            ConnectionHandler(
                id: id, loop: self, address: address, engine: StreamEngine(role, address: address, environment: environment),
                directTLS: listener.directTLS, listener: hearer, isAccepted: true)
        }
    }

    /// A connection that is being opened for `attempt`.
    func open(
        _ role: StreamRole, to address: RemoteAddress, directTLS: Bool, for attempt: DialAttempt
    ) -> ConnectionHandler {
        insert { id in
            ConnectionHandler(
                id: id, loop: self, address: address,
                engine: StreamEngine(role, address: address, environment: environments.opening),
                directTLS: directTLS, listener: .attempt(attempt), isAccepted: false)
        }
    }

    func insert(_ make: (ConnectionID) -> ConnectionHandler) -> ConnectionHandler {
        var made: ConnectionHandler?
        table.insert { slot, generation in
            let handler = make(ConnectionID(loop: index, slot: slot, generation: generation))
            made = handler
            return handler
        }
        guard let made else { ourFault("a slot table makes an element for each slot it gives") }
        return made
    }

    /// The connection, if it lives.
    func connection(_ id: ConnectionID) -> ConnectionHandler? { table[id.slot, id.generation] }

    /// The connection is gone: what comes for its number from now on is dropped.
    func remove(_ id: ConnectionID) {
        table.remove(slot: id.slot, generation: id.generation)
    }

    /// Says good-bye on the connections that the site does not know yet, and dials no more.
    func shutDown() {
        dialer?.stop()
        for connection in table.elements { connection.shutDown() }
        web.shutDown()
    }

    /// Ends every connection at once.
    func abortAll() {
        dialer?.stop()
        dialer = nil
        for connection in table.elements { connection.abort("the server stops") }
        web.abortAll()
    }

    /// Calls `body` with the connection after that time, if it still lives then.
    func after(_ milliseconds: Int64, _ id: ConnectionID, _ body: @escaping (ConnectionHandler) -> Void) {
        let bound = NIOLoopBound((self, body), eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
            let (loop, body) = bound.value
            if let connection = loop.connection(id) { body(connection) }
        }
    }

    /// Somebody wants to begin a handshake with us: nothing is read of him before it is his turn.
    func askForHandshake(_ id: ConnectionID, _ address: RemoteAddress, isFamiliar: Bool) -> HandshakeLine.Answer {
        let answer = handshakes.asked(id, address, isFamiliar: isFamiliar, at: Dialer.now)
        if answer == .wait { waitForHandshakes() }
        return answer
    }

    private func waitForHandshakes() {
        guard handshakes.isWaitedFor, !isHandshakeTimerSet else { return }
        isHandshakeTimerSet = true
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Self.handshakeInterval)) { [self] in
            isHandshakeTimerSet = false
            for id in handshakes.due(at: Dialer.now, isThere: { connection($0) != nil || web.isWaiting($0) }) {
                connection(id)?.handshakeMayBegin()
                web.mayBegin(id)
            }
            waitForHandshakes()
        }
    }

    /// How often those who wait are looked at, milliseconds: ten handshakes together leave other connections their time.
    private static let handshakeInterval: Int64 = 20

    // MARK: the site's batches

    /// Performs what came from the site, in order, and flushes each connection once.
    func perform(_ items: [Item]) {
        for item in items {
            switch item {
            case .command(let slot, let generation, let command):
                perform(command, on: slot, generation)
            case .handled(let slot, let generation, let count):
                table[slot, generation]?.handled(count)
            case .dial(let request):
                dialer?.dial(request)
            case .cancelDial(let id):
                dialer?.cancel(id)
            case .withhold(let mechanisms):
                withhold(mechanisms)
            }
        }
        flush()
    }

    /// Performs one command of a batch; ``flush()`` follows.
    func perform(_ command: StreamCommand, on slot: UInt32, _ generation: UInt32) {
        guard let connection = table[slot, generation] else { return }
        if !connection.isTouched {
            connection.isTouched = true
            touched.append(connection)
        }
        connection.perform(command)
    }

    /// The batch is over: what each connection has to say leaves as one write.
    func flush() {
        var last: [ConnectionHandler] = []
        swap(&last, &touched)
        for connection in last {
            connection.isTouched = false
            connection.flush()
        }
        last.removeAll(keepingCapacity: true)
        if touched.isEmpty { swap(&last, &touched) }
    }

    // MARK: scratch

    /// An empty array with room, for plaintext on its way; give it back with ``returnScratch(_:)``.
    func takeScratch() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &scratch)
        return taken
    }

    /// Keeps the room for the next one, unless it has become large.
    func returnScratch(_ used: consuming [UInt8]) {
        guard used.capacity <= 128 << 10 else { return }
        scratch = used
        scratch.removeAll(keepingCapacity: true)
    }

    /// An empty list for an engine's actions; give it back with ``returnActions(_:)``.
    func takeActions() -> [StreamAction] {
        var taken: [StreamAction] = []
        swap(&taken, &actions)
        return taken
    }

    /// Keeps the room for the next one.
    func returnActions(_ used: consuming [StreamAction]) {
        guard used.capacity <= 256 else { return }
        actions = used
        actions.removeAll(keepingCapacity: true)
    }
}

/// The site as connections see it.
protocol SitePort: Sendable {
    /// Tells the site a fact; from any thread, never refused. With `report` the connection hears when it was handled.
    func post(_ event: SiteEvent, reporting report: HandledReport?)
}

extension SitePort {
    /// Tells the site a fact that nobody waits for.
    func post(_ event: SiteEvent) { post(event, reporting: nil) }
}
