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
    let domain: String

    var configurationPath: String { directory + "/martlet.toml" }

    /// Whether there is nothing to do.
    var isDone: Bool { access(configurationPath, F_OK) == 0 }

    /// The domain to serve: what was asked for, else the host's full name, else `localhost`.
    static func domain(asked: String?) throws -> String {
        if let asked {
            do {
                return try Domainpart.prepare(asked)
            } catch {
                throw CommandFailure("\(asked) is not a domain: \(error)")
            }
        }
        guard let host = ProcessLimits.hostName(), host.contains("."), let prepared = try? Domainpart.prepare(host) else {
            return "localhost"
        }
        return prepared
    }

    /// Makes what is missing. `nil` where the site existed already.
    func perform(withAccount: Bool) throws -> Account? {
        guard !isDone else { return nil }
        try Files.makeDirectory(directory)
        let text = SiteConfiguration.annotated(domain: domain) + "\n"
        let configuration: SiteConfiguration
        do {
            configuration = try SiteConfiguration.parse(text, fileName: configurationPath)
        } catch {
            preconditionFailure("the annotated default configuration is valid for any prepared domain: \(error)")
        }
        try makeCertificate(configuration)
        let account = withAccount ? try makeAccount(configuration) : nil
        try Files.write(Array(text.utf8), to: configurationPath)
        return account
    }

    /// A certificate of our own for the domain and its components, for ten years: clients ask once whether to trust it.
    private func makeCertificate(_ configuration: SiteConfiguration) throws {
        if access(configuration.tls.certificate, F_OK) == 0, access(configuration.tls.key, F_OK) == 0 { return }
        let ascii = (try? Domainpart.asciiForm(domain)) ?? domain
        let components = Self.components.map { "\($0).\(ascii)" }
        let issued: IssuedCertificate
        do {
            issued = try SelfSignedCertificate.make(domain: ascii, components: components, days: 3650)
        } catch {
            throw CommandFailure("no certificate could be made: \(error)")
        }
        try Files.write(Array(issued.keyPEM.utf8), to: configuration.tls.key)
        try Files.write(Array(issued.certificatePEM.utf8), to: configuration.tls.certificate)
    }

    /// The services that get domains of their own below the site's.
    private static let components = ["conference", "upload", "pubsub", "proxy"]

    private func makeAccount(_ configuration: SiteConfiguration) throws -> Account {
        let password = Passwords.generated()
        let account: JID
        do {
            account = try JID(localpart: "admin", domainpart: domain)
        } catch {
            throw CommandFailure("\(domain) cannot have accounts: \(error)")
        }
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
