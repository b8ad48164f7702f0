/// Everything that is wrong with one file, so that its writer need not find the second mistake after mending the first.
public struct ConfigurationErrors: Error, Equatable, Sendable {
    /// What is wrong, in the order of lines; never empty.
    public let problems: [ConfigurationProblem]
}

extension ConfigurationErrors: CustomStringConvertible {
    /// One line for each problem.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// One thing wrong with a file: where, and what was expected there.
public struct ConfigurationProblem: Hashable, Sendable {
    /// The name of the file as it was given to the parser.
    public let file: String
    /// The line, counted from 1, of the key or value; of the table if a key is missing; 1 if there is not even a table.
    public let line: Int
    /// The path of the key, such as `listeners.client[0].port`; empty if the text is not TOML.
    public let path: String
    /// What was expected, and what was found.
    public let message: String
}

extension ConfigurationProblem: CustomStringConvertible {
    /// `file:line: path: message`, which editors can jump to.
    public var description: String {
        path.isEmpty ? "\(file):\(line): \(message)" : "\(file):\(line): \(path): \(message)"
    }
}
