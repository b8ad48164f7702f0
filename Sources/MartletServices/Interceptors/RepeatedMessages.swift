import Collections
import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import XMPPStanzas
import XMPPXML

/// Recognises a message that a client sends again without resuming its session: same account, addressee, origin-id
/// (XEP-0359) and content within a day (`Docs/relay-protocol.md` §7.3). Such a client never saw our acknowledgement, so the
/// message counts as handled and is not routed a second time. One that came back with an error is forgotten: who sends it
/// again then knows what happened to the first.
///
/// An interceptor (``InterceptorKind/repeatedMessages``). The rows are in the store; here is what is needed to find them fast.
public struct RepeatedMessages {
    /// Look-up only.
    private var known: [UInt64: (fingerprint: UInt64, row: UInt64)] = [:]
    /// Oldest first, as in the store.
    private var messages: Deque<(row: UInt64, message: RecentMessage)> = []
    /// Those of this batch, which become one row at its end.
    private var unwritten: [RecentMessage] = []
    /// The number of that row.
    private var nextRow: UInt64 = 1

    private let limit: Int

    /// How long a message is remembered, milliseconds: a laptop is closed overnight.
    static let lifetime: Int64 = 86_400_000
    /// Messages remembered on the whole site, 3 MB: a busy office's day; beyond it the oldest go.
    static let limit = 65_536
    /// Messages forgotten in the turn of one: more than one, so that a backlog shrinks; few, so that a turn is short.
    private static let removalsPerTurn = 4

    /// After a start.
    init(in store: some KeyValueTransaction) {
        limit = Self.limit
        messages = Deque(RecentMessageTable.all(in: store))
        for (row, message) in messages { known[message.name] = (message.fingerprint, row) }
        nextRow = (messages.last?.row ?? 0) + 1
    }

    /// No messages; another limit is for tests.
    init(limit: Int = Self.limit) {
        self.limit = limit
    }

    /// Where it looks.
    static let checkpoints: [Checkpoint] = [.fromClient]

    /// A message of a client may be one that came before. Who has no stream management was never told what was taken over, and sends
    /// nothing again.
    mutating func judge(_ envelope: borrowing Envelope, _ turn: Turn) -> Verdict {
        guard envelope.stanza.kind == .message, case .session(let origin) = envelope.origin, origin.isManaged,
            envelope.stanza.isDurableMessage, turn.admits(.talk),
            isRepeated(envelope.stanza, of: origin.account, now: turn.now, in: turn.store)
        else { return .pass }
        if let from = envelope.stanza.from { turn.note(.repeatedMessageIgnored(from)) }
        return .drop(.repeated)
    }

    /// Something goes to an account. An error says that a message of the account did not arrive: who sends it again knows that. Told
    /// whether or not the rule is in force, since it may be so again.
    mutating func noteFailure(_ envelope: borrowing Envelope, _ turn: Turn) {
        guard envelope.stanza.kind == .message, let id = envelope.stanza.id, let to = envelope.stanza.to,
            let account = AddressTable.number(of: to.bare, in: turn.store)
        else { return }
        failed(id, of: account, in: turn.store)
    }

    /// Whether the message was taken over before; if not, it is remembered in the transaction that takes it over, which
    /// ``write(in:)`` sees to.
    mutating func isRepeated(
        _ stanza: Stanza, of account: AddressNumber, now: Instant, in store: some KeyValueTransaction
    ) -> Bool {
        forget(before: now + -Self.lifetime, in: store)
        guard let id = stanza.id, let fingerprint = Self.digest(of: stanza, account) else { return false }
        let name = Self.name(id, account)
        if known[name]?.fingerprint == fingerprint { return true }
        let message = RecentMessage(name: name, fingerprint: fingerprint, acceptedAt: now)
        known[name] = (fingerprint, nextRow)
        messages.append((nextRow, message))
        unwritten.append(message)
        if unwritten.count == RecentMessageTable.rowLimit { write(in: store) }
        return false
    }

    /// At the end of a batch: what it has to remember is one row, since a row for each message would cost a tenth of taking it
    /// over.
    mutating func write(in store: some KeyValueTransaction) {
        if unwritten.isEmpty { return }
        RecentMessageTable.append(nextRow, unwritten, in: store)
        unwritten.removeAll(keepingCapacity: true)
        nextRow += 1
    }

    /// A message of the account came back with an error.
    mutating func failed(_ id: String, of account: AddressNumber, in store: some KeyValueTransaction) {
        let name = Self.name(id, account)
        guard let entry = known.removeValue(forKey: name) else { return }
        if entry.row == nextRow {
            unwritten.removeAll { $0.name == name }
        } else {
            RecentMessageTable.remove(name, from: entry.row, in: store)
        }
    }

    private static func name(_ id: String, _ account: AddressNumber) -> UInt64 {
        var writer = ByteWriter(capacity: 64)
        writer.put(account.value)
        writer.put(id)
        return ByteReader.first(Digest.hash(.sha256, writer.bytes))
    }

    private mutating func forget(before instant: Instant, in store: some KeyValueTransaction) {
        for _ in 0..<Self.removalsPerTurn {
            guard let (row, first) = messages.first, first.acceptedAt < instant || messages.count >= limit else { return }
            messages.removeFirst()
            if let entry = known[first.name], entry == (first.fingerprint, row) { known[first.name] = nil }
            if messages.first?.row == row { continue }
            if row == nextRow { unwritten = [] } else { RecentMessageTable.remove(row, in: store) }
        }
    }

    /// nil without an origin-id: then two equal messages may be meant. The stamp that a client adds when it sends again
    /// (XEP-0203) is not part of the content. The bytes are taken as they came, which is what a client sends again; building
    /// them anew from a tree cost a third of taking a message over, and reading them for the origin-id, which is among them,
    /// a tenth.
    private static func digest(of stanza: Stanza, _ account: AddressNumber) -> UInt64? {
        guard stanza.traits.contains(.originID) else { return nil }
        var writer = ByteWriter(capacity: stanza.content.count + 128)
        writer.put(account.value)
        if let to = stanza.to {
            var address: [UInt8] = []
            to.write(to: &address)
            address.withUnsafeBytes { writer.append($0) }
        }
        writer.put(UInt8(0))
        writer.put(stanza.type)
        if stanza.traits.contains(.delay) {
            guard let content = withoutDelay(stanza.content) else { return nil }
            content.withUnsafeBytes { writer.append($0) }
        } else {
            stanza.content.withUnsafeBytes { writer.append($0) }
        }
        return ByteReader.first(Digest.hash(.sha256, writer.bytes))
    }

    private static func withoutDelay(_ content: [UInt8]) -> [UInt8]? {
        guard let tape = tape(of: content) else { return nil }
        var rest: [UInt8] = []
        var position = tape.contentRange().lowerBound
        for payload in tape.children() where tape.is("delay", Namespaces.delay, at: payload) {
            let range = tape.range(of: payload)
            rest += tape.bytes[position..<range.lowerBound]
            position = range.upperBound
        }
        return rest + tape.bytes[position..<tape.contentRange().upperBound]
    }

    /// The content inside of an element, since a tape has one root.
    private static func tape(of content: [UInt8]) -> ElementTape? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count + 7)
        bytes += "<c>".utf8
        bytes += content
        bytes += "</c>".utf8
        var limits = XMLLimits()
        limits.stanzaBytes = 1 << 30
        limits.bearsUnusualNames = true
        return try? ElementTape(parsing: bytes, context: NamespaceContext(Namespaces.client), limits: limits)
    }
}
