import ArgumentParser
import Glibc

/// `martlet-bench path`: what each step of a message's way costs, compared with a yardstick that no change of ours moves.
struct PathBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path",
        abstract: "The steps of a message's way through the server, each by itself.",
        discussion: """
            The yardstick is SHA-256 of 1 KiB on this machine, a hash that OpenSSL computes: a step that takes 2.0 costs twice as
            much. With --against the ratios are compared with those of an earlier run, and the command fails if a step has become
            more expensive than the tolerance allows.

              martlet-bench path --directory /var/tmp/martlet-bench
              martlet-bench path --directory /var/tmp/martlet-bench --json > before.json
              martlet-bench path --directory /var/tmp/martlet-bench --against before.json
            """)

    @Option(help: ArgumentHelp("Where the store is made; must not exist, and is removed at the end.", valueName: "path"))
    var directory: String

    @Option(help: "Rounds; the median of them counts.")
    var rounds = 7

    @Option(help: ArgumentHelp("The JSON of an earlier run to compare with.", valueName: "file"))
    var against: String?

    @Option(help: "How much more a step may cost than in the earlier run, percent.")
    var tolerance = 25.0

    @Option(help: ArgumentHelp("Only the steps whose names begin like this.", valueName: "text"))
    var only: String?

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard rounds > 0, tolerance > 0 else { throw ValidationError("rounds and tolerance are taken from 1") }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
    }

    func run() throws {
        defer { BenchDirectory.remove(directory) }
        let earlier = try against.map { try Report.figures(in: $0) }
        var report = Report(isQuiet: json)
        var steps = try PathSteps(directory: directory)
        defer { steps.end() }
        let yardstick = Self.median(rounds) { steps.hash() }.nanoseconds
        report.begin("Yardstick")
        report.add("SHA-256 of 1 KiB", yardstick, "ns")
        for step in PathSteps.Step.allCases where only.map(step.rawValue.hasPrefix) ?? true {
            report.begin(step.rawValue)
            let cost = try Self.median(rounds) { try steps.measure(step) }
            report.add("processor time", cost.nanoseconds / 1000, "µs")
            report.add("yardsticks", cost.nanoseconds / yardstick, "×")
            report.add("allocations", cost.allocations, "")
        }
        if json { print(try report.json()) }
        if let earlier { try compare(report.figures, earlier) }
    }

    private func compare(_ figures: [Report.Figure], _ earlier: [Report.Figure]) throws {
        var isWorse = false
        for figure in figures where figure.name == "yardsticks" || figure.name == "allocations" {
            guard let before = earlier.first(where: { $0.part == figure.part && $0.name == figure.name }) else { continue }
            // Less than one allocation more is none: lists that grow allocate now and then.
            if figure.name == "allocations", figure.value < before.value + 1 { continue }
            let change = (figure.value / before.value - 1) * 100
            if change > (figure.name == "allocations" ? 0 : tolerance) {
                isWorse = true
                Report.complain("\(figure.part): \(Int(change.rounded())) % more \(figure.name) than in the earlier run")
            }
        }
        if isWorse { throw ExitCode.failure }
    }

    private static func median(_ rounds: Int, _ body: () throws -> PathSteps.Spent) rethrows -> PathSteps.Spent {
        var costs: [PathSteps.Spent] = []
        for _ in 0..<rounds { costs.append(try body()) }
        return costs.sorted { $0.nanoseconds < $1.nanoseconds }[rounds / 2]
    }
}
