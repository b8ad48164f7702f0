import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

@Suite("Stream to another server")
struct LinkConversationTests {
    static let header =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
        + " xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' version='1.0' xml:lang='en'>"
    static let answer =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
        + " xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='D60000229F' version='1.0'>"
    static let sasl = ClientConversationTests.sasl
    static let tls = ClientConversationTests.tls
    static let errors = ClientConversationTests.errors
    static let stanzas = PeerConversationTests.stanzas
    static let pair = DomainPair(local: jid("capulet.example"), peer: jid("montague.example"))
    static let external = PeerConversationTests.external
    static let dialback = PeerConversationTests.dialback
    static let always = PeerConversationTests.always
    static let key = "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"

    static func connected(
        requiresCertificate: Bool = false, _ change: (inout StreamConfiguration) -> Void = { _ in }
    ) -> Conversation {
        var talk = Conversation(
            .link(pair, requiresCertificate: requiresCertificate), domains: ["capulet.example"], change)
        talk.connect()
        talk.play("< \(header)")
        return talk
    }

    static func secured(
        names: [String]? = ["montague.example"], isVerified: Bool = true, requiresCertificate: Bool = false,
        _ change: (inout StreamConfiguration) -> Void = { _ in }
    ) -> Conversation {
        var talk = connected(requiresCertificate: requiresCertificate, change)
        talk.play(
            """
            > \(answer)<stream:features><starttls \(tls)><required/></starttls></stream:features>
            < <starttls \(tls)/>
            > <proceed \(tls)/>
            ! start TLS with montague.example
            """)
        talk.secure(TLSFacts(peer: names.map { TestIdentity(isVerified: isVerified, names: $0) }))
        return talk
    }

    @Test("RFC 6120 §9.2: STARTTLS, SASL EXTERNAL, a new stream, ready")
    func external() {
        var talk = Self.secured(requiresCertificate: true)
        talk.play(
            """
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.external)\(Self.dialback)</stream:features>
            < <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            > <success \(Self.sasl)/>
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.always)</stream:features>
            ! ready certificate relay sm verified
            """)
        talk.perform(.send(Array("<message/>".utf8)))
        talk.play(
            """
            < <message/>
            > <have xmlns='urn:martlet:relay:0' n='1'/>
            ! nonza <have xmlns='urn:martlet:relay:0' n='1'/>
            > <a xmlns='urn:xmpp:sm:3' h='1'/>
            ! nonza <a xmlns='urn:xmpp:sm:3' h='1'/>
            > <db:result from='x.example' to='y.example'>unasked</db:result>
            """)
        talk.perform(.close(nil))
        talk.play(
            """
            < </stream:stream>
            > <have xmlns='urn:martlet:relay:0' n='2'/></stream:stream>
            ! nonza <have xmlns='urn:martlet:relay:0' n='2'/>
            ! stream ended
            ! close
            """)
        talk.disconnect()
        talk.play("! closed closed by us")
    }

    @Test("XEP-0220 §2.1.1: dialback, and nothing is sent before the answer; others' answers are ignored")
    func dialback() {
        var talk = Self.secured(names: nil)
        talk.play(
            """
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.dialback)\(Self.always)</stream:features>
            < <db:result from='capulet.example' to='montague.example'>\(Self.key)</db:result>
            > <db:result from='other.example' to='capulet.example' type='invalid'/>
            > <db:verify from='montague.example' to='capulet.example' id='1' type='valid'/>
            > <have xmlns='urn:martlet:relay:0'/>
            > <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! ready dialback relay sm
            """)
    }

    @Test("dialback without a feature: by the namespace's declaration, with a server before XMPP 1.0 too")
    func oldServer() {
        var talk = Self.connected { $0.tls = .optional }
        talk.play(
            """
            > \(Self.answer)<stream:features/>
            < <db:result from='capulet.example' to='montague.example'>\(Self.key)</db:result>
            """)
        talk = Self.connected { $0.tls = .optional }
        talk.play(
            """
            > \(Self.answer.replacing(" version='1.0'>", with: ">"))
            < <db:result from='capulet.example' to='montague.example'>\(Self.key)</db:result>
            > <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! ready dialback
            """)
    }

    @Test("a refused certificate leads to dialback on the same stream")
    func fallback() {
        var talk = Self.secured()
        talk.play(
            """
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.external)\(Self.dialback)</stream:features>
            < <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            > <challenge \(Self.sasl)/>
            < <response \(Self.sasl)/>
            > <failure \(Self.sasl)><not-authorized/><text>no</text></failure>
            < <db:result from='capulet.example' to='montague.example'>\(Self.key)</db:result>
            > <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! ready dialback verified
            """)
        talk = Self.secured { $0.allowsDialback = false }
        talk.play(
            """
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.external)\(Self.dialback)</stream:features>
            < <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            > <failure \(Self.sasl)><not-authorized/></failure>
            < </stream:stream>
            ! close
            ! failed refused (montague.example refuses our certificate: not-authorized)
            """)
        // Nothing else comes, whatever happens.
        talk.receive("</stream:stream>")
        talk.fireTimers()
        talk.disconnect()
        #expect(talk.takeDeeds() == [])
    }

    @Test(
        "answers to our key that are not 'valid'",
        arguments: [
            ("type='invalid'/>", "refused (montague.example finds our dialback key invalid)"),
            (
                "type='error'><error type='cancel'><item-not-found \(stanzas)/></error></db:result>",
                "refused (montague.example answers dialback with item-not-found)"
            ),
            (
                "type='error'><error type='wait'><remote-server-timeout \(stanzas)/></error></db:result>",
                "unreachable (montague.example answers dialback with remote-server-timeout)"
            ),
            ("type='nonsense'/>", "unreachable (montague.example answers dialback with undefined-condition)"),
        ])
    func refusedKey(rest: String, failure: String) {
        var talk = Self.secured()
        talk.play(
            """
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.dialback)</stream:features>
            < <db:result from='capulet.example' to='montague.example'>\(Self.key)</db:result>
            > <db:result from='montague.example' to='capulet.example' \(rest)
            < </stream:stream>
            ! close
            ! failed \(failure)
            """)
    }

    @Test(
        "a peer that must show a certificate and does not is refused before a word is said",
        arguments: [
            (["other.example"], true, "shows a certificate for another name than montague.example"),
            (["montague.example"], false, "shows a certificate that does not verify: self-signed"),
            (nil, true, "shows no certificate"),
        ] as [([String]?, Bool, String)])
    func requiredCertificate(names: [String]?, isVerified: Bool, words: String) {
        var talk = Self.secured(names: names, isVerified: isVerified, requiresCertificate: true)
        talk.play(
            """
            ! close
            ! failed refused (montague.example \(words))
            """)
        talk.disconnect()
        #expect(talk.takeDeeds() == [])
    }

    @Test("no TLS where TLS or a certificate is required", arguments: [true, false])
    func missingTLS(requiresCertificate: Bool) {
        var talk = Self.connected(requiresCertificate: requiresCertificate) {
            $0.tls = requiresCertificate ? .optional : .required
        }
        talk.play(
            """
            > \(Self.answer)<stream:features>\(Self.dialback)</stream:features>
            < </stream:stream>
            ! close
            ! failed refused (montague.example offers no TLS)
            """)
    }

    @Test("RFC 6120 §5.4.3.3: what comes behind <proceed/> in clear is not believed")
    func injection() {
        var talk = Self.connected()
        talk.play(
            """
            > \(Self.answer)<stream:features><starttls \(Self.tls)/></stream:features>
            < <starttls \(Self.tls)/>
            > <proceed \(Self.tls)/><success \(Self.sasl)/>
            < </stream:stream>
            ! close
            ! failed unreachable (data in clear behind <proceed/> from montague.example)
            """)
        talk = Self.connected()
        talk.play(
            """
            > \(Self.answer)<stream:features><starttls \(Self.tls)/></stream:features>
            < <starttls \(Self.tls)/>
            > <failure \(Self.tls)/></stream:stream>
            < </stream:stream>
            ! close
            ! failed unreachable (montague.example cannot do the TLS that it offers)
            """)
    }

    @Test("direct TLS: the header comes after the handshake")
    func directTLS() {
        var talk = Conversation(.link(Self.pair, requiresCertificate: false), domains: ["capulet.example"])
        talk.connect(directTLS: true)
        talk.play("! start TLS with montague.example")
        talk.secure(TLSFacts(peer: TestIdentity(names: ["montague.example"])))
        talk.play(
            """
            < \(Self.header)
            > \(Self.answer)<stream:features>\(Self.external)</stream:features>
            < <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            """)
    }

    @Test(
        "how an attempt fails, in words",
        arguments: [
            ("<stream:error><host-unknown \(errors)/></stream:error>", "refused (the peer reports host-unknown)"),
            (
                "<stream:error><system-shutdown \(errors)/><text \(errors)>bye</text></stream:error>",
                "unreachable (the peer reports system-shutdown: bye)"
            ),
            ("<stream:error/>", "unreachable (the peer reports undefined-condition)"),
            ("</stream:stream>", "unreachable (the peer closed the stream during negotiation)"),
            ("<stream:features/>", "refused (montague.example offers no TLS)"),
        ])
    func failures(bytes: String, failure: String) {
        var talk = Self.connected()
        talk.play(
            """
            > \(Self.answer)\(bytes)
            < </stream:stream>
            ! close
            ! failed \(failure)
            """)
    }

    @Test("what is no XMPP server, goes away or is silent")
    func noServer() {
        var talk = Self.connected()
        talk.play(
            """
            > HTTP/1.1 400 Bad Request
            < <stream:error><not-well-formed \(Self.errors)/></stream:error></stream:stream>
            ! close
            ! failed unreachable (not-well-formed)
            """)
        talk = Self.connected()
        talk.disconnect("connection refused")
        talk.play("! failed unreachable (connection refused)")
        talk = Self.connected()
        talk.fireTimers()
        talk.play(
            """
            < <stream:error><connection-timeout \(Self.errors)/></stream:error></stream:stream>
            ! close
            ! failed unreachable (the stream was not negotiated in time)
            """)
        talk = Self.connected()
        talk.receive(Self.answer.replacing("jabber:server'", with: "jabber:client'"))
        #expect(talk.takeDeeds().last == .done("failed unreachable (invalid-namespace)"))
    }

    /// A stream of ours that is ready, in one direction.
    private static func ready() -> Conversation {
        var talk = secured()
        talk.receive(answer + "<stream:features>\(dialback)</stream:features>")
        talk.receive("<db:result from='montague.example' to='capulet.example' type='valid'/>")
        _ = talk.takeDeeds()
        return talk
    }

    @Test("stanzas of the pair on our stream are the site's to judge, and our stream goes on")
    func strayStanza() {
        var talk = Self.ready()
        talk.play(
            """
            > <iq type='result' id='fence-1' from='montague.example' to='capulet.example'/>
            ! stanza <iq from='montague.example' to='capulet.example' id='fence-1' type='result'/>
            > <iq type='get' id='2' from='montague.example' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>
            ! stanza <iq from='montague.example' to='capulet.example' id='2' type='get'><ping xmlns='urn:xmpp:ping'/></iq>
            > <a xmlns='urn:xmpp:sm:3' h='1'/>
            ! nonza <a xmlns='urn:xmpp:sm:3' h='1'/>
            """)
    }

    @Test(
        "what is not between the two domains of our stream is not heard there, and our stream goes on",
        arguments: [
            "<message from='a@evil.example' to='b@capulet.example'/>",
            "<message from='a@montague.example' to='b@evil.example'/>",
            "<message to='b@capulet.example'/>", "<message from='a@@montague.example' to='b@capulet.example'/>", "<foo/>",
            "<message xmlns='jabber:client' from='a@montague.example' to='b@capulet.example'/>", "<x xmlns='urn:example:new'/>",
        ])
    func strayOthers(_ stanza: String) {
        var talk = Self.ready()
        talk.receive(stanza)
        #expect(talk.takeDeeds().isEmpty)
        talk.play(
            """
            > <a xmlns='urn:xmpp:sm:3' h='1'/>
            ! nonza <a xmlns='urn:xmpp:sm:3' h='1'/>
            """)
    }

    @Test("S7: what we do not bear is told to the site before the end of the stream")
    func objection() {
        var talk = Self.ready()
        talk.play(
            """
            > <iq type='result' id='1' from='montague.example' to='capulet.example'><a></b></iq>
            ! objected not-well-formed
            < <stream:error><not-well-formed \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
        talk.disconnect()
        talk.play("! closed not-well-formed")
    }

    @Test("RFC 6066 §3: TLS is asked for the name in A-labels, and for no address")
    func serverNames() {
        for (domain, name) in [("bücher.example", "xn--bcher-kva.example"), ("192.0.2.1", "nobody"), ("[::1]", "nobody")] {
            let pair = DomainPair(local: jid("capulet.example"), peer: jid(domain))
            var talk = Conversation(.link(pair, requiresCertificate: false), domains: ["capulet.example"])
            talk.connect(directTLS: true)
            talk.play("! start TLS with \(name)")
        }
    }
}
