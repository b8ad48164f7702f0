import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What a turn wants done outside. Nothing leaves before the batch that wanted it is on disk.
public enum Effect: Sendable, Equatable {
    /// A command for one connection.
    case stream(ConnectionID, StreamCommand)
    /// Reach another server.
    indirect case dial(DialRequest)
    /// Give up an attempt; no event follows for it.
    case cancelDial(DialID)
    /// Do something slow away from the site; answered by ``SiteEvent/workDone(_:_:)``.
    indirect case work(WorkID, Work)
    /// Answer the control socket.
    indirect case answer(CommandID, CommandAnswer)
    /// Tell the operator.
    indirect case note(Diagnostic)
    /// Which mechanisms no client may be offered now, since some account has no keys for them. The last one counts.
    case withhold([SASLMechanism])
    /// Every stream was told to close.
    case shutdownComplete

    /// Whether the operator is told something: asked of every effect, so without taking it out of its list.
    public var isNote: Bool { if case .note = self { true } else { false } }
}

/// An attempt to reach the server of `pair.peer` in the name of `pair.local`.
public struct DialRequest: Sendable, Equatable {
    /// What the stream is for.
    public enum Purpose: Sendable, Equatable {
        /// To carry stanzas.
        case link
        /// To ask whether a dialback key is genuine (XEP-0220 §2.2), then to close.
        case verify(key: String, streamID: String)
    }

    /// Names the attempt in the events that follow.
    public var id: DialID
    /// For which domains.
    public var pair: DomainPair
    /// What the stream is for.
    public var purpose: Purpose
    /// Used when the resolver fails or denies the domain, of which it is known then that it existed; not when the domain itself says
    /// that it offers no service.
    public var remembered: [RememberedEndpoint]
    /// Milliseconds since they worked, for the operator.
    public var rememberedAge: Int64 = 0
    /// How long the attempt may hang, milliseconds: so long without a connection to any of the addresses, or five times as long
    /// without a word from the server that was reached, and it has failed. nil: as long as any.
    public var patience: Int64?
    /// The largest segments that the connection may have, bytes; nil for what the line says.
    public var segmentLimit: UInt16?
    /// Dialback is not acceptable: configured, or this peer once showed a verified certificate.
    public var requiresCertificate: Bool
    /// Whose doing the attempt is: out of whose part of the attempts and of the questions to DNS it comes.
    public var cause: Cause

    /// That attempt.
    public init(
        id: DialID, pair: DomainPair, purpose: Purpose, remembered: [RememberedEndpoint], requiresCertificate: Bool,
        cause: Cause
    ) {
        self.id = id
        self.pair = pair
        self.purpose = purpose
        self.remembered = remembered
        self.requiresCertificate = requiresCertificate
        self.cause = cause
    }
}
