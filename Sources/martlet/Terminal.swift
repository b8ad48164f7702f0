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
            guard let line = readLine(strippingNewline: true), !line.isEmpty else {
                throw CommandFailure("no password on standard input: printf '%s\\n' 'secret' | martlet user add \(account)")
            }
            return line
        }
        let first = try hidden(prompt: "Password for \(account): ")
        guard !first.isEmpty else { throw CommandFailure("an empty password is no password") }
        guard try hidden(prompt: "The same again: ") == first else { throw CommandFailure("the two are not the same") }
        return first
    }

    /// Asks before something that cannot be taken back. Without a terminal nobody can answer: `--yes` has to be said.
    static func confirm(_ question: String, yes: Bool) throws {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1 else { throw CommandFailure("\(question) Say --yes to do it") }
        putError("\(question) [y/N] ")
        let answer = (readLine(strippingNewline: true) ?? "").lowercased()
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
        return readLine(strippingNewline: true) ?? ""
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
