import MartletCrypto
import MartletTLS
import Testing

@Suite struct CertificateTests {
    private func words(_ certificate: PeerCertificate?) -> String? {
        guard case .failed(let words) = certificate?.verification else { return nil }
        return words
    }

    @Test("A certificate of a trusted authority is verified and names its domains only")
    func verified() throws {
        let certificate = try #require(try Fixture.judged(Fixture.pilsen.get()))
        #expect(certificate.isVerified)
        #expect(certificate.matches(domain: "pilsen.example"))
        #expect(certificate.matches(domain: "conference.pilsen.example"))
        #expect(!certificate.matches(domain: "brno.example"))
        #expect(certificate.objection(domain: "pilsen.example") == nil)
        #expect(
            certificate.objection(domain: "brno.example")
                == "certificate is for pilsen.example, conference.pilsen.example, not brno.example")
        #expect(certificate.description.issuer == "CN=Test Authority")
        #expect(certificate.publicKeyPin == Digest.hash(.sha256, certificate.publicKeyDER))
    }

    @Test("An expired, an early, a self-signed and an unknown issuer's certificate fail with words")
    func failures() throws {
        let day: Int64 = 86_400
        let expired = try Fixture.judged(Fixture.pilsen.get(), time: Fixture.year.notAfter + 3 * day + 5)
        #expect(words(expired)?.contains("certificate expired 3 days ago") == true)
        let early = try Fixture.judged(Fixture.pilsen.get(), time: Fixture.year.notBefore - 2 * 3_600)
        #expect(words(early)?.contains("certificate is valid only in 2 hours") == true)
        let alone = try SelfSignedCertificate.make(domain: "pilsen.example", validity: Fixture.year)
        #expect(words(try Fixture.judged(Fixture.identity(alone))) == "self-signed certificate")
        let nobody = try TrustStore(system: false)
        #expect(
            words(try Fixture.judged(Fixture.pilsen.get(), trust: nobody))
                == "issuer “CN=Test Authority” of the certificate is unknown: an intermediate certificate is missing or the "
                + "authority is not trusted here")
        #expect(words(try Fixture.judged(Fixture.pilsen.get(), trust: TrustStore()))?.isEmpty == false)
    }

    @Test("Only the certificate expired, when its authority has not")
    func expiredLeaf() throws {
        let short = try Fixture.issue(names: ["pilsen.example"], validity: .days(1, from: Fixture.now))
        #expect(words(try Fixture.judged(short, time: Fixture.now + 86_400 + 7_200)) == "certificate expired 2 hours ago")
    }

    @Test("All the reasons are told at once")
    func severalReasons() throws {
        let identity = try Fixture.issue(names: ["brno.example"], validity: .days(1, from: Fixture.now))
        let certificate = try #require(
            try Fixture.judged(identity, trust: TrustStore(system: false), time: Fixture.now + 10 * 86_400))
        let objection = try #require(certificate.objection(domain: "pilsen.example"))
        #expect(objection.contains("is unknown"))
        #expect(objection.contains("expired 9 days ago"))
        #expect(objection.hasSuffix("certificate is for brno.example, not pilsen.example"))
    }

    @Test("A self-signed certificate in the operator's own file is trusted")
    func trustedAlone() throws {
        let alone = try SelfSignedCertificate.make(
            domain: "pilsen.example", components: ["upload.pilsen.example"], days: 30, now: Fixture.now)
        let trust = try TrustStore(system: false, additionalPEM: [UInt8](alone.certificatePEM.utf8))
        let certificate = try #require(try Fixture.judged(Fixture.identity(alone), trust: trust))
        #expect(certificate.isVerified)
        #expect(certificate.matches(domain: "upload.pilsen.example"))
        let other = try SelfSignedCertificate.make(domain: "pilsen.example", validity: Fixture.year)
        #expect(words(try Fixture.judged(Fixture.identity(other), trust: trust)) == "self-signed certificate")
    }

    @Test("An intermediate authority is found when the chain file has it, and missed when not")
    func intermediate() throws {
        let office = try Fixture.authority.get().issueAuthority(name: "Office Authority", validity: Fixture.year)
        let issued = try office.issue(names: ["pilsen.example"], validity: Fixture.year)
        let complete = IssuedCertificate(
            certificatePEM: issued.certificatePEM + office.pem.certificatePEM, keyPEM: issued.keyPEM)
        #expect(try Fixture.judged(Fixture.identity(complete))?.isVerified == true)
        #expect(words(try Fixture.judged(Fixture.identity(issued)))?.contains("“CN=Office Authority”") == true)
        let partial = try TrustStore(system: false, additionalPEM: [UInt8](office.pem.certificatePEM.utf8))
        #expect(try Fixture.judged(Fixture.identity(issued), trust: partial)?.isVerified == true)
    }

    @Test("An ordinary certificate cannot issue others")
    func notAnAuthority() throws {
        let issued = try Fixture.authority.get().issue(names: ["mallory.example"], validity: Fixture.year)
        let mallory = try CertificateAuthority(certificatePEM: issued.certificatePEM, keyPEM: issued.keyPEM)
        let forged = try mallory.issue(names: ["pilsen.example"], validity: Fixture.year)
        let chain = IssuedCertificate(
            certificatePEM: forged.certificatePEM + issued.certificatePEM, keyPEM: forged.keyPEM)
        let certificate = try #require(try Fixture.judged(Fixture.identity(chain)))
        #expect(!certificate.isVerified)
    }

    @Test("An authority read back from PEM issues certificates that are verified")
    func storedAuthority() throws {
        let stored = try Fixture.authority.get().pem
        let authority = try CertificateAuthority(certificatePEM: stored.certificatePEM, keyPEM: stored.keyPEM)
        let issued = try authority.issue(names: ["pilsen.example"], validity: Fixture.year)
        #expect(try Fixture.judged(Fixture.identity(issued))?.isVerified == true)
    }

    @Test("Between servers both ends see the other's certificate")
    func mutual() throws {
        let trust = try Fixture.trust()
        let client = try TLSContext(client: Fixture.brno.get(), trust: trust)
        let server = try TLSContext(server: Fixture.pilsen.get(), requestingClientCertificates: trust)
        let pair = try Pair(client: client, server: server, time: Fixture.now)
        #expect(pair.server.peerCertificate == nil)
        try pair.pump()
        #expect(pair.server.peerCertificate?.isVerified == true)
        #expect(pair.server.peerCertificate?.matches(domain: "brno.example") == true)
        #expect(pair.client.peerCertificate?.matches(domain: "pilsen.example") == true)
        #expect(pair.client.serverEndPoint() == pair.server.serverEndPoint())
    }

    @Test("A server goes on with a client that shows no certificate or a worthless one, and knows it")
    func worthless() throws {
        let trust = try Fixture.trust()
        let server = try TLSContext(server: Fixture.pilsen.get(), requestingClientCertificates: trust)
        let nothing = try Pair(client: TLSContext(trust: trust), server: server, time: Fixture.now)
        try nothing.pump()
        #expect(nothing.server.isEstablished)
        #expect(nothing.server.peerCertificate == nil)
        let alone = try SelfSignedCertificate.make(domain: "brno.example", validity: Fixture.year)
        let client = try TLSContext(client: Fixture.identity(alone), trust: trust)
        let selfSigned = try Pair(client: client, server: server, time: Fixture.now)
        try selfSigned.pump()
        #expect(words(selfSigned.server.peerCertificate) == "self-signed certificate")
    }

    @Test("Clients of users are not asked for a certificate")
    func notAsked() throws {
        let client = try TLSContext(client: Fixture.brno.get(), trust: Fixture.trust())
        let pair = try Pair(client: client, server: TLSContext(server: Fixture.pilsen.get()), time: Fixture.now)
        try pair.pump()
        #expect(pair.server.peerCertificate == nil)
    }

    @Test("RFC 5280 §4.2.1.12: a server shows a certificate for servers; who calls shows one for servers or one for clients")
    func purposes() throws {
        let trust = try Fixture.trust()
        let server = try TLSContext(server: Fixture.pilsen.get(), requestingClientCertificates: trust)
        for usage in [CertificateUsage.server, .client, .serverAndClient] {
            let identity = try Fixture.issue(names: ["brno.example"], usage: usage)
            let pair = try Pair(client: TLSContext(client: identity, trust: trust), server: server, time: Fixture.now)
            try pair.pump()
            #expect(pair.server.peerCertificate?.verification == .verified)
            let shown = try Fixture.judged(identity)
            if usage == .client {
                #expect(words(shown) == "certificate is not meant for a TLS server")
            } else {
                #expect(shown?.verification == .verified)
            }
        }
    }

    @Test("What was issued can be described and verified without a connection")
    func describe() throws {
        let pem = [UInt8](
            try Fixture.authority.get().issue(names: ["pilsen.example"], validity: Fixture.year).certificatePEM.utf8)
        let description = try CertificateFile.describe(pem: pem)
        #expect(description.names.dns == ["pilsen.example"])
        #expect(description.subject == "CN=pilsen.example")
        #expect(description.notBefore == Fixture.year.notBefore)
        #expect(description.notAfter == Fixture.year.notAfter)
        #expect(!description.isSelfSigned)
        #expect(try CertificateFile.verify(pem: pem, trust: Fixture.trust(), time: Fixture.now).isVerified)
    }

    @Test("Files that are no certificate or no key, or do not belong together, are refused with words")
    func unusableFiles() throws {
        let authority = try Fixture.authority.get()
        let one = try authority.issue(names: ["a.example"], validity: Fixture.year)
        let other = try authority.issue(names: ["b.example"], validity: Fixture.year)
        func error(_ certificate: String, _ key: String) -> TLSError? {
            #expect(throws: TLSError.self) {
                try TLSIdentity(certificateChainPEM: [UInt8](certificate.utf8), keyPEM: [UInt8](key.utf8))
            }
        }
        #expect(error(one.certificatePEM, other.keyPEM)?.words == "the key does not belong to the certificate")
        #expect(error(one.keyPEM, one.keyPEM)?.kind == .certificate)
        #expect(error(one.certificatePEM, one.certificatePEM)?.kind == .key)
        #expect(error("", "")?.words == "the certificate is unusable: it contains no PEM block of the kind expected")
        let cut = String(one.certificatePEM.dropLast(60))
        #expect(error(one.certificatePEM + cut, one.keyPEM)?.kind == .certificate)
        let missing = #expect(throws: TLSError.self) {
            try TLSIdentity(certificateFile: "/nonexistent/certificate.pem", keyFile: "/nonexistent/key.pem")
        }
        #expect(missing == TLSError(.file, "/nonexistent/certificate.pem: No such file or directory"))
        #expect(throws: TLSError.self) { try TrustStore(additionalPEM: [UInt8]("nonsense".utf8)) }
    }

    @Test("Damaged PEM and DER never crash")
    func damagedPEM() throws {
        var random = Seeded(state: 3)
        let alone = try SelfSignedCertificate.make(
            domain: "pilsen.example", components: ["a.pilsen.example"], validity: Fixture.year, serviceNames: true)
        let pem = [UInt8](alone.certificatePEM.utf8)
        let trust = try TrustStore(system: false)
        for _ in 0..<2_000 {
            var damaged = pem
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: 28..<(pem.count - 27), using: &random)] = UInt8.random(in: 43...122, using: &random)
            }
            _ = try? CertificateFile.verify(pem: damaged, trust: trust, time: Fixture.now)
        }
    }
}
