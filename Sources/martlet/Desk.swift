import ArgumentParser
import MartletAdmin
import MartletBus

/// The queue desk as a program uses it: asks again until a queue of any length was seen or worked off.
struct Desk {
    let asking: Asking

    /// Entries in one request: every one of them fits into the node's longest request several times.
    private static let claimsPerRequest = 256

    /// Every entry that fits, oldest first.
    func entries(_ filter: AdminFilter) throws -> [AdminAnswer.Entry] {
        var found: [AdminAnswer.Entry] = []
        var cursor: String?
        repeat {
            guard case .queue(let rows, let next) = try asking.ask(.listQueue(filter: filter, after: cursor)) else {
                throw Self.unexpected
            }
            found += rows
            cursor = next
        } while cursor != nil
        // Stable: entries of one moment stay in the order of their numbers.
        return found.enumerated().sorted { ($1.element.age, $0.offset) < ($0.element.age, $1.offset) }.map(\.element)
    }

    /// The table of ages, by the names of the peers.
    func ages() throws -> [AdminAnswer.Ages] {
        var sums: [String: AdminAnswer.Ages] = [:]
        var cursor: String?
        repeat {
            guard case .ages(let rows, let next) = try asking.ask(.listAges(after: cursor)) else { throw Self.unexpected }
            for row in rows {
                guard var sum = sums[row.peer] else {
                    sums[row.peer] = row
                    continue
                }
                for column in sum.counts.indices { sum.counts[column] += row.counts[column] }
                sum.held += row.held
                sums[row.peer] = sum
            }
            cursor = next
        } while cursor != nil
        return sums.values.sorted { $0.peer < $1.peer }
    }

    /// Every link.
    func links() throws -> [AdminAnswer.Link] {
        guard case .links(let rows) = try asking.ask(.listLinks) else { throw Self.unexpected }
        return rows
    }

    /// Does one thing with many entries, a few hundred in each of the node's turns.
    func perform(
        on entries: [AdminAnswer.Entry], _ request: ([AdminClaim]) -> AdminRequest
    ) throws -> AdminAnswer.Outcome? {
        var sum: AdminAnswer.Outcome?
        // By name: what is released goes back in the order in which it was taken out.
        let claims = entries.sorted { (EntryName($0.entry) ?? .last) < (EntryName($1.entry) ?? .last) }
            .map { AdminClaim(entry: $0.entry, tag: $0.tag) }
        for start in stride(from: 0, to: claims.count, by: Self.claimsPerRequest) {
            let part = Array(claims[start..<min(start + Self.claimsPerRequest, claims.count)])
            guard case .desk(let outcome) = try asking.ask(request(part)) else { throw Self.unexpected }
            if sum == nil {
                sum = outcome
            } else {
                sum?.done += outcome.done
                sum?.gone += outcome.gone
                sum?.refused += outcome.refused
            }
        }
        return sum
    }

    static let unexpected = CommandFailure("the node answered something else")
}

extension EntryName {
    fileprivate static let last = EntryName(lane: .max, number: .max)
}

/// Which entries a command means: names, or filters.
struct EntrySelection: ParsableArguments {
    @Argument(help: "Names of entries, as `martlet queue list --entries` shows them: 1/17, held/5.")
    var entries: [String] = []
    @Option(help: ArgumentHelp("Entries for this domain.", valueName: "domain")) var peer: String?
    @Option(help: ArgumentHelp("Entries from this domain, account or device.", valueName: "jid")) var from: String?
    @Option(help: ArgumentHelp("Entries to this domain, account or device.", valueName: "jid")) var to: String?
    @Flag(help: "Do it without asking.") var yes = false

    /// The entries that are meant, seen now, and whether they were named one by one.
    func find(_ desk: Desk, held: Bool?) throws -> [AdminAnswer.Entry] {
        guard entries.isEmpty != (peer == nil && from == nil && to == nil) else {
            throw CommandFailure("say which entries: by their names, or by --peer, --from and --to")
        }
        var filter = AdminFilter()
        guard !entries.isEmpty else {
            filter.peer = peer
            filter.from = from
            filter.to = to
            filter.isHeld = held
            return try desk.entries(filter)
        }
        return try entries.map { name in
            filter.entry = name
            guard let entry = try desk.entries(filter).first else {
                throw CommandFailure("there is no entry \(name): delivered, expired or never there")
            }
            return entry
        }
    }

    /// Finds the entries, asks where they were not named one by one, does it and says what was done.
    func perform(
        _ file: ConfigurationOption, verb: String, done: String, held: Bool?, warning: String = "",
        _ request: ([AdminClaim]) -> AdminRequest
    ) throws {
        let desk = Desk(asking: Asking(configuration: try file.load()))
        let found = try find(desk, held: held)
        guard !found.isEmpty else { throw CommandFailure("no entry fits: nothing was changed") }
        if entries.isEmpty {
            let oldest = found.map(\.age).max() ?? 0
            let what = "\(counted(found.count)), the oldest taken over \(words(milliseconds: oldest)) ago"
            try Terminal.confirm("\(what), would be \(done).\(warning) \(verb) them?", yes: yes)
        }
        guard let outcome = try desk.perform(on: found, request) else { return }
        for refusal in outcome.refused.prefix(20) { Terminal.warn("\(refusal.entry) \(refusal.words)") }
        if outcome.refused.count > 20 { Terminal.warn("and \(outcome.refused.count - 20) more for the same reasons") }
        let gone = outcome.gone > 0 ? "; \(outcome.gone) were gone already" : ""
        guard outcome.done > 0 || outcome.refused.isEmpty else {
            throw CommandFailure("nothing was \(done)\(gone)")
        }
        Terminal.say("\(counted(outcome.done)) \(done)\(gone)")
    }

    private func counted(_ count: Int) -> String { "\(count) \(count == 1 ? "entry" : "entries")" }
}
