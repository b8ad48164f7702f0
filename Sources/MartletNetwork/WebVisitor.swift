import MartletBus
import NIOCore
import Synchronization
import XMPPAddress
import XMPPStreams

/// Gets the connections of the listeners for the web, one after the other, each on its event loop.
public protocol WebAcceptor: Sendable {
    /// Puts its handlers behind TLS, which stands in the channel already.
    func accept(_ channel: any Channel, _ visitor: WebVisitor) throws
}

/// Whoever has one connection of a listener for the web: a browser, mostly.
///
/// Lives as long as the connection. Counted and charged like a client's connection: as its address's until it is somebody's.
public final class WebVisitor: Sendable {
    /// From where it comes, as limits count it.
    public let address: RemoteAddress
    /// The event loop of the connection.
    public let eventLoop: any EventLoop
    private let loop: NIOLoopBound<ConnectionLoop>
    private let census: ConnectionCensus
    private let berth: Berths.Number
    private let isSomebodys = Atomic(false)

    init(_ address: RemoteAddress, _ loop: ConnectionLoop, _ census: ConnectionCensus, _ berth: Berths.Number) {
        self.address = address
        eventLoop = loop.eventLoop
        self.loop = loop.bound
        self.census = census
        self.berth = berth
    }

    /// What a login over its channel may be bound to. On the connection's loop.
    public static func tlsFacts(of channel: any Channel) -> TLSFacts {
        (try? channel.pipeline.syncOperations.handler(type: TLSHandler.self))?.facts ?? TLSFacts()
    }

    /// It belongs to a person from now on, who has proven that somewhere: strangers do not take the connection's place.
    public func belongs(to account: JID) {
        guard !isSomebodys.exchange(true, ordering: .relaxed) else { return }
        census.proved(berth, .person, account)
    }

    /// Whether its address pays for what it causes.
    var isStranger: Bool { !isSomebodys.load(ordering: .relaxed) }

    /// An office, or one of our people, came lately from where this one comes.
    var isFamiliar: Bool { census.isFamiliar(address, isServer: false) }

    /// Opens a client's stream that is carried, on the connection's loop. `address` is the client's, where a proxy has said it. Where the
    /// whole connection is the stream's, it becomes the client's with its login.
    public func openStream(_ carrier: any StreamCarrier, from address: RemoteAddress, takesConnection: Bool) -> CarriedStream {
        let handler = loop.value.carry(carrier, from: address)
        if takesConnection {
            handler.berth = (census, berth)
            // What it says is charged where it is heard.
            isSomebodys.store(true, ordering: .relaxed)
        }
        return CarriedStream(handler)
    }

    /// Charges the address for so much work. Returns how long it has to wait, milliseconds.
    func charge(_ work: Int64, isFirst: Bool) -> Int64 {
        let loop = loop.value
        let wait = isFirst ? loop.logins.begin(address, work) : loop.logins.goOn(address, work)
        guard wait >= ConnectionHandler.Costs.shortestWait else { return 0 }
        loop.site.post(.restedAtLogin(address, milliseconds: wait))
        return wait
    }
}

/// The event loop's connections of the web.
final class WebConnections {
    /// Look-up, and what is told to all of them.
    private var handlers: [ObjectIdentifier: TLSHandler] = [:]
    /// Those whose handshake waits. Look-up only.
    private var waiting: [ConnectionID: TLSHandler] = [:]
    private var nextNumber: UInt32 = 0

    func add(_ handler: TLSHandler) { handlers[ObjectIdentifier(handler)] = handler }

    func remove(_ handler: TLSHandler) {
        handlers[ObjectIdentifier(handler)] = nil
        if let number = handler.number { waiting[number] = nil }
    }

    /// A number for one whose handshake has to wait, which no connection of a client has.
    func number() -> ConnectionID {
        nextNumber &+= 1
        return ConnectionID(loop: .max, slot: nextNumber, generation: 0)
    }

    func wait(_ handler: TLSHandler, as number: ConnectionID) { waiting[number] = handler }

    func isWaiting(_ number: ConnectionID) -> Bool { waiting[number] != nil }

    func mayBegin(_ number: ConnectionID) { waiting.removeValue(forKey: number)?.handshakeMayBegin() }

    func shutDown() { for handler in Array(handlers.values) { handler.quiesce() } }

    func abortAll() { for handler in Array(handlers.values) { handler.abort() } }
}

extension ConnectionLoop {
    /// A client's stream that is carried.
    func carry(_ carrier: any StreamCarrier, from address: RemoteAddress) -> ConnectionHandler {
        let environment = environments.accepting(Self.carried)
        return insert { id in
            ConnectionHandler(
                id: id, loop: self, address: address,
                engine: StreamEngine(.clientReceiving, address: address, environment: environment), directTLS: true,
                listener: .client, isAccepted: true, carrier: carrier)
        }
    }

    private static let carried = NetworkSettings.Listener(
        kind: .client, path: "web", address: "", port: 0, directTLS: true)
}
