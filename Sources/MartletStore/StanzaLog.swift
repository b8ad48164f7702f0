import MartletPrimitives
import XMPPAddress
import XMPPStanzas

/// A stanza as it stands in the log.
public struct LoggedStanza: Sendable, Equatable {
    /// The stanza, without a mark.
    public var stanza: Stanza
    /// When this site took the stanza over: what an XEP-0203 stamp says.
    public var acceptedAt: WallTime
    /// The same moment in site time, for lifetimes.
    public var acceptedInstant: Instant

    /// A stanza taken over at that moment.
    public init(stanza: Stanza, acceptedAt: WallTime, acceptedInstant: Instant) {
        self.stanza = stanza
        self.acceptedAt = acceptedAt
        self.acceptedInstant = acceptedInstant
    }
}

/// The sequential log of stanzas: each is written to disk once, in order, which is ten times cheaper than at random
/// keys; mailboxes, resumable sessions and link queues are small records that point at it by number.
///
/// References are counted. The count stands in its own row beside the stanza, so that changing it does not rewrite the
/// stanza: key `logSeq, 0` is the stanza, `logSeq, 1` the count where it is not one.
public enum StanzaLog {
    /// Appends a stanza with one reference; the number is greater than every number before.
    public static func append(_ logged: LoggedStanza, in store: some KeyValueTransaction) -> UInt64 {
        let sequence = (store.lastKey(.log).map(ByteReader.first) ?? 0) + 1
        store.append(.log, key(sequence, 0), encode(logged))
        return sequence
    }

    /// The stanza of that number; nil once its last reference is gone.
    public static func stanza(_ sequence: UInt64, in store: some KeyValueTransaction) -> LoggedStanza? {
        store.get(.log, key(sequence, 0)).map(decode)
    }

    /// Adds a reference.
    public static func retain(_ sequence: UInt64, in store: some KeyValueTransaction) {
        setCount(sequence, count(sequence, in: store) + 1, in: store)
    }

    /// Gives a reference back; with the last one the stanza goes.
    public static func release(_ sequence: UInt64, in store: some KeyValueTransaction) {
        let count = count(sequence, in: store)
        if count > 1 {
            setCount(sequence, count - 1, in: store)
        } else {
            let existed = store.delete(.log, key(sequence, 0))
            precondition(existed, "log entry \(sequence) was released more often than retained")
        }
    }

    /// How many records refer to the stanza.
    public static func count(_ sequence: UInt64, in store: some KeyValueTransaction) -> UInt32 {
        guard let row = store.get(.log, key(sequence, 1)) else { return 1 }
        var reader = ByteReader(row)
        return reader.take()
    }

    private static func setCount(_ sequence: UInt64, _ count: UInt32, in store: some KeyValueTransaction) {
        if count == 1 {
            store.delete(.log, key(sequence, 1))
        } else {
            var writer = ByteWriter(capacity: 4)
            writer.put(count)
            store.put(.log, key(sequence, 1), writer.bytes)
        }
    }

    private static func key(_ sequence: UInt64, _ part: UInt8) -> [UInt8] {
        var writer = ByteWriter(capacity: 9)
        writer.put(sequence)
        writer.put(part)
        return writer.bytes
    }

    private static func encode(_ logged: LoggedStanza) -> [UInt8] {
        let stanza = logged.stanza
        var writer = ByteWriter(capacity: stanza.content.count + 160)
        writer.put(logged.acceptedAt.milliseconds)
        writer.put(logged.acceptedInstant.milliseconds)
        writer.put(stanza.kind.rawValue)
        writer.put(stanza.traits.rawValue)
        put(stanza.from, to: &writer)
        put(stanza.to, to: &writer)
        writer.put(stanza.id)
        writer.put(stanza.type)
        writer.put(stanza.lang)
        writer.put(stanza.content)
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> LoggedStanza {
        var reader = ByteReader(bytes)
        let acceptedAt = WallTime(milliseconds: reader.take())
        let acceptedInstant = Instant(milliseconds: reader.take())
        guard let kind = Stanza.Kind(rawValue: reader.take()) else { preconditionFailure("a log row of unknown kind") }
        let traits = Stanza.Traits(rawValue: reader.take())
        var stanza = Stanza(kind, from: takeAddress(&reader), to: takeAddress(&reader))
        stanza.id = reader.takeOptionalString()
        stanza.type = reader.takeOptionalString()
        stanza.lang = reader.takeOptionalString()
        stanza.content = reader.takeBytes()
        stanza.traits = traits
        return LoggedStanza(stanza: stanza, acceptedAt: acceptedAt, acceptedInstant: acceptedInstant)
    }

    private static func put(_ address: JID?, to writer: inout ByteWriter) {
        writer.put(address?.localpart)
        writer.put(address?.domainpart)
        writer.put(address?.resourcepart)
    }

    private static func takeAddress(_ reader: inout ByteReader) -> JID? {
        let localpart = reader.takeOptionalString()
        let domainpart = reader.takeOptionalString()
        let resourcepart = reader.takeOptionalString()
        return domainpart.map {
            JID(preparedLocalpart: localpart, preparedDomainpart: $0, preparedResourcepart: resourcepart)
        }
    }
}
