import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import XMPPStreams

/// Stanzas that are too long, too deep or too strange, each refused for itself.
@Suite("Bounds of stanzas")
struct StanzaBoundsTests {
    private static let addresses = "from='a@capulet.example/x' to='b@montague.example' id='i'"
    private static let good = "<message from='c@capulet.example' to='b@montague.example'/>"
    private static let mark =
        "<seq xmlns='urn:martlet:relay:0' lane='chat' epoch='\(String(repeating: "e", count: 32))' n='7'"
        + " tag='000000000000000a' after='000000000000000b'/>"

    private static func fill(_ count: Int) -> String { "<body>" + String(repeating: "x", count: count) + "</body>" }

    /// What a stream does with `text`, cut into pieces of that size, and with a good stanza behind it.
    private static func events(of text: String, pieces: Int, _ limits: (inout XMLLimits) -> Void = { _ in })
        -> [PeerStreamEvent]
    {
        var talk = PeerConversationTests.secured(names: nil) { limits(&$0.limits) }
        talk.receive("<db:result from='capulet.example' to='montague.example'>key</db:result>")
        talk.perform(.dialbackVerdict(BidiConversationTests.pair, .valid))
        _ = talk.takeDeeds()
        var events: [PeerStreamEvent] = []
        let all = Array((text + good).utf8)
        var start = 0
        while start < all.count {
            let end = min(all.count, start + pieces)
            var actions: [StreamAction] = []
            talk.engine.received(Array(all[start..<end]), into: &actions)
            for case .peer(let event) in actions { events.append(event) }
            start = end
        }
        return events
    }

    /// The refused stanza and the error, if that and the good one behind it are all there is.
    private static func refusal(of text: String, pieces: Int = 4096, _ limits: (inout XMLLimits) -> Void = { _ in })
        -> (stanza: Stanza, error: StanzaError)?
    {
        let events = events(of: text, pieces: pieces, limits)
        guard events.count == 2, case .stanzaRefused(let stanza, let error)? = events.first,
            case .stanza(let next)? = events.last, next.from?.localpart == "c"
        else {
            Issue.record("\(events.map(describe).map { $0.prefix(300) })")
            return nil
        }
        return (stanza, error)
    }

    @Test(
        "A server's stanza that is too long is passed over, answered and counted, however it is cut",
        arguments: [1, 999, 300_000])
    func oversized(pieces: Int) throws {
        let count = pieces == 1 ? 300 : 270_000
        let (stanza, error) = try #require(
            Self.refusal(of: "<message \(Self.addresses) type='chat'>\(Self.fill(count))\(Self.mark)</message>", pieces: pieces)
            {
                if pieces == 1 { $0.stanzaBytes = 250 }
            })
        #expect(stanza.from?.description == "a@capulet.example/x" && stanza.id == "i" && stanza.type == "chat")
        #expect(stanza.content.isEmpty)
        #expect(stanza.relayMark?.number == 7 && stanza.relayMark?.after == 11)
        #expect(error.condition == .policyViolation)
    }

    @Test("Quotes, sections and empty elements: the next stanza begins where the long one ends")
    func framing() throws {
        let tricks = "<a b='/message>'/><![CDATA[</message><seq/>]]><c d=\"'>\"></c>"
        for end in ["</message>", "</message >", "<p/></message>", "<![CDATA[/>]]></message>"] {
            let (stanza, _) = try #require(
                Self.refusal(of: "<message \(Self.addresses)>\(tricks)\(Self.fill(500))\(tricks)\(end)") {
                    $0.stanzaBytes = 200
                })
            #expect(stanza.relayMark == nil)
        }
        _ = try #require(
            Self.refusal(of: "<message \(Self.addresses) a='>/\(String(repeating: "x", count: 300))'/>") {
                $0.stanzaBytes = 200
            })
    }

    @Test("An identifier of any length: whoever sent it is found all the same")
    func longIdentifiers() throws {
        let quotes = String(repeating: "&apos;", count: 75_000)
        let text =
            "<message from='a@capulet.example/x' to='b@montague.example' id='\(quotes)'>\(Self.fill(9))\(Self.mark)</message>"
        let (stanza, error) = try #require(Self.refusal(of: text))
        #expect(stanza.from?.description == "a@capulet.example/x" && stanza.id == nil && stanza.relayMark?.number == 7)
        #expect(error.condition == .policyViolation)
        // Within what the stream takes, and not within what could be sent on.
        let short =
            "<message from='a@capulet.example/x' to='b@montague.example' id=\"\(String(repeating: "'", count: 5_000))\">\(Self.mark)</message>"
        let (other, reason) = try #require(Self.refusal(of: short))
        #expect(other.id == nil && other.relayMark?.number == 7 && reason.condition == .policyViolation)
    }

    @Test("What is beyond every bound, or hides where it ends, still ends the stream")
    func hopeless() {
        for text in [
            "<message \(Self.addresses)>\(Self.fill(2_500))</message>",
            "<message \(Self.addresses)>\(Self.fill(500))<!-- --></message>",
            "<message \(Self.addresses)>\(Self.fill(500))<a b='<'/></message>",
            "<message from='a@capulet.example' \(String(repeating: " ", count: 20_000))to='b@montague.example'/>",
            "<message from='a@verona.example' to='b@montague.example'>\(Self.fill(500))</message>",
        ] {
            let events = Self.events(of: text, pieces: 100) { $0.stanzaBytes = text.count > 20_000 ? 19_000 : 250 }
            guard case .errorSent? = events.first else {
                Issue.record("\(text.prefix(90)): \(events.map(describe).map { $0.prefix(200) })")
                continue
            }
        }
    }

    @Test("Depth, attributes, namespaces and names of one stanza are no reason to end the stream of all")
    func shapes() throws {
        let deep = String(repeating: "<a>", count: 300) + String(repeating: "</a>", count: 300)
        let wide = "<a" + (0..<70).map { " a\($0)=''" }.joined() + "/>"
        let long = "<\(String(repeating: "n", count: 1_100))/>"
        let strange = "<\u{FF41} xmlns='urn:x'/>"
        for (content, condition) in [
            (deep, StanzaError.Condition.policyViolation), (wide, .policyViolation), (long, .policyViolation),
            (strange, .notAcceptable),
        ] {
            let (stanza, error) = try #require(Self.refusal(of: "<iq \(Self.addresses) type='get'>\(content)\(Self.mark)</iq>"))
            #expect(stanza.kind == .iq && stanza.type == "get" && stanza.id == "i" && stanza.relayMark?.number == 7)
            #expect(error.condition == condition)
        }
    }

    @Test("A client's stanza that could not leave as it would have to be written is refused before it is taken over")
    func clients() {
        var talk = ClientConversationTests.authenticated()
        let quotes = String(repeating: "'", count: 75_000)
        talk.receive(
            "<message to='b@verona.example' id=\"\(quotes)\"><body>x</body></message><message to='b@verona.example' id='j'/>")
        talk.play(
            """
            ! stanza refused policy-violation <message to='b@verona.example'/>
            ! stanza <message to='b@verona.example' id='j'/>
            """)
        talk.receive("<message to='b@verona.example' id='k'><body>\(String(repeating: "x", count: 255_000))</body></message>")
        talk.play("! stanza refused policy-violation <message to='b@verona.example' id='k'/>")
    }

    @Test(
        "XEP-0478 §3.1: what a server announces is known when its stream is ready; RFC 6120 §13.12: it is 10,000 bytes at least",
        arguments: [(10_000, 10_000), (20_000, 20_000), (9999, 10_000), (1, 10_000)])
    func announced(says: Int, means: Int) {
        var talk = LinkConversationTests.secured(names: nil)
        talk.play(
            """
            < \(LinkConversationTests.header)
            > \(LinkConversationTests.answer)<stream:features>\(LinkConversationTests.dialback)
              <limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>60</idle-seconds><max-bytes>\(says)</max-bytes></limits>
              </stream:features>
            < <db:result from='capulet.example' to='montague.example'>\(LinkConversationTests.key)</db:result>
            > <db:result from='montague.example' to='capulet.example' type='valid'/>
            ! ready dialback \(means) bytes
            """)
    }
}
