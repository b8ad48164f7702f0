import MartletBus
import MartletPrimitives
import XMPPAddress

/// What streams that ended over what was written to them have taught about a link: which stanzas its peer does not bear, and whose.
/// Owned by its ``PeerLink``; forgotten with the process.
///
/// Whoever is to blame shows when little is under way: after such an end one entry is sent at a time, and nothing beside it, until one
/// has arrived; then twice as many with each that arrives, and, where a foreign server proves them, one stanza beside them at a time. So
/// each stream brings something on, and the end of one that carried a single stanza proves which it was.
struct StreamSuspicion {
    /// A stanza beside the lanes that may not have arrived.
    struct Beside: Equatable {
        /// Who sent it.
        var sender: JID
        /// Its length.
        var bytes: Int
    }

    /// Ends in a row at which something of the same sender was under way, before its stanzas are refused: once is chance, and so it
    /// may be twice.
    static let strikes = 3
    /// How long they are, milliseconds: nobody has to ask an operator, and a program that cannot stop ends six streams in an hour.
    static let refusal: Int64 = 600_000
    /// How long the length is believed that a peer has shown not to bear, milliseconds: a day, since it may be configured otherwise.
    static let memory: Int64 = 86_400_000
    /// What every server must bear (RFC 6120 §13.12): no shorter stanza is too long.
    static let bornByAll = 10_000
    /// Senders remembered at a time.
    private static let senderLimit = 64
    /// Beyond so many at a time nothing is suspected any more.
    private static let enough = 64

    /// How old a stream is on which so much care is needless, milliseconds.
    private static let care: Int64 = 60_000

    /// A stream has ended over what was written to it: there is something to ask for.
    private(set) var hasGrounds = false
    /// How many entries may be under way; nil for as many as the window takes.
    private(set) var entriesAtOnce: Int?
    /// The longest stanza that the peer has taken.
    private(set) var longestTaken = 0
    /// The shortest one over which a stream ended that carried nothing else, and how long that is believed.
    private var tooLong: (bytes: Int, until: Instant)?
    /// Whose stanzas were under way at the last ends, at how many in a row, and how long the longest was.
    private var suspects: [(sender: JID, strikes: Int, bytes: Int)] = []
    /// Whose stanzas beside the lanes are refused for now.
    private var refused: [(sender: JID, until: Instant)] = []

    /// A stream ended over what was written to it. With whose stanzas are refused from now on.
    mutating func streamEnded(besides: [Beside], isOverSize: Bool, at now: Instant) -> JID? {
        hasGrounds = true
        entriesAtOnce = 1
        refused.removeAll { $0.until <= now }
        // Where it was about size, only those count that may be too long.
        let long = besides.filter { $0.bytes > max(Self.bornByAll, longestTaken) }
        var seen: [(sender: JID, strikes: Int, bytes: Int)] = []
        for beside in isOverSize && !long.isEmpty ? long : besides {
            let sender = beside.sender.bare
            if let index = seen.firstIndex(where: { $0.sender == sender }) {
                seen[index].bytes = max(seen[index].bytes, beside.bytes)
            } else if seen.count < Self.senderLimit {
                seen.append((sender, 1 + (suspects.first { $0.sender == sender }?.strikes ?? 0), beside.bytes))
            }
        }
        // One at a time, the longest first: most of those who are always under way have done nothing.
        suspects = seen
        guard let worst = seen.filter({ $0.strikes >= Self.strikes }).max(by: { $0.bytes < $1.bytes }) else { return nil }
        suspects.removeAll { $0.sender == worst.sender }
        if refused.count == Self.senderLimit { refused.removeFirst() }
        refused.append((worst.sender, now + Self.refusal))
        return worst.sender
    }

    /// A stream has lived that long.
    mutating func streamLived(_ milliseconds: Int64) {
        if milliseconds >= Self.care { entriesAtOnce = nil }
    }

    /// The stream ended over an entry that was alone on it: nothing as long is sent there for now.
    mutating func provedTooLong(_ bytes: Int, at now: Instant) {
        hasGrounds = true
        tooLong = (min(bytes, limit(at: now) ?? bytes), now + Self.memory)
    }

    /// From which length on nothing is sent; nil where nothing was shown.
    func limit(at now: Instant) -> Int? { tooLong.flatMap { $0.until > now ? $0.bytes : nil } }

    /// Entries have arrived, the longest of that length.
    mutating func arrived(longest bytes: Int) {
        longestTaken = max(longestTaken, bytes)
        if let limit = tooLong?.bytes, bytes >= limit { tooLong = nil }
        guard let entries = entriesAtOnce else { return }
        entriesAtOnce = entries < Self.enough ? entries * 2 : nil
    }

    /// Whether what a sender says beside the lanes is refused for now.
    func refuses(_ sender: JID, at now: Instant) -> Bool {
        !refused.isEmpty && refused.contains { $0.until > now && $0.sender.hasSameBare(as: sender) }
    }
}

extension PeerLink {
    /// Whether what goes beside the lanes waits until what goes alone has arrived (``StreamSuspicion``).
    var keepsBesides: Bool {
        guard suspicion.entriesAtOnce != nil else { return false }
        if stream?.foreign?.hasUnprovenBeside == true { return true }
        // COMPAT(Swift 6.3): a field, as in ``Federation/lengthLimit(_:_:)``.
        return suspicion.entriesAtOnce == 1 && lanes.contains { $0.waiting > 0 && $0.row?.isStopped != true }
    }
}

/// Stanzas written beside the lanes of a stream of which no proof is asked, as far as they may still be under way: what was written
/// before the last question but one that was answered has arrived. One question may have several answers, one for each lane: only the
/// first of them counts.
struct BesideMemory {
    private static let limit = 32
    private var older: [StreamSuspicion.Beside] = []
    private var recent: [StreamSuspicion.Beside] = []
    /// Something was written that wants an answer, and none came yet.
    private var isAsked = false

    /// The longest of those that may be under way; nearly always all of them.
    var underWay: [StreamSuspicion.Beside] { older + recent }

    /// One was written.
    mutating func wrote(_ sender: JID, bytes: Int) {
        guard recent.count == Self.limit else { return recent.append(StreamSuspicion.Beside(sender: sender, bytes: bytes)) }
        guard let least = recent.indices.min(by: { recent[$0].bytes < recent[$1].bytes }), recent[least].bytes < bytes else {
            return
        }
        recent[least] = StreamSuspicion.Beside(sender: sender, bytes: bytes)
    }

    /// Something was written that wants an answer: an entry, or a question.
    mutating func asked() { isAsked = true }

    /// The peer gave a sign of life.
    mutating func heard() {
        guard isAsked else { return }
        isAsked = false
        if older.isEmpty, recent.isEmpty { return }
        older = recent
        recent = []
    }
}
