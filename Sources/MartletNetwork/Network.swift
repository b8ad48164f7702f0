import Logging
import MartletBus
import MartletConfiguration
import MartletRuntime
import MartletTLS
import MartletUnbound
import NIOCore
import NIOPosix
import Synchronization

/// All sockets of one site: listeners, connections and attempts to reach other servers.
///
/// With one event loop, which is the default, the site lives on it as well: a message then crosses no thread on its way, and
/// waking another one costs more than all of the work on it when little happens. With several loops the site has a thread
/// of its own.
///
/// Made before the site's loop, whose dispatcher it provides, and told of it before anything connects.
public final class Network: Sendable {
    /// What performs the site's effects.
    public let dispatcher: any EffectDispatcher
    /// The event loops, for others that need one.
    public let group: MultiThreadedEventLoopGroup
    /// Where the site lives.
    public let siteThread: any SiteThread

    private let loops: [NIOLoopBound<ConnectionLoop>]
    /// The site's own thread, where it has one.
    private let siteGroup: MultiThreadedEventLoopGroup?
    private let settings: Mutex<NetworkSettings>
    /// Those of the start: sockets, threads and the resolver are as they say until the next one.
    private let started: NetworkSettings
    private let listening = Mutex<[any Channel]>([])
    private let listeningForWeb = Mutex<[any Channel]>([])
    private let census: ConnectionCensus
    private let logins: LoginKarma
    private let work: WorkDispatcher
    /// Where there is one.
    private let bytestreams: BytestreamProxy?
    private let resolver: UnboundResolver
    private let port: Port
    private let dialbackSecret: [UInt8]
    private let logger: Logger

    /// Loops and resolver, without any socket yet.
    ///
    /// `descriptors` says how many connections of which kind may exist. `disk` does what is to be done with files. `elsewhere` gets the effects that are none of the network's. Called on the site's thread.
    public init(
        _ configuration: SiteConfiguration, contexts: TLSContexts, dialbackSecret: [UInt8], descriptors: DescriptorPlan,
        logger: Logger, disk: @escaping @Sendable (Work) -> WorkResult = { _ in .failed },
        elsewhere: @escaping @Sendable (Effect) -> Void
    ) throws {
        let settings = NetworkSettings(configuration, dialbackSecret: dialbackSecret)
        resolver = try UnboundResolver(.init(servers: settings.dnsServers, sockets: descriptors.resolver))
        group = MultiThreadedEventLoopGroup(numberOfThreads: settings.threads)
        siteGroup = settings.threads > 1 ? MultiThreadedEventLoopGroup(numberOfThreads: 1) : nil
        siteThread = EventLoopThread((siteGroup ?? group).next())
        port = Port()
        work = WorkDispatcher(site: port, disk: disk)
        census = ConnectionCensus(total: descriptors.connections, perAddress: settings.connectionsPerAddress)
        logins = LoginKarma(settings.loginBudget)
        bytestreams =
            settings.bytestreamListener == nil
            ? nil : try BytestreamProxy(settings.bytestreamLimits, census: census, logger: logger)
        if let bytestreams { work.connect(to: bytestreams) }
        self.settings = Mutex(settings)
        started = settings
        self.dialbackSecret = dialbackSecret
        self.logger = logger
        let memory = SharedTargetMemory()
        let names = SystemResolver(resolver)
        let (attempts, calls) = (
            max(16, descriptors.attempts / settings.threads), max(32, descriptors.calls / settings.threads)
        )
        for (office, address) in settings.officeAddresses { census.met(office, at: address, .office) }
        var loops: [NIOLoopBound<ConnectionLoop>] = []
        for (index, eventLoop) in group.makeIterator().enumerated() {
            let made = eventLoop.submit { [port, work, logins, census] in
                let loop = ConnectionLoop(
                    index: UInt16(index), eventLoop: eventLoop, site: port, passwords: work.passwords, settings: settings,
                    contexts: contexts, logger: logger, logins: logins, census: census)
                loop.dialer = Dialer(
                    loop: loop, resolver: names, memory: memory, attempts: attempts, connections: calls)
                return NIOLoopBound(loop, eventLoop: eventLoop)
            }
            loops.append(try made.wait())
        }
        self.loops = loops
        let mailboxes = zip(loops, group.makeIterator()).map { bound, eventLoop in
            LoopMailbox<ConnectionLoop.Item>(eventLoop: eventLoop) { bound.value.perform($0) }
        }
        dispatcher = NetworkDispatcher(
            mailboxes: mailboxes, here: siteGroup == nil ? loops[0] : nil, work: work, elsewhere: elsewhere)
    }

    /// From now on what happens is posted to `site`. To be called before the site runs: it dials at once.
    public func connect(to site: SiteLoop) {
        port.connect(to: site)
    }

    /// Opens the listeners. A port that cannot be used is an error that names its setting.
    /// `web` gets the connections of the listeners for the web; without it there are none.
    public func listen(web: (any WebAcceptor)? = nil) throws {
        do {
            let (listeners, forWeb) = settings.withLock { ($0.listeners, $0.webListeners) }
            for listener in listeners + (web == nil ? [] : forWeb) {
                let channel = try Listening(loops: loops, census: census, logger: logger, web: web).bind(listener, group)
                listening.withLock { $0.append(channel) }
            }
            if let bytestreams, let listener = started.bytestreamListener {
                let channel = try bytestreams.listen(listener)
                if listener.kind == .web {
                    listeningForWeb.withLock { $0.append(channel) }
                } else {
                    listening.withLock { $0.append(channel) }
                }
            }
        } catch {
            stopAccepting(listening)
            stopAccepting(listeningForWeb)
            throw error
        }
    }

    /// The configuration was read anew. Returns what needs a restart to take effect, in words.
    public func reload(_ configuration: SiteConfiguration, _ contexts: TLSContexts) -> [String] {
        let new = NetworkSettings(configuration, dialbackSecret: dialbackSecret)
        settings.withLock { $0 = new }
        census.limit(perAddress: new.connectionsPerAddress)
        for (office, address) in new.officeAddresses { census.met(office, at: address, .office) }
        logins.limit(new.loginBudget)
        bytestreams?.limit(new.bytestreamLimits)
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            eventLoop.execute { loop.value.reload(new, contexts) }
        }
        var words: [String] = []
        if started.listeners != new.listeners || started.webListeners != new.webListeners { words.append("listeners") }
        if started.bytestreamListener != new.bytestreamListener { words.append("bytestreams") }
        if started.dnsServers != new.dnsServers { words.append("federation.dns_servers") }
        if started.threads != new.threads { words.append("site.threads") }
        return words
    }

    private func stopAccepting(_ listening: borrowing Mutex<[any Channel]>) {
        let channels = listening.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in channels { try? channel.close().wait() }
    }

    /// Nobody can connect any more, and who has not logged in is told to go. The site says good-bye to the others, to whom of a BOSH session
    /// in a request that it makes yet: for those there is a way until ``shutDownWeb()``.
    public func shutDown() {
        stopAccepting(listening)
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            eventLoop.execute { loop.value.shutDown() }
        }
    }

    /// The site has said good-bye to everybody: what a connection of the web has under way is its last.
    public func shutDownWeb() {
        stopAccepting(listeningForWeb)
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            eventLoop.execute { loop.value.web.shutDown() }
        }
    }

    /// How many accepted connections there are.
    public var connectionCount: Int { census.total }

    /// Ends what is left and all threads.
    public func stop() {
        stopAccepting(listening)
        stopAccepting(listeningForWeb)
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            try? eventLoop.submit { loop.value.abortAll() }.wait()
        }
        work.stop()
        bytestreams?.stop()
        resolver.shutdown()
        try? group.syncShutdownGracefully()
        try? siteGroup?.syncShutdownGracefully()
    }
}

/// The site, once there is one: nothing is posted before.
private final class Port: SitePort {
    private let site = Mutex<SiteLoop?>(nil)

    func connect(to site: SiteLoop) {
        self.site.withLock { $0 = site }
    }

    func post(_ event: SiteEvent, reporting report: HandledReport?) {
        site.withLock { $0 }?.post(event, reporting: report)
    }
}
