import MartletPrimitives
import Glibc
import MartletBus
import MartletConfiguration
import MartletTLS
import XMPPAddress

/// Everything a site needs before it can serve, made where it is missing: directory, certificate, first account,
/// configuration, in this order, so that a start that was cut short is simply made again.
struct FirstStart {
    /// The account that was made, if one was: its password is said once, here.
    struct Account {
        let address: String
        let password: String
    }

    let directory: String
    /// The domains to serve, the site's name first.
    let domains: [String]
    /// The directory of the database, relative to that one.
    var data = "."
    /// The name of the first account, at the first domain.
    var admin = "admin"

    var configurationPath: String { directory + "/martlet.toml" }

    /// Whether there is nothing to do.
    var isDone: Bool { Files.mayExist(configurationPath) }

    /// The domains to serve: what was asked for, each once, else the host's full name, else `localhost`.
    static func domains(asked: [String]) throws -> [String] {
        var domains: [String] = []
        for text in asked {
            do {
                let domain = try Domainpart.prepare(text)
                if !domains.contains(domain) { domains.append(domain) }
            } catch {
                throw CommandFailure("\(text) is not a domain: \(error)")
            }
        }
        if !domains.isEmpty { return domains }
        guard let host = ProcessLimits.hostName(), host.contains("."), let prepared = try? Domainpart.prepare(host) else {
            return ["localhost"]
        }
        return [prepared]
    }

    /// Whom the site has at first.
    enum First {
        case nobody
        /// An account to try it with.
        case somebody
        /// An account that administers it with a client, with this password or one that we make.
        case administrator(password: String?)
    }

    /// Makes what is missing. `nil` where the site existed already, and where nobody was wanted.
    func perform(_ first: First) throws -> Account? {
        guard !isDone else { return nil }
        try Files.makeDirectory(directory)
        var admins: [String] = []
        if case .administrator = first { admins = [try address.description] }
        let text =
            SiteConfiguration.annotated(domain: domains[0], moreDomains: Array(domains.dropFirst()), data: data, admins: admins)
            + "\n"
        let configuration: SiteConfiguration
        do {
            configuration = try SiteConfiguration.parse(text, fileName: configurationPath)
        } catch {
            ourFault("the annotated default configuration is valid for any prepared domains: \(error)")
        }
        try makeCertificate(configuration)
        let account: Account?
        switch first {
        case .nobody: account = nil
        case .somebody: account = try makeAccount(configuration, Passwords.generated())
        case .administrator(let password): account = try makeAccount(configuration, password ?? Passwords.generated())
        }
        try Files.write(Array(text.utf8), to: configurationPath)
        return account
    }

    /// A certificate of our own for the domains and their components, for ten years: clients ask once whether to trust it.
    private func makeCertificate(_ configuration: SiteConfiguration) throws {
        if access(configuration.tls.certificate, F_OK) == 0, access(configuration.tls.key, F_OK) == 0 { return }
        let ascii = configuration.domains.map { (try? Domainpart.asciiForm($0)) ?? $0 }
        let components = ascii.flatMap { domain in Self.components.map { "\($0).\(domain)" } }
        let issued: IssuedCertificate
        do {
            issued = try SelfSignedCertificate.make(
                domain: ascii[0], components: ascii.dropFirst() + components, days: 3650)
        } catch {
            throw CommandFailure("no certificate could be made: \(error)")
        }
        try Files.write(Array(issued.keyPEM.utf8), to: configuration.tls.key)
        try Files.write(Array(issued.certificatePEM.utf8), to: configuration.tls.certificate)
    }

    /// The services that get domains of their own below each of the site's.
    private static let components = ["conference", "upload", "pubsub", "proxy"]

    /// The address of the first account.
    private var address: JID {
        get throws {
            do {
                return try JID(localpart: admin, domainpart: domains[0])
            } catch {
                throw CommandFailure("\(admin)@\(domains[0]) cannot be an account: \(error)")
            }
        }
    }

    private func makeAccount(_ configuration: SiteConfiguration, _ password: String) throws -> Account {
        let account = try address
        let keys = try Passwords.keys(for: password)
        let site = try LocalSite(configuration)
        defer { site.close() }
        if case .refused = site.ask(.accounts(.add(account, keys))),
            case .refused(let words) = site.ask(.accounts(.changePassword(account, keys)))
        {
            throw CommandFailure("the first account could not be made: \(words)")
        }
        return Account(address: account.description, password: password)
    }
}
