import ArgumentParser
import Glibc
import MartletConfiguration
import MartletSimulation

/// `martlet simulate`: the company of a topology file on virtual time.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Simulate a company with its outages and crashes, and count what was delivered.",
        discussion: """
            Runs the sites of a topology file on virtual time: real routing, queues and stores in memory; lines are cut and
            machines killed as the file says, moved in time by the seed. Each seed is run twice: both runs must be the same to
            the last byte. The exit status is 0 only if nothing was lost, duplicated or reordered, and nothing was left behind.

              martlet simulate Topologies/two-offices.toml --seed 1 --runs 1000
            """)

    @Argument(help: "The topology file.")
    var topology: String

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "How many seeds.")
    var runs: Int = 100

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs takes a number from 1") }
    }

    func run() throws {
        guard let text = String(validating: try Files.read(topology), as: UTF8.self) else {
            throw CommandFailure("\(topology) is not UTF-8 text")
        }
        let company: Topology
        do {
            company = try Topology.parse(text, fileName: topology)
        } catch {
            throw CommandFailure("the topology is not usable:\n\(error)")
        }
        var total = Total()
        for number in 0..<UInt64(runs) {
            try simulate(company, seed: seed + number, &total)
            if isatty(STDERR_FILENO) == 1 || (number + 1) % 100 == 0 {
                Terminal.mention("\(number + 1) of \(runs) seeds")
            }
        }
        print("\(runs) seeds, each twice with equal digests; \(total.cuts) cuts, \(total.crashes) crashes")
        print(
            "sent \(total.sent) delivered \(total.delivered) bounced \(total.bounced) lost \(total.lost)"
                + " duplicated \(total.duplicated)")
        if total.failed > 0 { throw ExitCode.failure }
    }

    private struct Total {
        var sent = 0
        var delivered = 0
        var bounced = 0
        var lost = 0
        var duplicated = 0
        var cuts = 0
        var crashes = 0
        var failed = 0
    }

    private func simulate(_ company: Topology, seed: UInt64, _ total: inout Total) throws {
        var first = World(company, seed: seed)
        let report = first.run()
        var second = World(company, seed: seed)
        let again = second.run()
        total.sent += report.ledger.sentCount
        total.delivered += report.ledger.deliveredCount
        total.bounced += report.ledger.bouncedCount
        total.lost += report.ledger.lostCount
        total.duplicated += report.ledger.duplicateCount
        total.cuts += report.cuts
        total.crashes += report.crashes
        var faults = report.faults
        if again.digest != report.digest { faults.append("two runs differ: \(report.digest) and \(again.digest)") }
        guard !faults.isEmpty else { return }
        total.failed += 1
        print("seed \(seed) of \(topology) broke the promise:")
        for fault in faults { print("  \(fault)") }
        print("  again: martlet simulate \(topology) --seed \(seed) --runs 1")
    }
}
