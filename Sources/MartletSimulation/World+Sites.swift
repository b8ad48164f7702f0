import MartletBus
import MartletConfiguration
import MartletPrimitives
import MartletSite
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

extension World {
    /// A machine starts: the boot path, as after every crash.
    mutating func start(_ site: Int) {
        let isNew = sites[site].incarnation == 0
        sites[site].incarnation += 1
        sites[site].inbox = []
        sites[site].isScheduled = false
        sites[site].store.crashPoint = nil
        var key: [UInt8] = []
        for _ in 0..<4 { withUnsafeBytes(of: random.next().littleEndian) { key.append(contentsOf: $0) } }
        var driver = SiteDriver(store: sites[site].store, policy: sites[site].policy, random: RandomStream(key: key))
        guard let effects = try? driver.boot(monotonic: schedule.now, wall: wall) else { return }
        sites[site].driver = driver
        perform(effects, of: site)
        planWake(site)
        guard isNew else { return }
        for client in clients where client.site == site {
            post(.command(CommandID(0), .addUser(client.account, Self.keys)), to: site)
        }
    }

    private static let keys: PasswordKeys = {
        let keys = PasswordKeys.Keys(
            salt: Array("simulation".utf8), iterations: 4096, storedKey: [UInt8](repeating: 1, count: 32),
            serverKey: [UInt8](repeating: 2, count: 32))
        return PasswordKeys(sha1: keys, sha256: keys)
    }()

    /// The process dies: within its next commit, or at once where it commits nothing.
    mutating func kill(_ site: Int, downtime: Int64) {
        guard sites[site].driver != nil else { return }
        crashes += 1
        schedule.add(.start(site: site), after: max(downtime, 1))
        switch pick(3) {
        case 0: sites[site].store.crashPoint = .beforeCommit
        case 1: sites[site].store.crashPoint = .afterCommit
        default: return died(site)
        }
        runBatch(site)
        if sites[site].driver != nil { died(site) }
    }

    /// What the others see of a death: the kernel resets the sockets.
    private mutating func died(_ site: Int) {
        sites[site].driver = nil
        sites[site].inbox = []
        sites[site].wake = nil
        sites[site].store.memory.crash()
        let incarnation = sites[site].incarnation
        for pipe in pipes.indices where !pipes[pipe].isClosed {
            let isEnd =
                (pipes[pipe].dialler.site == site && pipes[pipe].dialler.incarnation == incarnation)
                || (pipes[pipe].accepter.site == site && pipes[pipe].accepter.incarnation == incarnation)
            if isEnd { schedule.add(.endPipe(pipe: pipe, words: "connection reset"), after: lines[pipes[pipe].line].delay) }
        }
        for client in clients.indices where clients[client].site == site && clients[client].connection != nil {
            clients[client].streamLost()
            schedule.add(.login(client: client), after: 500 + pick(2000))
        }
    }

    /// One batch: what was posted since the last one.
    mutating func runBatch(_ site: Int) {
        sites[site].isScheduled = false
        var events: [SiteEvent] = []
        swap(&events, &sites[site].inbox)
        do {
            guard let effects = try sites[site].handle(events, monotonic: schedule.now, wall: wall) else { return }
            perform(effects, of: site)
            planWake(site)
        } catch {
            died(site)
        }
    }

    private mutating func planWake(_ site: Int) {
        guard let wake = sites[site].driver?.nextWake else { return sites[site].wake = nil }
        let at = max(wake, schedule.now + 1)
        guard sites[site].wake != at else { return }
        sites[site].wake = at
        schedule.add(.wake(site: site, at: at), after: at - schedule.now)
    }

    private mutating func perform(_ effects: [Effect], of site: Int) {
        for effect in effects {
            switch effect {
            case .stream(let connection, let command): perform(command, on: connection, of: site)
            case .dial(let request):
                digest.add(request.id.value)
                schedule.add(
                    .connect(site: site, incarnation: sites[site].incarnation, request: request),
                    after: delay(from: site, to: request.pair.peer))
            case .note(.laneStopped(let pair, _, let reason)):
                stops.append("\(pair.local) → \(pair.peer): \(reason)")
            case .cancelDial, .answer, .note, .shutdownComplete:
                break
            }
        }
    }

    private mutating func perform(_ command: StreamCommand, on connection: ConnectionID, of site: Int) {
        digest.add(UInt64(site) << 32 | UInt64(connection.slot))
        if case .send(let bytes) = command { digest.add(bytes) }
        if let pipe = pipe(of: connection, site) {
            switch command {
            case .send(let bytes): send(bytes, on: pipe)
            case .close, .abort: endPipe(pipe)
            default: break
            }
            return
        }
        guard let client = clients.firstIndex(where: { $0.site == site && $0.connection == connection }) else { return }
        switch command {
        case .send(let bytes):
            schedule.add(.clientReceives(client: client, connection: connection, bytes: bytes), after: Self.officeDelay)
        case .credentials(let credentials):
            let proof = AuthenticatedClient(
                account: clients[client].account, generation: credentials.generation, isSecure: true)
            clientPosts(client, .clientAuthenticated(proof))
        case .admit:
            for bytes in clients[client].streamOpened(connection) { clientSends(client, bytes) }
        case .close, .abort, .refuseCredentials, .refuse:
            clients[client].streamLost()
            schedule.add(
                .arrive(site: site, incarnation: sites[site].incarnation, event: .client(connection, .closed("closed"))),
                after: 1)
            schedule.add(.login(client: client), after: 1000 + pick(2000))
        case .dialbackVerdict:
            break
        }
    }
}
