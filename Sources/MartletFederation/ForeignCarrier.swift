import Collections
import MartletStore
import XMPPStanzas

/// What is known about stanzas written to a foreign server (`Docs/relay-protocol.md` §6, rungs 1 to 3).
///
/// Owned by its ``LinkStream``.
struct ForeignCarrier {
    /// Something written, or a void that foreign servers need not see, in its place in the order.
    enum Written {
        /// An entry, by its lane and number.
        case entry(LaneClass, UInt64)
        /// An unnumbered stanza.
        case beside
        /// A number that carries nothing.
        case void(LaneClass, UInt64)
    }

    /// The state of the ping fence, where XEP-0198 is not offered.
    struct Fence {
        /// The outstanding ping and how many unproven stanzas it covers.
        var outstanding: (id: String, covers: Int)?
        /// Pings in a row without an answer.
        var unanswered = 0
    }

    /// Stanzas written and not proven, oldest first.
    private(set) var unproven: Deque<Written> = []
    /// How many of them the peer has to prove.
    private(set) var unprovenCount = 0
    /// Stanzas that the peer has acknowledged, modulo 2³² (XEP-0198 §4).
    private var acknowledged: UInt32 = 0
    /// An `<r/>` is outstanding.
    private var wasRequested = false
    /// nil with XEP-0198.
    private(set) var fence: Fence?

    /// On a stream that begins; `managed`: XEP-0198 is asked for.
    init(managed: Bool) {
        fence = managed ? nil : Fence()
    }

    /// Whether the peer is asked with XEP-0198.
    var isManaged: Bool { fence == nil }

    /// Whether nothing waits for a proof.
    var isProven: Bool { unprovenCount == 0 }

    /// How the peer acknowledges, for the operator.
    var name: String { isManaged ? "stream management" : "ping fence" }

    /// Whether the end of the stream leaves an entry in doubt.
    var hasUnprovenEntry: Bool {
        unproven.contains { if case .entry = $0 { true } else { false } }
    }

    /// Something was written, or skipped.
    mutating func wrote(_ written: Written) {
        unproven.append(written)
        if case .void = written { return }
        unprovenCount += 1
    }

    /// A number that carries nothing was reached, of which the peer sees nothing: the entries that count as proven with it,
    /// itself among them where nothing before it waits.
    mutating func skipped(_ lane: LaneClass, _ number: UInt64) -> [(LaneClass, UInt64)] {
        wrote(.void(lane, number))
        return proved(0)
    }

    /// How a peer is asked to prove what it got.
    enum Question: Equatable {
        /// `<r/>`
        case count
        /// A ping, unless one is outstanding.
        case fence
    }

    /// The end of a batch: how the peer is asked for proof; nil where nothing wants it or a question is outstanding.
    mutating func batchEnded() -> Question? {
        guard !isProven else { return nil }
        guard isManaged else { return isFenceOutstanding ? nil : .fence }
        guard !wasRequested else { return nil }
        wasRequested = true
        return .count
    }

    /// The peer is silent: how it is asked for a sign of life; nil where a ping is outstanding that it has not answered.
    var question: Question? {
        if isManaged { return .count }
        return isFenceOutstanding ? nil : .fence
    }

    private var isFenceOutstanding: Bool { fence?.outstanding != nil }

    /// A ping with this id was sent behind everything unproven.
    mutating func fenceRaised(_ id: String) { fence?.outstanding = (id, unprovenCount) }

    /// Nobody answered the ping: how often in a row.
    mutating func fenceIgnored() -> Int {
        fence?.unanswered += 1
        return fence?.unanswered ?? 0
    }

    /// The outstanding ping was answered: the entries that this proves.
    mutating func fenceAnswered() -> [(LaneClass, UInt64)] {
        let covered = fence?.outstanding?.covers ?? 0
        fence = Fence()
        return proved(covered)
    }

    /// The peer has handled `h` stanzas (XEP-0198 §4): the entries that this proves; nil where it claims more than was sent.
    mutating func counted(_ h: UInt32) -> [(LaneClass, UInt64)]? {
        let proven = Int(h &- acknowledged)
        guard proven <= unprovenCount else { return nil }
        wasRequested = false
        acknowledged = h
        return proved(proven)
    }

    /// The peer offered XEP-0198 and refuses it now: the fence takes over.
    mutating func managementRefused() {
        fence = Fence()
        wasRequested = false
    }

    /// The peer closed its stream after ours: it has parsed everything.
    mutating func closeAnswered() -> [(LaneClass, UInt64)] { proved(unprovenCount) }

    /// Takes the oldest `count` stanzas as proven, with the voids behind them, and gives their entries.
    mutating func proved(_ count: Int) -> [(LaneClass, UInt64)] {
        var left = min(count, unprovenCount)
        unprovenCount -= left
        var entries: [(LaneClass, UInt64)] = []
        while let first = unproven.first {
            switch first {
            case .entry(let lane, let number):
                guard left > 0 else { return entries }
                left -= 1
                entries.append((lane, number))
            case .beside:
                guard left > 0 else { return entries }
                left -= 1
            case .void(let lane, let number):
                entries.append((lane, number))
            }
            unproven.removeFirst()
        }
        return entries
    }
}
