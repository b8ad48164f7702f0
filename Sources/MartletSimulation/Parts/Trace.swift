/// The last lines of a run, for the report of a failure.
struct Trace {
    private var lines: [String] = []
    private var position = 0
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    mutating func add(_ line: String) {
        if lines.count < limit {
            lines.append(line)
        } else {
            lines[position] = line
            position = (position + 1) % limit
        }
    }

    /// Oldest first.
    var all: [String] { Array(lines[position...] + lines[..<position]) }
}
