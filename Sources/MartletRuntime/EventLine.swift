import MartletBus

/// What waits for a site, in the order in which it is handled.
///
/// What fits into one batch is handled as it came. Of more than that each connection has one event in turn, so that nobody waits for all that
/// others have said, whatever they have said at once; what came over one connection stays in its order. Everything that came
/// over none goes with the first ones; but the word that the server stops comes behind all that was said before it.
///
/// The site's thread owns one. A core: events come in and go out.
struct EventLine {
    private var events: [SiteEvent] = []
    /// Who wants to hear when the event at a place was handled, by place.
    private var reports: [(place: Int, report: HandledReport)] = []

    /// How many events of each connection were met, by loop and slot; a slot's next use counts on, which does no harm.
    private var met: [[(pass: UInt32, count: Int)]] = []
    private var pass: UInt32 = 0

    /// From so many events on their order matters: less is one short batch.
    static let orderedFrom = 256

    /// Nothing waits.
    init() {}

    /// Whether nothing waits.
    var isEmpty: Bool { events.isEmpty }

    /// Takes what was posted; leaves the room for the next.
    mutating func add(_ content: inout SiteInbox.Content) {
        if content.events.isEmpty { return }
        if events.isEmpty {
            swap(&events, &content.events)
            swap(&reports, &content.reports)
        } else {
            for (place, report) in content.reports { reports.append((place + events.count, report)) }
            events += content.events
            content.events.removeAll(keepingCapacity: true)
            content.reports.removeAll(keepingCapacity: true)
        }
        if events.count > Self.orderedFrom { order() }
    }

    /// The next events, at most so many and not many more bytes of stanzas than that; and how many bytes they have.
    mutating func takeBatch(_ count: Int, _ limit: Int) -> (events: [SiteEvent], bytes: Int) {
        var bytes = 0
        var end = 0
        while end < min(events.count, count), bytes < limit {
            bytes += events[end].stanzaBytes
            end += 1
        }
        var batch: [SiteEvent] = []
        if end == events.count {
            swap(&batch, &events)
        } else {
            batch = Array(events[..<end])
            events.removeFirst(end)
        }
        return (batch, bytes)
    }

    /// Of the events taken last so many were handled, and `left` were not: they come first again. Returns who wants to hear of it.
    mutating func handled(_ count: Int, left: consuming [SiteEvent]) -> [HandledReport] {
        if !left.isEmpty { events.insert(contentsOf: left, at: 0) }
        if reports.isEmpty { return [] }
        var done: [HandledReport] = []
        var later: [(place: Int, report: HandledReport)] = []
        for (place, report) in reports {
            if place < count { done.append(report) } else { later.append((place - count, report)) }
        }
        reports = later
        return done
    }

    /// The room for events is used again, unless it was a rush.
    mutating func giveBackRoom(to content: inout SiteInbox.Content, _ batch: inout [SiteEvent], limit: Int) {
        guard content.events.capacity == 0, batch.isEmpty, batch.capacity <= limit else { return }
        swap(&content.events, &batch)
    }

    /// The first of each connection, then the second of each, and so on.
    private mutating func order() {
        pass &+= 1
        var rounds: [Int] = []
        var starts: [Int] = []
        rounds.reserveCapacity(events.count)
        for event in events {
            var round = 0
            if let connection = event.connection { round = meet(connection) }
            if case .shutdownRequested = event { round = starts.count }
            rounds.append(round)
            if round == starts.count { starts.append(0) }
            starts[round] += 1
        }
        var place = 0
        for round in starts.indices { (starts[round], place) = (place, place + starts[round]) }
        var ordered = [SiteEvent](repeating: .tick, count: events.count)
        var reporting = 0
        for index in events.indices {
            let place = starts[rounds[index]]
            starts[rounds[index]] += 1
            swap(&ordered[place], &events[index])
            // They are by place, and so are events.
            while reporting < reports.count, reports[reporting].place == index {
                reports[reporting].place = place
                reporting += 1
            }
        }
        events = ordered
        reports.sort { $0.place < $1.place }
    }

    /// How many events of a connection stand before the one in hand.
    private mutating func meet(_ connection: ConnectionID) -> Int {
        let (loop, slot) = (Int(connection.loop), Int(connection.slot))
        while met.count <= loop { met.append([]) }
        while met[loop].count <= slot { met[loop].append((0, 0)) }
        let count = met[loop][slot].pass == pass ? met[loop][slot].count : 0
        met[loop][slot] = (pass, count + 1)
        return count
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
