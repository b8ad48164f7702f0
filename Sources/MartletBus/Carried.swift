import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Something numbered that came by another way than a stream: a record of a bundle whose signature was checked.
public enum CarriedRecord: Sendable, Equatable {
    /// A stanza with its place in a lane to us.
    case stanza(RelayMark, Stanza)
    /// A number without a stanza.
    case void(RelayMark)
    /// What the other side has of a lane of ours.
    case have(RelayMark)
}

/// A part of what waits for a peer, as it goes into a bundle.
public struct BundlePart: Sendable, Equatable {
    /// Our domain.
    public var origin: String
    /// The peer's.
    public var destination: String
    /// Stanzas and voids as on the wire, with their numbers; with the last part, what we have of the peer's lanes.
    public var records: [[UInt8]] = []
    /// How many of them are stanzas.
    public var stanzas = 0
    /// Ask again with this; nil at the end.
    public var next: EntryName?

    /// Nothing for that pair.
    public init(origin: String, destination: String) {
        self.origin = origin
        self.destination = destination
    }
}

/// What became of the records of a bundle.
public struct ImportOutcome: Sendable, Equatable {
    /// Taken over now.
    public var taken = 0
    /// Here already.
    public var duplicates = 0
    /// Refused, since something before them is missing.
    public var behindGap = 0
    /// The first number that is missing; 0 where none is.
    public var missing: UInt64 = 0
    /// Entries of ours that the other side turned out to have.
    public var acknowledged = 0
    /// Haves that say nothing new, or do not fit our records.
    public var ignoredHaves = 0

    /// Nothing yet.
    public init() {}
}

extension CarriedRecord {
    /// Reads one record of a bundle from `origin` for `destination`; nil where it is none: a stanza or void of another pair, one
    /// without a number, or something else.
    public init?(parsing bytes: [UInt8], origin: JID, destination: JID) {
        if let stanza = try? Stanza(
            parsing: bytes, contentNamespace: Namespaces.server, context: NamespaceContext(Namespaces.server))
        {
            guard let mark = stanza.relayMark, mark.number > 0, stanza.from?.domain == origin, stanza.to?.domain == destination
            else { return nil }
            var delivered = stanza
            delivered.relayMark = nil
            self = .stanza(mark, delivered)
            return
        }
        guard let nonza = try? Element(parsing: bytes, defaultNamespace: Namespaces.server),
            nonza.namespace == Namespaces.relay, let mark = RelayMark(nonza), mark.number > 0,
            nonza["from"].flatMap({ try? JID($0) }) == origin, nonza["to"].flatMap({ try? JID($0) }) == destination
        else { return nil }
        switch nonza.name {
        case "void": self = .void(mark)
        case "have": self = .have(mark)
        default: return nil
        }
    }
}
