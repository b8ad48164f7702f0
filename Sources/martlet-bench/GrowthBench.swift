import ArgumentParser
import Glibc

/// `martlet-bench growth`: what a message costs while connections, rosters, queues, links and stanzas grow.
struct GrowthBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "growth",
        abstract: "What a message costs while what a site has grows: connections, rosters, queues, links, stanzas.",
        discussion: """
            Drives whole sites over stores on disk, every batch committed with fsync, without sockets. Each point is the median
            of several repetitions of processor time. With --json a run goes into a file, and dimensions that it does not measure
            stay there as they are; --svg draws all that the file has then. --only none draws without measuring.

              martlet-bench growth --directory /var/tmp/martlet-growth --json growth.json --svg Docs/growth.svg
            """)

    @Option(help: ArgumentHelp("Where the stores are made; must not exist, and is removed at the end.", valueName: "path"))
    var directory: String

    @Option(help: ArgumentHelp("Where the figures go.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Where the plot goes.", valueName: "file"))
    var svg: String?

    @Option(help: ArgumentHelp("Only these, of: \(Self.names.joined(separator: ",")).", valueName: "names"))
    var only: String?

    @Option(help: "The part of the largest value up to which is measured: 0.1 shows in a minute that it runs.")
    var scale = 1.0

    @Option(help: "How often each point is measured; the median counts.")
    var repetitions = 5

    private static var names: [String] { GrowthDimension.all.map(\.name) }

    private var wanted: [String] {
        guard let only, only != "none" else { return only == nil ? Self.names : [] }
        return only.split(separator: ",").map(String.init)
    }

    func validate() throws {
        guard scale > 0, scale <= 1, repetitions > 0 else {
            throw ValidationError("the scale is taken from above 0 to 1, repetitions from 1")
        }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
        for name in wanted where !Self.names.contains(name) { throw ValidationError("nothing that grows is called \(name)") }
    }

    func run() throws {
        var figures = try json.map { try GrowthFigures.read($0) } ?? GrowthFigures()
        guard mkdir(directory, 0o700) == 0 else { throw ValidationError("\(directory) cannot be made") }
        defer { rmdir(directory) }
        for dimension in GrowthDimension.all where wanted.contains(dimension.name) {
            Report.complain("\(dimension.title)")
            let run = GrowthRun(dimension: dimension, repetitions: repetitions, scale: scale)
            let panel = try run.measure(directory: directory + "/" + dimension.name)
            figures.put(panel)
            if let json { try Report.write(figures.json(), to: json) }
            show(panel)
        }
        if let svg { try Report.write(GrowthPlot(figures).text, to: svg) }
    }

    private func show(_ panel: GrowthFigures.Panel) {
        var report = Report(isQuiet: false)
        for line in panel.lines {
            report.begin("\(panel.title): \(line.label)")
            for (point, ratio) in zip(line.points, line.ratios) {
                report.add("\(point.value) \(panel.axis)", point.cost, "µs a \(line.unit), \(GrowthPlot.number(ratio)) ×")
            }
        }
    }
}
