import Collections
import MartletPrimitives
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

    /// A ping that was not answered, where XEP-0198 is not offered.
    struct Fence: Equatable {
        /// Its id.
        var id: String
        /// How many unproven stanzas stand before it.
        var covers: Int
        /// When it was sent.
        var raisedAt: Instant
    }

    /// How long a foreign server may be silent on any line, milliseconds: one that writes its store, or counts for all its
    /// streams at once, does nothing else for seconds, and is sent everything again if it is not waited for.
    static let patience: Int64 = 10_000

    /// Stanzas written and not proven, oldest first.
    private(set) var unproven: Deque<Written> = []
    /// How many of them the peer has to prove.
    private(set) var unprovenCount = 0
    /// Stanzas that the peer has acknowledged, modulo 2³² (XEP-0198 §4).
    private var acknowledged: UInt32 = 0
    /// An `<r/>` is outstanding.
    private var wasRequested = false
    /// Whether the peer is asked with XEP-0198.
    private(set) var isManaged: Bool
    /// Pings without an answer, oldest first: an answer may be lost while the next one is not.
    private(set) var fences: [Fence] = []

    /// On a stream that begins; `managed`: XEP-0198 is asked for.
    init(managed: Bool) {
        isManaged = managed
    }

    /// Whether nothing waits for a proof.
    var isProven: Bool { unprovenCount == 0 }

    /// How the peer acknowledges, for the operator.
    var name: String { isManaged ? "stream management" : "ping fence" }

    /// Whether the end of the stream leaves an entry in doubt.
    var hasUnprovenEntry: Bool {
        unproven.contains { if case .entry = $0 { true } else { false } }
    }

    /// Whether something beside the lanes may not have arrived.
    var hasUnprovenBeside: Bool {
        unproven.contains { if case .beside = $0 { true } else { false } }
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
        /// A ping.
        case fence
    }

    /// The end of a batch: how the peer is asked for proof; nil where nothing wants it or a question is outstanding.
    mutating func batchEnded() -> Question? {
        guard !isProven else { return nil }
        guard isManaged else { return fences.isEmpty ? .fence : nil }
        guard !wasRequested else { return nil }
        wasRequested = true
        return .count
    }

    /// The peer is silent: how it is asked for a sign of life.
    var question: Question { isManaged ? .count : .fence }

    /// A ping with this id was sent behind everything unproven.
    mutating func fenceRaised(_ id: String, at now: Instant) {
        fences.append(Fence(id: id, covers: unprovenCount, raisedAt: now))
    }

    /// A ping was answered, of those that are outstanding: the entries that this proves. Those before it are answered with it.
    mutating func fenceAnswered(_ index: Int) -> [(LaneClass, UInt64)] {
        let covered = fences[index].covers
        fences.removeSubrange(...index)
        for later in fences.indices { fences[later].covers -= covered }
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
        isManaged = false
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
