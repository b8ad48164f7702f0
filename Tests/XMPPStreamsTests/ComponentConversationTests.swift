import MartletCrypto
import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

@Suite("XEP-0114: stream of a component")
struct ComponentConversationTests {
    static let namespaces = "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"
    static let header = "<stream:stream \(namespaces) to='plays.shakespeare.lit'>"
    static let answer = "<?xml version='1.0'?><stream:stream \(namespaces) from='plays.shakespeare.lit' id='{id}'>"
    static let secret = "twelfth-night-or-what-you-will"
    static let errors = ClientConversationTests.errors

    static func talk(_ change: (inout StreamConfiguration) -> Void = { _ in }) -> Conversation {
        var talk = Conversation(.componentReceiving, domains: ["shakespeare.lit", "plays.shakespeare.lit"]) {
            $0.tls = .unavailable
            $0.componentSecrets = [jid("plays.shakespeare.lit"): Array(secret.utf8)]
            change(&$0)
        }
        talk.connect()
        return talk
    }

    static func handshake(_ id: String?, _ secret: String = secret) -> String {
        "<handshake>\(Hex.encode(Digest.hash(.sha1, Array(((id ?? "") + secret).utf8))))</handshake>"
    }

    /// Headers were exchanged.
    static func opened(_ change: (inout StreamConfiguration) -> Void = { _ in }) -> Conversation {
        var talk = talk(change)
        talk.play("> \(header)\n< \(answer)")
        return talk
    }

    /// Stanzas flow.
    static func admitted(_ change: (inout StreamConfiguration) -> Void = { _ in }) -> Conversation {
        var talk = opened(change)
        talk.play("> \(handshake(talk.words["id"]))\n! component shown plays.shakespeare.lit")
        talk.perform(.admit)
        talk.play("< <handshake/>")
        return talk
    }

    @Test("§3: the digest is SHA-1 of the stream's identifier and the secret, in hexadecimal and lower case")
    func digest() {
        // The example of the XEP; its secret is not told, but the one that libraries test with is.
        #expect(
            Self.handshake("3BF96D32", "test")
                == "<handshake>\(Hex.encode(Digest.hash(.sha1, Array("3BF96D32test".utf8))))</handshake>")
        #expect(
            Self.handshake("3BF96D32").utf8.count
                == "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>".utf8.count)
    }

    @Test("§3: header, header with an identifier, digest, empty handshake, stanzas both ways, and the end")
    func examples() {
        var talk = Self.admitted()
        #expect(talk.engine.isAuthenticated)
        talk.play(
            """
            > <message from='hamlet@plays.shakespeare.lit/denmark' to='romeo@shakespeare.lit' id='m'><body>Words</body></message>
            ! stanza <message from='hamlet@plays.shakespeare.lit/denmark' to='romeo@shakespeare.lit' id='m'><body>Words</body></message>
            """)
        talk.perform(.send(Array("<message from='romeo@shakespeare.lit' to='hamlet@plays.shakespeare.lit'/>".utf8)))
        talk.play("< <message from='romeo@shakespeare.lit' to='hamlet@plays.shakespeare.lit'/>")
        talk.play(
            """
            > <iq type='get' from='plays.shakespeare.lit' to='elsewhere.example' id='i'><ping xmlns='urn:xmpp:ping'/></iq>
            ! stanza <iq from='plays.shakespeare.lit' to='elsewhere.example' id='i' type='get'><ping xmlns='urn:xmpp:ping'/></iq>
            > </stream:stream>
            ! stream ended
            """)
        talk.perform(.close(nil))
        talk.play("< </stream:stream>\n! close")
    }

    @Test("stanzas may name the namespace of the stream themselves, or by a prefix")
    func namespaces() {
        var talk = Self.admitted()
        talk.play(
            """
            > <message xmlns='jabber:component:accept' from='plays.shakespeare.lit' to='romeo@shakespeare.lit'><body>a</body></message>
            ! stanza <message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'><body>a</body></message>
            > <c:message xmlns:c='jabber:component:accept' from='plays.shakespeare.lit' to='romeo@shakespeare.lit'>
              <c:body>b</c:body></c:message>
            ! stanza <message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'><body>b</body></message>
            """)
    }

    @Test(
        "§3: a domain that is no component's is host-unknown, inside a stream",
        arguments: [" to='other.lit'", " to='shakespeare.lit'", ""])
    func unknownDomain(to: String) {
        var talk = Self.talk()
        talk.play(
            """
            > <stream:stream \(Self.namespaces)\(to)>
            < <?xml version='1.0'?><stream:stream \(Self.namespaces) from='shakespeare.lit' id='{id}'>
              <stream:error><host-unknown \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test(
        "§3: another namespace is invalid-namespace", arguments: ["jabber:client", "jabber:server", "jabber:component:connect"])
    func otherNamespace(namespace: String) {
        var talk = Self.talk()
        talk.play(
            """
            > <stream:stream xmlns='\(namespace)' xmlns:stream='http://etherx.jabber.org/streams' to='plays.shakespeare.lit'>
            < \(Self.answer)<stream:error><invalid-namespace \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test(
        "§3: wrong credentials end the stream with not-authorized, and the site hears of it",
        arguments: ["<handshake/>", handshake("3BF96D32"), handshake(nil, ""), "<handshake>\u{fc}</handshake>"])
    func wrongSecret(handshake: String) {
        var talk = Self.opened()
        talk.play(
            """
            > \(handshake)
            ! wrong secret of plays.shakespeare.lit
            < <stream:error><not-authorized \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
        #expect(!talk.engine.isAuthenticated)
    }

    @Test("the digest in upper case is not the digest")
    func upperCase() {
        var talk = Self.opened()
        let digest = Hex.encode(Digest.hash(.sha1, Array(((talk.words["id"] ?? "") + Self.secret).utf8)))
        talk.receive("<handshake>\(digest.uppercased())</handshake>")
        #expect(talk.takeDeeds().first == .done("wrong secret of plays.shakespeare.lit"))
    }

    @Test("an identifier is good for one stream: the same digest shown on another one is wrong")
    func replay() {
        let first = Self.opened()
        var second = Conversation(.componentReceiving, domains: ["shakespeare.lit"], seed: 2) {
            $0.componentSecrets = [jid("plays.shakespeare.lit"): Array(Self.secret.utf8)]
        }
        second.connect()
        second.play("> \(Self.header)\n< \(Self.answer)")
        second.receive(Self.handshake(first.words["id"]))
        #expect(second.takeDeeds().first == .done("wrong secret of plays.shakespeare.lit"))
    }

    @Test("a component that is gone from the configuration since its header came shows a wrong secret, whatever it shows")
    func removedMeanwhile() {
        var talk = Self.opened()
        talk.environment.configuration.componentSecrets = [:]
        talk.receive(Self.handshake(talk.words["id"], ""))
        #expect(talk.takeDeeds().first == .done("wrong secret of plays.shakespeare.lit"))
    }

    @Test(
        "nothing but the secret is taken before it",
        arguments: [
            "<message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'/>",
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
            "<handshake xmlns='jabber:client'>00</handshake>",
        ])
    func tooEarly(element: String) {
        var talk = Self.opened()
        talk.play(
            """
            > \(element)
            < <stream:error><not-authorized \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("what comes behind the secret waits for the site's word, and is not heard where that is no")
    func refused() {
        var talk = Self.opened()
        talk.play(
            """
            > \(Self.handshake(talk.words["id"]))<message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'/>
            ! component shown plays.shakespeare.lit
            """)
        talk.perform(.refuse(.notAuthorized))
        talk.play("< <stream:error><not-authorized \(Self.errors)/></stream:error></stream:stream>\n! close")
    }

    @Test("what came behind the secret is heard when the component is let in")
    func pipelined() {
        var talk = Self.opened()
        talk.play(
            """
            > \(Self.handshake(talk.words["id"]))<message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'/>
            ! component shown plays.shakespeare.lit
            """)
        talk.perform(.admit)
        talk.play("< <handshake/>\n! stanza <message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'/>")
    }

    @Test(
        "§3: whoever speaks for another domain is ended with invalid-from",
        arguments: ["romeo@shakespeare.lit", "shakespeare.lit", "x.plays.shakespeare.lit", "hamlet@elsewhere.example/a"])
    func otherDomain(from: String) {
        var talk = Self.admitted()
        talk.play(
            """
            > <message from='\(from)' to='romeo@shakespeare.lit'><body>x</body></message>
            ! objected invalid-from
            < <stream:error><invalid-from \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test(
        "§3: both addresses have to be there",
        arguments: ["<message from='plays.shakespeare.lit'/>", "<message to='romeo@shakespeare.lit'/>", "<presence/>"])
    func addresses(stanza: String) {
        var talk = Self.admitted()
        talk.play(
            """
            > \(stanza)
            ! objected improper-addressing
            < <stream:error><improper-addressing \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("an address that cannot be read is refused alone: one nick of many must not end everybody's stream")
    func malformedAddress() {
        var talk = Self.admitted()
        talk.play(
            """
            > <message from='hamlet@plays.shakespeare.lit' to='@' id='m'/>
            ! stanza refused jid-malformed <message from='hamlet@plays.shakespeare.lit' to='shakespeare.lit' id='m'/>
            > <message from='@plays.shakespeare.lit' to='romeo@shakespeare.lit' id='n'/>
            ! stanza refused jid-malformed <message to='romeo@shakespeare.lit' id='n'/>
            > <message from='romeo@shakespeare.lit' to='@' id='o'/>
            ! stanza refused jid-malformed <message id='o'/>
            """)
    }

    @Test("a stanza that is too long is refused alone")
    func oversized() {
        var talk = Self.admitted { $0.limits.stanzaBytes = 10_000 }
        let body = String(repeating: "x", count: 11_000)
        talk.receive("<message from='a@plays.shakespeare.lit' to='romeo@shakespeare.lit' id='m'><body>\(body)</body></message>")
        talk.play(
            "! stanza refused policy-violation <message from='a@plays.shakespeare.lit' to='romeo@shakespeare.lit' id='m'/>")
        talk.play(
            """
            > <presence from='a@plays.shakespeare.lit' to='romeo@shakespeare.lit'/>
            ! stanza <presence from='a@plays.shakespeare.lit' to='romeo@shakespeare.lit'/>
            """)
    }

    @Test(
        "what is no stanza ends the stream",
        arguments: [
            "<r xmlns='urn:xmpp:sm:3'/>", "<handshake>00</handshake>", "<log>internal</log>", "<route to='a'/>",
            "<message xmlns='jabber:client' from='plays.shakespeare.lit' to='romeo@shakespeare.lit'/>",
        ])
    func noStanza(element: String) {
        var talk = Self.admitted()
        talk.play(
            """
            > \(element)
            ! objected unsupported-stanza-type
            < <stream:error><unsupported-stanza-type \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("a mark of the relay protocol has no meaning here, and is nobody's content")
    func relayMark() {
        var talk = Self.admitted()
        talk.play(
            """
            > <message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'><body>x</body>
              <seq xmlns='urn:martlet:relay:0' lane='chat' epoch='0' n='1'/></message>
            ! stanza <message from='plays.shakespeare.lit' to='romeo@shakespeare.lit'><body>x</body></message>
            """)
    }

    @Test("whoever never shows a secret is sent away in time, and whoever says too much before it at once")
    func hostile() {
        var silent = Self.opened()
        silent.fireTimers()
        #expect(silent.takeWritten().contains("<connection-timeout"))
        var loud = Self.opened { $0.bytesBeforeAuthentication = 2000 }
        loud.receive("<handshake>\(String(repeating: "0", count: 3000))")
        #expect(loud.takeWritten().contains("<policy-violation"))
    }

    @Test("the component ends its stream with an error: the site hears which")
    func peerFails() {
        var talk = Self.admitted()
        talk.play(
            """
            > <stream:error><system-shutdown \(Self.errors)/></stream:error>
            ! error system-shutdown
            < </stream:stream>
            ! close
            """)
    }
}
