import ArgumentParser
import Glibc
import MartletAdmin
import MartletConfiguration
import MartletRuntime
import MartletTLS
import MartletUnbound
import Synchronization
import XMPPAddress
import XMPPStreams

/// `martlet check`: is everything as it must be? Exit status 0 if nothing is wrong; warnings are not wrong.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks configuration, files, certificate, descriptor limit and DNS, and says what to do.",
        discussion: "  martlet check --config /etc/martlet/martlet.toml")
    @OptionGroup var file: ConfigurationOption

    func run() throws {
        var report = CheckReport()
        let path = file.path
        do {
            let configuration = try ConfigurationFile.load(path)
            report.good("configuration", "\(path) is valid")
            Checks.files(configuration, &report)
            Checks.certificate(configuration, &report)
            Checks.descriptors(&report)
            Checks.disk(configuration, &report)
            Checks.store(configuration, path, &report)
            Checks.dns(configuration, &report)
            Checks.node(configuration, &report)
        } catch {
            report.bad("configuration", "\(error)")
        }
        report.say()
        if report.isBad { throw ExitCode.failure }
    }
}

/// The findings of a check.
struct CheckReport {
    private(set) var isBad = false
    private var lines: [String] = []

    mutating func good(_ what: String, _ words: String) { add("ok", what, words) }
    mutating func doubtful(_ what: String, _ words: String) { add("warning", what, words) }

    mutating func bad(_ what: String, _ words: String) {
        isBad = true
        add("WRONG", what, words)
    }

    private mutating func add(_ verdict: String, _ what: String, _ words: String) {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        lines.append("\(padded(verdict, 8)) \(padded(what, 14)) \(words)")
    }

    func say() {
        for line in lines { Terminal.say(line) }
    }
}

/// The single checks.
enum Checks {
    static func files(_ configuration: SiteConfiguration, _ report: inout CheckReport) {
        for (name, file) in [("directory", configuration.dataDirectory), ("key", configuration.tls.key)] {
            var figures = stat()
            guard stat(file, &figures) == 0 else {
                report.bad(name, "\(file) does not exist: martlet init makes it")
                continue
            }
            if figures.st_mode & 0o077 != 0 {
                report.bad(name, "\(file) is open to others: chmod \(name == "key" ? "600" : "700") \(file)")
            } else if figures.st_uid != geteuid(), geteuid() != 0 {
                report.bad(name, "\(file) belongs to another user than the one who asks: run as that user")
            } else {
                report.good(name, "\(file) is its owner's alone")
            }
        }
    }

    static func certificate(_ configuration: SiteConfiguration, _ report: inout CheckReport) {
        do {
            _ = try TLSIdentity(certificateFile: configuration.tls.certificate, keyFile: configuration.tls.key)
            let check = try CertificateCheck(configuration)
            let description = check.description
            let expiry = check.expiry
            if !expiry.isDue {
                report.good("certificate", "valid for \(expiry.secondsLeft / 86_400) more days")
            } else if expiry.isOver {
                report.bad("certificate", "\(expiry.words): \(check.remedy)")
            } else {
                report.doubtful("certificate", "\(expiry.words): \(check.remedy)")
            }
            if !check.named.isEmpty { report.good("certificate", "names \(listed(check.named))") }
            if description.names.isCommonNameOnly {
                report.bad(
                    "certificate",
                    "has only the commonName “\(description.names.summary)” and no subjectAltName, which names nobody (RFC 9525): "
                        + "have it issued anew with DNS:\(configuration.domains[0])")
            }
            for domain in check.missing {
                report.bad(
                    "certificate", "names \(description.names.summary), not \(domain): clients and servers will refuse it")
            }
            if description.isSelfSigned {
                report.doubtful("certificate", "signed by itself: clients will ask, servers will fall back to dialback")
            }
        } catch {
            report.bad("certificate", "\(error)")
        }
    }

    static func descriptors(_ report: inout CheckReport) {
        let limit = ProcessLimits.raiseDescriptors()
        if limit < 4096 {
            report.doubtful("descriptors", "\(limit) allowed, one per connection: raise LimitNOFILE or ulimit -n")
        } else {
            report.good("descriptors", "\(limit) allowed, one per connection")
        }
    }

    static func disk(_ configuration: SiteConfiguration, _ report: inout CheckReport) {
        guard let free = ProcessLimits.freeBytes(under: configuration.dataDirectory) else { return }
        let reserve = Int64(configuration.limits.diskReserve)
        // Disk and map are one notion.
        if configuration.limits.mapSize <= configuration.limits.diskReserve {
            report.bad(
                "disk", "limits.map_size is no more than limits.disk_reserve: nothing could be taken over. Raise the one")
        }
        if free < reserve {
            report.bad("disk", "\(free >> 20) MiB free, less than limits.disk_reserve (\(reserve >> 20) MiB): make room")
        } else {
            report.good("disk", "\(free >> 20) MiB free, \(reserve >> 20) MiB in reserve")
        }
    }

    /// Whether there is a store where one was; what is in it is another command's to read.
    static func store(_ configuration: SiteConfiguration, _ path: String, _ report: inout CheckReport) {
        let directory = configuration.dataDirectory
        do {
            try StoreMark(directory: directory).checkFile()
            guard access(directory + "/data.mdb", F_OK) == 0 else {
                return report.good("store", "none yet: the first start makes it")
            }
            report.good("store", "is there; martlet store check --config \(path) reads all of it")
        } catch {
            report.bad("store", "\(error)")
        }
    }

    static func dns(_ configuration: SiteConfiguration, _ report: inout CheckReport) {
        guard configuration.federation.isEnabled else { return }
        do {
            let resolver = try UnboundResolver(servers: configuration.federation.dnsServers.map(\.description))
            defer { resolver.shutdown() }
            let port = configuration.serverListeners.first?.port ?? 5269
            for domain in configuration.domains { dns(domain, port, resolver, &report) }
        } catch {
            report.bad("dns", "\(error)")
        }
    }

    private static func dns(_ domain: String, _ port: UInt16, _ resolver: UnboundResolver, _ report: inout CheckReport) {
        guard domain.contains("."), let ascii = try? Domainpart.asciiForm(domain) else {
            return report.doubtful("dns", "\(domain) is no name of the DNS: other servers cannot find this site")
        }
        switch resolution(of: ascii, resolver) {
        case .connect(let endpoints):
            let where_ = endpoints.prefix(3).map(\.description).joined(separator: ", ")
            report.good("dns", "other servers find \(domain) at \(where_)")
        case .noSuchDomain, .notOffered, .noAddress:
            report.doubtful(
                "dns",
                "other servers cannot find \(domain): add the record _xmpp-server._tcp.\(ascii). SRV 0 5 \(port) HOST.")
        case .failed(let words): report.doubtful("dns", "\(words): look at federation.dns_servers or /etc/resolv.conf")
        case .wait, .ask: break
        }
    }

    private static func resolution(of domain: String, _ resolver: UnboundResolver) -> PeerResolution.Action {
        var resolution = PeerResolution(domain: domain)
        var random = SystemRandomNumberGenerator()
        var action = resolution.started()
        var waiting: [ResolutionQuery] = []
        while true {
            if case .ask(let queries) = action { waiting += queries } else if action != .wait { return action }
            guard !waiting.isEmpty else { return .failed("no answer") }
            let query = waiting.removeFirst()
            action = resolution.answered(query, answer(to: query, resolver), using: &random)
        }
    }

    private static func answer(to query: ResolutionQuery, _ resolver: UnboundResolver) -> ResolverAnswer {
        let answer = Answer()
        resolver.lookup(query) { answer.arrived($0) }
        return answer.wait()
    }

    /// An answer that another thread brings.
    private final class Answer: Sendable {
        private let value = Mutex<ResolverAnswer?>(nil)
        private let semaphore = Semaphore()

        func arrived(_ answer: ResolverAnswer) {
            value.withLock { $0 = answer }
            semaphore.signal()
        }

        func wait() -> ResolverAnswer {
            semaphore.wait()
            return value.withLock { $0 } ?? .failure("no answer")
        }
    }

    static func node(_ configuration: SiteConfiguration, _ report: inout CheckReport) {
        do {
            if try AdminClient(path: configuration.controlSocket).ask(.status) != nil {
                report.good("node", "running")
            } else {
                report.doubtful("node", "not running: martlet serve")
            }
        } catch {
            report.doubtful("node", "\(error)")
        }
    }
}
