import MartletStore
import XMPPStanzas
import XMPPXML

/// What the peer remembers of an incoming lane of its own (`Docs/relay-protocol.md` R6).
struct LaneHistory: Equatable {
    /// Tags that came one after the other, the oldest first.
    var runs: [TagRun]
    /// That is all that ever came.
    var isAll: Bool

    /// What a destination remembers.
    init(runs: [TagRun], isAll: Bool) {
        self.runs = runs
        self.isAll = isAll
    }

    /// The answer to the question for it, `tags` being those that came before it; nil from any other `<have/>`.
    init?(_ have: Element, tags: [TagRun]?) {
        guard let all = have["all"] else { return nil }
        runs = tags ?? []
        isAll = all == "true" && tags != nil
    }

    /// Tags that are told at once: no peer's limit for a stanza is less than 10,000 bytes (RFC 6120 §13.12).
    static let tagsAtOnce = 256

    /// The elements `<tags/>` that go before the answer.
    func elements(_ attributes: [(String, String)]) -> [Element] {
        var parts: [[TagRun]] = [[]]
        var room = Self.tagsAtOnce
        for run in runs {
            var rest = run
            while !rest.tags.isEmpty {
                let part = TagRun(epoch: rest.epoch, first: rest.first, tags: Array(rest.tags.prefix(room)))
                parts[parts.count - 1].append(part)
                rest.tags.removeFirst(part.tags.count)
                rest.first += UInt64(part.tags.count)
                // A run costs as much as some tags.
                room -= part.tags.count + 6
                guard room <= 0 else { continue }
                parts.append([])
                room = Self.tagsAtOnce
            }
        }
        return parts.filter { !$0.isEmpty }.map { runs in
            Element("tags", Namespaces.relay, attributes, elements: runs.map(Self.element))
        }
    }

    private static func element(_ run: TagRun) -> Element {
        let tags = run.tags.map { String($0, radix: 16) }.joined(separator: " ")
        return Element("run", Namespaces.relay, [("epoch", run.epoch.text), ("n", String(run.first))], text: tags)
    }

    /// What one of them says; nil if it cannot be read.
    static func runs(_ element: Element) -> [TagRun]? {
        var runs: [TagRun] = []
        for run in element.elements where run.is("run", Namespaces.relay) {
            let tags = run.text.split(separator: " ").map { UInt64($0, radix: 16) }
            guard let epoch = run["epoch"].flatMap(Epoch.init(text:)), let first = run["n"].flatMap({ UInt64($0) }), first > 0,
                first < 1 << 62, !tags.isEmpty, !tags.contains(nil)
            else { return nil }
            runs.append(TagRun(epoch: epoch, first: first, tags: tags.compactMap { $0 }))
        }
        return runs
    }
}

extension OutgoingLane {
    /// What a `<have/>` means for the lane (`Docs/relay-protocol.md` §3, S2).
    enum Verdict: Equatable {
        /// The peer has the entries up to this number of ours: more than we knew, as much, or less.
        case upTo(UInt64)
        /// The peer has everything up to this place, and nothing of this numbering.
        case behind(UInt64)
        /// The peer knows another numbering, and nothing is here that it could have or lack: our store is new.
        case newStore
        /// Where the two histories part only the peer's tags can tell; this is what follows if it has none.
        indirect case part(otherwise: Verdict)
        /// For the operator.
        case stop(LaneStop)
    }

    /// Compares what the peer has with our records. `hasEnded`: it says that our numbering ended there. `keeps`: what was
    /// acknowledged is kept. `tagAt` gives the tag of the entry at a place.
    func verdict(
        on have: RelayMark?, hasEnded: Bool = false, keeps: Bool = true, tagAt: (UInt64) -> UInt64?
    ) -> Verdict {
        guard let row else { return have == nil ? .upTo(0) : .newStore }
        guard let have else {
            if isFresh { return .upTo(0) }
            if keeps || row.keptCount > 0 { return .behind(row.floor) }
            return row.acked == 0
                ? .upTo(0) : .stop(peerWentBack(to: 0, lost: row.acked, "it knows nothing, it had \(row.acked)"))
        }
        if row.isDecided, row.acked == 0, have.epoch != row.epoch, !hasEnded { return .newStore }
        if !hasEnded, let start = row.start(of: have.epoch), have.number <= row.lastPlace {
            let place = start + have.number
            if place < row.floor {
                let words = "it has \(have.number), \(beyond(place, row))"
                return .stop(peerWentBack(to: have.number, lost: row.floor - place, words))
            }
            if let ours = tag(at: place, tagAt), ours == have.tag {
                return have.epoch == row.epoch ? .upTo(have.number) : .behind(place)
            }
        }
        if isFresh, uncertainUpTo == 0, !hasEnded, have.epoch != row.epoch { return .newStore }
        return .part(otherwise: withoutHistory(have, hasEnded: hasEnded, row))
    }

    /// Where the histories part: behind the last of our entries that the peer remembers. Entries name the one before, so that it has
    /// everything before that one as well.
    func verdict(onHistory history: LaneHistory, _ have: RelayMark?, tagAt: (UInt64) -> UInt64?) -> Verdict {
        guard let row else { return have == nil ? .upTo(0) : .newStore }
        if let place = parting(history, row, tagAt) { return .behind(place) }
        if history.isAll, row.floor == 0 { return .behind(0) }
        if !history.isAll, uncertainUpTo <= row.acked { return .behind(row.ackedPlace) }
        let reason =
            history.isAll
            ? "neither what the peer has nor what is kept here tells how far it has come"
            : "the peer has received more since than it remembers the tags of"
        return .stop(weWentBack(have, uncertainUpTo: uncertainUpTo, reason))
    }

    /// Entries that are looked at where the peer's numberings are not known here: more than a peer remembers.
    private static let looked: UInt64 = UInt64(TagRun.limit)

    private func parting(_ history: LaneHistory, _ row: LaneRow, _ tagAt: (UInt64) -> UInt64?) -> UInt64? {
        var remembered: Set<UInt64> = []
        for run in history.runs { remembered.formUnion(run.tags) }
        func isThere(_ place: UInt64) -> Bool { tag(at: place, tagAt).map(remembered.contains) ?? false }
        var found = byNumber(history, row, tagAt)
        if found == nil {
            let first = max(row.floor, row.ackedPlace - min(row.ackedPlace, Self.looked))
            found = (first...row.ackedPlace).last(where: isThere) ?? (isThere(row.ackedPlace + 1) ? row.ackedPlace + 1 : nil)
        }
        // What came under a numbering that this store never knew, or has forgotten, kept its tags.
        while let place = found, isThere(place + 1) { found = place + 1 }
        return found
    }

    /// The last place of which the peer remembers number and tag as they are known here.
    private func byNumber(_ history: LaneHistory, _ row: LaneRow, _ tagAt: (UInt64) -> UInt64?) -> UInt64? {
        for run in history.runs.reversed() {
            guard let start = row.start(of: run.epoch), run.first <= row.lastPlace else { continue }
            for offset in run.tags.indices.reversed() {
                let place = start + run.first + UInt64(offset)
                if tag(at: place, tagAt) == run.tags[offset] { return place }
            }
        }
        return nil
    }

    /// What follows where the peer remembers no tags.
    private func withoutHistory(_ have: RelayMark, hasEnded: Bool, _ row: LaneRow) -> Verdict {
        if hasEnded {
            return .stop(weWentBack(have, uncertainUpTo: row.assigned, "the peer ended this numbering before"))
        }
        guard have.epoch == row.epoch else {
            if row.acked == 0 { return .newStore }
            if row.retired.contains(where: { $0.epoch == have.epoch }) {
                return .stop(peerWentBack(to: 0, lost: row.acked, "it knows a numbering that ended"))
            }
            return .stop(weWentBack(have, uncertainUpTo: row.assigned, "the peer received a numbering after ours"))
        }
        if have.number > row.assigned {
            let words = "the peer has \(have.number), we gave numbers up to \(row.assigned)"
            return .stop(weWentBack(have, uncertainUpTo: row.assigned, words))
        }
        let words = "number \(have.number) was given to another stanza"
        return .stop(weWentBack(have, uncertainUpTo: have.number, words))
    }

    /// What is not kept any more of what the peer lacks.
    private func beyond(_ place: UInt64, _ row: LaneRow) -> String {
        let (lost, kept) = (row.floor - place, row.keptCount)
        return kept == 0 ? "it had \(row.acked)" : "\(lost) behind that are not kept any more, \(kept) are"
    }

    /// What waits here is not there: only what was acknowledged is lost, as far as it is not kept.
    private func peerWentBack(to number: UInt64, lost: UInt64, _ reason: String) -> LaneStop {
        LaneStop(.peer, peerNumber: number, uncertainUpTo: 0, lost: lost, reason: "the peer went back in time: \(reason)")
    }

    /// Of what waits here, the entries that our backup brought along may be there. What this process has numbered itself
    /// cannot: no stream has carried it there.
    private func weWentBack(_ have: RelayMark?, uncertainUpTo number: UInt64, _ reason: String) -> LaneStop {
        LaneStop(
            .site, peerNumber: have?.number ?? 0, uncertainUpTo: min(number, uncertainUpTo),
            reason: "we went back in time: \(reason)")
    }
}
