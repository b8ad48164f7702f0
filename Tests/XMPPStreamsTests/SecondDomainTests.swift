import MartletCrypto
import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

/// A site that serves several domains: which of them a stream is for is what its header says.
@Suite struct SecondDomainTests {
    private static let sasl = ClientConversationTests.sasl
    private static let tls = ClientConversationTests.tls

    private static func header(_ domain: String) -> String {
        ClientConversationTests.header.replacing("to='im.example.com'", with: "to='\(domain)'")
    }

    private static func answer(_ domain: String) -> String {
        ClientConversationTests.answer.replacing("from='im.example.com'", with: "from='\(domain)'")
    }

    /// A client's stream for `domain`, behind TLS and before SASL.
    private func secured(_ domain: String, register: Bool = false) -> Conversation {
        var talk = Conversation(.clientReceiving, domains: ["im.example.com", "verona.example"]) {
            $0.allowsRegistration = register
        }
        talk.connect()
        talk.play(
            """
            > \(Self.header(domain))
            < \(Self.answer(domain))<stream:features><starttls \(Self.tls)><required/></starttls></stream:features>
            > <starttls \(Self.tls)/>
            < <proceed \(Self.tls)/>
            ! start TLS as server
            """)
        talk.secure(TLSFacts(exporter: { Array(repeating: 9, count: 32) }, serverEndPoint: [8]))
        let register =
            register ? "<register xmlns='http://jabber.org/features/iq-register'/></stream:features>" : "</stream:features>"
        talk.play(
            """
            > \(Self.header(domain))
            < \(Self.answer(domain))\(ClientConversationTests.saslFeatures.replacing("</stream:features>", with: register))
            """)
        return talk
    }

    private func credentials(_ account: String, _ algorithm: DigestAlgorithm) -> StoredCredentials {
        let keys = SCRAMKeys(algorithm: algorithm, password: Array("r0m30myr0m30".utf8), salt: [1, 2, 3], iterations: 4096)
        return StoredCredentials(
            account: jid(account), salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey,
            serverKey: keys.serverKey, generation: 0, isDecoy: false)
    }

    @Test(
        "a client of either domain is asked for in that domain, by PLAIN, with its own address as authzid",
        arguments: ["im.example.com", "verona.example"])
    func plain(domain: String) {
        var talk = secured(domain)
        let message = "juliet@\(domain)\0juliet\0r0m30myr0m30"
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='PLAIN'>\(Base64.encode(message.utf8))</auth>
            ! credentials wanted juliet@\(domain) PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(credentials("juliet@\(domain)", .sha256)))
        talk.play("! derive keys")
        talk.derive()
        talk.play("! client authenticated juliet@\(domain) secure")
        talk.perform(.admit)
        talk.play(
            """
            < <success \(Self.sasl)/>
            > \(Self.header(domain))
            < \(Self.answer(domain))\(ClientConversationTests.sessionFeatures)
            > <iq from='juliet@\(domain)' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>
            ! stanza <iq from='juliet@\(domain)' id='1' type='get' xml:lang='en'><ping xmlns='urn:xmpp:ping'/></iq>
            """)
    }

    @Test("SCRAM works in the second domain, and a failure is counted there")
    func scram() {
        var talk = secured("verona.example")
        let first = "n=juliet,r=oMsTAAwAAAAMAAAANP0TAAAAAABPU0AA"
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='SCRAM-SHA-1'>\(Base64.encode(("n,," + first).utf8))</auth>
            ! credentials wanted juliet@verona.example SCRAM-SHA-1 192.0.2.7
            """)
        talk.perform(.credentials(credentials("juliet@verona.example", .sha1)))
        talk.play("< <challenge \(Self.sasl)>{challenge}</challenge>")
        let final = SCRAMClient.final(
            first: first, header: Array("n,,".utf8), challenge: Base64.decode(talk.words["challenge"] ?? "") ?? [],
            password: "wrong", .sha1)
        talk.play(
            """
            > <response \(Self.sasl)>\(Base64.encode(final))</response>
            ! authentication failed juliet@verona.example
            < <failure \(Self.sasl)><not-authorized/></failure>
            """)
    }

    @Test("RFC 6120 §6.3.8: the address of the same user in the other domain is no identity to act as")
    func otherDomainAsAuthzid() {
        var talk = secured("verona.example")
        let message = "juliet@im.example.com\0juliet\0r0m30myr0m30"
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='PLAIN'>\(Base64.encode(message.utf8))</auth>
            < <failure \(Self.sasl)><invalid-authzid/></failure>
            """)
    }

    @Test("XEP-0077: an account is asked for in the domain that the stream is for")
    func registration() {
        var talk = secured("verona.example", register: true)
        talk.play(
            """
            > <iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>
            ! registration verona.example <iq to='verona.example' id='1' type='get'><query xmlns='jabber:iq:register'/></iq>
            """)
    }

    @Test("a peer proves itself to the second domain by dialback, and verifies keys of it")
    func peer() {
        var talk = Conversation(.serverReceiving, domains: ["im.example.com", "verona.example"]) { $0.tls = .unavailable }
        talk.connect()
        talk.receive(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
                + "xmlns:db='jabber:server:dialback' from='mantua.example' to='verona.example' version='1.0'>")
        #expect(talk.takeWritten().contains("from='verona.example' to='mantua.example'"))
        talk.receive("<db:result from='mantua.example' to='verona.example'>key</db:result>")
        let asked = talk.takeDeeds()
        guard case .done(let words)? = asked.first else {
            Issue.record("\(asked)")
            return
        }
        #expect(words.hasPrefix("dialback key verona.example mantua.example key "))
        let key = talk.environment.configuration.dialbackSecret.dialbackKey(
            receiving: "mantua.example", originating: "verona.example", streamID: "x")
        talk.receive("<db:verify from='mantua.example' to='verona.example' id='x'>\(key)</db:verify>")
        #expect(talk.takeWritten().contains("type='valid'"))
    }
}
