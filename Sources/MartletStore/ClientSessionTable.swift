import MartletPrimitives
import XMPPStanzas

/// What has to be known of a client's session after a restart.
public struct ClientSessionRow: Sendable, Equatable {
    /// What becomes of the session when it meets a restart.
    public enum State: UInt8, Sendable {
        /// It is gone: contacts that saw it available are told so.
        case fleeting = 0
        /// It can be resumed (XEP-0198 §5).
        case resumable = 1
        /// It is over; the client may still ask how much was handled (`<failed h='…'/>`).
        case ended = 2
    }

    /// What becomes of it.
    public var state: State
    /// The prepared resourcepart.
    public var resource: String
    /// XEP-0198 `id`: unguessable. Empty for a fleeting session.
    public var token: String
    /// Whether it asked for the roster (RFC 6121 §2.2: an interested resource).
    public var isInterested = false
    /// Whether it gets copies of the account's other messages (XEP-0280).
    public var hasCarbons = false
    /// Whether it asked what the account has blocked, and is told of changes (XEP-0191).
    public var knowsBlocked = false
    /// When it ended, in site time.
    public var endedAt = Instant(milliseconds: 0)

    /// A session in that state.
    public init(state: State, resource: String, token: String) {
        self.state = state
        self.resource = resource
        self.token = token
    }
}

/// The sessions of all accounts, as far as a restart has to know them. A session has a number that its account gives out
/// once; key `account, session, part`: 0 the row, 1 the count of handled stanzas, 2 its presence. The parts are apart because
/// the count changes with each message and the others hardly ever.
public enum ClientSessionTable {
    /// A number that no session of the account has.
    public static func nextNumber(for account: AddressNumber, in store: some KeyValueTransaction) -> UInt64 {
        guard let last = store.lastEntry(.clientSession, before: key(AddressNumber(account.value + 1), 0, 0)) else { return 1 }
        var reader = ByteReader(last.key)
        return reader.take(UInt64.self) == account.value ? reader.take(UInt64.self) + 1 : 1
    }

    /// The row of a session.
    public static func row(
        _ account: AddressNumber, _ session: UInt64, in store: some KeyValueTransaction
    ) -> ClientSessionRow? {
        store.get(.clientSession, key(account, session, 0)).map(decode)
    }

    /// Stores the row of a session.
    public static func put(
        _ account: AddressNumber, _ session: UInt64, _ row: ClientSessionRow, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 64)
        writer.put(row.state.rawValue)
        writer.put(UInt8((row.isInterested ? 1 : 0) | (row.hasCarbons ? 2 : 0) | (row.knowsBlocked ? 4 : 0)))
        writer.put(row.endedAt.milliseconds)
        writer.put(row.resource)
        writer.put(row.token)
        store.put(.clientSession, key(account, session, 0), writer.bytes)
    }

    /// How many stanzas of the client were handled, modulo 2^32.
    public static func handled(_ account: AddressNumber, _ session: UInt64, in store: some KeyValueTransaction) -> UInt32 {
        guard let bytes = store.get(.clientSession, key(account, session, 1)) else { return 0 }
        var reader = ByteReader(bytes)
        return reader.take()
    }

    /// Stores how many stanzas of the client were handled.
    public static func setHandled(
        _ account: AddressNumber, _ session: UInt64, _ count: UInt32, in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 4)
        writer.put(count)
        store.put(.clientSession, key(account, session, 1), writer.bytes)
    }

    /// The last presence that the session broadcast; nil while it is unavailable.
    public static func presence(_ account: AddressNumber, _ session: UInt64, in store: some KeyValueTransaction) -> Stanza? {
        store.get(.clientSession, key(account, session, 2)).map(StanzaCoding.decode)
    }

    /// Stores the session's presence; nil when it becomes unavailable.
    public static func setPresence(
        _ account: AddressNumber, _ session: UInt64, _ presence: Stanza?, in store: some KeyValueTransaction
    ) {
        if let presence {
            store.put(.clientSession, key(account, session, 2), StanzaCoding.encode(presence))
        } else if store.get(.clientSession, key(account, session, 2)) != nil {
            store.delete(.clientSession, key(account, session, 2))
        }
    }

    /// Removes everything about a session. Its slots and directed presence are the caller's.
    public static func remove(_ account: AddressNumber, _ session: UInt64, in store: some KeyValueTransaction) {
        for part: UInt8 in 0...2 where store.get(.clientSession, key(account, session, part)) != nil {
            store.delete(.clientSession, key(account, session, part))
        }
    }

    /// The sessions of an account, or of all accounts, in the order of accounts and numbers.
    public static func sessions(
        of account: AddressNumber? = nil, in store: some KeyValueTransaction
    ) -> [(account: AddressNumber, session: UInt64, row: ClientSessionRow)] {
        var sessions: [(AddressNumber, UInt64, ClientSessionRow)] = []
        let prefix = account.map { Array(key($0, 0, 0)[..<8]) } ?? []
        store.forEach(.clientSession, prefix: prefix) { key, value in
            var reader = ByteReader(key)
            let account = AddressNumber(reader.take())
            let session: UInt64 = reader.take()
            if reader.take(UInt8.self) == 0 { sessions.append((account, session, decode(value))) }
            return true
        }
        return sessions
    }

    private static func key(_ account: AddressNumber, _ session: UInt64, _ part: UInt8) -> [UInt8] {
        var writer = ByteWriter(capacity: 17)
        writer.put(account.value)
        writer.put(session)
        writer.put(part)
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> ClientSessionRow {
        var reader = ByteReader(bytes)
        guard let state = ClientSessionRow.State(rawValue: reader.take()) else {
            ourFault("a session in unknown state")
        }
        let flags: UInt8 = reader.take()
        let endedAt = Instant(milliseconds: reader.take())
        var row = ClientSessionRow(state: state, resource: reader.takeString(), token: reader.takeString())
        row.isInterested = flags & 1 != 0
        row.hasCarbons = flags & 2 != 0
        row.knowsBlocked = flags & 4 != 0
        row.endedAt = endedAt
        return row
    }
}

/// What a session has of a message that was not for it but for another of its account (XEP-0280). The numbers stand in the store.
public enum MessageCopy: UInt8, Sendable {
    /// A copy of one that another session got.
    case received = 1
    /// A copy of one that another session has sent.
    case sent = 2
}

/// The messages that a resumable session has in hand, by the XEP-0198 number under which each was sent.
///
/// A message that was routed to the session but not written to its stream has a number from ``unsent`` on: no `h` can mean
/// it, whatever volatile stanzas were sent before a crash.
public enum ClientSlotTable {
    /// Where the numbers of messages begin that were never sent.
    public static let unsent: UInt64 = 1 << 63

    /// A message with its number.
    public struct Slot: Sendable, Equatable {
        /// The number.
        public var number: UInt64
        /// The message's place in the log.
        public var logSequence: UInt64
        /// It is sent as a copy; nil for the message itself.
        public var copy: MessageCopy?
    }

    /// Stores that a message has that number, or a copy of it.
    public static func put(
        _ account: AddressNumber, _ session: UInt64, _ number: UInt64, logSequence: UInt64, copy: MessageCopy? = nil,
        in store: some KeyValueTransaction
    ) {
        var writer = ByteWriter(capacity: 9)
        writer.put(logSequence)
        if let copy { writer.put(copy.rawValue) }
        store.put(.clientSlot, key(account, session, number), writer.bytes)
    }

    /// Removes a slot.
    public static func remove(
        _ account: AddressNumber, _ session: UInt64, _ number: UInt64, in store: some KeyValueTransaction
    ) {
        store.delete(.clientSlot, key(account, session, number))
    }

    /// The slots of a session in the order of their numbers.
    public static func slots(
        _ account: AddressNumber, _ session: UInt64, in store: some KeyValueTransaction
    ) -> [Slot] {
        var slots: [Slot] = []
        store.forEach(.clientSlot, prefix: Array(key(account, session, 0)[..<16])) { key, value in
            var reader = ByteReader(key, from: 16)
            let copy = value.count > 8 ? MessageCopy(rawValue: value[8]) : nil
            slots.append(Slot(number: reader.take(), logSequence: ByteReader.first(value), copy: copy))
            return true
        }
        return slots
    }

    private static func key(_ account: AddressNumber, _ session: UInt64, _ number: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 24)
        writer.put(account.value)
        writer.put(session)
        writer.put(number)
        return writer.bytes
    }
}
