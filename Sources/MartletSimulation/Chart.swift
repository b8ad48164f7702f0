/// What a run looked like: the latency of each message and the depth of each site's queue over time, as one SVG.
public struct Chart: Sendable {
    private var latencies: [(at: Int64, milliseconds: Int64)] = []
    private var depths: [[(at: Int64, depth: Int)]]
    private let sites: [String]

    init(sites: [String]) {
        self.sites = sites
        depths = Array(repeating: [], count: sites.count)
    }

    mutating func arrived(at time: Int64, after latency: Int64) { latencies.append((time, latency)) }

    mutating func queue(_ site: Int, at time: Int64, depth: Int) {
        if depths[site].last?.depth != depth { depths[site].append((time, depth)) }
    }

    private static let width = 900.0
    private static let height = 200.0
    private static let left = 70.0
    private static let colours = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#16a085", "#7f8c8d", "#34495e"]

    /// The picture. `title` stands above it, `end` is the end of the run in milliseconds.
    public func svg(title: String, end: Int64) -> String {
        let total = 2 * Self.height + 170 + Double((sites.count + 3) / 4) * 18
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(Self.number(Self.width + 100))\" "
                + "height=\"\(Self.number(total))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            "<text x=\"\(Self.number(Self.left))\" y=\"24\" font-size=\"15\">\(Self.escaped(title))</text>",
        ]
        let slowest = max(1000, latencies.map(\.milliseconds).max() ?? 0)
        let deepest = max(4, depths.flatMap { $0.map(\.depth) }.max() ?? 0)
        lines += frame(top: 50, name: "latency of messages, seconds", top: Double(slowest) / 1000, end: end)
        for point in latencies {
            let x = Self.number(x(point.at, end))
            let y = Self.number(50 + Self.height * (1 - Double(point.milliseconds) / Double(slowest)))
            lines.append("<circle cx=\"\(x)\" cy=\"\(y)\" r=\"2\" fill=\"#1b6ca8\" fill-opacity=\"0.6\"/>")
        }
        let second = 50 + Self.height + 70
        lines += frame(top: second, name: "entries waiting, per site", top: Double(deepest), end: end)
        for (site, steps) in depths.enumerated() {
            lines.append(curve(steps, Self.colours[site % Self.colours.count], second, deepest, end))
            let x = Self.left + Double(site % 4) * 220
            let y = second + Self.height + 44 + Double(site / 4) * 18
            lines.append(
                "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" "
                    + "fill=\"\(Self.colours[site % Self.colours.count])\">\(Self.escaped(sites[site]))</text>")
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private func x(_ time: Int64, _ end: Int64) -> Double { Self.left + Self.width * Double(time) / Double(max(end, 1)) }

    private func curve(
        _ steps: [(at: Int64, depth: Int)], _ colour: String, _ top: Double, _ deepest: Int, _ end: Int64
    ) -> String {
        func y(_ depth: Int) -> String { Self.number(top + Self.height * (1 - Double(depth) / Double(deepest))) }
        var points: [String] = []
        var depth = 0
        for step in steps {
            points.append("\(Self.number(x(step.at, end))),\(y(depth))")
            points.append("\(Self.number(x(step.at, end))),\(y(step.depth))")
            depth = step.depth
        }
        points.append("\(Self.number(x(end, end))),\(y(depth))")
        return "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.5\" points=\"\(points.joined(separator: " "))\"/>"
    }

    private func frame(top: Double, name: String, top highest: Double, end: Int64) -> [String] {
        let bottom = top + Self.height
        var lines = [
            "<text x=\"\(Self.number(Self.left))\" y=\"\(Self.number(top - 8))\">\(name)</text>",
            "<rect x=\"\(Self.number(Self.left))\" y=\"\(Self.number(top))\" width=\"\(Self.number(Self.width))\" "
                + "height=\"\(Self.number(Self.height))\" fill=\"none\" stroke=\"#999\"/>",
        ]
        for part in 0...4 {
            let share = Double(part) / 4
            lines.append(
                "<text x=\"\(Self.number(Self.left - 8))\" y=\"\(Self.number(bottom - share * Self.height + 4))\" "
                    + "text-anchor=\"end\">\(Self.number(highest * share))</text>")
            lines.append(
                "<text x=\"\(Self.number(Self.left + share * Self.width))\" y=\"\(Self.number(bottom + 16))\" "
                    + "text-anchor=\"middle\">\(Self.number(Double(end) * share / 1000)) s</text>")
        }
        return lines
    }

    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(abs(tenths % 10))"
    }

    private static func escaped(_ text: String) -> String {
        text.map { $0 == "<" ? "&lt;" : $0 == "&" ? "&amp;" : String($0) }.joined()
    }
}
