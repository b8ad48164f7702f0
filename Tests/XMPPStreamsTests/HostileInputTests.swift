import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import XMPPStreams

@Suite("Hostile input")
struct HostileInputTests {
    static let roles: [StreamRole] = [
        .clientReceiving, .serverReceiving, .link(TwoEnginesTests.pair, requiresCertificate: false),
        .verification(TwoEnginesTests.pair, key: "k", streamID: "i", requiresCertificate: false),
    ]
    static let words = [
        ClientConversationTests.header, PeerConversationTests.header, LinkConversationTests.answer, "<", ">", "/", "'", " ",
        "</stream:stream>", "<stream:features/>", "<starttls \(ClientConversationTests.tls)/>",
        "<proceed \(ClientConversationTests.tls)/>", "<auth \(ClientConversationTests.sasl) mechanism='PLAIN'>AGEAYg==</auth>",
        "<auth \(ClientConversationTests.sasl) mechanism='SCRAM-SHA-1'>biwsbj1hLHI9Yg==</auth>",
        "<response \(ClientConversationTests.sasl)>Yz1iaXdzLHI9YixwPQ==</response>",
        "<auth \(ClientConversationTests.sasl) mechanism='EXTERNAL'>=</auth>", "<success \(ClientConversationTests.sasl)/>",
        "<abort \(ClientConversationTests.sasl)/>", "<failure \(ClientConversationTests.sasl)/>",
        "<stream:features><mechanisms \(ClientConversationTests.sasl)><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>",
        "<db:result from='capulet.example' to='montague.example'>x</db:result>",
        "<db:result from='montague.example' to='capulet.example' type='valid'/>",
        "<db:verify from='montague.example' to='capulet.example' id='i' type='valid'/>",
        "<db:verify from='capulet.example' to='montague.example' id='i'>x</db:verify>",
        "<message from='a@capulet.example' to='b@montague.example'><body>x</body></message>", "<message to='@'/>", "<iq/>",
        BidiConversationTests.plain, BidiConversationTests.relay,
        "<stream:features>\(PeerConversationTests.dialback)\(PeerConversationTests.bidi)</stream:features>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AGEAYg==</initial-response></authenticate>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'><initial-response>biwsbj1hLHI9Yg==</initial-response>"
            + "<bind xmlns='urn:xmpp:bind:0'><tag>x</tag><enable xmlns='urn:xmpp:sm:3'/></bind></authenticate>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><initial-response>YQBi</initial-response>"
            + "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><fast xmlns='urn:xmpp:fast:0' count='1'/></authenticate>",
        "<response xmlns='urn:xmpp:sasl:2'>Yz1iaXdzLHI9YixwPQ==</response>", "<abort xmlns='urn:xmpp:sasl:2'/>",
        "<stream:stream to='im.example.com' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        "<iq type='get' id='a'><query xmlns='jabber:iq:auth'/></iq>",
        "<iq type='set' id='a'><query xmlns='jabber:iq:auth'><username>a</username><password>b</password><resource>c</resource></query></iq>",
        "<iq type='set' id='a'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>",
        "<stream:error/>", "<r xmlns='urn:xmpp:sm:3'/>", "<![CDATA[", "]]>", "&amp;", "\u{0}", "é", "<a:b/>",
    ]

    /// Whether nothing was done behind the end of the connection.
    func isOrderly(_ actions: [StreamAction]) -> Bool {
        guard let close = actions.firstIndex(where: { if case .close = $0 { true } else { false } }) else { return true }
        return !actions[close...].contains { if case .write = $0 { true } else { false } }
    }

    func run(_ role: StreamRole, seed: UInt64, _ piece: (inout RandomStream) -> [UInt8]) -> [StreamAction] {
        var random = RandomStream(seed: seed)
        var configuration = StreamConfiguration(
            domains: [jid("im.example.com"), jid("montague.example")], dialbackSecret: DialbackSecret([1]))
        configuration.tls = [.unavailable, .optional, .required][Int.random(in: 0..<3, using: &random)]
        configuration.allowsPlainWithoutTLS = true
        configuration.allowsInvitations = Bool.random(using: &random)
        let environment = StreamEnvironment(configuration, random: random, validator: XMLValidator())
        var engine = StreamEngine(role, address: RemoteAddress("192.0.2.7"), environment: environment)
        var actions: [StreamAction] = []
        var timers: [StreamTimer] = []
        engine.connected(directTLS: Bool.random(using: &random), into: &actions)
        for _ in 0..<40 {
            var next: [StreamAction] = []
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                engine.tlsEstablished(
                    TLSFacts(exporter: { [1] }, peer: TestIdentity(names: ["capulet.example", "montague.example"])), into: &next
                )
            case 1: engine.perform(.credentials(Self.credentials), into: &next)
            case 2 where Bool.random(using: &random):
                engine.perform(.welcome(Welcome(jid("a@im.example.com/x"), additionalData: [1])), into: &next)
            case 2: engine.perform(.admit, into: &next)
            case 3: engine.perform(.dialbackVerdict(TwoEnginesTests.theirs, .valid), into: &next)
            case 4: engine.perform(.send([0x20]), into: &next)
            case 5 where Bool.random(using: &random): engine.perform(.close(nil), into: &next)
            case 6: engine.perform(.refuseCredentials, into: &next)
            case 7:
                if let timer = timers.randomElement(using: &random), Bool.random(using: &random) {
                    engine.timerFired(timer, into: &next)
                }
            default: engine.received(piece(&random), into: &next)
            }
            for case .setTimer(let timer, _) in next { timers.append(timer) }
            actions += next
        }
        engine.connectionClosed("over", into: &actions)
        return actions
    }

    /// Made once: PBKDF2 takes its time.
    static let credentials = ClientConversationTests.credentials(.scramSHA1)

    @Test("random bytes never crash an engine, and close it at most once", arguments: 0..<4)
    func randomBytes(role: Int) {
        for seed in 0..<300 as Range<UInt64> {
            let actions = run(Self.roles[role], seed: seed) { $0.bytes(Int.random(in: 0..<60, using: &$0)) }
            #expect(isOrderly(actions), "seed \(seed)")
            #expect(actions.count { if case .close = $0 { true } else { false } } <= 1, "seed \(seed)")
        }
    }

    @Test("words of the protocol in any order never crash an engine, and an attempt ends at most once", arguments: 0..<4)
    func randomWords(role: Int) {
        for seed in 0..<400 as Range<UInt64> {
            let actions = run(Self.roles[role], seed: seed) { Array(Self.words.randomElement(using: &$0)?.utf8 ?? "".utf8) }
            #expect(isOrderly(actions), "seed \(seed)")
            var ends = 0
            for action in actions {
                switch action {
                case .attempt(.failed), .attempt(.verified), .client(.closed), .peer(.closed): ends += 1
                default: break
                }
            }
            #expect(ends == 1, "seed \(seed)")
        }
    }

    @Test("no stanza passes before authentication", arguments: 0..<4)
    func noStanzaUnproven(role: Int) {
        for seed in 0..<400 as Range<UInt64> {
            var isProven = false
            for action in run(
                Self.roles[role], seed: seed, { Array(Self.words.randomElement(using: &$0)?.utf8 ?? "".utf8) })
            {
                switch action {
                case .client(.authenticated), .client(.tokenShown), .peer(.peerVerified), .attempt(.ready): isProven = true
                case .client(.stanza), .client(.stanzaRefused), .client(.nonza), .client(.streamEnded), .peer(.stanza),
                    .peer(.stanzaRefused), .peer(.nonza), .peer(.streamEnded):
                    #expect(isProven, "seed \(seed)")
                default: break
                }
            }
        }
    }
}
