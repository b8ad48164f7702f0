import Glibc

/// One panel of the plot: a logarithmic x axis, and y from zero as a multiple of the first point.
struct GrowthPanel {
    private let panel: GrowthFigures.Panel
    private let width: Double
    private let height: Double
    /// Where the axes are, from the panel's corner.
    private let left = 46.0
    private let right = 24.0
    private let top = 62.0
    private let bottom = 46.0

    /// Dark enough on white, and told apart without colours by dashes and marks.
    private static let looks = [(color: "#0b5cad", dashes: "none"), (color: "#a8420f", dashes: "6 3")]

    /// The panel in a box of that size.
    init(_ panel: GrowthFigures.Panel, width: Double, height: Double) {
        self.panel = panel
        self.width = width
        self.height = height
    }

    /// Its elements.
    var lines: [String] {
        var lines = [Self.text(left - 30, 16, panel.title, "font-size=\"13\" font-weight=\"bold\"")]
        lines += axes
        for (index, line) in panel.lines.enumerated() { lines += draw(line, index) }
        return lines
    }

    // MARK: axes

    private var values: [Int] { panel.lines.first?.points.map(\.value) ?? [] }

    /// Zero stands a decade before the first other value.
    private func x(_ value: Int) -> Double {
        let least = Double(values.first { $0 > 0 } ?? 1)
        let from = log10(values.first == 0 ? least / 10 : least)
        let to = log10(Double(max(values.last ?? 1, 1)))
        let at = value == 0 ? from : log10(Double(value))
        return left + (width - left - right) * (at - from) / max(to - from, 1e-9)
    }

    private func y(_ ratio: Double) -> Double { height - bottom - (height - top - bottom) * ratio / highest }

    /// The top of the axis: never so near that noise looks like growth.
    private var highest: Double { max(2, (panel.lines.flatMap(\.ratios).max() ?? 1) * 1.12) }

    private var step: Double {
        [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].first { highest / $0 <= 5 } ?? 5000
    }

    private var axes: [String] {
        var lines: [String] = []
        for tick in 0...Int(highest / step) {
            let ratio = Double(tick) * step
            lines.append(Self.line(left, y(ratio), width - right, y(ratio), tick == 0 ? "#57606a" : "#d8dee4"))
            lines.append(Self.text(left - 6, y(ratio) + 4, "\(GrowthPlot.number(ratio))×", "text-anchor=\"end\""))
        }
        for value in values {
            lines.append(Self.line(x(value), y(0), x(value), y(0) + 4, "#57606a"))
            let words = GrowthPlot.grouped(value)
            lines.append(Self.text(x(value), y(0) + 17, words, "text-anchor=\"middle\""))
        }
        lines.append(Self.text((left + width - right) / 2, height - 10, panel.axis, "text-anchor=\"middle\" fill=\"#57606a\""))
        return lines
    }

    // MARK: lines

    private func draw(_ line: GrowthFigures.Line, _ index: Int) -> [String] {
        let look = Self.looks[index % Self.looks.count]
        let places = zip(line.points, line.ratios).map { (x: x($0.value), y: y($1)) }
        let path = places.map { "\(Self.place($0.x)),\(Self.place($0.y))" }.joined(separator: " ")
        var lines = [
            """
            <polyline points="\(path)" fill="none" stroke="\(look.color)" stroke-width="2" stroke-dasharray="\(look.dashes)"/>
            """
        ]
        lines += places.map { Self.mark($0.x, $0.y, index, look.color) }
        lines += ends(of: line, index, places, look.color)
        let legend = 33 + 15 * Double(index)
        lines.append(
            """
            <line x1="\(Self.place(left - 28))" y1="\(Self.place(legend - 4))" x2="\(Self.place(left - 4))" \
            y2="\(Self.place(legend - 4))" stroke="\(look.color)" stroke-width="2" stroke-dasharray="\(look.dashes)"/>
            """)
        lines.append(Self.mark(left - 16, legend - 4, index, look.color))
        lines.append(Self.text(left + 2, legend, line.label, "fill=\"\(look.color)\""))
        return lines
    }

    /// What the first and the last point cost, above or below their marks: away from the other line.
    private func ends(
        of line: GrowthFigures.Line, _ index: Int, _ places: [(x: Double, y: Double)], _ color: String
    ) -> [String] {
        guard let first = line.points.first, let last = line.points.last, let start = places.first, let end = places.last
        else { return [] }
        let otherEnd = panel.lines.enumerated().filter { $0.offset != index }.compactMap { $0.element.ratios.last }.max() ?? 0
        let isAbove = (line.ratios.last ?? 0) > otherEnd
        // All lines begin at one: there the first stands above, the others below.
        let labels = [(start, first, "start", index == 0), (end, last, "end", isAbove)]
        return labels.map { place, point, anchor, isAbove in
            // What does not fit below stands above.
            let shift = isAbove || place.y + 18 > y(0) - 4 ? -9.0 : 18.0
            let words = "\(GrowthPlot.number(point.cost)) µs"
            let style = "text-anchor=\"\(anchor)\" font-weight=\"bold\" fill=\"\(color)\""
            let x = anchor == "start" ? place.x - 4 : place.x + 14
            return Self.text(x, place.y + shift, words, style)
        }
    }

    // MARK: elements

    private static func mark(_ x: Double, _ y: Double, _ index: Int, _ color: String) -> String {
        if index % 2 == 0 { return "<circle cx=\"\(place(x))\" cy=\"\(place(y))\" r=\"3.5\" fill=\"\(color)\"/>" }
        return "<rect x=\"\(place(x - 3))\" y=\"\(place(y - 3))\" width=\"6\" height=\"6\" fill=\"\(color)\"/>"
    }

    private static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String) -> String {
        "<line x1=\"\(place(x1))\" y1=\"\(place(y1))\" x2=\"\(place(x2))\" y2=\"\(place(y2))\" stroke=\"\(color)\"/>"
    }

    private static func text(_ x: Double, _ y: Double, _ words: String, _ attributes: String) -> String {
        "<text x=\"\(place(x))\" y=\"\(place(y))\" \(attributes)>\(GrowthPlot.escaped(words))</text>"
    }

    /// A tenth of a unit is as exact as a plot needs to be.
    private static func place(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(abs(tenths % 10))"
    }
}
