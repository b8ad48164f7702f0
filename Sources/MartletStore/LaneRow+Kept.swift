import MartletPrimitives
import XMPPStanzas

/// A numbering of a lane that ended.
public struct EndedEpoch: Sendable, Equatable {
    /// Its name.
    public var epoch: Epoch
    /// The place before its number 1; nil where a build ended it that did not note it.
    public var base: UInt64?

    /// A numbering that began behind `base`.
    public init(_ epoch: Epoch, base: UInt64?) {
        self.epoch = epoch
        self.base = base
    }
}

/// Entries that were acknowledged one after the other and are kept for the case that the peer's store goes back in time
/// (`Docs/relay-protocol.md` S2). They go together, when the time of the first is over and an eighth more: so the row of a lane knows how
/// old its kept entries are without asking each of them.
public struct KeptRun: Sendable, Equatable {
    /// The place of the last of them.
    public var until: UInt64
    /// Its tag.
    public var tag: UInt64
    /// When the first of them was acknowledged.
    public var since: Instant
    /// What they take, as on the wire.
    public var bytes: UInt64

    /// A run.
    public init(until: UInt64, tag: UInt64, since: Instant, bytes: UInt64) {
        self.until = until
        self.tag = tag
        self.since = since
        self.bytes = bytes
    }
}

/// How long, and how much of, what was acknowledged is kept. Runs are an eighth of each.
public struct KeepLimit: Sendable, Equatable {
    /// Milliseconds after the acknowledgement; 0: nothing is kept.
    public var time: Int64
    /// Bytes of one peer; 0: nothing is kept.
    public var bytes: UInt64

    /// These limits.
    public init(time: Int64, bytes: UInt64) {
        self.time = time
        self.bytes = bytes
    }

    /// Whether anything is kept.
    public var keepsAnything: Bool { time > 0 && bytes > 0 }
    /// A run takes nothing more so long after its first.
    var runTime: Int64 { max(1, time / Self.runs) }
    /// A run takes nothing more beyond so much.
    var runBytes: UInt64 { max(1, bytes / UInt64(Self.runs)) }

    private static let runs: Int64 = 8
}

extension LaneRow {
    /// The place of the last acknowledged entry.
    public var ackedPlace: UInt64 { base + acked }
    /// The place of the last entry.
    public var lastPlace: UInt64 { base + assigned }
    /// Entries that are kept.
    public var keptCount: UInt64 { ackedPlace - min(ackedPlace, floor) }
    /// What they take.
    public var keptBytes: UInt64 { kept.reduce(0) { $0 + $1.bytes } }

    /// The place before number 1 of a numbering of ours, if it is known.
    public func start(of epoch: Epoch) -> UInt64? {
        epoch == self.epoch ? base : retired.last { $0.epoch == epoch }?.base
    }

    /// What was acknowledged up to now, of which the last `bytes` are new, is kept.
    public mutating func keepAcknowledged(_ bytes: UInt64, at now: Instant, _ limit: KeepLimit) {
        reached = max(reached, ackedPlace)
        if let last = kept.last, now - last.since < limit.runTime, last.bytes + bytes <= limit.runBytes {
            kept[kept.count - 1] = KeptRun(
                until: ackedPlace, tag: ackedTag, since: last.since, bytes: last.bytes + bytes)
        } else {
            kept.append(KeptRun(until: ackedPlace, tag: ackedTag, since: now, bytes: bytes))
        }
    }

    /// Nothing is kept of what was acknowledged.
    public mutating func keepNothing() {
        reached = max(reached, ackedPlace)
        kept = []
        floor = ackedPlace
        floorTag = ackedTag
    }

    /// Entries behind the last acknowledged one were taken out, up to `number`: what is kept would not be whole.
    public mutating func tookOut(upTo number: UInt64) {
        kept = []
        floor = base + number
        floorTag = 0
    }

    /// When the oldest run has to go; nil where nothing is kept.
    public func keptUntil(_ limit: KeepLimit) -> Instant? { kept.first.map { $0.since + limit.time + limit.runTime } }

    /// The oldest run goes.
    public mutating func dropOldestRun() {
        guard !kept.isEmpty else { return }
        let run = kept.removeFirst()
        floor = run.until
        floorTag = run.tag
    }

    /// The peer has nothing behind `number`, which carried `tag`: what is kept behind it waits again.
    public mutating func goBack(to number: UInt64, tag: UInt64) {
        // Whose message waits again is not told that it waits since it was written.
        warned = max(warned, acked)
        acked = number
        ackedTag = tag
        cutKept(to: base + number, tag: tag)
    }

    /// Ends the numbering: what stands behind `place` is 1, 2, 3 … of `epoch`, and stays where it is. Of what is kept, that which stands
    /// behind the place waits again.
    public mutating func renumber(_ epoch: Epoch, behind place: UInt64) {
        require(place >= floor && place <= lastPlace, "a numbering behind \(place), there are \(floor) to \(lastPlace)")
        retired = Array((retired + [EndedEpoch(self.epoch, base: base)]).suffix(Self.retiredLimit))
        self.epoch = epoch
        // What was uncertain stays so under its new number.
        if let stop { offered = max(offered, min(stop.uncertainUpTo, assigned)) }
        let tag = place == ackedPlace ? ackedTag : 0
        let (last, lastOffered, lastWarned) = (lastPlace, base + offered, max(base + warned, min(reached, lastPlace)))
        base = place
        assigned = last - place
        acked = 0
        ackedTag = 0
        offered = lastOffered - min(lastOffered, place)
        warned = lastWarned - min(lastWarned, place)
        provenOtherwise = false
        isDecided = false
        stop = nil
        cutKept(to: place, tag: tag)
    }

    /// Nothing behind `place` is kept any more.
    private mutating func cutKept(to place: UInt64, tag: UInt64) {
        guard let cut = kept.firstIndex(where: { $0.until >= place }) else { return }
        let isBetween = place > (cut == 0 ? floor : kept[cut - 1].until)
        let run = kept[cut]
        kept.removeSubrange(cut...)
        if isBetween {
            kept.append(KeptRun(until: place, tag: run.until == place ? run.tag : tag, since: run.since, bytes: run.bytes))
        }
    }

    /// What ``LaneTable`` writes behind the stop.
    func putKept(to writer: inout ByteWriter) {
        writer.put(floor)
        writer.put(floorTag)
        writer.put(reached)
        writer.put(UInt8(min(retired.count, Self.retiredLimit)))
        for ended in retired.suffix(Self.retiredLimit) {
            writer.put(ended.epoch.high)
            writer.put(ended.epoch.low)
            writer.put(ended.base ?? Self.unknown)
        }
        writer.put(UInt32(clamping: kept.count))
        for run in kept {
            writer.put(run.until)
            writer.put(run.tag)
            writer.put(run.since.milliseconds)
            writer.put(run.bytes)
        }
    }

    /// Reads that.
    mutating func takeKept(from reader: inout ByteReader) {
        floor = reader.take()
        floorTag = reader.take()
        reached = reader.take()
        for _ in 0..<reader.take(UInt8.self) {
            let epoch = Epoch(high: reader.take(), low: reader.take())
            let base: UInt64 = reader.take()
            retired.append(EndedEpoch(epoch, base: base == Self.unknown ? nil : base))
        }
        for _ in 0..<reader.take(UInt32.self) {
            kept.append(
                KeptRun(
                    until: reader.take(), tag: reader.take(), since: Instant(milliseconds: reader.take()), bytes: reader.take())
            )
        }
    }

    /// A place that no entry has.
    private static let unknown = UInt64.max
}
