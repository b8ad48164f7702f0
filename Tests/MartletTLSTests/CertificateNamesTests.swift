@testable import MartletTLS
import Testing

@Suite struct CertificateNamesTests {
    private func names(
        dns: [String] = [], srv: [String] = [], xmpp: [String] = [], common: [String] = []
    ) -> CertificateNames {
        var names = CertificateNames()
        names.dns = dns
        names.srv = srv
        names.xmpp = xmpp
        names.common = common
        return names
    }

    @Test("RFC 9525 §6.3: a DNS-ID is compared without regard to case, and whole")
    func exact() {
        let names = names(dns: ["brno.example"])
        #expect(names.matches(domain: "brno.example"))
        #expect(names.matches(domain: "Brno.EXAMPLE"))
        for other in ["", "example", "rno.example", "x.brno.example", "brno.example.", "brno.exampl", "brno.example.org"] {
            #expect(!names.matches(domain: other))
        }
    }

    @Test("RFC 9525 §6.3: * stands for exactly the left-most label")
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

    @Test("RFC 9525 §2: a commonName is no name, whether there is a subjectAltName or not")
    func commonNames() {
        #expect(!names(common: ["brno.example"]).matches(domain: "brno.example"))
        #expect(!names(dns: ["pilsen.example"], common: ["brno.example"]).matches(domain: "brno.example"))
        #expect(names(common: ["brno.example"]).isCommonNameOnly)
        #expect(!names(dns: ["pilsen.example"], common: ["brno.example"]).isCommonNameOnly)
        #expect(!names().isCommonNameOnly)
    }

    @Test("RFC 9525 §6.3: a DNS-ID names no address, with * or without")
    func literals() {
        #expect(!names(dns: ["192.0.2.1", "*.0.2.1"]).matches(domain: "192.0.2.1"))
        #expect(!names(dns: ["[2001:db8::1]"]).matches(domain: "[2001:db8::1]"))
        #expect(names(dns: ["1.2.3.4.example"]).matches(domain: "1.2.3.4.example"))
    }

    @Test("RFC 9525 §6.3: internationalised domains are compared as A-labels, and * may stand for one of them")
    func internationalisedNames() {
        let domain = "xn--plze-rza.example"
        #expect(names(dns: [domain]).matches(domain: domain, unicodeName: "plzeň.example"))
        #expect(names(dns: ["*.brno.example"]).matches(domain: "xn--plze-rza.brno.example", unicodeName: "plzeň.brno.example"))
        #expect(names(srv: ["_xmpp-server." + domain]).matches(domain: domain, unicodeName: "plzeň.example"))
        for pattern in ["xn--*.example", "xn--plze-*.example", "*xn--plze-rza.example", "plzeň.example"] {
            #expect(!names(dns: [pattern]).matches(domain: domain, unicodeName: "plzeň.example"))
        }
    }

    @Test("* is for DNS-IDs alone: not in SRV-IDs, not in xmppAddrs")
    func otherWildcards() {
        #expect(!names(srv: ["_xmpp-server.*.example.org"]).matches(domain: "brno.example.org"))
        #expect(!names(xmpp: ["*.example.org"]).matches(domain: "brno.example.org"))
    }

    @Test("an xmppAddr of an account is not one of its server")
    func accountAddresses() {
        #expect(!names(xmpp: ["alice@brno.example", "brno.example/x"]).matches(domain: "brno.example"))
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
        #expect(!names.isCommonNameOnly)
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
