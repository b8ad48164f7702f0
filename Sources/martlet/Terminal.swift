import Glibc

/// The person in front of the command, if there is one.
enum Terminal {
    /// Whether standard output is a terminal: only then may secrets be printed.
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Writes a line for the person, on standard output.
    static func say(_ line: String = "") {
        print(line)
        fflush(nil)
    }

    /// Writes a line about trouble, on standard error.
    static func warn(_ line: String) {
        putError("martlet: \(line)\n")
    }

    /// Writes a line about progress, on standard error.
    static func mention(_ line: String) {
        putError(line + "\n")
    }

    /// A new password: asked for twice without echo on a terminal, else the first line of standard input.
    static func newPassword(for account: String) throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = try line(), !line.isEmpty else {
                throw CommandFailure("no password on standard input: printf '%s\\n' 'secret' | martlet user add \(account)")
            }
            return line
        }
        let first = try hidden(prompt: "Password for \(account): ")
        guard !first.isEmpty else { throw CommandFailure("an empty password is no password") }
        guard try hidden(prompt: "The same again: ") == first else { throw CommandFailure("the two are not the same") }
        return first
    }

    /// An answer typed on the terminal, or the default where nothing is typed; nil where nobody can be asked and there is no default.
    static func ask(_ question: String, default known: String?) throws -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return known }
        putError(question + (known.map { " [\($0)]" } ?? "") + " ")
        guard let answer = try line(), !answer.isEmpty else { return known }
        return answer
    }

    /// A password that is typed twice, or one that stands on standard input; nil where none is: then one is made.
    static func passwordOrNone(for account: String) throws -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return try line().flatMap { $0.isEmpty ? nil : $0 } }
        let first = try hidden(prompt: "Password for \(account) (nothing: one is made): ")
        guard !first.isEmpty else { return nil }
        guard try hidden(prompt: "The same again: ") == first else { throw CommandFailure("the two are not the same") }
        return first
    }

    /// Asks before something that cannot be taken back. Without a terminal nobody can answer: `--yes` has to be said.
    static func confirm(_ question: String, yes: Bool) throws {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1 else { throw CommandFailure("\(question) Say --yes to do it") }
        putError("\(question) [y/N] ")
        let answer = try (line() ?? "").lowercased()
        guard answer == "y" || answer == "yes" else { throw CommandFailure("nothing was changed") }
    }

    private static func putError(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    private static func hidden(prompt: String) throws -> String {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { throw CommandFailure("the terminal cannot be used") }
        var quiet = before
        quiet.c_lflag &= ~tcflag_t(ECHO)
        putError(prompt)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            putError("\n")
        }
        return try line() ?? ""
    }

    /// The most bytes of a line that are read: far beyond every password.
    private static let lineBytes = 64 << 10

    /// The next line of standard input without its end; nil at the end of all. Swift would put U+FFFD in the place of what is not
    /// UTF-8, and the password would be another than the one that was typed.
    private static func line() throws -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        var isAtEnd = true
        while bytes.count < lineBytes, read(STDIN_FILENO, &byte, 1) == 1 {
            isAtEnd = false
            if byte == UInt8(ascii: "\n") { break }
            bytes.append(byte)
        }
        if isAtEnd { return nil }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard let line = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("standard input is not UTF-8: set the terminal, or what writes to it, to UTF-8")
        }
        return line
    }

    /// What was said on the command line is UTF-8; Swift would put U+FFFD in the place of what is not.
    static func checkArguments() throws {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            // SAFETY: the vector has `argc` strings that end with a zero, and nobody changes it.
            guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil else { continue }
            throw CommandFailure("argument \(index) is not UTF-8: set the terminal, or what calls this command, to UTF-8")
        }
    }
}

/// Why a command could not do its work, in words that say what to do next. Ends the command.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String
    let status: ExitStatus

    init(_ description: String, _ status: ExitStatus = .failed) {
        self.description = description
        self.status = status
    }
}
