import Glibc
import Logging
import MartletAdmin
import MartletBus
import MartletConfiguration
import MartletFiles
import MartletLMDB
import MartletNetwork
import MartletRuntime
import MartletStore
import MartletTLS
import MartletWeb
import Synchronization

/// One running site: store, site loop, network and control socket, put together here and taken apart in order.
///
/// Made and used on the main thread; lives until the process ends.
final class Node {
    private let path: String
    private let loop: SiteLoop
    private let network: Network
    private let web: WebServer
    private let uploads: UploadRoutes?
    private let admin: AdminServer
    private let logger: Logger
    private let state: NodeState
    private let manager = ServiceManager.fromEnvironment()
    private let heart = Heart()

    /// Opens the store, starts the site, then the sockets. Nothing listens when this throws.
    init(configurationPath path: String, configuration: SiteConfiguration, log: LogLevelBox) throws {
        self.path = path
        let descriptors = ProcessLimits.raiseDescriptors()
        logger = Logger(label: "martlet") { _ in SwitchableLogHandler(level: log) }
        let contexts = try Self.contexts(configuration)
        let store = try Self.store(configuration, logger, manager)
        state = NodeState(configuration: configuration, log: log, logger: logger)
        let box = AdminBox()
        let files = try Self.files(configuration)
        network = try Network(
            configuration, contexts: contexts, dialbackSecret: try Self.dialbackSecret(configuration),
            descriptors: DescriptorPlan(limit: descriptors), logger: logger,
            disk: { work in files?.result(of: work) ?? .failed }
        ) { effect in
            switch effect {
            case .answer(let id, let answer):
                if box.uploads?.answered(id, answer) != true { box.server?.answered(id, answer) }
            case .shutdownComplete:
                box.isShutDown.store(true, ordering: .relaxed)
                Signals.wakeMain()
            case .stream, .dial, .cancelDial, .work, .withhold, .note: break
            }
        }
        self.box = box
        let environment = store.environment
        loop = SiteLoop(
            store: store, policy: SitePolicy(configuration), on: network.siteThread, dispatcher: network.dispatcher,
            logger: logger, diskProbe: { StoreRoom.Look(environment.look()) }, failed: ProcessEnd.storeFailed)
        uploads = files.map { [loop, logger] store in
            UploadRoutes(store: store, desk: UploadDesk { loop.post(.command($0, $1)) }, logger: logger)
        }
        web = WebServer(configuration, routes: uploads?.routes ?? [], logger: logger)
        box.connect(uploads?.desk)
        admin = AdminServer(path: configuration.controlSocket, logger: logger) { [loop] id, command in
            loop.post(.command(id, command))
        } reload: { [state, network, web, loop] in
            state.reload(path, network, web, loop)
        }
        box.connect(admin)
        network.connect(to: loop)
        loop.start()
        do {
            try network.listen(web: web)
            try admin.start(group: network.group)
            uploads?.sweep()
        } catch {
            loop.stop()
            network.stop()
            throw CommandFailure("\(error)", .noListener)
        }
        logger.notice(
            "serving",
            metadata: [
                "domains": "\(configuration.domains.joined(separator: ", "))", "version": "\(ProductVersion.number)",
                "pid": "\(getpid())", "descriptors": "\(descriptors)",
            ])
        _ = CertificateCheck.warn(configuration, logger)
        CertificateCheck.warnOfEnd(configuration, logger)
        manager.say(.ready("serving \(configuration.domains.joined(separator: ", "))"))
    }

    private let box: AdminBox

    /// How often files are looked at for changes, milliseconds.
    private static let watchInterval = 60_000
    /// How often the log is told that the certificate ends, milliseconds.
    private static let expiryInterval: Int64 = 86_400_000
    /// What SIGTERM leaves for good-byes, milliseconds.
    private static let drainTime: Int64 = 10_000

    /// Serves until a signal ends it.
    func run() {
        var told = MonotonicClock.milliseconds
        var looked = told
        while true {
            if heart.beats(network.siteThread.execute) { manager.say(.alive) }
            if MonotonicClock.milliseconds - told >= Self.expiryInterval {
                told = MonotonicClock.milliseconds
                state.warnOfCertificate()
            }
            switch Signals.wait(milliseconds: min(Self.watchInterval, manager.interval ?? Self.watchInterval)) {
            case .reload: _ = state.reload(path, network, web, loop)
            case .terminate: return stop()
            case .timeout, .wakeUp: break
            }
            if MonotonicClock.milliseconds - looked >= Self.watchInterval {
                looked = MonotonicClock.milliseconds
                if state.certificateHasChanged() { _ = state.reload(path, network, web, loop) }
            }
        }
    }

    /// Stops accepting, lets the site say good-bye to everybody, commits, and ends. A second signal ends at once: what was
    /// acknowledged is on disk at any time.
    private func stop() {
        manager.say(.stopping)
        logger.notice("stopping", metadata: ["connections": "\(network.connectionCount)"])
        network.shutDown()
        loop.post(.shutdownRequested)
        let deadline = MonotonicClock.milliseconds + Self.drainTime
        var hasLeftWeb = false
        while !box.isShutDown.load(ordering: .relaxed) || network.connectionCount > 0 {
            let left = deadline - MonotonicClock.milliseconds
            if left <= 0 { break }
            if box.isShutDown.load(ordering: .relaxed), !hasLeftWeb {
                network.shutDownWeb()
                hasLeftWeb = true
            }
            // Connections end without a signal: look again soon.
            let event = Signals.wait(milliseconds: Int(min(left, box.isShutDown.load(ordering: .relaxed) ? 50 : left)))
            if event == .terminate {
                logger.warning("stopped at once", metadata: [:])
                exit(ExitStatus.interrupted.rawValue)
            }
        }
        admin.stop()
        uploads?.stop()
        loop.stop()
        network.stop()
        logger.notice("stopped")
    }

    /// What a new store, or one of an earlier version, needs at least, bytes.
    private static let roomToBegin: UInt64 = 16 << 20

    /// The store, opened. One that was in use is served from the start, also on a full disk: what needs no room. A new one, and one that has
    /// to be written anew for this version, waits for room: a start that failed for want of it would only be tried again and again.
    private static func store(
        _ configuration: SiteConfiguration, _ logger: Logger, _ manager: ServiceManager
    ) throws -> sending LMDBStore {
        let directory = configuration.dataDirectory
        while true {
            do {
                let store = try StoreOpening.open(configuration)
                let environment = store.environment
                if StoreMigration.isCurrent(store) { return store }
                try waitForRoom(logger, manager, directory) { environment.look().bytes }
                return store
            } catch let failure as CommandFailure where failure.status == .diskFull {
                try waitForRoom(logger, manager, directory) {
                    ProcessLimits.freeBytes(under: directory).map { UInt64($0) } ?? 0
                }
            }
        }
    }

    private static func waitForRoom(
        _ logger: Logger, _ manager: ServiceManager, _ directory: String, _ room: () -> UInt64
    ) throws {
        guard room() < roomToBegin else { return }
        manager.say(.status("the disk is full: waiting for room in \(directory)"))
        logger.error(
            "the disk is full: nothing is served before there is room",
            metadata: ["directory": "\(directory)", "free": "\(room() >> 20) MiB", "needed": "\(roomToBegin >> 20) MiB"])
        while room() < roomToBegin {
            if Signals.wait(milliseconds: 1000) == .terminate {
                throw CommandFailure("stopped while the disk was full: make room in \(directory)", .diskFull)
            }
        }
        logger.notice("there is room again")
    }

    /// The files that people have uploaded; nil where nobody does.
    private static func files(_ configuration: SiteConfiguration) throws -> FileStore? {
        guard !configuration.uploadHosts.isEmpty else { return nil }
        let directory = configuration.dataDirectory + "/uploads"
        do {
            return try FileStore(directory: directory)
        } catch {
            throw CommandFailure("the files of people cannot be kept in \(directory): \(error)", .notUsable)
        }
    }

    private static func contexts(_ configuration: SiteConfiguration) throws -> TLSContexts {
        do {
            return try TLSContexts(configuration)
        } catch {
            throw CommandFailure("\(error). The files are named under [tls] in the configuration", .notUsable)
        }
    }

    /// What dialback keys are made from (XEP-0185): kept beside the store, so that keys under way outlive a restart.
    private static func dialbackSecret(_ configuration: SiteConfiguration) throws -> [UInt8] {
        let path = configuration.dataDirectory + "/dialback.key"
        if access(path, F_OK) == 0 { return try Files.read(path) }
        let secret = KernelRandom.bytes(32)
        try Files.write(secret, to: path)
        return secret
    }
}

/// The control socket's server, which is made after the site that answers through it.
private final class AdminBox: Sendable {
    private let held = Mutex<AdminServer?>(nil)
    private let heldUploads = Mutex<UploadDesk?>(nil)
    let isShutDown = Atomic<Bool>(false)

    var server: AdminServer? { held.withLock { $0 } }

    var uploads: UploadDesk? { heldUploads.withLock { $0 } }

    func connect(_ desk: UploadDesk?) {
        heldUploads.withLock { $0 = desk }
    }

    func connect(_ server: AdminServer) {
        held.withLock { $0 = server }
    }
}

extension StoreRoom.Look {
    /// What was found of a store on disk.
    init(_ room: LMDBEnvironment.Room) {
        self.init(freeBytes: Int64(clamping: room.bytes), growth: Int64(clamping: room.growth))
    }
}

/// Milliseconds of the monotonic clock.
enum MonotonicClock {
    static var milliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
