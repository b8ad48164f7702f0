import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

@Suite("Stream of another server")
struct PeerConversationTests {
    static let header =
        "<?xml version='1.0'?><stream:stream from='capulet.example' to='montague.example' version='1.0'"
        + " xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>"
    static let answer =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
        + " xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='{id}' version='1.0'"
        + " xml:lang='en'>"
    static let sasl = ClientConversationTests.sasl
    static let tls = ClientConversationTests.tls
    static let errors = ClientConversationTests.errors
    static let stanzas = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
    static let external = "<mechanisms \(sasl)><mechanism>EXTERNAL</mechanism></mechanisms>"
    static let dialback = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
    static let always = "<sm xmlns='urn:xmpp:sm:3'/><relay xmlns='urn:martlet:relay:0'/>\(limits)"
    static let limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes></limits>"

    static let bidi = "<bidi xmlns='urn:xmpp:features:bidi'/>"

    /// A stream after TLS, with a certificate for `names`.
    static func secured(
        names: [String]?, isVerified: Bool = true, _ change: (inout StreamConfiguration) -> Void = { _ in }
    ) -> Conversation {
        var talk = Conversation(.serverReceiving, domains: ["montague.example", "rooms.montague.example"], change)
        talk.connect()
        talk.play(
            """
            > \(header)
            < \(answer)<stream:features><starttls \(tls)><required/></starttls></stream:features>
            > <starttls \(tls)/>
            < <proceed \(tls)/>
            ! start TLS as server
            """)
        talk.secure(TLSFacts(peer: names.map { TestIdentity(isVerified: isVerified, names: $0) }))
        talk.receive(header)
        return talk
    }

    static func authenticated() -> Conversation {
        var talk = secured(names: ["capulet.example"])
        talk.play(
            """
            < \(answer)<stream:features>\(external)\(dialback)\(always)\(bidi)</stream:features>
            > <auth \(sasl) mechanism='EXTERNAL'>=</auth>
            < <success \(sasl)/>
            > \(header)
            < \(answer)<stream:features>\(dialback)\(always)</stream:features>
            ! peer verified montague.example capulet.example certificate
            """)
        return talk
    }

    @Test("RFC 6120 §9.2: STARTTLS, SASL EXTERNAL, a new stream, stanzas, and the end")
    func external() {
        var talk = Self.authenticated()
        #expect(talk.engine.isAuthenticated)
        talk.play(
            """
            > <message from='juliet@capulet.example/x' to='romeo@montague.example'><body>hi</body></message>
            ! stanza <message from='juliet@capulet.example/x' to='romeo@montague.example'><body>hi</body></message>
            > <enable xmlns='urn:xmpp:sm:3'/>
            ! nonza <enable xmlns='urn:xmpp:sm:3'/>
            > <ask xmlns='urn:martlet:relay:0'/>
            ! nonza <ask xmlns='urn:martlet:relay:0'/>
            > </stream:stream>
            ! stream ended
            """)
        talk.fireTimers()
        talk.play(
            """
            < </stream:stream>
            ! close
            """)
    }

    @Test("XEP-0178 §3: the identity may be given, then it must be the domain; it may come in answer to a challenge")
    func authorizationIdentity() {
        for (authzid, condition) in [
            ("Y2FwdWxldC5leGFtcGxl", nil), ("bW9udGFndWUuZXhhbXBsZQ==", "invalid-authzid"), ("?", "incorrect-encoding"),
        ] as [(String, String?)] {
            var talk = Self.secured(names: ["capulet.example"])
            _ = talk.takeDeeds()
            let outcome = condition.map { "<failure \(Self.sasl)><\($0)/></failure>" } ?? "<success \(Self.sasl)/>"
            talk.play(
                """
                > <auth \(Self.sasl) mechanism='EXTERNAL'>\(authzid)</auth>
                < \(outcome)
                """)
        }
        var talk = Self.secured(names: ["capulet.example"])
        _ = talk.takeDeeds()
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='EXTERNAL'/>
            < <challenge \(Self.sasl)/>
            > <response \(Self.sasl)/>
            < <success \(Self.sasl)/>
            """)
    }

    @Test(
        "RFC 6120 §13.7.2: EXTERNAL needs a certificate that verifies and names the stream's 'from'",
        arguments: [
            (["other.example"], true), (["capulet.example"], false), (nil, true),
        ] as [([String]?, Bool)])
    func notOffered(names: [String]?, isVerified: Bool) {
        var talk = Self.secured(names: names, isVerified: isVerified)
        talk.play(
            """
            < \(Self.answer)<stream:features>\(Self.dialback)\(Self.always)\(Self.bidi)</stream:features>
            > <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            < <failure \(Self.sasl)><invalid-mechanism/></failure>
            """)
    }

    @Test("after EXTERNAL the same server must speak, to a domain of ours")
    func restart() {
        for (header, condition) in [
            (Self.header.replacing("from='capulet.example'", with: "from='evil.example'"), "invalid-from"),
            (Self.header.replacing(" to='montague.example'", with: ""), "host-unknown"),
            (Self.header.replacing("to='montague.example'", with: "to='evil.example'"), "host-unknown"),
        ] {
            var talk = Self.secured(names: ["capulet.example", "evil.example"])
            talk.receive("<auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>")
            _ = talk.takeDeeds()
            talk.receive(header)
            #expect(talk.takeDeeds().contains(.done("close")))
            talk.disconnect()
            talk.play("! closed \(condition)")
        }
    }

    @Test("XEP-0220 §2.2.1: a key is verified by the site, and its answer passed on")
    func dialbackKey() {
        var talk = Self.secured(names: nil)
        talk.play(
            """
            < \(Self.answer)<stream:features>\(Self.dialback)\(Self.always)\(Self.bidi)</stream:features>
            > <db:result from='capulet.example' to='montague.example'>
               b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3
               </db:result>
            ! dialback key montague.example capulet.example
              \u{20}b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3 {id}
            """.replacing("example\n  \u{20}", with: "example "))
        #expect(!talk.engine.isAuthenticated)
        let pair = DomainPair(local: jid("montague.example"), peer: jid("capulet.example"))
        talk.perform(.dialbackVerdict(pair, .valid))
        talk.play(
            """
            < <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! peer verified montague.example capulet.example dialback
            > <message from='juliet@capulet.example' to='romeo@montague.example'/>
            ! stanza <message from='juliet@capulet.example' to='romeo@montague.example'/>
            > <db:result from='capulet.example' to='montague.example'>again</db:result>
            < <db:result from='montague.example' to='capulet.example' type='valid'/>
            > <db:result from='capulet.example' to='rooms.montague.example'>key</db:result>
            ! dialback key rooms.montague.example capulet.example key {id}
            """)
        let second = DomainPair(local: jid("rooms.montague.example"), peer: jid("capulet.example"))
        talk.perform(.dialbackVerdict(second, .error(.remoteServerNotFound, words: "no route")))
        talk.play(
            """
            < <db:result from='rooms.montague.example' to='capulet.example' type='error'><error type='cancel'>
              <remote-server-not-found \(Self.stanzas)/></error></db:result>
            """)
        // An answer that nobody waits for.
        talk.perform(.dialbackVerdict(second, .valid))
        #expect(talk.takeDeeds() == [])
    }

    @Test("XEP-0220 §2.2.1: who lies about the only pair does not stay")
    func invalidKey() {
        var talk = Self.secured(names: nil)
        talk.receive("<db:result from='capulet.example' to='montague.example'>x</db:result>")
        _ = talk.takeDeeds()
        talk.perform(.dialbackVerdict(DomainPair(local: jid("montague.example"), peer: jid("capulet.example")), .invalid))
        talk.play("< <db:result from='montague.example' to='capulet.example' type='invalid'/></stream:stream>")
        talk.fireTimers()
        talk.play("! close")
    }

    @Test("XEP-0220 §2.5: what is refused is a dialback error and leaves the stream alone")
    func refusedKeys() {
        var talk = Self.secured(names: nil) { $0.pendingDialbacksPerStream = 1 }
        talk.play("< \(Self.answer)<stream:features>\(Self.dialback)\(Self.always)\(Self.bidi)</stream:features>")
        func refused(_ to: String, _ condition: String, kind: String = "cancel", from: String = "capulet.example") -> String {
            "< <db:result from='\(to)' to='\(from)' type='error'><error type='\(kind)'><\(condition) \(Self.stanzas)/></error></db:result>"
        }
        talk.play(
            """
            > <db:result from='capulet.example' to='elsewhere.example'>x</db:result>
            \(refused("elsewhere.example", "item-not-found"))
            > <db:result from='capulet.example' to='montague.example'/>
            \(refused("montague.example", "not-acceptable", kind: "modify"))
            > <db:result from='montague.example' to='montague.example'>x</db:result>
            \(refused("montague.example", "forbidden", kind: "auth", from: "montague.example"))
            > <db:result from='capulet.example' to='montague.example'>x</db:result>
            ! dialback key montague.example capulet.example x {id}
            > <db:result from='capulet.example' to='montague.example'>x</db:result>
            > <db:result from='capulet.example' to='rooms.montague.example'>x</db:result>
            \(refused("rooms.montague.example", "resource-constraint", kind: "wait"))
            > <db:result from='x@capulet.example' to='montague.example'>x</db:result>
            < <stream:error><improper-addressing \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)

        talk = Self.secured(names: nil) { $0.allowsDialback = false }
        _ = talk.takeDeeds()
        talk.play(
            """
            > <db:result from='capulet.example' to='montague.example'>x</db:result>
            \(refused("montague.example", "not-allowed"))
            """)
    }

    @Test("XEP-0220 §2.5: dialback in clear is refused where TLS is required")
    func dialbackInClear() {
        var talk = Conversation(.serverReceiving, domains: ["montague.example"])
        talk.connect()
        talk.receive(Self.header)
        _ = talk.takeDeeds()
        talk.play(
            """
            > <db:result from='capulet.example' to='montague.example'>x</db:result>
            < <db:result from='montague.example' to='capulet.example' type='error'><error type='modify'>
              <policy-violation \(Self.stanzas)/></error></db:result>
            """)
    }

    @Test("a certificate spares the dialling back")
    func certificateInsteadOfDialback() {
        var talk = Self.secured(names: ["rooms.capulet.example"])
        _ = talk.takeDeeds()
        talk.play(
            """
            > <db:result from='rooms.capulet.example' to='montague.example'>x</db:result>
            ! peer verified montague.example rooms.capulet.example certificate
            < <db:result from='montague.example' to='rooms.capulet.example' type='valid'/>
            """)
    }

    @Test("XEP-0220 §2.2.2: keys that we gave away are confirmed, to anybody")
    func verification() {
        var talk = Conversation(.serverReceiving, domains: ["montague.example"]) {
            $0.dialbackSecret = DialbackSecret(Array("d14lb4ck43v3r".utf8))
        }
        talk.connect()
        talk.receive(Self.header)
        _ = talk.takeDeeds()
        talk.play(
            """
            > <db:verify from='capulet.example' id='417GAF25' to='montague.example'>
              225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d</db:verify>
            < <db:verify from='montague.example' to='capulet.example' id='417GAF25' type='valid'/>
            > <db:verify from='capulet.example' id='417GAF26' to='montague.example'>
              225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d</db:verify>
            < <db:verify from='montague.example' to='capulet.example' id='417GAF26' type='invalid'/>
            > <db:verify from='capulet.example' id='1&apos;' to='elsewhere.example'>x</db:verify>
            < <db:verify from='elsewhere.example' to='capulet.example' id='1&apos;' type='error'><error type='cancel'>
              <item-not-found \(Self.stanzas)/></error></db:verify>
            > <db:verify from='capulet.example' to='montague.example' id='1' type='valid'/>
            """)
    }

    @Test("a server before XMPP 1.0 gets no features, and dialback works without a 'from'")
    func oldServer() {
        var talk = Conversation(.serverReceiving, domains: ["montague.example"]) { $0.tls = .optional }
        talk.connect()
        talk.play(
            """
            > <stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>
            < \(Self.answer.replacing(" to='capulet.example'", with: ""))
            > <db:result from='capulet.example' to='montague.example'>x</db:result>
            ! dialback key montague.example capulet.example x {id}
            """)
    }

    @Test(
        "RFC 6120 §8.1.2.2, §4.9.3: stanzas between domains that were not proven end the stream",
        arguments: [
            ("<message from='a@capulet.example'/>", "improper-addressing"),
            ("<message to='a@montague.example'/>", "improper-addressing"),
            ("<message from='a@evil.example' to='a@montague.example'/>", "invalid-from"),
            ("<message from='a@capulet.example' to='a@evil.example'/>", "host-unknown"),
            ("<message from='a@capulet.example' to='a@rooms.montague.example'/>", "improper-addressing"),
            ("<message xmlns='jabber:client' from='a@capulet.example' to='a@montague.example'/>", "unsupported-stanza-type"),
            ("<foo/>", "unsupported-stanza-type"),
        ])
    func unprovenStanza(stanza: String, condition: String) {
        var talk = Self.authenticated()
        talk.play(
            """
            > \(stanza)
            ! objected \(condition)
            < <stream:error><\(condition) \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test(
        "RFC 6120 §4.9.3.12: nothing but negotiation is heard before a pair is proven",
        arguments: [
            "<message from='a@capulet.example' to='b@montague.example'/>", "<r xmlns='urn:xmpp:sm:3'/>",
            "<ask xmlns='urn:martlet:relay:0'/>",
        ])
    func unauthenticated(element: String) {
        var talk = Self.secured(names: ["capulet.example"])
        _ = talk.takeDeeds()
        talk.play(
            """
            > \(element)
            < <stream:error><not-authorized \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("an address that we cannot read is not the whole peer's fault")
    func malformedAddresses() {
        var talk = Self.authenticated()
        talk.play(
            """
            > <message from='a@capulet.example' to='a b@montague.example' id='1'><body/></message>
            ! stanza refused jid-malformed <message from='a@capulet.example' to='montague.example' id='1'/>
            > <message from='a b@capulet.example' to='a@montague.example' id='1'/>
            ! stanza refused jid-malformed <message to='a@montague.example' id='1'/>
            > <message from='a@evil.example' to='a b@montague.example' id='1'/>
            ! stanza refused jid-malformed <message id='1'/>
            """)
    }

    @Test(
        "headers that are refused",
        arguments: [
            (header.replacing("jabber:server'", with: "jabber:client'"), "invalid-namespace"),
            (header.replacing("to='montague.example'", with: "to='evil.example'"), "host-unknown"),
            (header.replacing("from='capulet.example'", with: "from='@'"), "invalid-from"),
            (header.replacing("from='capulet.example'", with: "from='a@capulet.example'"), "invalid-from"),
        ])
    func refusedHeader(header: String, condition: String) {
        var talk = Conversation(.serverReceiving, domains: ["montague.example"])
        talk.connect()
        talk.receive(header)
        let written = talk.takeWritten()
        #expect(written.hasPrefix("<?xml version='1.0'?><stream:stream xmlns='jabber:server'"))
        #expect(written.contains("<stream:error><\(condition) "))
    }
}
