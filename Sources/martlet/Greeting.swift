import MartletConfiguration

/// What to enter in a client, said once the site listens. A password is shown to a terminal only; else it is left in a file
/// that its owner alone can read.
struct Greeting {
    let configuration: SiteConfiguration
    let directory: String
    let account: FirstStart.Account?

    /// `person` is an account whose password its owner knows; nothing is served yet where `isServing` is false.
    func say(person: String? = nil, isServing: Bool = true) throws {
        let host = configuration.domain == "localhost" ? "localhost" : ProcessLimits.hostName() ?? configuration.domain
        let does = isServing ? "serves" : "is set up for"
        var lines = ["", "Martlet \(does) \(listed(configuration.domains)). In a client, enter:"]
        if let account {
            lines += try words(for: account)
        } else if let person {
            lines.append("  address   \(person)")
        } else {
            lines.append("  address   NAME@\(configuration.domain)  (make one: martlet user add NAME \(option))")
        }
        lines.append("  server    \(host)")
        for listener in configuration.clientListeners {
            let how =
                switch listener.security {
                case .starttls: "STARTTLS"
                case .direct: "direct TLS"
                case .plain: "no TLS"
                }
            lines.append("  port      \(listener.port)  (\(how))")
        }
        if configuration.web.isEnabled {
            lines += configuration.webListeners.map { "  web       \($0.port)  (HTTPS: WebSocket, BOSH)" }
        }
        lines.append("The certificate may be the site's own: a client asks once whether to trust it.")
        lines.append("")
        Terminal.say(lines.joined(separator: "\n"))
    }

    /// Says the account alone, where nothing is served.
    func sayAccount() throws {
        guard let account else { return }
        Terminal.say((["A first account was made:"] + (try words(for: account))).joined(separator: "\n"))
    }

    private func words(for account: FirstStart.Account) throws -> [String] {
        ["  address   \(account.address)", "  password  \(try password(of: account))"]
    }

    private var option: String { "--config \(directory)/martlet.toml" }

    private func password(of account: FirstStart.Account) throws -> String {
        if Terminal.isInteractive { return account.password }
        let path = directory + "/first-account.txt"
        try Files.write(Array("\(account.address)\n\(account.password)\n".utf8), to: path)
        return "in the second line of \(path)"
    }
}
