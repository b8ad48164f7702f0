import MartletPrimitives

/// A message for an account, from the moment the site has taken it over until no session needs it any more.
public struct MailboxRow: Sendable, Equatable {
    /// A session has acknowledged the message: it is not offline any more, and stays only for the other sessions' sake.
    public var isAcknowledged = false
    /// The message is for one session alone (a room's message to its occupant): it is never delivered to another.
    public var isForSession = false
    /// The resumable sessions that have it in a slot.
    public var holders: UInt16
    /// Which resource it was written to (``mark(ofResource:)``); nil if to the account, or if the row is older than this field.
    public var resourceMark: UInt32?
    /// What it takes of the mailbox, and whose share that is; nil if the row is older than this field.
    public var weight: Weight?

    /// What a message takes of a mailbox.
    public struct Weight: Sendable, Equatable {
        /// Bytes.
        public var bytes: UInt32
        /// Stands for the party that sent it.
        public var sender: UInt64

        /// So many bytes of that party.
        public init(bytes: UInt32, sender: UInt64) {
            self.bytes = bytes
            self.sender = sender
        }
    }

    /// A message that nobody has acknowledged.
    public init(holders: UInt16, isForSession: Bool = false, resourceMark: UInt32? = nil, weight: Weight? = nil) {
        self.holders = holders
        self.isForSession = isForSession
        self.resourceMark = resourceMark
        self.weight = weight
    }

    /// What rows say of a resource, so that a mailbox can be searched without its messages: FNV-1a. Two resources may have the same.
    public static func mark(ofResource resource: String) -> UInt32 {
        resource.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// A session gives up its slot.
    public mutating func release() {
        require(holders > 0, "a message is released by more sessions than hold it")
        holders -= 1
    }

    /// Whether the row and its reference to the log have no more use.
    public var isSpent: Bool { holders == 0 && (isAcknowledged || isForSession) }

    /// Whether the message waits for any session of the account.
    public var isWaiting: Bool { !isAcknowledged && !isForSession }
}

/// The messages of all accounts (`Docs/relay-protocol.md` §7.2).
///
/// The number in the log, which only grows, is also the place in the mailbox. Each row holds one reference to the log,
/// whatever the number of slots: counting them here saves a row for each message.
public enum MailboxTable {
    /// The row of one message.
    public static func row(
        _ account: AddressNumber, _ sequence: UInt64, in store: some KeyValueTransaction
    ) -> MailboxRow? {
        let key = NumberKey.two(account.value, sequence)
        var row: MailboxRow?
        return store.read(.mailbox, key.span) { row = decode($0) } ? row : nil
    }

    /// Stores the row of one message.
    public static func put(
        _ account: AddressNumber, _ sequence: UInt64, _ row: MailboxRow, in store: some KeyValueTransaction
    ) {
        var flags: UInt8 = (row.isAcknowledged ? 1 : 0) | (row.isForSession ? 2 : 0)
        let key = NumberKey.two(account.value, sequence)
        let holders = row.holders
        let (high, low) = (UInt8(truncatingIfNeeded: holders >> 8), UInt8(truncatingIfNeeded: holders))
        let mark = row.resourceMark ?? 0
        guard let weight = row.weight else {
            let value: InlineArray<7, UInt8> = [
                flags, high, low, byte(mark, 24), byte(mark, 16), byte(mark, 8), byte(mark, 0),
            ]
            return store.put(.mailbox, key.span, value.span.extracting(first: row.resourceMark == nil ? 3 : 7))
        }
        if row.resourceMark == nil { flags |= noMarkFlag }
        let (bytes, sender) = (weight.bytes, weight.sender)
        let value: InlineArray<19, UInt8> = [
            flags, high, low, byte(mark, 24), byte(mark, 16), byte(mark, 8), byte(mark, 0),
            byte(bytes, 24), byte(bytes, 16), byte(bytes, 8), byte(bytes, 0),
            byte(sender, 56), byte(sender, 48), byte(sender, 40), byte(sender, 32),
            byte(sender, 24), byte(sender, 16), byte(sender, 8), byte(sender, 0),
        ]
        store.put(.mailbox, key.span, value.span)
    }

    private static func byte<Number: FixedWidthInteger>(_ number: Number, _ shift: Number) -> UInt8 {
        UInt8(truncatingIfNeeded: number &>> shift)
    }

    /// Where a mark would stand there is none, since something follows.
    private static let noMarkFlag: UInt8 = 4

    /// Removes a row and gives its message back to the log.
    public static func remove(_ account: AddressNumber, _ sequence: UInt64, in store: some KeyValueTransaction) {
        let key = NumberKey.two(account.value, sequence)
        if store.delete(.mailbox, key.span) { StanzaLog.release(sequence, in: store) }
    }

    /// The oldest message of an account.
    public static func first(
        of account: AddressNumber, in store: some KeyValueTransaction
    ) -> (sequence: UInt64, row: MailboxRow)? {
        var first: (UInt64, MailboxRow)?
        forEach(account, from: 0, in: store) { sequence, row in
            first = (sequence, row)
            return false
        }
        return first
    }

    /// The place of the newest message of an account.
    public static func last(of account: AddressNumber, in store: some KeyValueTransaction) -> UInt64? {
        let prefix = keyBytes(account, 0)[..<8]
        guard let found = store.lastEntry(.mailbox, before: keyBytes(account, .max)), found.key.starts(with: prefix) else {
            return nil
        }
        return UInt64(bigEndianBytes: found.key.span.extracting(8...))
    }

    /// Calls `body` for the messages from `sequence` on, in order, until it returns false. `body` must not write.
    public static func forEach(
        _ account: AddressNumber, from sequence: UInt64, in store: some KeyValueTransaction,
        _ body: (UInt64, MailboxRow) -> Bool
    ) {
        var next = keyBytes(account, sequence)
        let prefix = Array(next[..<8])
        while let found = store.firstEntry(.mailbox, atOrAfter: next), found.key.starts(with: prefix) {
            var reader = ByteReader(found.key, from: 8)
            let sequence: UInt64 = reader.take()
            if !body(sequence, decode(found.value.span)) { return }
            next = keyBytes(account, sequence + 1)
        }
    }

    /// How many messages an account has, counting no further than `limit`.
    public static func count(of account: AddressNumber, upTo limit: Int, in store: some KeyValueTransaction) -> Int {
        var count = 0
        let prefix = Array(keyBytes(account, 0)[..<8])
        store.forEach(.mailbox, prefix: prefix) { _, _ in
            count += 1
            return count < limit
        }
        return count
    }

    private static func keyBytes(_ account: AddressNumber, _ sequence: UInt64) -> [UInt8] {
        let key = NumberKey.two(account.value, sequence)
        return Array(key.span)
    }

    private static func decode(_ bytes: Span<UInt8>) -> MailboxRow {
        require(bytes.count >= 3, "a mailbox row of \(bytes.count) bytes")
        var row = MailboxRow(holders: UInt16(bytes[1]) << 8 | UInt16(bytes[2]), isForSession: bytes[0] & 2 != 0)
        row.isAcknowledged = bytes[0] & 1 != 0
        if bytes.count >= 7, bytes[0] & noMarkFlag == 0 {
            row.resourceMark = (3..<7).reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
        }
        if bytes.count >= 19 {
            row.weight = MailboxRow.Weight(
                bytes: (7..<11).reduce(0) { $0 << 8 | UInt32(bytes[$1]) },
                sender: UInt64(bigEndianBytes: bytes.extracting(11..<19)))
        }
        return row
    }
}
