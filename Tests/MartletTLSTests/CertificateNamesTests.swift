@testable import MartletTLS
import Testing

@Suite struct CertificateNamesTests {
    private func names(
        dns: [String] = [], srv: [String] = [], xmpp: [String] = [], common: [String] = [], hasAlternatives: Bool = true
    ) -> CertificateNames {
        var names = CertificateNames()
        names.dns = dns
        names.srv = srv
        names.xmpp = xmpp
        names.common = common
        names.hasAlternatives = hasAlternatives
        return names
    }

    @Test("RFC 6125 §6.4.1: a DNS-ID is compared without regard to case, and whole")
    func exact() {
        let names = names(dns: ["brno.example"])
        #expect(names.matches(domain: "brno.example"))
        #expect(names.matches(domain: "Brno.EXAMPLE"))
        for other in ["", "example", "rno.example", "x.brno.example", "brno.example.", "brno.exampl", "brno.example.org"] {
            #expect(!names.matches(domain: other))
        }
    }

    @Test("RFC 6120 §13.7.1.2.1: * stands for exactly the left-most label")
    func wildcards() {
        let names = names(dns: ["*.brno.example"])
        #expect(names.matches(domain: "conference.brno.example"))
        for other in ["brno.example", "a.b.brno.example", ".brno.example", "xbrno.example", "*.example"] {
            #expect(!names.matches(domain: other))
        }
        for pattern in ["*.example", "*", "*.", "*.*.example", "b*.example.org", "*o.brno.example", "x.*.example"] {
            #expect(!self.names(dns: [pattern]).matches(domain: "brno.example"))
            #expect(!self.names(dns: [pattern]).matches(domain: "x.brno.example"))
        }
    }

    @Test("RFC 6120 §13.7.1.2.1: an SRV-ID counts for its own service only")
    func services() {
        let names = names(srv: ["_xmpp-server.brno.example"])
        #expect(names.matches(domain: "brno.example"))
        #expect(!names.matches(domain: "brno.example", service: .client))
        #expect(!names.matches(domain: "_xmpp-server.brno.example"))
    }

    @Test("RFC 6120 §13.7.1.4: an xmppAddr counts in either form of the domain")
    func addresses() {
        #expect(names(xmpp: ["brno.example"]).matches(domain: "brno.example"))
        let names = names(xmpp: ["plzeň.example"])
        #expect(names.matches(domain: "xn--plze-rza.example", unicodeName: "plzeň.example"))
        #expect(!names.matches(domain: "xn--plze-rza.example"))
    }

    @Test("RFC 6125 §6.4.4: a commonName counts only without a subjectAltName")
    func commonNames() {
        #expect(names(common: ["brno.example"], hasAlternatives: false).matches(domain: "brno.example"))
        #expect(!names(common: ["brno.example"]).matches(domain: "brno.example"))
        #expect(!names(dns: ["pilsen.example"], common: ["brno.example"]).matches(domain: "brno.example"))
        #expect(!names(common: ["Brno Office"], hasAlternatives: false).matches(domain: "brno office"))
    }

    @Test("SRV-IDs and xmppAddrs survive being written into a certificate and read back")
    func roundTrip() throws {
        let issued = try Fixture.authority.get().issue(
            names: ["*.brno.example"], serviceNames: ["_xmpp-server.brno.example", "_xmpp-client.brno.example"],
            xmppAddresses: ["plzeň.example"], validity: Fixture.year)
        let names = try CertificateFile.describe(pem: [UInt8](issued.certificatePEM.utf8)).names
        #expect(names.dns == ["*.brno.example"])
        #expect(names.srv == ["_xmpp-server.brno.example", "_xmpp-client.brno.example"])
        #expect(names.xmpp == ["plzeň.example"])
        #expect(names.matches(domain: "brno.example"))
        #expect(names.hasAlternatives)
    }

    @Test(
        "Names that are no ASCII domain names are not written into certificates",
        arguments: ["", "plzeň.example", "a b", "a\0b"])
    func refusedNames(name: String) {
        #expect(throws: TLSError.self) {
            try SelfSignedCertificate.make(domain: "pilsen.example", components: [name], validity: Fixture.year)
        }
    }

    @Test("A domain too long for a commonName still gets its certificate")
    func longDomain() throws {
        let domain = (0..<4).map { _ in String(repeating: "a", count: 60) }.joined(separator: ".")
        let issued = try SelfSignedCertificate.make(domain: domain, validity: Fixture.year)
        let description = try CertificateFile.describe(pem: [UInt8](issued.certificatePEM.utf8))
        #expect(description.names.matches(domain: domain))
        #expect(description.subject.isEmpty)
    }

    @Test("Spans of time are told in their largest unit")
    func spans() {
        #expect(TimeSpan.words(1) == "1 second")
        #expect(TimeSpan.words(59) == "59 seconds")
        #expect(TimeSpan.words(60) == "1 minute")
        #expect(TimeSpan.words(7_199) == "1 hour")
        #expect(TimeSpan.words(3 * 86_400) == "3 days")
        #expect(TimeSpan.words(-4) == "0 seconds")
    }
}
