import FoundationEssentials
import Glibc

/// What `martlet-bench growth` has found, as it stands in its JSON.
struct GrowthFigures: Codable {
    /// One point of a line.
    struct Point: Codable {
        /// How much of what grows.
        var value: Int
        /// Microseconds for a unit: the median of `costs`, one for each repetition.
        var cost: Double
        var costs: [Double]
    }

    /// One line of a panel.
    struct Line: Codable {
        var label: String
        var unit: String
        var points: [Point]

        /// How many times the first point each point costs.
        var ratios: [Double] { points.map { $0.cost / max(points.first?.cost ?? 1, 1e-9) } }
    }

    /// One panel.
    struct Panel: Codable {
        var name: String
        var title: String
        var axis: String
        /// The day, as in 2026-11-22.
        var date: String
        var lines: [Line]
    }

    var panels: [Panel] = []

    /// Adds a panel, or puts it in the place of an older one of that name; they stand in the order of the dimensions.
    mutating func put(_ panel: Panel) {
        panels.removeAll { $0.name == panel.name }
        panels.append(panel)
        let order = GrowthDimension.all.map(\.name)
        panels.sort { order.firstIndex(of: $0.name) ?? order.count < order.firstIndex(of: $1.name) ?? order.count }
    }

    /// Those of an earlier run; none where there is no such file.
    static func read(_ path: String) throws -> GrowthFigures {
        guard access(path, F_OK) == 0 else { return GrowthFigures() }
        return try JSONDecoder().decode(GrowthFigures.self, from: Data(Report.bytes(of: path)))
    }

    /// For programs.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    /// Today in UTC.
    static var today: String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        let digits = { (number: Int32) in (number < 10 ? "0" : "") + String(number) }
        return "\(parts.tm_year + 1900)-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday))"
    }
}
