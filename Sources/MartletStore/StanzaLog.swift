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
        let sequence = (store.lastKey(.log).map(ByteReader.first) ?? 0) + 1
        store.append(.log, key(sequence), encode(logged))
        return sequence
    }

    /// The stanza of that number; nil once it was removed.
    public static func stanza(_ sequence: UInt64, in store: some KeyValueTransaction) -> LoggedStanza? {
        store.get(.log, key(sequence)).map(decode)
    }

    /// Removes the stanza: the record that it belonged to is gone.
    public static func remove(_ sequence: UInt64, in store: some KeyValueTransaction) {
        let existed = store.delete(.log, key(sequence))
        precondition(existed, "log entry \(sequence) was removed twice")
    }

    private static func key(_ sequence: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(sequence)
        return writer.bytes
    }

    private static func encode(_ logged: LoggedStanza) -> [UInt8] {
        let stanza = logged.stanza
        var size = 8 + 8 + 1 + 1 + FieldSpace.of(stanza.from) + FieldSpace.of(stanza.to)
        size += FieldSpace.of(stanza.id) + FieldSpace.of(stanza.type) + FieldSpace.of(stanza.lang) + 4 + stanza.content.count
        return FieldSpace.fill(size) { row in
            row.put(logged.acceptedAt.milliseconds)
            row.put(logged.acceptedInstant.milliseconds)
            row.put(stanza.kind.rawValue)
            row.put(stanza.traits.rawValue)
            row.put(stanza.from)
            row.put(stanza.to)
            row.put(stanza.id)
            row.put(stanza.type)
            row.put(stanza.lang)
            row.put(stanza.content)
        }
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

    private static func takeAddress(_ reader: inout ByteReader) -> JID? {
        let localpart = reader.takeOptionalString()
        let domainpart = reader.takeOptionalString()
        let resourcepart = reader.takeOptionalString()
        return domainpart.map {
            JID(preparedLocalpart: localpart, preparedDomainpart: $0, preparedResourcepart: resourcepart)
        }
    }
}

/// Writes the fields of a ``ByteWriter`` into a row whose size is counted before: one row of the log is written for each
/// message, and a writer that asks at each field whether there is room costs three times as much.
private struct FieldSpace: ~Copyable {
    private var rest: UnsafeMutableRawBufferPointer

    // SAFETY: the memory is the array's own for the time of `body`, from which the space cannot escape; every write into it is
    // checked against its end.
    static func fill(_ size: Int, _ body: (inout FieldSpace) -> Void) -> [UInt8] {
        Array(unsafeUninitializedCapacity: size) { buffer, count in
            let memory = UnsafeMutableRawBufferPointer(buffer)[..<size]
            var space = FieldSpace(rest: UnsafeMutableRawBufferPointer(rebasing: memory))
            body(&space)
            precondition(space.rest.isEmpty, "a row of \(size) bytes was given \(size - space.rest.count)")
            count = size
        }
    }

    static func of(_ text: String?) -> Int { text.map { 5 + $0.utf8.count } ?? 1 }

    static func of(_ address: JID?) -> Int {
        of(address?.localpart) + of(address?.domainpart) + of(address?.resourcepart)
    }

    private mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= rest.count, "a row is longer than was counted")
        rest.copyMemory(from: bytes)
        rest = UnsafeMutableRawBufferPointer(rebasing: rest[bytes.count...])
    }

    mutating func put(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { copy($0) }
    }

    mutating func put(_ bytes: [UInt8]) {
        put(UInt32(bytes.count))
        bytes.withUnsafeBytes { copy($0) }
    }

    mutating func put(_ text: String?) {
        guard var text else { return put(UInt8(0)) }
        put(UInt8(1))
        put(UInt32(text.utf8.count))
        text.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
    }

    mutating func put(_ address: JID?) {
        put(address?.localpart)
        put(address?.domainpart)
        put(address?.resourcepart)
    }
}
