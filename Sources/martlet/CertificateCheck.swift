import Glibc
import Logging
import MartletConfiguration
import MartletTLS
import XMPPAddress

/// The site's certificate against the domains that it has to prove: all that people are served at.
struct CertificateCheck {
    /// What is written in the certificate.
    let description: CertificateDescription
    /// The domains that it names.
    let named: [String]
    /// The domains that it should name and does not: clients and servers refuse it for these.
    let missing: [String]

    private let file: String

    /// How much longer it is good.
    var expiry: CertificateExpiry { CertificateExpiry(secondsLeft: description.notAfter - Int64(time(nil))) }

    /// What is to be done about one that ends.
    var remedy: String { "put a new one in \(file), which is taken up within a minute" }

    /// Reads the certificate that the configuration names.
    init(_ configuration: SiteConfiguration) throws {
        let description = try CertificateFile.describe(pem: Files.read(configuration.tls.certificate))
        self.description = description
        file = configuration.tls.certificate
        let isNamed = { (domain: String) in
            let ascii = (try? Domainpart.asciiForm(domain)) ?? domain
            return description.names.matches(domain: ascii, unicodeName: domain, service: .client)
        }
        named = configuration.domains.filter(isNamed)
        missing = configuration.domains.filter { !isNamed($0) }
    }

    /// Tells a person who asked about something else that our certificate ends, or has ended: then others refuse us, whatever
    /// their links say.
    static func mention(_ configuration: SiteConfiguration) {
        guard let check = try? CertificateCheck(configuration), check.expiry.isDue else { return }
        Terminal.warn("this site's certificate \(check.expiry.words): \(check.remedy)")
    }

    /// Tells the log that the certificate ends, or has ended.
    static func warnOfEnd(_ configuration: SiteConfiguration, _ logger: Logger) {
        guard let check = try? CertificateCheck(configuration), check.expiry.isDue else { return }
        logger.log(
            level: check.expiry.isUrgent ? .error : .warning,
            check.expiry.isOver
                ? "the certificate has expired: clients and servers refuse it" : "the certificate will expire soon",
            metadata: ["certificate": "\(check.expiry.words)", "remedy": "\(check.remedy)"])
    }

    /// Says in the log which domains are missing, if any are: the node serves all the same, the others are none the worse.
    /// Returns them in words for a person.
    static func warn(_ configuration: SiteConfiguration, _ logger: Logger) -> String? {
        // Unreadable is what the caller has met already.
        guard let check = try? CertificateCheck(configuration), !check.missing.isEmpty else { return nil }
        for domain in check.missing {
            logger.warning(
                "the certificate does not name a domain of this site: clients and servers will refuse it",
                metadata: [
                    "domain": "\(domain)", "names": "\(check.description.names.summary)",
                    "certificate": "\(configuration.tls.certificate)",
                ])
        }
        return "the certificate does not name \(listed(check.missing))"
    }
}

/// How much longer a certificate is good.
struct CertificateExpiry {
    /// Seconds; negative where it has ended.
    let secondsLeft: Int64

    /// Told about this long before its end: longer than a holiday, and what authorities that renew by themselves leave at least.
    private static let warning: Int64 = 30 * 86_400
    /// From then on it is an error: nothing has renewed it, and somebody has a week left.
    private static let urgent: Int64 = 7 * 86_400

    /// Whether somebody has to do something.
    var isDue: Bool { secondsLeft < Self.warning }
    /// Whether it has to be done now.
    var isUrgent: Bool { secondsLeft < Self.urgent }
    /// Whether it is too late.
    var isOver: Bool { secondsLeft < 0 }

    /// "expires in 3 days", "expired 2 hours ago".
    var words: String {
        let length = martlet.words(milliseconds: max(abs(secondsLeft), 1) * 1000)
        return isOver ? "expired \(length) ago" : "expires in \(length)"
    }
}
