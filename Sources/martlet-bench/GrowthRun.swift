import Glibc

/// Measures one dimension: all its points in turns, forwards and backwards, so that what the machine does meanwhile and what
/// the points do to one another falls on all of them.
struct GrowthRun {
    let dimension: GrowthDimension
    /// How often each point is measured; the median counts.
    let repetitions: Int
    /// The part of the largest value up to which there are points.
    let scale: Double

    /// Processor time of one repetition, nanoseconds, at least.
    private static let leastTime: Int64 = 50_000_000

    private var values: [Int] {
        dimension.values.filter { Double($0) <= scale * Double(dimension.values.last ?? 0) }
    }

    /// The panel. `directory` does not exist, and is removed at the end.
    func measure(directory: String) throws -> GrowthFigures.Panel {
        guard mkdir(directory, 0o700) == 0 else { throw GrowthFailure(description: "\(directory) cannot be made") }
        defer { BenchDirectory.remove(directory, names: ["site"] + values.map(String.init)) }
        var load = try dimension.begin(directory, values)
        var costs = dimension.series.map { _ in values.map { _ in [Double]() } }
        // The first repetition warms up.
        for repetition in 0...repetitions {
            Report.complain("  repetition \(repetition) of \(repetitions)")
            let points = Array(values.indices)
            for point in repetition % 2 == 0 ? points : points.reversed() {
                for series in dimension.series.indices {
                    var sample = GrowthSample()
                    repeat {
                        sample = sample + (try load.measure(series: series, point: point))
                    } while Double(sample.processor) < Double(Self.leastTime)
                    if repetition > 0 { costs[series][point].append(sample.cost) }
                }
            }
        }
        let lines = zip(dimension.series, costs).map { series, costs in
            GrowthFigures.Line(
                label: series.label, unit: series.unit,
                points: zip(values, costs).map { GrowthFigures.Point(value: $0, cost: Self.median($1), costs: $1) })
        }
        return GrowthFigures.Panel(
            name: dimension.name, title: dimension.title, axis: dimension.axis, date: GrowthFigures.today, lines: lines)
    }

    private static func median(_ costs: [Double]) -> Double { costs.sorted()[costs.count / 2] }
}

/// Why nothing could be measured.
struct GrowthFailure: Error, CustomStringConvertible {
    let description: String
}
