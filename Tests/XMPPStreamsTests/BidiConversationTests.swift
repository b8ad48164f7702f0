import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

@Suite("XEP-0288: streams in both directions")
struct BidiConversationTests {
    static let sasl = ClientConversationTests.sasl
    static let tls = ClientConversationTests.tls
    static let errors = ClientConversationTests.errors
    static let stanzas = PeerConversationTests.stanzas
    static let external = PeerConversationTests.external
    static let dialback = PeerConversationTests.dialback
    static let always = PeerConversationTests.always
    static let bidi = PeerConversationTests.bidi
    static let plain = "<bidi xmlns='urn:xmpp:bidi'>\(PeerConversationTests.limits)</bidi>"
    static let relay = "<bidi xmlns='urn:xmpp:bidi'><relay xmlns='urn:martlet:relay:0'/>\(PeerConversationTests.limits)</bidi>"
    static let pair = DomainPair(local: jid("montague.example"), peer: jid("capulet.example"))

    // MARK: the receiving server

    @Test(
        "§2.2: what was asked for before EXTERNAL holds once it has succeeded",
        arguments: [(plain, "stanzas"), (relay, "relay")])
    func receivingExternal(request: String, what: String) {
        var talk = PeerConversationTests.secured(names: ["capulet.example"])
        _ = talk.takeDeeds()
        talk.play(
            """
            > \(request)
            > <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            < <success \(Self.sasl)/>
            > \(PeerConversationTests.header)
            < \(PeerConversationTests.answer)<stream:features>\(Self.dialback)\(Self.always)</stream:features>
            ! peer verified montague.example capulet.example certificate bidi \(what)
            """)
    }

    @Test("§2.2: with dialback every pair that is proven may be used the other way round")
    func receivingDialback() {
        var talk = PeerConversationTests.secured(names: nil)
        talk.play(
            """
            < \(PeerConversationTests.answer)<stream:features>\(Self.dialback)\(Self.always)\(Self.bidi)</stream:features>
            > \(Self.plain)
            > <db:result from='capulet.example' to='montague.example'>key</db:result>
            ! dialback key montague.example capulet.example key {id}
            """)
        talk.perform(.dialbackVerdict(Self.pair, .valid))
        talk.play(
            """
            < <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! peer verified montague.example capulet.example dialback bidi stanzas
            """)
    }

    @Test("a request that comes too late, or once more, changes nothing")
    func lateRequest() {
        var talk = PeerConversationTests.authenticated()
        talk.play("> \(Self.plain)")
        talk = PeerConversationTests.secured(names: nil)
        talk.receive("\(Self.plain)\(Self.relay)<db:result from='capulet.example' to='montague.example'>key</db:result>")
        _ = talk.takeDeeds()
        talk.perform(.dialbackVerdict(Self.pair, .valid))
        #expect(
            talk.takeDeeds().last == .done("peer verified montague.example capulet.example dialback bidi stanzas"))
        talk = PeerConversationTests.secured(names: nil)
        talk.receive("<db:result from='capulet.example' to='montague.example'>key</db:result>\(Self.plain)")
        _ = talk.takeDeeds()
        talk.perform(.dialbackVerdict(Self.pair, .valid))
        #expect(talk.takeDeeds().last == .done("peer verified montague.example capulet.example dialback"))
    }

    @Test("§2.1: it is neither offered nor taken before TLS where TLS is required, nor where it is switched off")
    func notOffered() {
        for isOff in [false, true] {
            var talk =
                isOff
                ? PeerConversationTests.secured(names: ["capulet.example"]) { $0.offersBidi = false }
                : Conversation(.serverReceiving, domains: ["montague.example"])
            if !isOff {
                talk.connect()
                talk.receive(PeerConversationTests.header)
            }
            #expect(!talk.takeWritten().contains("bidi"))
            talk.play(
                """
                > \(Self.plain)
                < <stream:error><unsupported-stanza-type \(Self.errors)/></stream:error></stream:stream>
                ! close
                """)
        }
        var talk = PeerConversationTests.secured(names: ["capulet.example"])
        _ = talk.takeDeeds()
        talk.play(
            """
            > <other xmlns='urn:xmpp:bidi'/>
            < <stream:error><unsupported-stanza-type \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("§2.1: what was asked for in clear does not hold behind TLS")
    func askedInClear() {
        var talk = Conversation(.serverReceiving, domains: ["montague.example"]) { $0.tls = .optional }
        talk.connect()
        talk.receive(PeerConversationTests.header + Self.plain + "<starttls \(Self.tls)/>")
        #expect(talk.takeDeeds().last == .done("start TLS as server"))
        talk.secure(TLSFacts(peer: TestIdentity(names: ["capulet.example"])))
        talk.receive(PeerConversationTests.header + "<auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>")
        talk.receive(PeerConversationTests.header)
        #expect(talk.takeDeeds().last == .done("peer verified montague.example capulet.example certificate"))
    }

    // MARK: the server that opens the stream

    /// A stream that we opened, up to our answer to `features`.
    static func opened(_ features: String, _ change: (inout StreamConfiguration) -> Void = { _ in }) -> Conversation {
        var talk = LinkConversationTests.secured(change)
        talk.play("< \(LinkConversationTests.header)")
        talk.receive(LinkConversationTests.answer + "<stream:features>\(features)</stream:features>")
        return talk
    }

    static func ready() -> Conversation {
        var talk = opened(dialback + bidi)
        talk.play(
            """
            < \(plain)<db:result from='capulet.example' to='montague.example'>\(LinkConversationTests.key)</db:result>
            > <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! ready dialback verified bidi
            """)
        return talk
    }

    @Test("§2.2: it is asked for before EXTERNAL; a Martlet is told that we speak the relay protocol")
    func openingExternal() {
        var talk = Self.opened(Self.external + Self.dialback + Self.always + Self.bidi)
        talk.play(
            """
            < \(Self.relay)<auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            > <success \(Self.sasl)/>
            < \(LinkConversationTests.header)
            > \(LinkConversationTests.answer)<stream:features>\(Self.always)</stream:features>
            ! ready certificate relay sm verified bidi
            > <message from='romeo@montague.example/x' to='juliet@capulet.example'><body>hi</body></message>
            ! stanza <message from='romeo@montague.example/x' to='juliet@capulet.example'><body>hi</body></message>
            > <ask xmlns='urn:martlet:relay:0'/>
            ! nonza <ask xmlns='urn:martlet:relay:0'/>
            """)
    }

    @Test("§2.2: it is asked for once, also where a refused certificate leads to dialback")
    func openingDialback() {
        var talk = Self.ready()
        talk.play(
            """
            > <message from='romeo@montague.example/x' to='juliet@capulet.example'/>
            ! stanza <message from='romeo@montague.example/x' to='juliet@capulet.example'/>
            """)
        talk = Self.opened(Self.external + Self.dialback + Self.bidi)
        talk.play(
            """
            < \(Self.plain)<auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>
            > <failure \(Self.sasl)><not-authorized/></failure>
            < <db:result from='capulet.example' to='montague.example'>\(LinkConversationTests.key)</db:result>
            """)
    }

    @Test("what is not offered, or switched off, is not asked for")
    func notAsked() {
        var talk = Self.opened(Self.external)
        talk.play("< <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>")
        talk = Self.opened(Self.external + Self.bidi) { $0.offersBidi = false }
        talk.play("< <auth \(Self.sasl) mechanism='EXTERNAL'>=</auth>")
    }

    @Test("§2.2: nothing of the peer is taken before we are authenticated")
    func earlyStanza() {
        for early in ["<message from='romeo@montague.example' to='juliet@capulet.example'/>", "<presence/>"] {
            var talk = Self.opened(Self.external + Self.bidi)
            _ = talk.takeDeeds()
            talk.receive(early)
            #expect(
                talk.takeDeeds().first
                    == .written("<stream:error><unsupported-stanza-type \(Self.errors)/></stream:error></stream:stream>"))
        }
    }

    @Test(
        "stanzas of another pair than ours end the stream, wherever they come from",
        arguments: [
            ("<message from='a@montague.example'/>", "improper-addressing"),
            ("<message from='a@evil.example' to='b@capulet.example'/>", "invalid-from"),
            ("<message from='a@rooms.montague.example' to='b@capulet.example'/>", "invalid-from"),
            ("<message from='a@montague.example' to='b@evil.example'/>", "host-unknown"),
            ("<message from='a@montague.example' to='b@rooms.capulet.example'/>", "improper-addressing"),
            ("<foo/>", "unsupported-stanza-type"),
        ])
    func otherPairs(stanza: String, condition: String) {
        var talk = Conversation(
            .link(LinkConversationTests.pair, requiresCertificate: false),
            domains: ["capulet.example", "rooms.capulet.example"]
        ) { $0.tls = .unavailable }
        talk.connect()
        talk.receive(LinkConversationTests.answer + "<stream:features>\(Self.dialback)\(Self.bidi)</stream:features>")
        talk.receive("<db:result from='montague.example' to='capulet.example' type='valid'/>")
        #expect(talk.takeDeeds().last == .done("ready dialback bidi"))
        talk.play(
            """
            > \(stanza)
            ! objected \(condition)
            < <stream:error><\(condition) \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("a stanza with an address that we cannot read is refused, and the stream goes on")
    func malformedAddress() {
        var talk = Self.ready()
        talk.play(
            """
            > <message id='1' from='a@@montague.example' to='b@capulet.example'/>
            ! stanza refused jid-malformed <message to='b@capulet.example' id='1'/>
            """)
    }

    @Test("§2.2: a peer that wants more pairs on our stream is told to open its own")
    func morePairs() {
        var talk = Self.ready()
        talk.play(
            """
            > <db:result from='rooms.montague.example' to='capulet.example'>key</db:result>
            < <db:result from='capulet.example' to='rooms.montague.example' type='error'><error type='cancel'>
              <not-allowed \(Self.stanzas)/></error></db:result>
            """)
    }
}
