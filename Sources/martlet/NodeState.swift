import Logging
import MartletAdmin
import MartletBus
import MartletConfiguration
import MartletNetwork
import MartletRuntime
import MartletWeb
import Synchronization

/// What a node has read from its files, and the reading anew. A file that is not usable changes nothing.
final class NodeState: Sendable {
    private struct Reading {
        var configuration: SiteConfiguration
        /// When certificate and key were changed last.
        var stamps: [Int64?]
    }

    private let current: Mutex<Reading>
    /// What was read at the start: what only a restart changes is as it says, however often something else was read since.
    private let started: SiteConfiguration
    private let log: LogLevelBox
    private let logger: Logger

    init(configuration: SiteConfiguration, log: LogLevelBox, logger: Logger) {
        started = configuration
        current = Mutex(Reading(configuration: configuration, stamps: Self.stamps(configuration)))
        self.log = log
        self.logger = logger
    }

    /// Whether the certificate's files are other ones than those that were read.
    func certificateHasChanged() -> Bool {
        current.withLock { Self.stamps($0.configuration) != $0.stamps }
    }

    /// Tells the log if the certificate ends soon, or has ended.
    func warnOfCertificate() { CertificateCheck.warnOfEnd(current.withLock { $0.configuration }, logger) }

    /// Reads configuration and certificates and hands them out. Any thread; may block.
    func reload(_ path: String, _ network: Network, _ web: WebServer, _ loop: SiteLoop) -> AdminAnswer {
        current.withLock { reading in
            // Taken first: a file that changes while it is read is read again.
            let attempted = Self.stamps(reading.configuration)
            do {
                let wanted = try ConfigurationFile.load(path)
                let new = wanted.keepingDomains(of: reading.configuration)
                let stamps = Self.stamps(new)
                let contexts = try TLSContexts(new)
                var later = network.reload(new, contexts)
                web.reload(new)
                loop.post(.policyChanged(SitePolicy(new)))
                log.level = new.logLevel
                ProcessLimits.allowDumps(new.coreDumps)
                if wanted.domain != new.domain { later.append("site.domain") }
                let kept = new.domains.filter { !wanted.domains.contains($0) }
                if !kept.isEmpty { later.append("site.more_domains (\(listed(kept)) served until then)") }
                if new.dataDirectory != started.dataDirectory { later.append("site.data_directory") }
                if new.controlSocket != started.controlSocket { later.append("control.socket") }
                reading = Reading(configuration: new, stamps: stamps)
                let rest = later.joined(separator: ", ")
                logger.notice(
                    "configuration and certificates read anew",
                    metadata: later.isEmpty ? nil : ["restart_needed_for": "\(rest)"])
                var words = "read anew" + (later.isEmpty ? "" : "; needs a restart to take effect: \(rest)")
                if let missing = CertificateCheck.warn(new, logger) { words += "; \(missing)" }
                CertificateCheck.warnOfEnd(new, logger)
                return .done(words: words)
            } catch {
                reading.stamps = attempted
                logger.error("nothing was changed: a file is not usable", metadata: ["reason": "\(error)"])
                return .refused(words: "nothing was changed: \(error)")
            }
        }
    }

    private static func stamps(_ configuration: SiteConfiguration) -> [Int64?] {
        let tls = configuration.tls
        return [tls.certificate, tls.key, tls.peerCA].map { $0.flatMap(ProcessLimits.modificationTime) }
    }
}

/// The level below which nothing is logged; a reload changes it for the whole process.
final class LogLevelBox: Sendable {
    private let stored: Atomic<Int>

    init(_ level: SiteConfiguration.LogLevel) {
        stored = Atomic(Self.rank(level))
    }

    var level: SiteConfiguration.LogLevel {
        get { SiteConfiguration.LogLevel.allCases[stored.load(ordering: .relaxed)] }
        set { stored.store(Self.rank(newValue), ordering: .relaxed) }
    }

    private static func rank(_ level: SiteConfiguration.LogLevel) -> Int {
        SiteConfiguration.LogLevel.allCases.firstIndex(of: level) ?? 0
    }
}

/// The line handler with the process's level.
struct SwitchableLogHandler: LogHandler {
    private let box: LogLevelBox
    private var lines = LineLogHandler(level: .trace)

    init(level box: LogLevelBox) { self.box = box }

    var logLevel: Logger.Level {
        get { Logger.Level(rawValue: box.level.rawValue) ?? .info }
        set { _ = newValue }
    }

    var metadata: Logger.Metadata {
        get { lines.metadata }
        set { lines.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { lines[metadataKey: key] }
        set { lines[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) { lines.log(event: event) }
}
