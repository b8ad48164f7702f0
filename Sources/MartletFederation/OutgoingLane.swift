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

    /// What each entry that waits takes.
    var items = LaneItems()

    /// Everything up to this number is acknowledged or void: nothing there expires or waits any more. Found by looking, a
    /// part in each turn, and never further back than the truth.
    private(set) var settled: UInt64 = 0
    /// Entries that were acknowledged may still be there.
    var hasLeftovers = false
    /// How far a decision about uncertain entries was carried out.
    var decidedUpTo: UInt64 = 0

    /// The last place given before this process began, or 0 once it was decided what becomes of those: only up to it entries can
    /// have a history that this store does not know.
    private(set) var bornBefore: UInt64 = 0
    /// The peer was asked on this stream for the tags that it remembers: what it says otherwise meanwhile is no answer.
    var isParting = false
    /// Those that it has told; nil once something of them could not be read.
    var tags: [TagRun]? = []
    /// The peer has replaced this numbering before, or has other entries under it: nothing can be sent under it.
    var hasEnded = false

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
    /// How many of them are stanzas, not voids.
    private(set) var stanzasInFlight = 0
    /// From here on nothing was ever carried away, although it may be noted as offered, which is done for many at once; nil where only the
    /// row knows.
    private var untouched: UInt64?

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

    /// Nothing was acknowledged in this numbering, and nothing waits in one before it.
    var isFresh: Bool { row.map { $0.acked == 0 && $0.floor == $0.base } ?? true }

    /// The tag of what stands at a place, if it is known.
    func tag(at place: UInt64, _ entryTag: (UInt64) -> UInt64?) -> UInt64? {
        guard let row, place > 0, place >= row.floor, place <= row.lastPlace else { return nil }
        if place == row.ackedPlace, row.acked > 0 { return row.ackedTag }
        if place == row.floor { return row.floorTag == 0 ? nil : row.floorTag }
        return entryTag(place)
    }

    /// The durable lane as a start finds it.
    mutating func loaded(_ id: LaneID, _ row: LaneRow) {
        self.id = id
        self.row = row
        bornBefore = row.lastPlace
        settled = 0
        decidedUpTo = row.acked
        untouched = nil
        streamLost()
    }

    /// A new numbering began on the stream that carries the lane. What was uncertain is so no more where somebody has decided.
    mutating func renumbered(_ row: LaneRow, isDecided: Bool) {
        self.row = row
        if isDecided { bornBefore = 0 }
        untouched = nil
        settled = 0
        decidedUpTo = 0
        hasEnded = false
        isParting = false
        replacedTag = nil
        rewind()
    }

    /// The peer's store went back: what is kept behind `number` waits again.
    mutating func goBack(to number: UInt64, tag: UInt64) {
        row?.goBack(to: number, tag: tag)
        untouched = nil
        settled = min(settled, number)
        rewind()
    }

    /// Up to this number what waits may be there, since this store may be a backup from before it was sent.
    var uncertainUpTo: UInt64 {
        guard let row else { return 0 }
        return min(row.assigned, bornBefore - min(bornBefore, row.base))
    }

    /// An entry of this number was acknowledged before, by a peer whose store went back since.
    func wasAcknowledged(_ number: UInt64) -> Bool { row.map { $0.base + number <= $0.reached } ?? false }

    /// Entries from `number` on are noted as offered, of which none was before.
    mutating func noted(from number: UInt64) { untouched = number }

    /// Entries up to `number` were carried away, by a stream or in a bundle.
    mutating func carried(upTo number: UInt64) {
        if let first = untouched, first <= number { untouched = number + 1 }
    }

    /// Whether entry `number` may be at the peer although nobody has said so.
    /// It was written to a stream, or the store is a backup from before it was.
    func mayHaveArrived(_ number: UInt64, _ entry: EntryRow) -> Bool {
        guard let row else { return false }
        let wasCarried = number <= row.offered && number < untouched ?? .max
        return wasCarried || number <= row.stop?.uncertainUpTo ?? 0 || entry.mayHaveArrived
            || wasAcknowledged(number)
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
        if bytes > 0 { stanzasInFlight += 1 }
        carried(upTo: nextToSend)
        nextToSend += 1
        previousTag = tag
    }

    /// Entries up to `number` are acknowledged: how many bytes of this stream that were, the most in one of them, and when the last of
    /// them was written.
    @discardableResult
    mutating func acknowledged(upTo number: UInt64, tag: UInt64) -> (bytes: Int, longest: Int, writtenAt: Instant)? {
        guard let acked = row?.acked, number > acked else { return nil }
        var carried: (bytes: Int, longest: Int, writtenAt: Instant)?
        for _ in 0..<min(Int(number - acked), written.count) {
            let (bytes, at) = written.removeFirst()
            bytesInFlight -= bytes
            if bytes > 0 { stanzasInFlight -= 1 }
            carried = ((carried?.bytes ?? 0) + bytes, max(carried?.longest ?? 0, bytes), at)
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
        isParting = false
        hasEnded = false
        replacedTag = nil
        rewind()
    }

    /// Sending begins anew behind what is acknowledged.
    private mutating func rewind() {
        written.removeAll()
        bytesInFlight = 0
        stanzasInFlight = 0
        nextToSend = (row?.acked ?? 0) + 1
        previousTag = row?.ackedTag ?? 0
    }
}
