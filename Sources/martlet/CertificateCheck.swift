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

    /// Reads the certificate that the configuration names.
    init(_ configuration: SiteConfiguration) throws {
        let description = try CertificateFile.describe(pem: Files.read(configuration.tls.certificate))
        self.description = description
        let isNamed = { (domain: String) in
            let ascii = (try? Domainpart.asciiForm(domain)) ?? domain
            return description.names.matches(domain: ascii, unicodeName: domain, service: .client)
        }
        named = configuration.domains.filter(isNamed)
        missing = configuration.domains.filter { !isNamed($0) }
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
