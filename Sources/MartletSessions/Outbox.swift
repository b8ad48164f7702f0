import Collections
import MartletStore
import XMPPAddress

/// What a session was sent and has not acknowledged, and what waits until it can be sent.
///
/// With stream management every stanza stands here, numbered as XEP-0198 counts; without it only messages that must not be
/// lost, numbered the same way for the sake of the fence. Messages are references to the log, only volatile stanzas are
/// bytes. Numbers are 64 bits wide here and modulo 2^32 on the wire.
struct Outbox {
    /// A stanza.
    enum Content {
        /// A message in the log.
        case message(UInt64)
        /// A copy of a message in the log, which was for another session or came from one.
        case copy(UInt64, MessageCopy)
        /// A message that nobody was promised (``Sessions/isPromised(_:_:)``): it is written down only if the client goes
        /// without having proven that it has it.
        case kept(LoggedStanza)
        /// A stanza of which there is no other copy.
        case volatile([UInt8])
        /// An IQ request, of which there is no other copy: if it may never have reached the client, its sender is told.
        case request(RequestHead, [UInt8])
        /// The availability of somebody: worthless as soon as there is a newer one.
        case availability(of: JID, [UInt8])

        /// The message's place in the log.
        var logSequence: UInt64? {
            switch self {
            case .message(let sequence), .copy(let sequence, _): sequence
            case .kept, .volatile, .request, .availability: nil
            }
        }

        /// Whether it is the copy of another session's message, and of which kind.
        var copy: MessageCopy? { if case .copy(_, let kind) = self { kind } else { nil } }

        /// Bytes that it takes in memory, where it has `size` on the wire: for a message in the log only the reference.
        func memory(size: Int) -> Int {
            switch self {
            case .message, .copy: Outbox.entryBytes
            case .kept, .volatile, .request, .availability: size + 2 * Outbox.entryBytes
            }
        }

        /// Whether it must not be lost.
        var isMessage: Bool {
            switch self {
            case .message, .copy, .kept: true
            case .volatile, .request, .availability: false
            }
        }
    }

    /// What an IQ request is answered by (RFC 6120 §8.2.3).
    struct RequestHead {
        var from: JID
        var to: JID?
        var id: String?
    }

    /// A stanza with its number.
    struct Entry {
        var number: UInt64
        var content: Content
        /// Its bytes on the wire; 0 where a start has found it in the store.
        var size = 0

        /// What it takes in memory.
        var memory: Int { content.memory(size: size) }
    }

    /// What an entry takes beside the bytes of its stanza: itself, and about as much again for addresses and boxes.
    private static let entryBytes = 128

    /// The number of the last stanza that was acknowledged.
    private(set) var acknowledged: UInt64 = 0
    /// The number of the last stanza that was sent.
    private(set) var last: UInt64 = 0
    /// Sent and not acknowledged, in order.
    private(set) var sent: Deque<Entry> = []
    /// To be sent when the session is resumed or has caught up; numbered from ``ClientSlotTable/unsent`` on.
    private(set) var waiting: Deque<Entry> = []
    private var nextUnsent = ClientSlotTable.unsent
    /// How many messages are in no log.
    private(set) var keptCount = 0
    /// The bytes of their contents.
    private(set) var keptBytes = 0
    /// What was sent and not acknowledged has so many bytes on the wire.
    private(set) var sentBytes = 0
    /// What everything here takes in memory.
    private(set) var memory = 0
    /// What of that stanzas take of which there is no other copy and which can be lost.
    private(set) var volatileMemory = 0

    /// Notes a stanza of `size` bytes as sent, and returns its number.
    mutating func appendSent(_ content: Content, size: Int) -> UInt64 {
        last += 1
        sentBytes += size
        count(content, size)
        if case .kept(let logged) = content {
            keptCount += 1
            keptBytes += logged.stanza.content.count
        }
        sent.append(Entry(number: last, content: content, size: size))
        return last
    }

    /// Gives each message that is in no log the place that `write` found for it there, in order.
    mutating func log(_ write: (LoggedStanza) -> UInt64) {
        for index in sent.indices where keptCount > 0 {
            guard case .kept(let logged) = sent[index].content else { continue }
            memory -= sent[index].memory
            sent[index].content = .message(write(logged))
            memory += sent[index].memory
            keptCount -= 1
            keptBytes -= logged.stanza.content.count
        }
    }

    /// The messages of which the store has no copy.
    var kept: [LoggedStanza] {
        keptCount == 0 ? [] : sent.compactMap { if case .kept(let logged) = $0.content { logged } else { nil } }
    }

    /// Notes a stanza of `size` bytes as waiting, and returns its number.
    mutating func appendWaiting(_ content: Content, size: Int) -> UInt64 {
        if case .availability(let address, _) = content {
            // A contact behind a bad line comes and goes many times while nobody looks.
            let older = waiting.firstIndex { if case .availability(address, _) = $0.content { true } else { false } }
            if let older { uncount(waiting.remove(at: older)) }
        }
        defer { nextUnsent += 1 }
        waiting.append(Entry(number: nextUnsent, content: content, size: size))
        count(content, size)
        return nextUnsent
    }

    /// Takes over a slot from the store after a restart.
    mutating func restore(_ slot: ClientSlotTable.Slot) {
        let (number, sequence) = (slot.number, slot.logSequence)
        let entry = Entry(number: number, content: slot.copy.map { .copy(sequence, $0) } ?? .message(sequence))
        count(entry.content, 0)
        if number >= ClientSlotTable.unsent {
            waiting.append(entry)
            nextUnsent = number + 1
        } else {
            if sent.isEmpty { acknowledged = number - 1 }
            sent.append(entry)
            last = number
        }
    }

    /// The number that `h` on the wire means: the first one not below what was acknowledged before.
    func number(ofHandled h: UInt32) -> UInt64 { Self.number(ofHandled: h, behind: acknowledged) }

    /// The same for whoever has an outbox in a session. COMPAT(Swift 6.3): without optimisation a method of an outbox that is yielded as a
    /// part of a session is called with a copy that was freed before, since it has more fields than are passed one by one; fields and
    /// mutating methods are not concerned. The address sanitizer sees it.
    static func number(ofHandled h: UInt32, behind acknowledged: UInt64) -> UInt64 {
        acknowledged + UInt64(h &- UInt32(truncatingIfNeeded: acknowledged))
    }

    /// Removes what is acknowledged by `number`, and returns those of which the log knows.
    mutating func acknowledge(upTo number: UInt64) -> [Entry] {
        acknowledged = max(acknowledged, min(number, last))
        var removed: [Entry] = []
        while let first = sent.first, first.number <= number {
            switch first.content {
            case .message, .copy: removed.append(first)
            case .kept(let logged):
                keptCount -= 1
                keptBytes -= logged.stanza.content.count
            case .volatile, .request, .availability: break
            }
            sentBytes -= first.size
            uncount(first)
            sent.removeFirst()
        }
        return removed
    }

    /// Takes the oldest stanza that waits.
    mutating func takeWaiting() -> Entry? {
        guard let entry = waiting.popFirst() else { return nil }
        uncount(entry)
        return entry
    }

    /// Gives up everything of which there is no other copy and which can be lost; returns the requests among it, whose senders are told.
    mutating func dropVolatile() -> [RequestHead] {
        var heads: [RequestHead] = []
        for entry in Array(sent) + Array(waiting) { if case .request(let head, _) = entry.content { heads.append(head) } }
        let isLost = { (entry: Entry) in !entry.content.isMessage }
        sent.removeAll(where: isLost)
        waiting.removeAll(where: isLost)
        sentBytes = sent.reduce(0) { $0 + $1.size }
        memory -= volatileMemory
        volatileMemory = 0
        return heads
    }

    private mutating func count(_ content: Content, _ size: Int) {
        let bytes = content.memory(size: size)
        memory += bytes
        if !content.isMessage { volatileMemory += bytes }
    }

    private mutating func uncount(_ entry: Entry) {
        memory -= entry.memory
        if !entry.content.isMessage { volatileMemory -= entry.memory }
    }

    /// Takes everything, sent and waiting, and starts counting anew from `number`.
    mutating func restart(from number: UInt64) -> [Entry] {
        let entries = Array(sent) + Array(waiting)
        sent.removeAll()
        waiting.removeAll()
        (sentBytes, memory, volatileMemory) = (0, 0, 0)
        (keptCount, keptBytes) = (0, 0)
        acknowledged = number
        last = number
        nextUnsent = ClientSlotTable.unsent
        return entries
    }
}
