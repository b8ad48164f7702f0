import Collections
import MartletBus

/// What waits for a site, in the order in which it is handled.
///
/// What fits into one batch is handled as it came. Of more than that each connection has one event in turn, so that nobody waits for all that
/// others have said, whatever they have said at once; what came over one connection stays in its order. Everything that came
/// over none goes with the first ones; but the word that the server stops comes behind all that was said before it.
///
/// It stands in numbered rounds, and an event joins the round behind that of its connection's last one: whatever waits already is not
/// touched again.
///
/// The site's thread owns one. A core: events come in and go out.
struct EventLine {
    /// What is handled before anything of the next round.
    private struct Round {
        var events: [SiteEvent] = []
        /// Who wants to hear when the event at a place was handled, by place.
        var reports: [(place: Int, report: HandledReport)] = []
    }

    private var rounds: Deque<Round> = []
    /// The number of the first of them; far from zero, since what comes back stands before it.
    private var first: UInt64 = 1 << 32
    /// How far the first of them was taken.
    private var taken = 0
    private var count = 0
    /// The last round that has events which joined as they came.
    private var asItCame: UInt64 = 0
    /// The round of each connection's last event, by loop and slot; a slot's next use counts on, which does no harm.
    private var last: [[UInt64]] = []
    /// Of the events taken last.
    private var reports: [(place: Int, report: HandledReport)] = []

    /// From so many events on their order matters: less is half a batch, some milliseconds.
    static let orderedFrom = 500

    /// Nothing waits.
    init() {}

    /// Whether nothing waits.
    var isEmpty: Bool { count == 0 }

    /// Takes what was posted; leaves the room for the next.
    mutating func add(_ content: inout SiteInbox.Content) {
        if content.events.isEmpty { return }
        count += content.events.count
        if count > Self.orderedFrom || rounds.count > 1 { return order(&content) }
        asItCame = first
        guard !rounds.isEmpty else {
            var round = Round()
            swap(&round.events, &content.events)
            swap(&round.reports, &content.reports)
            return rounds.append(round)
        }
        for (place, report) in content.reports { rounds[0].reports.append((place + rounds[0].events.count, report)) }
        rounds[0].events += content.events
        content.events.removeAll(keepingCapacity: true)
        content.reports.removeAll(keepingCapacity: true)
    }

    private mutating func order(_ content: inout SiteInbox.Content) {
        var reporting = 0
        for index in content.events.indices {
            let round = Int(round(of: content.events[index]) - first)
            while rounds.count <= round { rounds.append(Round()) }
            // They are by place, and so are events.
            while reporting < content.reports.count, content.reports[reporting].place == index {
                rounds[round].reports.append((rounds[round].events.count, content.reports[reporting].report))
                reporting += 1
            }
            rounds[round].events.append(content.events[index])
        }
        content.events.removeAll(keepingCapacity: true)
        content.reports.removeAll(keepingCapacity: true)
    }

    /// The round that an event joins.
    private mutating func round(of event: SiteEvent) -> UInt64 {
        if case .shutdownRequested = event { return first + UInt64(rounds.count) }
        guard let connection = event.connection else { return first }
        let (loop, slot) = (Int(connection.loop), Int(connection.slot))
        while last.count <= loop { last.append([]) }
        if last[loop].count <= slot { last[loop] += [UInt64](repeating: 0, count: slot + 1 - last[loop].count) }
        let round = max(first, asItCame, last[loop][slot] + 1)
        last[loop][slot] = round
        return round
    }

    /// The next events, at most so many and not many more bytes of stanzas than that; and how many bytes they have.
    mutating func takeBatch(_ limit: Int, _ byteLimit: Int) -> (events: [SiteEvent], bytes: Int) {
        var bytes = 0
        var batch: [SiteEvent] = []
        reports = []
        while !rounds.isEmpty, batch.count < limit, bytes < byteLimit {
            var end = taken
            while end < rounds[0].events.count, batch.count + end - taken < limit, bytes < byteLimit {
                bytes += rounds[0].events[end].stanzaBytes
                end += 1
            }
            takeReports(upTo: end, behind: batch.count)
            take(upTo: end, into: &batch)
        }
        count -= batch.count
        return (batch, bytes)
    }

    private mutating func takeReports(upTo end: Int, behind count: Int) {
        guard !rounds[0].reports.isEmpty else { return }
        let done = rounds[0].reports.prefix { $0.place < end }
        for (place, report) in done { reports.append((place - taken + count, report)) }
        rounds[0].reports.removeFirst(done.count)
    }

    /// Takes from the first round up to a place; a round that is over goes.
    private mutating func take(upTo end: Int, into batch: inout [SiteEvent]) {
        let isOver = end == rounds[0].events.count
        if isOver, taken == 0, batch.isEmpty {
            swap(&batch, &rounds[0].events)
        } else {
            for index in taken..<end {
                // Nobody but the batch may hold a stanza: who rewrites it would have to copy it.
                var event = SiteEvent.tick
                swap(&event, &rounds[0].events[index])
                batch.append(event)
            }
        }
        taken = isOver ? 0 : end
        guard isOver else { return }
        rounds.removeFirst()
        first += 1
    }

    /// Of the events taken last so many were handled, and `left` were not: they come first again. Returns who wants to hear of it.
    mutating func handled(_ count: Int, left: consuming [SiteEvent]) -> [HandledReport] {
        let done = reports.prefix { $0.place < count }.map(\.report)
        if !left.isEmpty { putBack(left, reports.dropFirst(done.count).map { ($0.place - count, $0.report) }) }
        reports = []
        return done
    }

    private mutating func putBack(_ events: [SiteEvent], _ reports: [(place: Int, report: HandledReport)]) {
        count += events.count
        guard taken > 0 else {
            first -= 1
            return rounds.prepend(Round(events: events, reports: reports))
        }
        // Before the rest of their round, not of another number: what joins it stands behind both.
        rounds[0].events.replaceSubrange(..<taken, with: events)
        for index in rounds[0].reports.indices { rounds[0].reports[index].place += events.count - taken }
        rounds[0].reports.insert(contentsOf: reports, at: 0)
        taken = 0
    }

    /// The room for events is used again, unless it was a rush.
    mutating func giveBackRoom(to content: inout SiteInbox.Content, _ batch: inout [SiteEvent], limit: Int) {
        guard content.events.capacity == 0, batch.isEmpty, batch.capacity <= limit else { return }
        swap(&content.events, &batch)
    }
}

extension SiteEvent {
    /// Whose order it belongs to.
    fileprivate var connection: ConnectionID? {
        switch self {
        case .client(let connection, _), .server(let connection, _), .dialed(_, let connection, _, _): connection
        case .dialFailed, .dialbackAnswered, .workDone, .tick, .command, .policyChanged, .restedAtLogin, .diskSampled,
            .shutdownRequested:
            nil
        }
    }
}
