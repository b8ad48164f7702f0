/// The panels of ``GrowthFigures`` as one SVG: no scripts, no fonts of its own, the same text for the same figures.
struct GrowthPlot {
    private let figures: GrowthFigures

    private static let columns = 2
    private static let width = 450.0
    private static let height = 290.0
    private static let top = 58.0

    /// The plot of what was measured.
    init(_ figures: GrowthFigures) { self.figures = figures }

    /// The file.
    var text: String {
        let panels = figures.panels
        let rows = (panels.count + Self.columns - 1) / Self.columns
        let width = Self.width * Double(Self.columns)
        let height = Self.top + Self.height * Double(rows)
        var lines = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.number(width)) \(Self.number(height))" \
            width="\(Self.number(width))" height="\(Self.number(height))" role="img" aria-labelledby="title desc" \
            font-family="sans-serif" font-size="11" fill="#1f2328">
            """,
            "<title id=\"title\">How the cost of a message grows</title>",
            "<desc id=\"desc\">\(Self.escaped(words))</desc>",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            "<text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"bold\">How the cost of a message grows</text>",
            """
            <text x="16" y="42">Processor time of the site's thread, as a multiple of the smallest point; first and last \
            point in µs.</text>
            """,
        ]
        for (index, panel) in panels.enumerated() {
            let x = Double(index % Self.columns) * Self.width
            let y = Self.top + Double(index / Self.columns) * Self.height
            lines.append("<g transform=\"translate(\(Self.number(x)) \(Self.number(y)))\">")
            lines += GrowthPanel(panel, width: Self.width, height: Self.height).lines
            lines.append("</g>")
        }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// For whoever does not see it.
    private var words: String {
        figures.panels.map { panel in
            let lines = panel.lines.map { line in
                guard let first = line.points.first, let last = line.points.last else { return "" }
                let ratio = line.ratios.last ?? 1
                return "\(line.label): \(Self.number(first.cost)) µs at \(Self.grouped(first.value)), "
                    + "\(Self.number(last.cost)) µs at \(Self.grouped(last.value)), \(Self.number(ratio)) times as much"
            }
            return "\(panel.title), \(panel.axis). \(lines.joined(separator: "; "))."
        }.joined(separator: " ")
    }

    /// Three digits that matter, without zeros at the end.
    static func number(_ value: Double) -> String {
        let places = value.magnitude >= 100 ? 0 : value.magnitude >= 10 ? 1 : 2
        let scale = [1, 10, 100][places]
        let scaled = Int((value * Double(scale)).rounded())
        let sign = scaled < 0 ? "-" : ""
        let whole = String(scaled.magnitude / UInt(scale))
        let rest = String(scaled.magnitude % UInt(scale) + UInt(scale)).dropFirst()
        let digits = rest.reversed().drop { $0 == "0" }.reversed()
        return sign + whole + (digits.isEmpty ? "" : "." + String(digits))
    }

    /// Thousands apart.
    static func grouped(_ value: Int) -> String {
        var text = ""
        for (index, digit) in String(value).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text = "," + text }
            text = String(digit) + text
        }
        return text
    }

    /// Text inside an element.
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
        return result
    }
}
