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
    /// Whose archives it stands in; known of what was read.
    public internal(set) var archive: ArchiveRecord?

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
/// Each such record is a *holder* of the row, which is there as long as it has one: whoever removes his record releases the row.
/// A second table counts the holders beyond the first, and has a row only while there are any; a byte in the row of the log says
/// whether to look there, so that a row with one holder costs nothing (`Docs/decisions/0006-the-log-has-several-owners.md`).
public enum StanzaLog {
    /// Appends a stanza with that many holders; the number is greater than every number before.
    ///
    /// Whoever knows of several holders says so here: a ``hold(_:in:)`` behind it writes the row a second time. The archives of `owners`
    /// are one of the holders, all together.
    public static func append(
        _ logged: LoggedStanza, holders: Int = 1, archives owners: ArchiveOwners? = nil, in store: some KeyValueTransaction
    ) -> UInt64 {
        require(holders > 0, "a log entry that nobody holds")
        let sequence = (store.lastNumber(.log) ?? 0) + 1
        let key = NumberKey.one(sequence)
        let first = (holders == 1 ? alone : shared) | (owners == nil ? 0 : archived)
        store.append(.log, key.span, encode(logged, first, owners?.record(at: sequence)).span)
        if holders > 1 {
            let count = bytes(UInt32(clamping: holders - 1))
            store.append(.logHolders, key.span, count.span)
        }
        return sequence
    }

    /// The stanza of that number; nil once it was removed.
    public static func stanza(_ sequence: UInt64, in store: some KeyValueTransaction) -> LoggedStanza? {
        let key = NumberKey.one(sequence)
        var value: [UInt8] = []
        return store.read(.log, key.span) { value = Array($0) } ? decode(value) : nil
    }

    /// Whose archives the row of that number stands in; nil where it is in none, or was removed.
    public static func archive(of sequence: UInt64, in store: some KeyValueTransaction) -> ArchiveRecord? {
        let key = NumberKey.one(sequence)
        var record: ArchiveRecord?
        return store.read(.log, key.span) { if $0[0] & archived != 0 { record = ArchiveRecord(endOf: $0) } } ? record : nil
    }

    /// When the stanza of that number was taken over, in site time; nil once it was removed.
    public static func acceptedInstant(of sequence: UInt64, in store: some KeyValueTransaction) -> Instant? {
        let key = NumberKey.one(sequence)
        var instant: UInt64 = 0
        let isThere = store.read(.log, key.span) { row in for index in 9..<17 { instant = instant << 8 | UInt64(row[index]) } }
        return isThere ? Instant(milliseconds: Int64(bitPattern: instant)) : nil
    }

    /// The first number from `sequence` on, and its stanza.
    public static func first(from sequence: UInt64, in store: some KeyValueTransaction) -> (UInt64, LoggedStanza)? {
        let key = NumberKey.one(sequence)
        return store.firstEntry(.log, atOrAfter: Array(key.span)).map { (ByteReader.first($0.key), decode($0.value)) }
    }

    /// The number of the last row; 0 where there is none.
    public static func last(in store: some KeyValueTransaction) -> UInt64 { store.lastNumber(.log) ?? 0 }

    /// The bytes of the row of a stanza that stands in archives.
    public static func size(ofArchived stanza: Stanza) -> Int { 17 + StanzaCoding.size(of: stanza) + ArchiveRecord.size }

    /// How many bytes the row of a stanza has; 0 once it was removed.
    public static func size(_ sequence: UInt64, in store: some KeyValueTransaction) -> Int {
        let key = NumberKey.one(sequence)
        var size = 0
        return store.read(.log, key.span) { size = $0.count } ? size : 0
    }

    /// The most bytes of a row up to the end of its sender's address: the row's own, and three parts of 1,023 bytes at most.
    private static let headBytes = 3200

    /// Who sent the stanza of that number, and how many bytes its row has, without reading the rest of it; nil once it was removed.
    public static func head(_ sequence: UInt64, in store: some KeyValueTransaction) -> (sender: JID?, bytes: Int)? {
        let key = NumberKey.one(sequence)
        var head: [UInt8] = []
        var bytes = 0
        let exists = store.read(.log, key.span) { row in
            bytes = row.count
            let first = row.extracting(first: headBytes)
            head = Array(first)
        }
        guard exists else { return nil }
        var reader = ByteReader(head, from: 17)
        return (StanzaCoding.readSender(&reader), bytes)
    }

    /// One more record points at the stanza. Its row must be there (a precondition).
    public static func hold(_ sequence: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.one(sequence)
        let others = furtherHolders(sequence, in: store)
        if others == 0 {
            var row: [UInt8] = []
            let exists = store.read(.log, key.span) { row = Array($0) }
            require(exists, "log entry \(sequence) is held after it was removed")
            if row[0] & shared == 0 {
                row[0] |= shared
                store.put(.log, key.span, row.span)
            }
        }
        require(others < UInt32.max, "log entry \(sequence) has too many holders")
        let count = bytes(others + 1)
        store.put(.logHolders, key.span, count.span)
    }

    /// A record that pointed at the stanza is gone: the last one takes the row with it. It must be there (a precondition).
    public static func release(_ sequence: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.one(sequence)
        guard let wasAlone = store.delete(.log, key.span, where: { $0[0] & shared == 0 }) else {
            ourFault("log entry \(sequence) was removed twice")
        }
        if wasAlone { return }
        var others: UInt32 = 0
        let wasLastButOne = store.delete(.logHolders, key.span) { count in
            others = number(count)
            return others == 1
        }
        switch wasLastButOne {
        case nil:
            // It had others once.
            store.delete(.log, key.span)
        case true?:
            break
        case false?:
            let count = bytes(others - 1)
            store.put(.logHolders, key.span, count.span)
        }
    }

    /// How many records point at the stanza; 0 once it was removed.
    public static func holders(_ sequence: UInt64, in store: some KeyValueTransaction) -> Int {
        let key = NumberKey.one(sequence)
        guard store.read(.log, key.span, { _ in }) else { return 0 }
        return Int(furtherHolders(sequence, in: store)) + 1
    }

    /// The first byte of a row: it has one holder, and no row in the second table.
    static let alone: UInt8 = 0
    /// A bit of the first byte of a row that has, or had, several holders.
    static let shared: UInt8 = 1
    /// A bit of the first byte of a row at whose end stands an ``ArchiveRecord``.
    static let archived: UInt8 = 2

    private static func furtherHolders(_ sequence: UInt64, in store: some KeyValueTransaction) -> UInt32 {
        let key = NumberKey.one(sequence)
        var count: UInt32 = 0
        _ = store.read(.logHolders, key.span) { count = number($0) }
        return count
    }

    private static func number(_ bytes: Span<UInt8>) -> UInt32 {
        require(bytes.count == 4, "a count of holders of \(bytes.count) bytes")
        var count: UInt32 = 0
        for index in 0..<4 { count = count << 8 | UInt32(bytes[index]) }
        return count
    }

    private static func bytes(_ count: UInt32) -> InlineArray<4, UInt8> {
        InlineArray { UInt8(truncatingIfNeeded: count >> UInt32(24 - 8 * $0)) }
    }

    private static func encode(_ logged: LoggedStanza, _ first: UInt8, _ archive: ArchiveRecord?) -> [UInt8] {
        let more = archive == nil ? 0 : ArchiveRecord.size
        var writer = ByteWriter(capacity: 17 + more + StanzaCoding.size(of: logged.stanza))
        writer.put(first)
        writer.put(logged.acceptedAt.milliseconds)
        writer.put(logged.acceptedInstant.milliseconds)
        StanzaCoding.write(logged.stanza, to: &writer)
        archive?.write(to: &writer)
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> LoggedStanza {
        var reader = ByteReader(bytes, from: 1)
        let acceptedAt = WallTime(milliseconds: reader.take())
        let acceptedInstant = Instant(milliseconds: reader.take())
        var logged = LoggedStanza(
            stanza: StanzaCoding.read(&reader), acceptedAt: acceptedAt, acceptedInstant: acceptedInstant)
        if bytes[0] & archived != 0 { logged.archive = ArchiveRecord(endOf: bytes.span) }
        return logged
    }
}
