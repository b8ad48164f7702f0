/// The configuration of one site, as `martlet.toml` says it: parsed, validated, complete. Made once at start (and again at a
/// reload) and handed down in parts; nothing reads it from anywhere else.
///
/// The annotated default file (`annotated(domain:)`, `Config/martlet.toml`) explains every key; the property of a key bears
/// its name. Relative paths have been resolved.
public struct SiteConfiguration: Equatable, Sendable {
    /// The site's domain, prepared (RFC 7622 §3.2): its name.
    public var domain: String
    /// Further domains whose people live here. Prepared.
    public var moreDomains: [String] = []
    /// The rules that judge stanzas on their way, by their names and in this order.
    public var interceptors = SiteConfiguration.knownInterceptors
    /// The directory of the database; relative in the file to the file itself.
    public var dataDirectory: String = "."
    /// Where the site's people and other sites' operators reach its administrator: a URI such as `mailto:…`.
    public var adminContact: String?
    /// Who administers the site with a client.
    public var administration = Administration()
    /// Who else is reached where.
    public var contacts = Contacts()
    /// What clients are told of services beside XMPP.
    public var externalServices: [ExternalService] = []
    /// Event loops for connections; with one the site lives on it too, with more it has a thread of its own.
    public var threads: Int = 1
    /// Whether a dump of the memory may be made.
    public var coreDumps = false
    /// Certificate, key and trust.
    public var tls = TLS()
    /// Where clients connect.
    public var clientListeners: [ClientListener] = [
        ClientListener(port: 5222, security: .starttls), ClientListener(port: 5223, security: .direct),
    ]
    /// Where other servers connect.
    public var serverListeners: [ServerListener] = [
        ServerListener(port: 5269, security: .starttls), ServerListener(port: 5270, security: .direct),
    ]
    /// Where components connect; opened where there is one.
    public var componentListeners: [ComponentListener] = [ComponentListener(port: 5347)]
    /// Where browsers connect.
    public var webListeners: [WebListener] = [WebListener(port: 5443)]
    /// What is served over HTTPS.
    public var web = Web()
    /// Domains that processes of their own have.
    public var components: [Component] = []
    /// What clients may do.
    public var client = Client()
    /// What is kept of people's messages.
    public var archive = Archive()
    /// What is published.
    public var publishing = Publishing()
    /// Rooms.
    public var rooms = Rooms()
    /// What people send one another.
    public var uploads = Uploads()
    /// `[bytestreams]`
    public var bytestreams = Bytestreams()
    /// How the site talks to other domains.
    public var federation = Federation()
    /// Every bound of the server.
    public var limits = Limits()
    /// How much work everybody may cause.
    public var karma = Karma()
    /// The least severe messages that are logged.
    public var logLevel = LogLevel.info
    /// The path of the socket for `martlet` commands; relative in the file to the data directory.
    public var controlSocket: String = "martlet.sock"

    /// The severities of log messages.
    public enum LogLevel: String, CaseIterable, Sendable { case trace, debug, info, notice, warning, error, critical }

    /// Every rule that a server of this version has. The bus knows what they do; that both have the same names is tested.
    public static let knownInterceptors = ["repeated-messages"]

    /// Every domain whose people live here, the site's name first.
    public var domains: [String] { [domain] + moreDomains }

    /// They, and the hosts for other things.
    public var allDomains: [String] { domains + ownHosts + components.map(\.domain) }

    /// The hosts of this process.
    var ownHosts: [String] { [publishing.host, bytestreams.domain].compactMap { $0 } + roomDomains }

    /// This configuration as a node can obey it that runs with another one: domains that are new come to those that it serves,
    /// and none of those goes before it is started anew. Their sessions and streams would have to end in the middle of a word.
    public func keepingDomains(of running: SiteConfiguration) -> SiteConfiguration {
        var result = self
        result.domain = running.domain
        result.publishing.host = running.publishing.host ?? publishing.host
        if running.rooms.isEnabled { (result.rooms.isEnabled, result.rooms.name) = (true, running.rooms.name) }
        // Its socket stays as it is, too.
        result.bytestreams = running.bytestreams
        result.moreDomains = running.moreDomains + domains.filter { !running.domains.contains($0) }
        // Components come and go as they like.
        let taken = result.domains + result.ownHosts
        result.components.removeAll { taken.contains($0.domain) }
        return result
    }

    /// A configuration in which everything is as the annotated file says. The domain must be prepared.
    public static func defaults(domain: String) -> SiteConfiguration { SiteConfiguration(domain: domain) }

    private init(domain: String) { self.domain = domain }

    /// Reads a configuration file.
    ///
    /// `fileName` is the file's path: it is named in errors, and paths in the text are relative to its directory. Throws
    /// everything that is wrong with the text, each with its line.
    public static func parse(_ text: String, fileName: String) throws(ConfigurationErrors) -> SiteConfiguration {
        let directory = FilePath.directory(of: fileName)
        return try Document.read(text, file: fileName) { root in
            var result = SiteConfiguration(domain: "")
            let domain: String? = root.section("site") { site in
                result.dataDirectory = FilePath.join(
                    directory, site.value("data_directory", .path, default: result.dataDirectory))
                result.adminContact = site.optional("admin_contact", .contact)
                result.interceptors = site.list(
                    "interceptors", of: .oneOf(Self.knownInterceptors), default: result.interceptors)
                Self.refuseDoubles(result.interceptors, "interceptors", &site)
                result.threads = site.value("threads", .integer(1...64), default: result.threads)
                result.coreDumps = site.value("core_dumps", .boolean, default: result.coreDumps)
                result.readDomains(&site)
                return result.domain.isEmpty ? nil : result.domain
            }
            result.tls = root.section("tls") { TLS(reading: &$0, directory: directory) }
            root.section("listeners") { listeners in
                result.clientListeners = listeners.sections("client", default: result.clientListeners) {
                    ClientListener(reading: &$0)
                }
                result.serverListeners = listeners.sections("server", default: result.serverListeners) {
                    ServerListener(reading: &$0)
                }
                result.componentListeners = listeners.sections("component", default: result.componentListeners) {
                    ComponentListener(reading: &$0)
                }
                result.webListeners = listeners.sections("web", default: result.webListeners) { WebListener(reading: &$0) }
                result.refuseDoubleListeners(&listeners)
            }
            result.web = root.section("web") { Web(reading: &$0) }
            result.client = root.section("client") { Client(reading: &$0) }
            result.administration = root.section("admin") { Administration(reading: &$0, domains: result.domains) }
            result.contacts = root.section("contact") { Contacts(reading: &$0) }
            result.externalServices = root.sections("external_services", default: []) { ExternalService(reading: &$0) }
            result.archive = root.section("archive") { Archive(reading: &$0) }
            result.publishing = root.section("publishing") { Publishing(reading: &$0) }
            result.uploads = root.section("uploads") { Uploads(reading: &$0) }
            if let host = result.uploads.host, (result.domains + (result.publishing.host.map { [$0] } ?? [])).contains(host) {
                root.refuse("uploads", "\(host) is another host's already")
            }
            if let host = result.publishing.host, result.domains.contains(host) {
                root.refuse("publishing", "\(host) is a domain of people already")
            }
            result.bytestreams = root.section("bytestreams") { Bytestreams(reading: &$0) }
            if let host = result.bytestreams.domain, (result.domains + [result.publishing.host]).contains(host) {
                root.refuse("bytestreams", "\(host) is another domain of this site already")
            }
            if result.bytestreams.domain != nil { result.refuseDoubleListeners(&root, result.bytestreams.endpoint) }
            result.rooms = root.section("rooms") { Rooms(reading: &$0) }
            let others = result.domains + [result.publishing.host, result.bytestreams.domain].compactMap { $0 }
            for host in result.roomDomains where others.contains(host) {
                root.refuse("rooms", "\(host) is something else already")
            }
            result.federation = root.section("federation") { Federation(reading: &$0, ownDomains: result.domains) }
            result.components = root.sections("components", default: []) { Component(reading: &$0) }
            result.refuseDoubleComponents(&root)
            result.limits = root.section("limits") { Limits(reading: &$0) }
            result.karma = root.section("karma") { Karma(reading: &$0) }
            result.logLevel = root.section("log") { $0.value("level", .word, default: result.logLevel) }
            result.controlSocket = root.section("control") { control in
                FilePath.join(result.dataDirectory, control.value("socket", .path, default: result.controlSocket))
            }
            return domain == nil ? nil : result
        }
    }

    private mutating func readDomains(_ site: inout Section) {
        moreDomains = site.list("more_domains", of: .domain, default: moreDomains)
        domain = site.required("domain", .domain) ?? ""
        Self.refuseDoubles(moreDomains, "more_domains", &site)
        if moreDomains.contains(domain) { site.refuse("more_domains", "\(domain) is the site's domain already") }
    }

    private static func refuseDoubles(_ values: [String], _ key: String, _ section: inout Section) {
        for (index, value) in values.enumerated() where values[..<index].contains(value) {
            section.refuse(key, "\(value) twice")
        }
    }

    private func refuseDoubleListeners(_ listeners: inout Section, _ more: Endpoint? = nil) {
        var seen: [Endpoint] = []
        let endpoints =
            clientListeners.map(\.endpoint) + serverListeners.map(\.endpoint) + componentListeners.map(\.endpoint)
            + webListeners.map(\.endpoint)
            + (more.map { [$0] } ?? [])
        for endpoint in endpoints {
            if seen.contains(endpoint) { listeners.refuse("two listeners on \(endpoint)") }
            seen.append(endpoint)
        }
    }
}

extension ValueRule<String> {
    /// A URI by which a person is reached (XEP-0157).
    static var contact: ValueRule {
        text("a URI such as \"mailto:admin@pilsen.example\" or \"xmpp:admin@pilsen.example\"") {
            let parts = $0.split(separator: ":", maxSplits: 1)
            return parts.count == 2 && $0.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F } ? $0 : nil
        }
    }
}

/// Paths as text: configuration is read before anything touches a file system.
enum FilePath {
    /// The directory of a file; `.` if its name has none.
    static func directory(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    /// The path relative to a directory, or itself if it is absolute.
    static func join(_ directory: String, _ path: String) -> String {
        if path.hasPrefix("/") || directory == "." { return path }
        if path == "." { return directory }
        return directory.hasSuffix("/") ? directory + path : directory + "/" + path
    }
}
