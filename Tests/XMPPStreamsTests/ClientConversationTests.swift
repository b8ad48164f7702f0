import MartletCrypto
import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

@Suite("Client's stream")
struct ClientConversationTests {
    static let header =
        "<?xml version='1.0'?><stream:stream from='juliet@im.example.com' to='im.example.com' version='1.0'"
        + " xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    static let answer =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
        + " from='im.example.com' to='juliet@im.example.com' id='{id}' version='1.0' xml:lang='en'>"
    static let anonymousAnswer = answer.replacing(" to='juliet@im.example.com'", with: "")
    static let sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
    static let tls = "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
    static let errors = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"

    static func credentials(
        _ mechanism: SASLMechanism, password: String = "r0m30myr0m30", isDecoy: Bool = false
    ) -> StoredCredentials {
        let salt: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        let keys = SCRAMKeys(algorithm: mechanism.digest, password: Array(password.utf8), salt: salt, iterations: 4096)
        return StoredCredentials(
            account: jid("juliet@im.example.com"), salt: salt, iterations: 4096, storedKey: keys.storedKey,
            serverKey: keys.serverKey, generation: 3, isDecoy: isDecoy)
    }

    static let saslFeatures =
        "<stream:features><mechanisms \(sasl)><mechanism>SCRAM-SHA-256-PLUS</mechanism>"
        + "<mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism>"
        + "<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
        + "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>"
        + "<channel-binding type='tls-server-end-point'/></sasl-channel-binding>"
        + "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256-PLUS</mechanism>"
        + "<mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism>"
        + "<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><sm xmlns='urn:xmpp:sm:3'/>"
        + "<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/><feature var='urn:xmpp:carbons:2'/>"
        + "<feature var='urn:xmpp:csi:0'/></inline></bind>"
        + "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-ENDP</mechanism>"
        + "<mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication>"
        + "</stream:features>"

    static let sessionFeatures =
        "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        + "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/>"
        + "<ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/>"
        + "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes></limits></stream:features>"

    /// A stream after TLS, before SASL.
    static func secured(_ change: (inout StreamConfiguration) -> Void = { _ in }) -> Conversation {
        var talk = Conversation(.clientReceiving, change)
        talk.connect()
        talk.play(
            """
            > \(header)
            < \(answer)<stream:features><starttls \(tls)><required/></starttls></stream:features>
            > <starttls \(tls)/>
            < <proceed \(tls)/>
            ! start TLS as server
            """)
        talk.secure(TLSFacts(exporter: { Array(repeating: 9, count: 32) }, serverEndPoint: [8]))
        talk.play(
            """
            > \(header)
            < \(answer)\(saslFeatures)
            """)
        return talk
    }

    /// A stream on which stanzas may flow; its header after SASL has these attributes instead of a language.
    static func authenticated(language: String = "") -> Conversation {
        var talk = secured()
        talk.play(
            """
            > <auth \(sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(credentials(.plain)))
        talk.play("! derive keys")
        talk.derive()
        talk.play("! client authenticated juliet@im.example.com secure")
        talk.perform(.admit)
        talk.play(
            """
            < <success \(sasl)/>
            > \(header.replacing(" xml:lang='en'", with: language))
            < \(answer)\(sessionFeatures)
            """)
        return talk
    }

    @Test("RFC 6120 §9.1: STARTTLS, SCRAM-SHA-1, a new stream, stanzas, and the end")
    func conversation() {
        var talk = Self.secured()
        // The client's part of RFC 6120 §9.1.2.
        let first = "n=juliet,r=oMsTAAwAAAAMAAAANP0TAAAAAABPU0AA"
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='SCRAM-SHA-1'>\(Base64.encode(("n,," + first).utf8))</auth>
            ! credentials wanted juliet@im.example.com SCRAM-SHA-1 192.0.2.7
            """)
        talk.perform(.credentials(Self.credentials(.scramSHA1)))
        talk.play("< <challenge \(Self.sasl)>{challenge}</challenge>")
        let challenge = Base64.decode(talk.words["challenge"] ?? "") ?? []
        #expect(challenge.starts(with: "r=oMsTAAwAAAAMAAAANP0TAAAAAABPU0AA".utf8))
        let final = SCRAMClient.final(
            first: first, header: Array("n,,".utf8), challenge: challenge, password: "r0m30myr0m30", .sha1)
        talk.play(
            """
            > <response \(Self.sasl)>\(Base64.encode(final))</response>
            ! client authenticated juliet@im.example.com secure
            """)
        talk.perform(.admit)
        talk.play(
            """
            < <success \(Self.sasl)>{signature}</success>
            > \(Self.header)
            < \(Self.answer)\(Self.sessionFeatures)
            > <iq id='yhc13a95' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>
              <resource>balcony</resource></bind></iq>
            ! stanza <iq id='yhc13a95' type='set' xml:lang='en'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>
              <resource>balcony</resource></bind></iq>
            > <message from='juliet@im.example.com/balcony' id='ju2ba41c' to='romeo@example.net' type='chat' xml:lang='en'>
              <body>Art thou not Romeo, and a Montague?</body></message>
            ! stanza <message from='juliet@im.example.com/balcony' to='romeo@example.net' id='ju2ba41c' type='chat'
               xml:lang='en'><body>Art thou not Romeo, and a Montague?</body></message>
            """.replacing("type='chat'\n   xml", with: "type='chat' xml"))
        talk.perform(.send(Array("<message/>".utf8)))
        talk.play(
            """
            < <message/>
            > <r xmlns='urn:xmpp:sm:3'/>
            ! nonza <r xmlns='urn:xmpp:sm:3'/>
            > </stream:stream>
            ! stream ended
            """)
        talk.perform(.send(Array("<a xmlns='urn:xmpp:sm:3' h='2'/>".utf8)))
        talk.perform(.close(nil))
        talk.play(
            """
            < <a xmlns='urn:xmpp:sm:3' h='2'/></stream:stream>
            ! close
            """)
        talk.disconnect()
        talk.play("! closed closed by the peer")
    }

    @Test("SCRAM-SHA-256-PLUS binds the exchange to the TLS connection")
    func channelBinding() {
        var talk = Self.secured()
        let first = "n=juliet,r=abc"
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='SCRAM-SHA-256-PLUS'>\(Base64.encode(("p=tls-exporter,," + first).utf8))</auth>
            ! credentials wanted juliet@im.example.com SCRAM-SHA-256 192.0.2.7
            """)
        talk.perform(.credentials(Self.credentials(.scramSHA256)))
        talk.play("< <challenge \(Self.sasl)>{challenge}</challenge>")
        let final = SCRAMClient.final(
            first: first, header: Array("p=tls-exporter,,".utf8) + Array(repeating: 9, count: 32),
            challenge: Base64.decode(talk.words["challenge"] ?? "") ?? [], password: "r0m30myr0m30", .sha256)
        talk.play(
            """
            > <response \(Self.sasl)>\(Base64.encode(final))</response>
            ! client authenticated juliet@im.example.com secure
            """)
        talk.perform(.refuse(.credentialsExpired))
        talk.play("< <failure \(Self.sasl)><credentials-expired/></failure>")
    }

    @Test(
        "what is named is what is offered and accepted, -PLUS and not, each by itself, in its order",
        arguments: [
            (["SCRAM-SHA-256"], ["SCRAM-SHA-256"]), (["SCRAM-SHA-256-PLUS"], []), (["SCRAM-SHA-1-PLUS", "PLAIN"], []),
            (["SCRAM-SHA-1", "SCRAM-SHA-256-PLUS"], ["SCRAM-SHA-1"]), (["PLAIN"], []),
        ])
    func namedMechanisms(named: [String], withoutTLS: [String]) {
        let all = OfferedMechanism.all
        func talk(secured: Bool) -> (Conversation, features: String) {
            var talk = Conversation(.clientReceiving) {
                if !secured { $0.tls = .unavailable }
                $0.mechanisms = named.compactMap(OfferedMechanism.init)
            }
            talk.connect(directTLS: secured)
            if secured { talk.secure(TLSFacts(exporter: { [9] }, serverEndPoint: [8])) }
            _ = talk.takeDeeds()
            talk.receive(Self.header)
            return (talk, talk.takeWritten())
        }
        for (secured, offered) in [(true, named), (false, withoutTLS)] {
            let features = talk(secured: secured).features
            let lists = features.split(separator: "<authentication")
            for (index, list) in lists.enumerated() {
                let names = list.split(separator: "<mechanism>").dropFirst().map { String($0.prefix { $0 != "<" }) }
                // XEP-0388: the same ones, and behind them what works with a token.
                #expect(names.filter { !$0.hasPrefix("HT-") } == offered, "\(index)")
            }
            #expect(lists.count == (secured ? 2 : 1))
            let isBindable = offered.contains { $0.hasSuffix("-PLUS") }
            #expect(features.contains("<sasl-channel-binding") == isBindable)
            for mechanism in all {
                var (talk, _) = talk(secured: secured)
                talk.receive("<auth \(Self.sasl) mechanism='\(mechanism.name)'/>")
                #expect(talk.takeWritten().contains("<challenge") == offered.contains(mechanism.name), "\(mechanism.name)")
            }
            // RFC 5802 §6: "you did not offer to bind" is a lie only where it was offered.
            guard offered.contains("SCRAM-SHA-1") || offered.contains("SCRAM-SHA-256") else { continue }
            var (talk, _) = talk(secured: secured)
            let first = Base64.encode("y,,n=juliet,r=abc".utf8)
            let name = offered.contains("SCRAM-SHA-1") ? "SCRAM-SHA-1" : "SCRAM-SHA-256"
            talk.receive("<auth \(Self.sasl) mechanism='\(name)'>\(first)</auth>")
            #expect(talk.takeWritten().contains("not-authorized") == isBindable)
        }
    }

    @Test("RFC 4616 §2: PLAIN tries the password as SCRAM prepares it, then as earlier versions did, whose keys are replaced")
    func plainForms() {
        let message = Base64.encode("\u{0}juliet\u{0}pass\u{B2}".utf8)
        for (stored, isNew) in [("pass2", true), ("pass\u{B2}", false), ("pass", nil)] as [(String, Bool?)] {
            var talk = Self.secured()
            talk.receive("<auth \(Self.sasl) mechanism='PLAIN'>\(message)</auth>")
            _ = talk.takeDeeds()
            talk.perform(.credentials(Self.credentials(.plain, password: stored)))
            talk.play("! derive keys")
            talk.derive()
            if isNew != true {
                talk.play("! derive keys")
                talk.derive()
            }
            let client = talk.authenticated
            #expect((client == nil) == (isNew == nil))
            #expect(client?.newPassword == (isNew == false ? Array("pass2".utf8) : nil))
        }
    }

    @Test("RFC 4616: PLAIN, with the initial response in answer to an empty challenge too")
    func plain() {
        _ = Self.authenticated()
        var talk = Self.secured()
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='PLAIN'/>
            < <challenge \(Self.sasl)/>
            > <response \(Self.sasl)>AGp1bGlldAByMG0zMG15cjBtMzA=</response>
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(Self.credentials(.plain, password: "wrong")))
        talk.play("! derive keys")
        talk.derive()
        talk.play(
            """
            ! authentication failed juliet@im.example.com
            < <failure \(Self.sasl)><not-authorized/></failure>
            > <auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(Self.credentials(.plain)))
        talk.play("! derive keys")
        talk.derive(succeeding: false)
        talk.play("< <failure \(Self.sasl)><temporary-auth-failure/></failure>")
    }

    @Test("RFC 6120 §6.5: each SASL error has its condition")
    func saslErrors() {
        let cases = [
            ("<auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlld?</auth>", "incorrect-encoding"),
            ("<auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA</auth>", "incorrect-encoding"),
            ("<auth \(Self.sasl) mechanism='PLAIN'>=</auth>", "malformed-request"),
            ("<auth \(Self.sasl) mechanism='DIGEST-MD5'>=</auth>", "invalid-mechanism"),
            ("<auth \(Self.sasl) mechanism='PLAIN-PLUS'>=</auth>", "invalid-mechanism"),
            ("<auth \(Self.sasl)>=</auth>", "invalid-mechanism"),
            ("<response \(Self.sasl)/>", "malformed-request"),
            ("<abort \(Self.sasl)/>", "aborted"),
            ("<success \(Self.sasl)/>", "malformed-request"),
            // romeo@im.example.com NUL juliet NUL x
            ("<auth \(Self.sasl) mechanism='PLAIN'>cm9tZW9AaW0uZXhhbXBsZS5jb20AanVsaWV0AHg=</auth>", "invalid-authzid"),
        ]
        for (element, condition) in cases {
            var talk = Self.secured()
            talk.play(
                """
                > \(element)
                < <failure \(Self.sasl)><\(condition)/></failure>
                """)
        }
    }

    @Test("RFC 6120 §6.4.5: the third failure ends the stream")
    func attempts() {
        var talk = Self.secured()
        talk.play(
            """
            > <abort \(Self.sasl)/>
            < <failure \(Self.sasl)><aborted/></failure>
            > <abort \(Self.sasl)/>
            < <failure \(Self.sasl)><aborted/></failure>
            > <abort \(Self.sasl)/>
            < <failure \(Self.sasl)><aborted/></failure><stream:error><policy-violation \(Self.errors)/></stream:error>
              </stream:stream>
            ! close
            """)
        talk.disconnect()
        talk.play("! closed too many failed SASL exchanges")
    }

    @Test("RFC 6120 §6.5.4: nothing but STARTTLS is possible where TLS is required")
    func encryptionRequired() {
        var talk = Conversation(.clientReceiving)
        talk.connect()
        talk.play(
            """
            > \(Self.header)
            < \(Self.answer)<stream:features><starttls \(Self.tls)><required/></starttls></stream:features>
            > <auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>
            < <failure \(Self.sasl)><encryption-required/></failure>
            > <message/>
            < <stream:error><not-authorized \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test("where plain is allowed, PLAIN still is not, unless it is allowed too")
    func optionalTLS() {
        var talk = Conversation(.clientReceiving) {
            $0.tls = .optional
            $0.allowsRegistration = true
        }
        talk.connect()
        talk.play(
            """
            > \(Self.header)
            < \(Self.answer)<stream:features><starttls \(Self.tls)/><mechanisms \(Self.sasl)>
              <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>
              <register xmlns='http://jabber.org/features/iq-register'/></stream:features>
            > <auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>
            < <failure \(Self.sasl)><encryption-required/></failure>
            > <iq type='get' id='reg1'><query xmlns='jabber:iq:register'/></iq>
            ! registration im.example.com <iq to='im.example.com' id='reg1' type='get'><query xmlns='jabber:iq:register'/></iq>
            """)
        // What comes before the answer waits for it.
        talk.play("> <abort \(Self.sasl)/>")
        talk.perform(.send(Array("<iq type='result' id='reg1'/>".utf8)))
        talk.play("< <iq type='result' id='reg1'/>")
        talk.perform(.registrationHandled)
        talk.play("< <failure \(Self.sasl)><aborted/></failure>")
    }

    @Test("XEP-0077 §3.3: nothing that follows another password is read before it is there")
    func anotherPassword() {
        let query = "<query xmlns='jabber:iq:register'><username>juliet</username><password>new</password></query>"
        var talk = Self.authenticated()
        #expect(!talk.engine.holdsReads)
        for to in ["", " to='im.example.com'", " to='juliet@im.example.com'"] {
            talk.play(
                """
                > <iq id='1' type='set'\(to)>\(query)</iq><message id='2'/>
                ! registration im.example.com <iq\(to) id='1' type='set'>\(query)</iq>
                """)
            #expect(talk.engine.holdsReads)
            // A message for the client in between does not wait, and changes nothing.
            talk.perform(.send(Array("<message/>".utf8)))
            talk.play("< <message/>")
            talk.perform(.registrationHandled)
            talk.play("! stanza <message id='2'/>")
            #expect(!talk.engine.holdsReads)
            talk.perform(.registrationHandled)
        }
        // What chooses no password, or none here, is like any other request.
        for other in ["<iq id='1' type='get'>\(query)</iq>", "<iq to='gateway.example' id='1' type='set'>\(query)</iq>"] {
            talk.play("> \(other)\n! stanza \(other)")
        }
        talk = Self.authenticated()
        talk.environment.configuration.allowsPasswordChange = false
        talk.play("> <iq id='1' type='set'>\(query)</iq>\n! stanza <iq id='1' type='set'>\(query)</iq>")
    }

    @Test("a stream that is held says nothing more of what it reads, writes all the same, and goes on where it was")
    func held() {
        var talk = Self.authenticated()
        talk.perform(.hold)
        #expect(talk.engine.holdsReads)
        talk.receive("<message to='a@im.example.com'/><r xmlns='urn:xmpp:sm:3'/>")
        talk.play("")
        #expect(talk.engine.unreadByteCount > 0)
        talk.perform(.send(Array("<presence/>".utf8)))
        talk.play("< <presence/>")
        talk.perform(.goOn)
        #expect(!talk.engine.holdsReads)
        #expect(talk.engine.unreadByteCount == 0)
        talk.play(
            """
            ! stanza <message to='a@im.example.com'/>
            ! nonza <r xmlns='urn:xmpp:sm:3'/>
            """)
        talk.perform(.hold)
        talk.perform(.close(nil))
        #expect(!talk.engine.holdsReads)
    }

    @Test("whoever is refused by the site may try again, and bind to the channel then")
    func refusalAndBinding() {
        var talk = Self.secured()
        talk.play(
            """
            > <auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
        talk.perform(.credentials(Self.credentials(.plain)))
        talk.play("! derive keys")
        talk.derive()
        talk.play("! client authenticated juliet@im.example.com secure")
        talk.perform(.refuse(.temporaryAuthFailure))
        for name in ["tls-exporter", "tls-server-end-point"] {
            talk.play(
                """
                < <failure \(Self.sasl)><temporary-auth-failure/></failure>
                > <auth \(Self.sasl) mechanism='SCRAM-SHA-1-PLUS'>\(Base64.encode("p=\(name),,n=juliet,r=abc".utf8))</auth>
                ! credentials wanted juliet@im.example.com SCRAM-SHA-1 192.0.2.7
                """)
            talk.perform(.refuseCredentials)
        }
    }

    @Test("direct TLS: the handshake comes before the first byte, and STARTTLS is not offered")
    func directTLS() {
        var talk = Conversation(.clientReceiving)
        talk.connect(directTLS: true)
        talk.play("! start TLS as server")
        talk.secure(TLSFacts(exporter: { [1] }, serverEndPoint: [2]))
        talk.play(
            """
            > \(Self.header)
            < \(Self.answer)\(Self.saslFeatures)
            > <starttls \(Self.tls)/>
            < <failure \(Self.tls)/></stream:stream>
            ! close
            """)
    }

    @Test("RFC 6120 §5.4.3.3: what comes in clear behind <starttls/> ends the stream; white space does not")
    func injection() {
        for (behind, isRefused) in [("<auth \(Self.sasl) mechanism='PLAIN'>AA==</auth>", true), ("<", true), (" \n", false)] {
            var talk = Conversation(.clientReceiving)
            talk.connect()
            talk.receive(Self.header)
            _ = talk.takeDeeds()
            talk.receive("<starttls \(Self.tls)/>" + behind)
            if isRefused {
                talk.play(
                    """
                    < <stream:error><policy-violation \(Self.errors)/></stream:error></stream:stream>
                    ! close
                    """)
            } else {
                talk.play(
                    """
                    < <proceed \(Self.tls)/>
                    ! start TLS as server
                    """)
            }
        }
    }

    @Test(
        "RFC 6120 §4.9.1.2: a header that is refused is answered first",
        arguments: [
            (header.replacing("to='im.example.com'", with: "to='other.example'"), "host-unknown"),
            (header.replacing(" to='im.example.com'", with: ""), "host-unknown"),
            (header.replacing(" version='1.0' xml", with: " xml"), "unsupported-version"),
            (header.replacing("<?xml version='1.0'?>", with: ""), ""),
            (header.replacing("'1.0' xml", with: "'0.9' xml"), "unsupported-version"),
            (header.replacing("'1.0' xml", with: "'1' xml"), "unsupported-version"),
            (header.replacing("'1.0' xml", with: "'2.0' xml"), ""),
            (header.replacing("jabber:client", with: "jabber:server"), "invalid-namespace"),
            (header.replacing("etherx", with: "other"), "invalid-namespace"),
            (header.replacing("<stream:stream", with: "<stream:steam"), "bad-format"),
            ("<?xml version='1.0' encoding='UTF-16'?><stream:stream>", "unsupported-encoding"),
            ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
            ("<!DOCTYPE x><stream:stream>", "restricted-xml"),
            ("<stream:stream>", "not-well-formed"),
        ])
    func refusedHeader(header: String, condition: String) {
        var talk = Conversation(.clientReceiving)
        talk.connect()
        talk.receive(header)
        let written = talk.takeWritten()
        #expect(written.hasPrefix("<?xml version='1.0'?><stream:stream xmlns='jabber:client'"))
        if condition.isEmpty {
            #expect(written.hasSuffix("</stream:features>"))
        } else {
            #expect(written.contains("<stream:error><\(condition) \(Self.errors)/></stream:error></stream:stream>"))
        }
    }

    @Test("RFC 6120 §4.8.3: the content namespace may have a prefix")
    func prefixedContent() {
        var talk = Conversation(.clientReceiving) {
            $0.tls = .unavailable; $0.allowsRegistration = true
        }
        talk.connect()
        talk.receive(
            "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client' to='im.example.com' version='1.0'>")
        _ = talk.takeDeeds()
        talk.play(
            """
            > <c:iq type='get' id='1'><query xmlns='jabber:iq:register'/></c:iq>
            ! registration im.example.com <iq to='im.example.com' id='1' type='get'><query xmlns='jabber:iq:register'/></iq>
            """)
    }

    @Test("RFC 6120 §8.3.3.8: a malformed 'to' is the site's to answer, a wrong 'from' ends the stream")
    func addresses() {
        var talk = Self.authenticated()
        talk.play(
            """
            > <message to='a@@b' id='1'><body>x</body></message>
            ! stanza refused jid-malformed <message id='1'/>
            > <message from='romeo@im.example.com/x' to='a@b'/>
            < <stream:error><invalid-from \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
        talk = Self.authenticated()
        talk.play(
            """
            > <message from='@' to='a@b'/>
            < <stream:error><invalid-from \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test(
        "XEP-0198 §3, §5: stream management before authentication is refused, and the client may still log in",
        arguments: ["<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<resume xmlns='urn:xmpp:sm:3' previd='1-x' h='2'/>"])
    func managementBeforeAuthentication(element: String) {
        var talk = Self.secured()
        talk.play(
            """
            > \(element)
            < <failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>
            > <auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>
            ! credentials wanted juliet@im.example.com PLAIN 192.0.2.7
            """)
    }

    @Test("RFC 6120 §4.7.4, §8.1.5: the language of the stream is that of what is said without another")
    func language() {
        var talk = Self.authenticated(language: " xml:lang='cs'")
        talk.play(
            """
            > <message to='a@b'><body>Ahoj</body></message>
            ! stanza <message to='a@b' xml:lang='cs'><body>Ahoj</body></message>
            > <message to='a@b' xml:lang='de'><body>Hallo</body></message>
            ! stanza <message to='a@b' xml:lang='de'><body>Hallo</body></message>
            > <message to='a@b' xml:lang=''><body>123</body></message>
            ! stanza <message to='a@b' xml:lang=''><body>123</body></message>
            > <presence><status>tady</status></presence>
            ! stanza <presence xml:lang='cs'><status>tady</status></presence>
            > <presence/>
            ! stanza <presence/>
            > <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>
            ! stanza <iq id='1' type='get' xml:lang='cs'><query xmlns='jabber:iq:roster'/></iq>
            """)
    }

    @Test(
        "RFC 6120 §4.7.4: what is no language is none",
        arguments: ["", "c s", "&lt;", "a\u{E9}", String(repeating: "x-", count: 40)])
    func noLanguage(text: String) {
        var talk = Self.authenticated(language: " xml:lang='\(text)'")
        talk.play(
            """
            > <message to='a@b'><body>Ahoj</body></message>
            ! stanza <message to='a@b'><body>Ahoj</body></message>
            """)
    }

    @Test(
        "RFC 6120 §4.9.3.24: what nobody knows is unsupported-stanza-type",
        arguments: [
            "<foo/>", "<a xmlns='urn:other'/>", "<auth \(sasl)/>", "<starttls \(tls)/>", "<message xmlns='jabber:server'/>",
        ])
    func unknownElement(element: String) {
        var talk = Self.authenticated()
        talk.play(
            """
            > \(element)
            < <stream:error><unsupported-stanza-type \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
    }

    @Test(
        "XML that is not allowed ends the stream",
        arguments: [
            ("<message><body></x></message>", "not-well-formed"), ("<!-- -->", "restricted-xml"), ("<?x?>", "restricted-xml"),
            ("<message>&foo;</message>", "restricted-xml"), ("<x:message/>", "not-well-formed"),
            ("<message a='1' a='2'/>", "not-well-formed"), ("text", "not-well-formed"),
            ("<message>\u{1}</message>", "not-well-formed"), ("</stream>", "not-well-formed"),
            ("<message>" + String(repeating: "<a>", count: 200), "policy-violation"),
            ("<message>" + String(repeating: "x", count: 300_000), "policy-violation"),
        ])
    func badXML(xml: String, condition: String) {
        var talk = Self.authenticated()
        talk.receive(xml)
        talk.play(
            """
            < <stream:error><\(condition) \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
        talk.receive("<message/></stream:stream>")
        #expect(talk.takeDeeds() == [])
    }

    @Test("before authentication bytes, stanza size and time are bounded")
    func boundsBeforeAuthentication() {
        var talk = Self.secured()
        talk.receive("<auth \(Self.sasl) mechanism='PLAIN'>" + String(repeating: "A", count: 20_000))
        #expect(talk.takeWritten().contains("<policy-violation"))

        talk = Self.secured { $0.authenticationAttempts = 100_000 }
        for _ in 0..<10_000 { talk.receive("<abort \(Self.sasl)/>") }
        #expect(talk.takeDeeds().last == .done("close"))

        // Nothing piles up while the site is asked either.
        talk = Self.secured()
        talk.receive("<auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>")
        _ = talk.takeDeeds()
        for _ in 0..<10_000 { talk.receive("<abort \(Self.sasl)/>") }
        #expect(talk.takeDeeds().last == .done("close"))
        #expect(talk.engine.unreadByteCount < 70_000)

        talk = Self.secured()
        talk.fireTimers()
        talk.play(
            """
            < <stream:error><connection-timeout \(Self.errors)/></stream:error></stream:stream>
            ! close
            """)
        talk = Self.authenticated()
        talk.fireTimers()
        #expect(talk.takeDeeds() == [])
    }

    @Test("RFC 6120 §4.6.1: white space keeps the connection alive")
    func keepalive() {
        var talk = Self.authenticated()
        talk.receive(" \n\t \r\n")
        #expect(talk.takeDeeds() == [])
        talk.play(
            """
            > <presence/>
            ! stanza <presence/>
            """)
    }

    @Test("RFC 6120 §4.4: our last word, then the peer's; what comes between is heard, and nothing is written")
    func closing() {
        var talk = Self.authenticated()
        talk.perform(.close(nil))
        talk.perform(.send(Array("<presence/>".utf8)))
        talk.play(
            """
            < </stream:stream>
            > <message to='a@b'/>
            ! stanza <message to='a@b'/>
            > </stream:stream>
            ! stream ended
            ! close
            """)
        talk.disconnect()
        talk.play("! closed closed by us")
    }

    @Test("what is given up is thrown away, also behind the last word; a place is noted in any state")
    func givenUp() {
        var talk = Self.authenticated()
        talk.perform(.mark(7))
        talk.play("! place 7")
        talk.perform(.abort)
        talk.play("! reset")
        talk.disconnect()
        talk.play("! closed given up")
        var closing = Self.authenticated()
        closing.perform(.close(nil))
        closing.play(
            """
            < </stream:stream>
            > </stream:stream>
            ! stream ended
            ! close
            """)
        closing.perform(.abort)
        closing.play("! reset")
        closing.disconnect()
        closing.play("! closed closed by us")
    }

    @Test("bytes are one action while stanzas flow, and the stream's business while an answer is awaited")
    func onlyAction() {
        var talk = Self.authenticated()
        let presence = StreamCommand.send(Array("<presence/>".utf8))
        guard case .write(let bytes) = StreamEngine.onlyAction(of: presence, whileWriting: talk.engine.writesAtOnce) else {
            Issue.record("bytes are to be written at once")
            return
        }
        #expect(presence == .send(bytes))
        #expect(
            {
                if case nil = StreamEngine.onlyAction(of: .abort, whileWriting: talk.engine.writesAtOnce) {
                    true
                } else {
                    false
                }
            }())
        talk.perform(.close(nil))
        #expect(
            {
                if case nil = StreamEngine.onlyAction(of: presence, whileWriting: talk.engine.writesAtOnce) {
                    true
                } else {
                    false
                }
            }())
        talk.play("< </stream:stream>")
    }

    @Test("a peer that does not answer our last word is not waited for")
    func closingTimer() {
        var talk = Self.authenticated()
        talk.perform(.close(StreamError(.systemShutdown)))
        talk.play(
            """
            < <stream:error><system-shutdown \(Self.errors)/></stream:error></stream:stream>
            > <message to='a@b'/>
            """)
        talk.fireTimers()
        talk.play("! close")
        talk.fireTimers()
        #expect(talk.takeDeeds() == [])
    }

    @Test("a site that has nothing to add to the peer's last word need not answer it")
    func unansweredEnd() {
        var talk = Self.authenticated()
        talk.play(
            """
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

    @Test("a stream error of the client ends the stream, with its words for the operator")
    func clientError() {
        var talk = Self.authenticated()
        talk.play(
            """
            > <stream:error><conflict \(Self.errors)/><text \(Self.errors)>two of us</text></stream:error></stream:stream>
            < </stream:stream>
            ! close
            """)
        talk.disconnect()
        talk.play("! closed the peer reports conflict: two of us")
    }

    @Test("late answers of the site are harmless")
    func lateAnswers() {
        var talk = Self.secured()
        for command in [
            StreamCommand.admit, .credentials(Self.credentials(.plain)), .refuseCredentials, .refuse(.notAuthorized),
            .dialbackVerdict(DomainPair(local: jid("a.example"), peer: jid("b.example")), .valid),
        ] {
            talk.perform(command)
        }
        #expect(talk.takeDeeds() == [])
        talk.disconnect()
        _ = talk.takeDeeds()
        talk.perform(.admit)
        talk.perform(.send([1]))
        talk.perform(.close(nil))
        talk.receive("<x/>")
        talk.fireTimers()
        #expect(talk.takeDeeds() == [])
    }

    @Test("RFC 6120 §6.4.6: the domain cannot be changed after authentication")
    func changedDomain() {
        var talk = Conversation(.clientReceiving, domains: ["im.example.com", "other.example"]) {
            $0.allowsPlainWithoutTLS = true; $0.tls = .unavailable
        }
        talk.connect()
        talk.receive(Self.header + "<auth \(Self.sasl) mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>")
        talk.perform(.credentials(Self.credentials(.plain)))
        talk.derive()
        talk.perform(.admit)
        _ = talk.takeDeeds()
        talk.receive(Self.header.replacing("to='im.example.com'", with: "to='other.example'"))
        #expect(talk.takeWritten().contains("<not-authorized"))
    }

    @Test("a decoy has the bytes and steps of an account with another password", arguments: SASLMechanism.allCases)
    func decoy(mechanism: SASLMechanism) {
        func deeds(isDecoy: Bool) -> [Conversation.Deed] {
            var talk = Conversation(.clientReceiving) { $0.withheldMechanisms = [] }
            talk.connect(directTLS: true)
            talk.secure()
            talk.receive(Self.header)
            _ = talk.takeDeeds()
            var deeds: [Conversation.Deed] = []
            let first = mechanism == .plain ? "\u{0}juliet\u{0}guess" : "n,,n=juliet,r=abc"
            talk.receive("<auth \(Self.sasl) mechanism='\(mechanism.rawValue)'>\(Base64.encode(first.utf8))</auth>")
            talk.perform(.credentials(Self.credentials(mechanism, isDecoy: isDecoy)))
            deeds += talk.takeDeeds()
            if mechanism == .plain {
                talk.derive()
            } else {
                guard case .written(let text)? = deeds.last, let start = text.firstIndex(of: ">"),
                    let end = text.lastIndex(of: "<")
                else { return [] }
                let final = SCRAMClient.final(
                    first: "n=juliet,r=abc", header: Array("n,,".utf8),
                    challenge: Base64.decode(String(text[text.index(after: start)..<end])) ?? [], password: "guess",
                    mechanism.digest)
                talk.receive("<response \(Self.sasl)>\(Base64.encode(final))</response>")
            }
            return deeds + talk.takeDeeds()
        }
        let account = deeds(isDecoy: false)
        #expect(account.count >= 3)
        #expect(account == deeds(isDecoy: true))
        #expect(account.contains(.written("<failure \(Self.sasl)><not-authorized/></failure>")))
    }
}
