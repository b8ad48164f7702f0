import MartletCrypto
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import XMPPStreams

@Suite("XEP-0388: the extensible SASL profile")
struct ExtensibleSASLTests {
    private static let sasl2 = "xmlns='urn:xmpp:sasl:2'"
    private static let agent =
        "<user-agent id='D4565FA7-4d72-4749-b3d3-740edbf87770'><software>AwesomeXMPP</software><device>Kiva's Phone</device></user-agent>"
    private static let plain = Base64.encode("\u{0}juliet\u{0}r0m30myr0m30".utf8)
    private static let boundFeatures =
        "<stream:features><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/>"
        + "<ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/>"
        + "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes></limits></stream:features>"

    private func authenticate(_ mechanism: String, _ response: String?, _ more: String = agent) -> String {
        let initial = response.map { "<initial-response>\($0)</initial-response>" } ?? ""
        return "<authenticate \(Self.sasl2) mechanism='\(mechanism)'>\(initial)\(more)</authenticate>"
    }

    @Test("§2: PLAIN, success with the identity, new features, no new stream")
    func plain() throws {
        var talk = ClientConversationTests.secured()
        talk.play(
            """
            > \(authenticate("PLAIN", "\n  " + Self.plain + " "))
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(ClientConversationTests.credentials(.plain)))
        talk.play("! derive keys")
        talk.derive()
        talk.play("! client authenticated juliet@im.example.com secure")
        let request = try #require(talk.authenticated?.request)
        #expect(request.agent.id == "d4565fa7-4d72-4749-b3d3-740edbf87770")
        #expect(request.agent.software == "AwesomeXMPP")
        #expect(request.agent.device == "Kiva's Phone")
        #expect(request.binding == nil && request.resumption == nil && request.tokenMechanism == nil)
        talk.perform(.welcome(Welcome(jid("juliet@im.example.com"))))
        talk.play(
            """
            < <success \(Self.sasl2)><authorization-identifier>juliet@im.example.com</authorization-identifier></success>
              \(ClientConversationTests.sessionFeatures)
            > <iq id='b' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>
            ! stanza <iq id='b' type='set' xml:lang='en'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>
            """)
        // §"Multiple Authentication".
        talk.receive(authenticate("PLAIN", Self.plain))
        #expect(talk.takeWritten().contains("<stream:error>"))
    }

    @Test("§2: SCRAM bound to TLS 1.3's exporter; what was wanted comes back with success", arguments: [true, false])
    func scram(isStrong: Bool) throws {
        var talk = ClientConversationTests.secured()
        if isStrong {
            talk = Conversation(.clientReceiving) { $0.withheldMechanisms = [] }
            talk.connect(directTLS: true)
            talk.secure(TLSFacts(exporter: { Array(repeating: 9, count: 32) }, serverEndPoint: [8], version: 0x0304))
            talk.receive(ClientConversationTests.header)
            let features = talk.takeWritten()
            #expect(features.contains("<authentication \(Self.sasl2)><mechanism>SCRAM-SHA-512-PLUS</mechanism>"))
        }
        let mechanism = isStrong ? SASLMechanism.scramSHA512 : .scramSHA256
        let first = "n=juliet,r=rOprNGfwEbeRWgbNEkqO"
        let more =
            Self.agent
            + "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
            + "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>"
        talk.play(
            """
            > \(authenticate(mechanism.plusName ?? "", Base64.encode(("p=tls-exporter,," + first).utf8), more))
            ! credentials wanted juliet@im.example.com \(mechanism.rawValue) 192.0.2.7
            """)
        talk.perform(.credentials(ClientConversationTests.credentials(mechanism)))
        talk.play("< <challenge \(Self.sasl2)>{challenge}</challenge>")
        let challenge = Base64.decode(talk.words["challenge"] ?? "") ?? []
        let text = String(decoding: challenge, as: UTF8.self)
        #expect(text.contains(",h="))
        #expect(text.hasSuffix(",t=0304") == isStrong)
        let header = Array("p=tls-exporter,,".utf8) + Array(repeating: 9, count: 32)
        let final = SCRAMClient.final(
            first: first, header: header, challenge: challenge, password: "r0m30myr0m30", mechanism.digest)
        talk.play(
            """
            > <response \(Self.sasl2)>\(Base64.encode(final))</response>
            ! client authenticated juliet@im.example.com secure
            """)
        let request = try #require(talk.authenticated?.request)
        #expect(request.binding?.tag == "AwesomeXMPP")
        #expect(request.binding?.features.map(\.name) == ["enable"])
        #expect(request.resumption?["previd"] == "x")
        #expect(request.tokenMechanism == .exporter)
        let bound = Element("bound", "urn:xmpp:bind:0", elements: [Element("enabled", "urn:xmpp:sm:3")])
        talk.perform(.welcome(Welcome(jid("juliet@im.example.com/AwesomeXMPP/1"), [bound])))
        talk.play(
            """
            < <success \(Self.sasl2)><additional-data>{signature}</additional-data>
              <authorization-identifier>juliet@im.example.com/AwesomeXMPP/1</authorization-identifier>
              <bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3'/></bound></success>\(Self.boundFeatures)
            """)
    }

    @Test("§2.6.2: failure has a condition of RFC 6120, and nothing of what was wanted is done; the client may try again")
    func failure() {
        var talk = ClientConversationTests.secured()
        talk.play(
            """
            > \(authenticate("PLAIN", Base64.encode("\u{0}juliet\u{0}wrong".utf8)))
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(ClientConversationTests.credentials(.plain)))
        talk.play("! derive keys")
        talk.derive()
        talk.play(
            """
            ! authentication failed juliet@im.example.com
            < <failure \(Self.sasl2)><not-authorized \(ClientConversationTests.sasl)/></failure>
            > \(authenticate("X-UNKNOWN", nil))
            < <failure \(Self.sasl2)><invalid-mechanism \(ClientConversationTests.sasl)/></failure>
            """)
    }

    @Test("a client may stop, be asked for its first response, and go back to the profile of RFC 6120")
    func abort() {
        var talk = ClientConversationTests.secured()
        talk.play(
            """
            > \(authenticate("SCRAM-SHA-1", nil))
            < <challenge \(Self.sasl2)></challenge>
            > <abort \(Self.sasl2)><text>no</text></abort>
            < <failure \(Self.sasl2)><aborted \(ClientConversationTests.sasl)/></failure>
            > <auth \(ClientConversationTests.sasl) mechanism='PLAIN'>\(Self.plain)</auth>
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(ClientConversationTests.credentials(.plain)))
        talk.play("! derive keys")
        talk.derive()
        talk.perform(.admit)
        talk.play(
            """
            ! client authenticated juliet@im.example.com secure
            < <success \(ClientConversationTests.sasl)/>
            """)
    }

    @Test(
        "§2.4: whoever says something else during a login is disconnected",
        arguments: [
            "<message/>", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
            "<next xmlns='urn:xmpp:sasl:2' task='X'/>",
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>", "<task-data xmlns='urn:xmpp:sasl:2'/>",
            "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>",
        ])
    func outOfOrder(other: String) {
        var talk = ClientConversationTests.secured()
        talk.receive(authenticate("SCRAM-SHA-1", nil))
        _ = talk.takeDeeds()
        talk.receive(other)
        #expect(talk.takeDeeds().description.contains("policy-violation"))
    }

    @Test("§2.4: what comes behind the proof ends the stream, before and after the site has answered")
    func pipelined() {
        for isEarly in [true, false] {
            var talk = ClientConversationTests.secured()
            talk.receive(authenticate("PLAIN", Self.plain) + (isEarly ? "<message/>" : ""))
            talk.perform(.credentials(ClientConversationTests.credentials(.plain)))
            talk.derive()
            if !isEarly {
                talk.receive("<message to='romeo@example.net'")
                talk.perform(.welcome(Welcome(jid("juliet@im.example.com"))))
            }
            let deeds = talk.takeDeeds().description
            #expect(deeds.contains("policy-violation"))
            #expect(deeds.contains("client authenticated") == !isEarly)
            #expect(!deeds.contains("<success"))
        }
    }

    @Test("it is offered and taken under TLS only")
    func withoutTLS() {
        var talk = Conversation(.clientReceiving) {
            $0.tls = .unavailable
            $0.allowsPlainWithoutTLS = true
        }
        talk.connect()
        talk.receive(ClientConversationTests.header)
        #expect(!talk.takeWritten().contains("urn:xmpp:sasl:2"))
        talk.receive(authenticate("PLAIN", Self.plain))
        #expect(talk.takeWritten().contains("<encryption-required"))
    }

    @Test("§3: an authorization identity is the one by which the stream was opened")
    func authorization() {
        let explicit = Base64.encode("romeo@im.example.com\u{0}romeo\u{0}x".utf8)
        let implicit = Base64.encode("\u{0}romeo\u{0}x".utf8)
        for (response, isRefused) in [(explicit, true), (implicit, false)] {
            var talk = ClientConversationTests.secured()
            talk.receive(authenticate("PLAIN", response))
            #expect(talk.takeDeeds().description.contains("invalid-authzid") == isRefused)
        }
        var talk = ClientConversationTests.secured()
        let first = "n,a=romeo@im.example.com,n=romeo,r=abc"
        talk.receive(authenticate("SCRAM-SHA-256", Base64.encode(first.utf8)))
        #expect(talk.takeDeeds().description.contains("invalid-authzid"))
    }

    @Test("XEP-0484 §3.5: a token is shown for the site to judge, with what binds it to the channel")
    func token() throws {
        let key = Digest.hash(.sha256, "token".utf8)
        let tls: [TokenMechanism: [UInt8]] = [.exporter: Array(repeating: 9, count: 32), .endPoint: [8], .unbound: []]
        for (mechanism, binding) in tls.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            var talk = ClientConversationTests.secured()
            let code = TokenProof.code(of: key, over: binding)
            let response = Base64.encode(Array("Juliet\u{0}".utf8) + code)
            talk.play(
                """
                > \(authenticate(mechanism.rawValue, response, Self.agent + "<fast xmlns='urn:xmpp:fast:0' count='7' invalidate='true'/>"))
                ! token shown juliet@im.example.com \(mechanism.rawValue)
                """)
            let proof = try #require(talk.token)
            #expect(proof.binding == binding)
            #expect(proof.code == code)
            #expect(proof.count == 7)
            #expect(proof.invalidates)
            talk.perform(.welcome(Welcome(jid("juliet@im.example.com/x"), additionalData: [1, 2, 3])))
            talk.play(
                """
                < <success \(Self.sasl2)><additional-data>AQID</additional-data>
                  <authorization-identifier>juliet@im.example.com/x</authorization-identifier></success>\(Self.boundFeatures)
                """)
        }
    }

    @Test("XEP-0484: a token without name, mark or code is malformed, a refused one is a failure that the site has counted")
    func refusedToken() {
        let mark = "<fast xmlns='urn:xmpp:fast:0'/>"
        let code = Base64.encode("juliet\u{0}abc".utf8)
        let cases = [
            (code, Self.agent), (code, mark), (nil, Self.agent + mark), (Base64.encode("juliet".utf8), Self.agent + mark),
            (Base64.encode("a@b\u{0}abc".utf8), Self.agent + mark),
            (code, Self.agent + "<fast xmlns='urn:xmpp:fast:0' count='-1'/>"), (code, "<user-agent id='me'/>" + mark),
        ]
        for (response, more) in cases {
            var talk = ClientConversationTests.secured()
            talk.receive(authenticate("HT-SHA-256-NONE", response, more))
            #expect(talk.takeWritten().contains("<malformed-request"), "\(more)")
        }
        var talk = ClientConversationTests.secured()
        talk.receive(authenticate("HT-SHA-256-NONE", code, Self.agent + mark))
        _ = talk.takeDeeds()
        talk.perform(.refuse(.notAuthorized))
        talk.play("< <failure \(Self.sasl2)><not-authorized \(ClientConversationTests.sasl)/></failure>")
        var off = Conversation(.clientReceiving) { $0.offersTokens = false }
        off.connect(directTLS: true)
        off.secure()
        off.receive(ClientConversationTests.header)
        #expect(!off.takeWritten().contains("urn:xmpp:fast:0"))
        off.receive(authenticate("HT-SHA-256-NONE", code, Self.agent + mark))
        #expect(off.takeWritten().contains("<invalid-mechanism"))
    }

    @Test("names of clients are bounded, an identifier is a UUID, a resource has a short tag and few wishes")
    func bounds() {
        let long = UserAgent(
            id: "me", software: String(repeating: "\u{1F511}", count: 500), device: String(repeating: "x", count: 5000))
        #expect(long.id == nil)
        #expect(long.software.utf8.count <= UserAgent.nameBytes && long.software.count == 32)
        #expect(long.device.utf8.count == UserAgent.nameBytes)
        let features = Array(repeating: Element("enable", "urn:xmpp:sm:3"), count: 100)
        let binding = BindingRequest(tag: String(repeating: "t", count: 1000), features: features)
        #expect(binding.tag.count == BindingRequest.tagLength && binding.features.count == BindingRequest.featureLimit)
    }

    @Test("whatever is said in this profile, nobody is let in whom the site has not welcomed")
    func anything() {
        let words = [
            authenticate("PLAIN", Self.plain), authenticate("SCRAM-SHA-1", "biwsbj1hLHI9Yg=="), authenticate("", ""),
            authenticate("HT-SHA-256-NONE", "YQBi", Self.agent + "<fast xmlns='urn:xmpp:fast:0'/>"),
            "<response \(Self.sasl2)>Yz1iaXdzLHI9YixwPQ==</response>", "<response \(Self.sasl2)/>", "<abort \(Self.sasl2)/>",
            "<auth \(ClientConversationTests.sasl) mechanism='PLAIN'>AGEAYg==</auth>", "<message/>", " ",
            "<next \(Self.sasl2)/>",
            "<bind xmlns='urn:xmpp:bind:0'/>",
            "<authenticate \(Self.sasl2)><initial-response>!</initial-response></authenticate>",
        ]
        for seed: UInt64 in 0..<400 {
            var random = RandomStream(seed: seed)
            var talk = ClientConversationTests.secured()
            for _ in 0..<12 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0: talk.perform(.credentials(ClientConversationTests.credentials(.scramSHA1)))
                case 1: talk.perform(.refuse(.notAuthorized))
                case 2: talk.perform(.refuseCredentials)
                default:
                    var bytes = Array(words[Int.random(in: 0..<words.count, using: &random)].utf8)
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...127, using: &random)
                    }
                    talk.receive(bytes)
                }
            }
            let deeds = talk.takeDeeds().description
            #expect(!talk.engine.isAuthenticated)
            #expect(!deeds.contains("<success") && !deeds.contains("stanza <"))
        }
    }
}

@Suite("Downgrade protection")
struct DowngradeProtectionTests {
    @Test("XEP-0474: the hash of the XEP's example, and XEP-0515's version of TLS behind it")
    func example() {
        let mechanisms = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"]
        let bindings = ["tls-server-end-point", "tls-exporter"]
        #expect(
            DowngradeProtection.offer(mechanisms, bindings)
                == "SCRAM-SHA-1\u{1E}SCRAM-SHA-1-PLUS\u{1F}tls-exporter\u{1E}tls-server-end-point")
        #expect(DowngradeProtection.offer(["PLAIN"], []) == "PLAIN")
        let attributes = DowngradeProtection.attributes(
            .sha1, mechanisms: mechanisms, bindings: bindings, tls: TLSFacts(version: 0x0304))
        #expect(attributes == ",h=G6k/rBLDqgOhRRaCuuatSDFkJ08=,t=0304")
        #expect(!DowngradeProtection.attributes(.sha256, mechanisms: ["X"], bindings: [], tls: nil).contains("t="))
    }

    @Test("the hash is of what this stream was offered, and part of what both ends sign")
    func onStream() {
        var talk = ClientConversationTests.secured()
        talk.receive(
            "<auth \(ClientConversationTests.sasl) mechanism='SCRAM-SHA-256'>\(Base64.encode("n,,n=juliet,r=abc".utf8))</auth>")
        _ = talk.takeDeeds()
        talk.perform(.credentials(ClientConversationTests.credentials(.scramSHA256)))
        talk.play("< <challenge \(ClientConversationTests.sasl)>{challenge}</challenge>")
        let challenge = Base64.decode(talk.words["challenge"] ?? "") ?? []
        let offered = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
        let expected = DowngradeProtection.attributes(
            .sha256, mechanisms: offered, bindings: ["tls-exporter", "tls-server-end-point"], tls: nil)
        #expect(String(decoding: challenge, as: UTF8.self).hasSuffix(expected))
        // Who signs something else, as after a change on the way, is refused.
        let altered = Array(String(decoding: challenge, as: UTF8.self).replacing(",h=", with: ",x=").utf8)
        let final = SCRAMClient.final(
            first: "n=juliet,r=abc", header: Array("n,,".utf8), challenge: altered, password: "r0m30myr0m30", .sha256)
        talk.receive("<response \(ClientConversationTests.sasl)>\(Base64.encode(final))</response>")
        #expect(talk.takeDeeds().description.contains("not-authorized"))
    }

    @Test("a mechanism for which an account has no keys is neither offered nor taken, except where it was offered before")
    func withheld() {
        let auth = "<auth \(ClientConversationTests.sasl) mechanism='SCRAM-SHA-512'/>"
        var talk = ClientConversationTests.secured()
        talk.receive(auth)
        #expect(talk.takeWritten().contains("<invalid-mechanism"))
        var open = Conversation(.clientReceiving) { $0.withheldMechanisms = [] }
        open.connect(directTLS: true)
        open.secure()
        open.receive(ClientConversationTests.header)
        #expect(open.takeWritten().contains("<mechanism>SCRAM-SHA-512</mechanism>"))
        open.environment.configuration.withheldMechanisms = [.scramSHA512]
        open.receive(auth)
        #expect(open.takeWritten().contains("<challenge"))
    }

    @Test("PLAIN leaves the password of an account that lacks keys")
    func passwordForKeys() {
        for isWanted in [true, false] {
            var talk = ClientConversationTests.secured()
            talk.receive(
                "<auth \(ClientConversationTests.sasl) mechanism='PLAIN'>\(Base64.encode("\u{0}juliet\u{0}r0m30myr0m30".utf8))</auth>"
            )
            var credentials = ClientConversationTests.credentials(.plain)
            credentials.wantsPassword = isWanted
            talk.perform(.credentials(credentials))
            talk.derive()
            #expect((talk.authenticated?.newPassword != nil) == isWanted)
        }
    }
}

@Suite("XEP-0078: clients from before XMPP 1.0")
struct OldLoginTests {
    private static let header =
        "<stream:stream to='im.example.com' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    private static let answer =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
        + " from='im.example.com' id='{id}'>"
    private static let errors = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

    private func opened() -> Conversation {
        var talk = Conversation(.clientReceiving)
        talk.connect(directTLS: true)
        talk.play("! start TLS as server")
        talk.secure(TLSFacts(exporter: { [9] }, serverEndPoint: [8]))
        talk.play(
            """
            > \(Self.header)
            < \(Self.answer)
            """)
        return talk
    }

    private func login(_ fields: String) -> String {
        "<iq type='set' id='auth2'><query xmlns='jabber:iq:auth'>\(fields)</query></iq>"
    }

    private static let right = "<username>Juliet</username><password>r0m30myr0m30</password><resource>globe</resource>"

    @Test("§3.1: a stream without version and features; the fields, a password and a resource, and stanzas flow")
    func login() {
        var talk = opened()
        talk.play(
            """
            > <iq type='get' to='im.example.com' id='auth1'><query xmlns='jabber:iq:auth'><username>nobody</username></query></iq>
            < <iq from='im.example.com' id='auth1' type='result'><query xmlns='jabber:iq:auth'><username/><password/><resource/></query></iq>
            > \(login(Self.right))
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(ClientConversationTests.credentials(.plain)))
        talk.play("! derive keys")
        talk.derive()
        talk.play("! client authenticated juliet@im.example.com secure")
        #expect(talk.authenticated?.request?.resource == "globe")
        talk.perform(.welcome(Welcome(jid("juliet@im.example.com/globe"))))
        talk.play(
            """
            < <iq from='im.example.com' id='auth2' type='result'/>
            > <presence/>
            ! stanza <presence/>
            """)
    }

    @Test("§3.1: a wrong password is 401, what is missing is 406, too many tries are 500, and none of it tells what was sent")
    func failures() {
        var talk = opened()
        talk.receive(login(Self.right.replacing("r0m30myr0m30", with: "wrong")))
        talk.perform(.credentials(ClientConversationTests.credentials(.plain)))
        talk.derive()
        let deeds = talk.takeDeeds()
        #expect(deeds.contains(.done("authentication failed juliet@im.example.com")))
        #expect(
            deeds.last
                == .written(
                    "<iq from='im.example.com' id='auth2' type='error'><error code='401' type='auth'><not-authorized \(Self.errors)/></error></iq>"
                ))
        for fields in ["", "<username>a</username>", "<username>a</username><digest>48fc</digest><resource>x</resource>"] {
            talk.receive(login(fields))
            #expect(talk.takeWritten().contains("<error code='406' type='modify'><not-acceptable \(Self.errors)/></error>"))
        }
        talk.receive(login(Self.right))
        _ = talk.takeDeeds()
        talk.perform(.refuseCredentials)
        #expect(talk.takeWritten().contains("<error code='500' type='wait'>"))
    }

    @Test("it needs TLS and PLAIN: else a stream without version is refused as before; with a version there is SASL")
    func conditions() {
        var plain = Conversation(.clientReceiving) { $0.tls = .optional }
        plain.connect()
        plain.receive(Self.header)
        #expect(plain.takeWritten().contains("<unsupported-version"))
        var scram = Conversation(.clientReceiving) { $0.mechanisms = ["SCRAM-SHA-256"].compactMap(OfferedMechanism.init) }
        scram.connect(directTLS: true)
        scram.secure()
        _ = scram.takeDeeds()
        scram.receive(Self.header)
        #expect(scram.takeWritten().contains("<unsupported-version"))
        var talk = ClientConversationTests.secured()
        talk.receive(login(Self.right))
        #expect(talk.takeWritten().contains("<not-authorized"))
    }

    @Test("§5: not after SASL has failed; nor twice at once, nor before the login anything else")
    func policy() {
        var talk = opened()
        talk.receive("<auth \(ClientConversationTests.sasl) mechanism='X'/>")
        _ = talk.takeDeeds()
        talk.receive(login(Self.right))
        #expect(talk.takeWritten().contains("<policy-violation"))
        var other = opened()
        other.receive("<presence/>")
        #expect(other.takeWritten().contains("<not-authorized"))
        var late = opened()
        late.receive("<iq type='set'><query xmlns='jabber:iq:auth'>\(Self.right)</query></iq>")
        #expect(late.takeWritten().contains("<not-authorized"))
    }
}

@Suite("XEP-0445: invitations on streams")
struct InvitationStreamTests {
    @Test("§3, §4: offered under TLS; the token that was shown goes with what is asked afterwards, and only before a login")
    func invitation() {
        var talk = Conversation(.clientReceiving) { $0.allowsInvitations = true }
        talk.connect(directTLS: true)
        talk.secure()
        _ = talk.takeDeeds()
        talk.receive(ClientConversationTests.header)
        let features = talk.takeWritten()
        #expect(
            features.contains(
                "<register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/>"))
        let get = "<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>"
        talk.receive(get)
        #expect(talk.takeDeeds().description.contains("registration") && !talk.takeDeeds().description.contains("invited"))
        talk.perform(.registrationHandled)
        talk.receive(
            "<iq type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='\(String(repeating: "x", count: 500))'/></iq>")
        #expect(talk.takeDeeds().description.contains("registration"))
        talk.perform(.registrationHandled)
        talk.receive(get)
        #expect(talk.takeDeeds().description.contains("invited " + String(repeating: "x", count: 128) + "\")"))
    }

    @Test("without TLS, or where invitations are off, nobody is invited")
    func off() {
        for isOn in [true, false] {
            var talk = Conversation(.clientReceiving) {
                $0.tls = isOn ? .unavailable : .optional
                $0.allowsInvitations = isOn
            }
            talk.connect(directTLS: !isOn)
            if !isOn { talk.secure() }
            _ = talk.takeDeeds()
            talk.receive(ClientConversationTests.header)
            #expect(!talk.takeWritten().contains("<register"))
            talk.receive("<iq type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='x'/></iq>")
            #expect(talk.takeWritten().contains("<not-authorized"))
        }
    }
}
