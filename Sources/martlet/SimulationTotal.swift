import MartletSimulation

/// What many simulated runs add up to.
struct SimulationTotal {
    /// Runs that broke the promise.
    var failed = 0
    private var sent = 0
    private var delivered = 0
    private var bounced = 0
    private var lost = 0
    private var duplicated = 0
    private var foreignDuplicates = 0
    private var excused = 0
    private var queries = 0
    private var stanzas = 0
    private var acknowledgements = 0
    private var stops = 0
    private var slowestDrain: Int64 = 0
    private var time: Int64 = 0
    private var counts: [FaultName: Int] = [:]

    mutating func add(_ report: RunReport) {
        if !report.faults.isEmpty { failed += 1 }
        sent += report.ledger.sentCount
        delivered += report.ledger.deliveredCount
        bounced += report.ledger.bouncedCount
        lost += report.ledger.lostCount
        duplicated += report.ledger.duplicateCount
        foreignDuplicates += report.ledger.foreignDuplicateCount
        excused += report.ledger.excusedCount
        queries += report.ledger.queryCount
        stanzas += report.stanzas
        acknowledgements += report.acknowledgements
        stops += report.explainedStops
        slowestDrain = max(slowestDrain, report.drainTime)
        time += report.length
        for (name, count) in report.counts { counts[name, default: 0] += count }
    }

    mutating func add(_ other: SimulationTotal) {
        failed += other.failed
        sent += other.sent
        delivered += other.delivered
        bounced += other.bounced
        lost += other.lost
        duplicated += other.duplicated
        foreignDuplicates += other.foreignDuplicates
        excused += other.excused
        queries += other.queries
        stanzas += other.stanzas
        acknowledgements += other.acknowledgements
        stops += other.stops
        slowestDrain = max(slowestDrain, other.slowestDrain)
        time += other.time
        for (name, count) in other.counts { counts[name, default: 0] += count }
    }

    /// What was simulated.
    var work: String {
        let days = Double(time / 864_000) / 100
        return "\(stanzas) stanzas written by sites, \(queries) questions, \(acknowledgements) acknowledgements held against"
            + " the disk, \(days) days of virtual time, drained \(slowestDrain / 1000) s after healing at the latest"
    }

    /// The troubles by name.
    var troubles: String {
        FaultName.allCases.compactMap { name in counts[name].map { "\(name.rawValue) \($0)" } }.joined(separator: ", ")
    }

    /// The last line.
    var words: String {
        var words = "sent \(sent) delivered \(delivered) bounced \(bounced) lost \(lost) duplicated \(duplicated)"
        if foreignDuplicates > 0 { words += " (again by foreign servers \(foreignDuplicates))" }
        if excused > 0 { words += " (lost by foreign servers or restored backups \(excused))" }
        if stops > 0 { words += " (lanes stopped after a restored backup \(stops))" }
        return words
    }
}
