import ArgumentParser
import Glibc
import MartletConfiguration

/// `martlet run`: one site from nothing, in the foreground. What `make run` calls.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Makes a site where there is none, and serves it in the foreground.",
        discussion: """
            On the first start it makes the directory with a configuration, a certificate and a first account, and says
            what to enter in a client:
              martlet run --directory var --domain office.example
            A later start takes what is there.
            """)
    @Option(help: "The site's directory.") var directory = "var"
    @Option(
        help: ArgumentHelp(
            "A domain to serve, at the first start; several may be named. Default: the host's full name, else localhost."))
    var domain: [String] = []

    func run() throws {
        try Serving.prepare()
        let start = FirstStart(directory: directory, domains: try FirstStart.domains(asked: domain))
        let account = try start.perform(.somebody)
        let configuration = try ConfigurationFile.load(start.configurationPath)
        if !domain.isEmpty, start.domains != configuration.domains {
            Terminal.warn(
                "\(start.configurationPath) says that this site serves \(listed(configuration.domains)): --domain is ignored. "
                    + "Use another --directory for another site")
        }
        let greeting = Greeting(configuration: configuration, directory: directory, account: account)
        let node: Node
        do {
            node = try Serving.start(start.configurationPath, configuration)
        } catch {
            // The account exists now, and nobody will be told its password again.
            try greeting.sayAccount()
            throw error
        }
        try greeting.say()
        node.run()
    }
}

/// `martlet init`: the same without serving.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Makes a site's directory with configuration and certificate, and nothing else.",
        discussion: """
              martlet init --directory /etc/martlet --domain office.example
            Then look at martlet.toml, put your own certificate in its place, and: martlet check, martlet serve.
            """)
    @Option(help: "The site's directory.") var directory = "var"
    @Option(help: "A domain to serve; several may be named. Default: the host's full name, else localhost.")
    var domain: [String] = []

    func run() throws {
        umask(0o077)
        let start = FirstStart(directory: directory, domains: try FirstStart.domains(asked: domain))
        if start.isDone { throw CommandFailure("\(start.configurationPath) exists already: nothing was changed") }
        _ = try start.perform(.nobody)
        Terminal.say(
            """
            \(start.configurationPath) is made, for \(listed(start.domains)).
            Add people:   martlet user add NAME --config \(start.configurationPath)
            Look it over: martlet check --config \(start.configurationPath)
            Serve it:     martlet serve --config \(start.configurationPath)
            """)
    }
}

/// `martlet serve`: an existing site in the foreground, for service managers.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serves an existing site in the foreground.",
        discussion: """
              martlet serve --config /etc/martlet/martlet.toml
            SIGHUP reads configuration and certificates anew; SIGTERM ends within ten seconds, a second one at once.
            """)
    @OptionGroup var file: ConfigurationOption

    func run() throws {
        try Serving.prepare()
        try Serving.start(file.path, try file.load()).run()
    }
}

/// What `run` and `serve` have in common.
enum Serving {
    /// Before anything is made and any thread exists.
    static func prepare() throws {
        umask(0o077)
        FatalSignals.install()
        Signals.block()
        if geteuid() == 0 {
            Terminal.warn("running as root: nothing here needs it; a user of its own would be safer")
        }
    }

    static func start(_ path: String, _ configuration: SiteConfiguration) throws -> Node {
        // Before any key is read.
        ProcessLimits.allowDumps(configuration.coreDumps)
        return try Node(configurationPath: path, configuration: configuration, log: LogLevelBox(configuration.logLevel))
    }
}
