import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A connection as the site knows it: the slot of one event loop, and which use of that slot.
///
/// Effects for a generation that is gone are dropped by the loop, so the site never has to know whether a socket still
/// lives.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// The event loop.
    public var loop: UInt16
    /// The slot on that loop.
    public var slot: UInt32
    /// Which use of the slot.
    public var generation: UInt32

    /// Use `generation` of `slot` on `loop`.
    public init(loop: UInt16, slot: UInt32, generation: UInt32) {
        self.loop = loop
        self.slot = slot
        self.generation = generation
    }

    /// For logs: `loop.slot.generation`.
    public var description: String { "\(loop).\(slot).\(generation)" }
}

/// An attempt to reach another server, until it ends in ``SiteEvent/dialed(_:_:_:_:)`` or a failure.
public struct DialID: Hashable, Sendable {
    /// Counts attempts from 1 since the start.
    public var value: UInt64
    /// The attempt of that number.
    public init(_ value: UInt64) { self.value = value }
}

/// A question from the control socket, until its ``Effect/answer(_:_:)``.
public struct CommandID: Hashable, Sendable {
    /// Counts questions since the start.
    public var value: UInt64
    /// The question of that number.
    public init(_ value: UInt64) { self.value = value }
}

/// Everything that can happen to a site. Events are facts: they are named in the past tense and never refused.
public enum SiteEvent: Sendable {
    /// A fact about a connection to a client listener.
    case client(ConnectionID, ClientStreamEvent)
    /// A fact about a connection from or to another server.
    case server(ConnectionID, PeerStreamEvent)
    /// An attempt succeeded: the connection is authenticated for the pair that was asked for. `endpoints` are the
    /// addresses that the domain resolved to, best first, to be used when DNS is dead.
    indirect case dialed(DialID, ConnectionID, PeerFeatures, endpoints: [RememberedEndpoint])
    /// An attempt failed.
    indirect case dialFailed(DialID, DialFailure)
    /// A dialback verification ended (XEP-0220 §2.3).
    indirect case dialbackAnswered(DialID, DialbackVerdict)
    /// What an ``Effect/work(_:_:)`` wanted was done, or refused.
    indirect case workDone(WorkID, WorkResult)
    /// Time passed; timers that are due fire.
    case tick
    /// Somebody asks at the control socket.
    indirect case command(CommandID, Command)
    /// The policy was read anew.
    indirect case policyChanged(SitePolicy)
    /// Connections from an address were not read for so long, milliseconds, because too much was begun there without a login.
    indirect case restedAtLogin(RemoteAddress, milliseconds: Int64)
    /// The room that the store has, in bytes, as the runtime has found it, and that which is at the end of its file (``StoreRoom/Look``).
    case diskSampled(freeBytes: Int64, growth: Int64 = .max)
    /// SIGTERM: streams are to be closed in good order.
    case shutdownRequested
}

extension SiteEvent {
    /// The bytes of a stanza that came with it, which may be to be kept.
    public var stanzaBytes: Int {
        switch self {
        case .client(_, .stanza(let stanza)), .server(_, .stanza(let stanza)): stanza.content.count
        default: 0
        }
    }
}

/// An address that led to a domain before.
public struct RememberedEndpoint: Sendable, Hashable {
    /// An IPv4 or IPv6 address in words.
    public var address: String
    /// The TCP port.
    public var port: UInt16
    /// TLS from the first byte (XEP-0368).
    public var directTLS: Bool

    /// That address.
    public init(address: String, port: UInt16, directTLS: Bool) {
        self.address = address
        self.port = port
        self.directTLS = directTLS
    }
}
