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
/// Each row belongs to exactly one such record, which removes it when it goes itself.
public enum StanzaLog {
    /// Appends a stanza; the number is greater than every number before.
    public static func append(_ logged: LoggedStanza, in store: some KeyValueTransaction) -> UInt64 {
        let sequence = (store.lastNumber(.log) ?? 0) + 1
        let key = NumberKey.one(sequence)
        store.append(.log, key.span, encode(logged).span)
        return sequence
    }

    /// The stanza of that number; nil once it was removed.
    public static func stanza(_ sequence: UInt64, in store: some KeyValueTransaction) -> LoggedStanza? {
        let key = NumberKey.one(sequence)
        var value: [UInt8] = []
        return store.read(.log, key.span) { value = Array($0) } ? decode(value) : nil
    }

    /// Removes the stanza: the record that it belonged to is gone.
    public static func remove(_ sequence: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.one(sequence)
        let existed = store.delete(.log, key.span)
        precondition(existed, "log entry \(sequence) was removed twice")
    }

    private static func encode(_ logged: LoggedStanza) -> [UInt8] {
        let stanza = logged.stanza
        var writer = ByteWriter(
            capacity: 22 + size(of: stanza.from) + size(of: stanza.to) + ByteWriter.size(of: stanza.id)
                + ByteWriter.size(of: stanza.type) + ByteWriter.size(of: stanza.lang) + stanza.content.count)
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

    private static func size(of address: JID?) -> Int {
        ByteWriter.size(of: address?.localpart) + ByteWriter.size(of: address?.domainpart)
            + ByteWriter.size(of: address?.resourcepart)
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
