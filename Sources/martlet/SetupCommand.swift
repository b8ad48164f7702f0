import ArgumentParser
import Glibc
import MartletConfiguration

/// `martlet setup`: an office out of an installed package, from three answers to a server that runs.
///
/// The package has made the user and the directories; what is made here belongs to the owner of the data directory, whoever calls.
struct SetupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup", abstract: "Sets an installed office up: asks three questions, and starts it.",
        discussion: """
            Asked on a terminal for what is not said here:
              martlet setup
              printf '%s\\n' "$PASSWORD" | martlet setup --domain office.example --admin anna
            Without a terminal nothing is asked: the domain is needed, and a password that is not on standard input is made up.
            """)
    @Option(help: "The domain to serve: the part of people's addresses after the @.") var domain: String?
    @Option(help: "Who administers it, also with a client: the part of the address before the @. Default: admin.")
    var admin: String?
    @Option(help: "The configuration's directory.") var directory = "/etc/martlet"
    @Option(help: "The directory of the database.") var data = "/var/lib/martlet"
    @Flag(help: "Do not start the service.") var noStart = false

    /// The unit of the package.
    private static let unit = "martlet.service"

    func run() throws {
        umask(0o077)
        let path = directory + "/martlet.toml"
        if Files.mayExist(path) {
            throw CommandFailure("\(path) exists already: nothing was changed. Look it over with: martlet check")
        }
        guard access(data, F_OK) == 0 else {
            throw CommandFailure(
                "there is no directory \(data), which the package makes: install the package, or use martlet init")
        }
        let start = try answers()
        let person = "\(start.admin)@\(start.domains[0])"
        try asOwner(of: data) {
            let known = try Terminal.passwordOrNone(for: person)
            let account = try start.perform(.administrator(password: known))
            let greeting = Greeting(
                configuration: try ConfigurationFile.load(path), directory: directory, account: known == nil ? account : nil)
            try greeting.say(person: person, isServing: false)
        }
        try startService()
    }

    /// What was said, and what is asked for.
    private func answers() throws -> FirstStart {
        let known = try FirstStart.domains(asked: [])[0]
        let answer: String?
        if let domain {
            answer = domain
        } else {
            let default_ = known == "localhost" ? nil : known
            answer = try Terminal.ask("Which domain do its people have, the part of an address after the @?", default: default_)
        }
        guard let answer else {
            throw CommandFailure("for which domain? martlet setup --domain office.example")
        }
        let name = try admin ?? Terminal.ask("Who administers it: the name before the @?", default: "admin") ?? "admin"
        return FirstStart(
            directory: directory, domains: try FirstStart.domains(asked: [answer]), data: data, admin: name)
    }

    /// Does something as the owner of a directory where root calls: what is made has to be the server's.
    private func asOwner(of directory: String, _ work: () throws -> Void) throws {
        var figures = stat()
        guard geteuid() == 0, stat(directory, &figures) == 0, figures.st_uid != 0 else { return try work() }
        guard setegid(figures.st_gid) == 0, seteuid(figures.st_uid) == 0 else {
            throw CommandFailure("cannot act as the owner of \(directory): \(Files.words(errno))")
        }
        defer {
            seteuid(0)
            setegid(0)
        }
        try work()
    }

    /// Starts the service where systemd runs; else says how it is served.
    private func startService() throws {
        let serve = "martlet serve --config \(directory)/martlet.toml"
        guard !noStart, geteuid() == 0, access("/run/systemd/system", F_OK) == 0 else {
            return Terminal.say("Serve it with:  systemctl enable --now \(Self.unit)   or   \(serve)")
        }
        guard try Subcommand.run("/usr/bin/systemctl", "enable", "--now", Self.unit) == 0 else {
            throw CommandFailure("the service did not start: journalctl -u \(Self.unit) says why")
        }
        Terminal.say("It runs. See how it fares with: martlet status; systemctl status \(Self.unit)")
    }
}

/// Another program, run to its end with our own input and output.
enum Subcommand {
    /// Its exit status.
    static func run(_ program: String, _ arguments: String...) throws -> Int32 {
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var child = pid_t()
        let code = posix_spawn(&child, program, nil, nil, words, environ)
        guard code == 0 else { throw CommandFailure("cannot run \(program): \(Files.words(code))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw CommandFailure("cannot wait for \(program): \(Files.words(errno))") }
        }
        return status & 0x7f == 0 ? status >> 8 & 0xff : -1
    }
}
