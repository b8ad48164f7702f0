import Collections
import MartletPrimitives
import MartletStore
import XMPPStanzas

/// One outgoing lane of a link: its durable row and where the stream that carries it now stands.
///
/// Owned by its ``PeerLink``; the part below `row` lives as long as a stream.
struct OutgoingLane {
    /// Which lane of its link.
    let laneClass: LaneClass
    /// The durable lane, once something was sent on it.
    var id: LaneID?
    /// The durable row, with its last numbers; on disk at the end of the batch.
    var row: LaneRow?
    /// Numbers were given in this batch, which the row on disk does not have yet.
    var isUnwritten = false

    /// Everything up to this number is acknowledged or void: nothing there expires or waits any more. Found by looking, a
    /// part in each turn, and never further back than the truth.
    private(set) var settled: UInt64 = 0
    /// Entries that were acknowledged may still be there.
    var hasLeftovers = false
    /// How far a decision about uncertain entries was carried out.
    var decidedUpTo: UInt64 = 0

    /// The last number given before this process began: only those can have a history that this store does not know.
    private(set) var assignedBefore: UInt64 = 0

    /// The current stream may carry the lane: the peer said what it has, or is foreign.
    var isOpen = false
    /// The next number to write to the current stream.
    private(set) var nextToSend: UInt64 = 1
    /// The tag of the entry before that one.
    private var previousTag: UInt64 = 0
    /// The tag of what the peer has of another numbering of this lane, which ours replaces.
    private(set) var replacedTag: UInt64?
    /// What was written to the current stream and is not acknowledged, oldest first: its size, and when it was written.
    private var written: Deque<(bytes: Int, at: Instant)> = []
    /// The bytes of that.
    private(set) var bytesInFlight = 0

    /// The entry at which the last streams ended, and how many in a row.
    private var suspected: (number: UInt64, strikes: Int) = (0, 0)

    /// A lane on which nothing was sent.
    init(_ laneClass: LaneClass) {
        self.laneClass = laneClass
    }

    /// Where the entries stand.
    var entries: LaneEntries? {
        guard let id, let row else { return nil }
        return LaneEntries(id, base: row.base)
    }

    /// The first entry that can be waiting.
    var firstUnsettled: UInt64 { max(settled, row?.acked ?? 0) + 1 }

    /// Everything up to `number` was seen to be void.
    mutating func settle(upTo number: UInt64) { settled = max(settled, number) }

    /// Entries on disk without acknowledgement.
    var waiting: UInt64 { row?.waiting ?? 0 }
    /// Entries written to the current stream without acknowledgement.
    var inFlight: Int { written.count }

    /// Something waits that the current stream may not carry before the peer has said what it has.
    var awaitsOpening: Bool { !isOpen && waiting > 0 && row?.isStopped != true }

    /// What a `<have/>` means for the lane (`Docs/relay-protocol.md` §3, S2).
    enum Verdict: Equatable {
        /// Entries up to this number are the peer's; sending goes on behind it.
        case upTo(UInt64)
        /// The peer knows another numbering and we have had nothing acknowledged in ours: our store is new.
        case newStore
        /// The two records contradict each other: for the operator.
        case stop(LaneStop)
    }

    /// Compares what the peer has with our records. `tagAt` gives the tag of one of our unacknowledged entries.
    func verdict(on have: RelayMark?, tagAt: (UInt64) -> UInt64?) -> Verdict {
        guard let row else { return have == nil ? .upTo(0) : .newStore }
        guard let have else {
            return row.acked == 0
                ? .upTo(0) : .stop(peerWentBack(to: 0, "the peer went back in time: it knows nothing, it had \(row.acked)"))
        }
        guard have.epoch == row.epoch else {
            if row.acked == 0 { return .newStore }
            if row.retired.contains(have.epoch) {
                return .stop(peerWentBack(to: 0, "the peer went back in time: it knows a numbering that ended"))
            }
            return .stop(
                weWentBack(
                    have, uncertainUpTo: row.assigned, "we went back in time: the peer received a numbering after ours"))
        }
        if have.number < row.acked {
            return .stop(
                peerWentBack(to: have.number, "the peer went back in time: it has \(have.number), it had \(row.acked)"))
        }
        if have.number > row.assigned {
            return .stop(
                weWentBack(
                    have, uncertainUpTo: row.assigned,
                    "we went back in time: the peer has \(have.number), we gave numbers up to \(row.assigned)"))
        }
        let ours = have.number == row.acked ? row.ackedTag : tagAt(have.number)
        guard ours == have.tag else {
            return .stop(
                weWentBack(
                    have, uncertainUpTo: have.number,
                    "we went back in time: number \(have.number) was given to another stanza"))
        }
        return .upTo(have.number)
    }

    /// What waits here is not there: only what was acknowledged is lost, and it is gone here.
    private func peerWentBack(to number: UInt64, _ reason: String) -> LaneStop {
        LaneStop(.peer, peerNumber: number, uncertainUpTo: 0, reason: reason)
    }

    /// Of what waits here, the entries that our backup brought along may be there. What this process has numbered itself
    /// cannot: no stream has carried it there.
    func weWentBack(_ have: RelayMark?, uncertainUpTo number: UInt64, _ reason: String) -> LaneStop {
        LaneStop(.site, peerNumber: have?.number ?? 0, uncertainUpTo: min(number, assignedBefore), reason: reason)
    }

    /// The durable lane as a start finds it, or under new numbers.
    mutating func loaded(_ id: LaneID, _ row: LaneRow) {
        self.id = id
        self.row = row
        assignedBefore = row.assigned
        settled = 0
        decidedUpTo = row.acked
        streamLost()
    }

    /// Whether entry `number` may be at the peer although nobody has said so.
    /// It was written to a stream, or the store is a backup from before it was.
    func mayHaveArrived(_ number: UInt64, _ entry: EntryRow) -> Bool {
        guard let row else { return false }
        return number <= row.offered || number <= row.stop?.uncertainUpTo ?? 0 || entry.mayHaveArrived
    }

    /// What the next entry names as its predecessor.
    var after: UInt64? { nextToSend == 1 ? replacedTag : previousTag }

    /// The peer has another numbering, of which it had `tag` last: the first entry has to name that. If it named something
    /// else until now, it is written again, with all that follow.
    mutating func replaces(tag: UInt64?) {
        guard tag != replacedTag else { return }
        replacedTag = tag
        rewind()
    }

    /// The stream ends in a way that may be due to what was written: the first entry that it did not take over is suspected. How many times in a
    /// row.
    mutating func suspect() -> Int {
        let first = (row?.acked ?? 0) + 1
        suspected = (first, suspected.number == first ? suspected.strikes + 1 : 1)
        return suspected.strikes
    }

    /// Something waits that this stream has not carried.
    var hasUnsent: Bool { row.map { nextToSend <= $0.assigned } ?? false }

    /// Entry `nextToSend` was written.
    mutating func wrote(bytes: Int, tag: UInt64, at now: Instant) {
        written.append((bytes, now))
        bytesInFlight += bytes
        nextToSend += 1
        previousTag = tag
    }

    /// Entries up to `number` are acknowledged: how many bytes of this stream that were, and when the last of them was written.
    @discardableResult
    mutating func acknowledged(upTo number: UInt64, tag: UInt64) -> (bytes: Int, writtenAt: Instant)? {
        guard let acked = row?.acked, number > acked else { return nil }
        var carried: (bytes: Int, writtenAt: Instant)?
        for _ in 0..<min(Int(number - acked), written.count) {
            let (bytes, at) = written.removeFirst()
            bytesInFlight -= bytes
            carried = ((carried?.bytes ?? 0) + bytes, at)
        }
        row?.acked = number
        row?.ackedTag = tag
        if nextToSend <= number {
            nextToSend = number + 1
            previousTag = tag
        }
        return carried
    }

    /// The stream is gone: what was in flight will be sent again.
    mutating func streamLost() {
        isOpen = false
        replacedTag = nil
        rewind()
    }

    private mutating func rewind() {
        written.removeAll()
        bytesInFlight = 0
        nextToSend = (row?.acked ?? 0) + 1
        previousTag = row?.ackedTag ?? 0
    }
}
