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
            Runs the sites of a topology file on virtual time: real routing, queues and stores in memory; lines fail and
            machines die as the file says, moved in time by the seed, and the seed adds trouble of its own. Seeds are run
            in two processes each: both runs must be the same to the last byte. The exit status is 0 only if nothing was lost,
            duplicated or reordered, and nothing was left behind. Docs/reference/simulator.md says more.

              martlet simulate Topologies/two-offices.toml --seed 1 --runs 1000
              martlet simulate Topologies/*.toml --runs 100 --bytes
            """)

    @Argument(help: ArgumentHelp("The topology files.", valueName: "topology"))
    var topologies: [String]

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "How many seeds of each topology.")
    var runs: Int = 100

    @Option(help: "Send only this many messages, spread over the same time: faster runs, for many seeds.")
    var messages: Int?

    @Flag(help: "Bytes between sites, with real stream engines that parse and negotiate; slower.")
    var bytes = false

    @Option(help: ArgumentHelp("Run only each n-th seed in two processes: for a great many seeds.", valueName: "n"))
    var twinEvery: Int = 1

    @Option(help: ArgumentHelp("How many of the last lines of a run that fails are printed.", valueName: "n"))
    var traceLines: Int = 60

    @Option(help: ArgumentHelp("Draw latency and queues of the first seed.", valueName: "file.svg"))
    var report: String?

    @Flag(help: .hidden)
    var digests = false

    func validate() throws {
        guard !topologies.isEmpty else { throw ValidationError("name a topology file") }
        guard runs > 0 else { throw ValidationError("--runs takes a number from 1") }
        guard twinEvery > 0 else { throw ValidationError("--twin-every takes a number from 1") }
        guard traceLines > 0 else { throw ValidationError("--trace-lines takes a number from 1") }
        guard messages ?? 1 > 0 else { throw ValidationError("--messages takes a number from 1") }
        guard report == nil || topologies.count == 1 else { throw ValidationError("--report draws one topology") }
    }

    private var options: World.Options {
        var options = World.Options()
        options.isByteMode = bytes
        return options
    }

    func run() throws {
        let companies = try topologies.map { ($0, try read($0)) }
        if digests { return printDigests(companies.map(\.1)) }
        let twin = try SimulationTwin(arguments: twinArguments)
        var total = SimulationTotal()
        var results: [(topology: String, seed: UInt64, digest: String)] = []
        for (name, company) in companies {
            var part = SimulationTotal()
            for number in 0..<UInt64(runs) {
                let digest = simulate(company, name, seed: seed + number, &part)
                if hasTwin(number) { results.append((name, seed + number, digest)) }
                if isatty(STDERR_FILENO) == 1, (number + 1) % 10 == 0 {
                    Terminal.mention("\(name): \(number + 1) of \(runs) seeds")
                }
            }
            if companies.count > 1 { print("\(name): \(part.words)") }
            total.add(part)
        }
        let others = try twin.digests()
        for (index, result) in results.enumerated() {
            let other = index < others.count ? others[index] : "nothing"
            guard other != result.digest else { continue }
            total.failed += 1
            print("seed \(result.seed) of \(result.topology): two processes differ: \(result.digest) and \(other)")
        }
        if let report, let company = companies.first { try draw(company.1, company.0, to: report) }
        let each = twinEvery == 1 ? "each" : "\(results.count) of them"
        print("\(companies.count * runs) seeds, \(each) in two processes with equal digests; \(total.work)")
        print("troubles: \(total.troubles)")
        print(total.words)
        if total.failed > 0 { throw ExitCode.failure }
    }

    private func hasTwin(_ number: UInt64) -> Bool { number.isMultiple(of: UInt64(twinEvery)) }

    private var twinArguments: [String] {
        var arguments = ["simulate"] + topologies + ["--seed", String(seed), "--runs", String(runs), "--digests"]
        arguments += ["--twin-every", String(twinEvery)]
        if let messages { arguments += ["--messages", String(messages)] }
        if bytes { arguments.append("--bytes") }
        return arguments
    }

    private func read(_ path: String) throws -> Topology {
        guard let text = String(validating: try Files.read(path), as: UTF8.self) else {
            throw CommandFailure("\(path) is not UTF-8 text")
        }
        var company: Topology
        do {
            company = try Topology.parse(text, fileName: path)
        } catch {
            throw CommandFailure("the topology is not usable:\n\(error)")
        }
        if let messages {
            company.traffic.ratePerSecond *= Double(messages) / Double(max(company.traffic.messages, 1))
            company.traffic.messages = messages
        }
        return company
    }

    /// The part of the second process.
    private func printDigests(_ companies: [Topology]) {
        for company in companies {
            for number in 0..<UInt64(runs) where hasTwin(number) {
                var world = World(company, seed: seed + number, options: options)
                Terminal.say(world.run().digest.description)
            }
        }
    }

    private func simulate(_ company: Topology, _ name: String, seed: UInt64, _ total: inout SimulationTotal) -> String {
        var world = World(company, seed: seed, options: options)
        let report = world.run()
        total.add(report)
        if let fault = report.faults.first {
            print("seed \(seed) of \(name) broke the promise:")
            for fault in report.faults.prefix(20) { print("  \(fault)") }
            if total.failed <= 3 { explain(company, seed: seed, fault.kind) }
            print("  again: martlet simulate \(name) --seed \(seed) --runs 1\(repeated)")
        }
        return report.digest.description
    }

    private var repeated: String { (messages.map { " --messages \($0)" } ?? "") + (bytes ? " --bytes" : "") }

    /// The smallest run that fails in the same way, with its last lines.
    private func explain(_ company: Topology, seed: UInt64, _ kind: Fault.Kind) {
        var shrinker = Shrinker(company, plan: RunPlan(company, seed: seed), options: options, kind: kind)
        shrinker.shrink()
        print("  it still breaks with \(shrinker.plan.deeds.count) messages and questions and these troubles:")
        for fault in shrinker.plan.faults { print("    \(fault)") }
        var traced = options
        traced.traceLines = traceLines
        var world = World(company, plan: shrinker.plan, options: traced)
        let report = world.run()
        for fault in report.faults.prefix(5) { print("  \(fault)") }
        for line in report.trace { print("    \(line)") }
    }

    private func draw(_ company: Topology, _ name: String, to path: String) throws {
        var drawn = options
        drawn.drawsChart = true
        var world = World(company, seed: seed, options: drawn)
        let report = world.run()
        guard let chart = report.chart else { return }
        try Files.write(Array(chart.svg(title: "\(name), seed \(seed)", end: report.length).utf8), to: path)
    }
}
