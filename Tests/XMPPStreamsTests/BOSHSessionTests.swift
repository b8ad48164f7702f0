import MartletCrypto
import MartletPrimitives
import Testing
import XMPPStreams

/// XEP-0124 as a script: requests come in, answers go out, time is said.
@Suite struct BOSHSessionTests {
    /// A session with a client and a stream that this suite plays.
    private struct Play {
        var session: BOSHSession
        var now = Instant(milliseconds: 0)
        private(set) var said: [String] = []

        init(_ attributes: String = "wait='30' hold='1'", terms: BOSHSession.Terms = .init()) throws {
            var actions: [BOSHSession.Action] = []
            session = BOSHSession(
                try Self.request("rid='10' to='a.example' ver='1.11' \(attributes)"), 10, sid: "secret", terms: terms, at: now,
                into: &actions)
            note(actions)
        }

        static func request(_ attributes: String, _ payload: String = "") throws -> BOSHRequest {
            let text =
                "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' \(attributes)>\(payload)</body>"
            return try BOSHRequest(parsing: Array(text.utf8), limit: 10_000)
        }

        private mutating func note(_ actions: [BOSHSession.Action]) {
            for action in actions {
                switch action {
                case .hear(let bytes, let isHeader):
                    said.append((isHeader ? "header " : "hear ") + String(decoding: bytes, as: UTF8.self))
                case .answer(let id, let bytes): said.append("\(id) " + String(decoding: bytes, as: UTF8.self))
                case .lose(let words): said.append("lose \(words)")
                case .forget: said.append("forget")
                }
            }
        }

        /// What was said since the last time.
        mutating func take() -> [String] {
            defer { said = [] }
            return said.map { $0.replacing(" xmlns='http://jabber.org/protocol/httpbind'", with: "") }
        }

        mutating func ask(_ rid: Int, _ payload: String = "", _ more: String = "", id: UInt64? = nil) throws {
            var actions: [BOSHSession.Action] = []
            session.received(
                try Self.request("rid='\(rid)' sid='secret' \(more)", payload), id ?? UInt64(rid), at: now, into: &actions)
            note(actions)
        }

        mutating func write(_ text: String) {
            let isOurs = session.wrote(Array(text.utf8))
            #expect(isOurs)
            var actions: [BOSHSession.Action] = []
            session.flushed(at: now, into: &actions)
            note(actions)
        }

        mutating func greet() {
            write(
                "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='stream1' version='1.0'><stream:features/>"
            )
            said = []
        }

        mutating func wait(_ milliseconds: Int64) {
            now = now + milliseconds
            var actions: [BOSHSession.Action] = []
            session.timePassed(at: now, into: &actions)
            note(actions)
        }

        mutating func gone(_ id: UInt64) {
            var actions: [BOSHSession.Action] = []
            session.gone(id, at: now, into: &actions)
            note(actions)
        }

        mutating func closed() {
            var actions: [BOSHSession.Action] = []
            session.closed(at: now, into: &actions)
            note(actions)
        }
    }

    @Test("XEP-0124 §7, XEP-0206 §3: the first answer says what was agreed, with the stream's features")
    func beginning() throws {
        var play = try Play("wait='3600' hold='9' xmpp:version='1.0' xml:lang='de' from='b@a.example' ack='1'")
        #expect(
            play.take() == [
                "header <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a.example' from='b@a.example' version='1.0' xml:lang='de'>"
            ])
        play.write(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='stream1' version='1.0'><stream:features/>"
        )
        #expect(
            play.take() == [
                "10 <body xmlns:xmpp='urn:xmpp:xbosh' xmlns:stream='http://etherx.jabber.org/streams' sid='secret' wait='60' requests='3' hold='2' inactivity='60' polling='5' maxpause='120' ver='1.11' from='a.example' authid='stream1' xmpp:version='1.0' xmpp:restartlogic='true' ack='10'><stream:features xmlns:stream='http://etherx.jabber.org/streams'/></body>"
            ])
        var old = try Play("hold='1' wait='5' ver='1.6'".replacing(" ver='1.6'", with: ""))
        old.greet()
        #expect(old.take() == [])
    }

    @Test("XEP-0124 §8: a request waits until there is something to say, until another one comes, or for as long as agreed")
    func waiting() throws {
        var play = try Play()
        play.greet()
        try play.ask(11)
        #expect(play.take() == [])
        play.write("<message/>")
        #expect(play.take() == ["11 <body><message xmlns='jabber:client'/></body>"])
        play.write("<presence/>")
        #expect(play.take() == [])
        #expect(play.session.waitingBytes > 0)
        try play.ask(12)
        #expect(play.take() == ["12 <body><presence xmlns='jabber:client'/></body>"])
        #expect(play.session.waitingBytes == 0)
        try play.ask(13)
        try play.ask(14, "<iq xmlns='jabber:client'/>")
        #expect(play.take() == ["hear <iq xmlns='jabber:client'/>", "13 <body/>"])
        play.wait(29_999)
        #expect(play.take() == [])
        play.wait(1)
        #expect(play.take() == ["14 <body/>"])
    }

    @Test("XEP-0124 §14: an answer that was lost is given again, and requests are taken in the order of their numbers")
    func repetition() throws {
        var play = try Play()
        play.greet()
        try play.ask(12, "<b/>")
        #expect(play.take() == [])
        try play.ask(11, "<a/>")
        #expect(play.take() == ["hear <a/>", "hear <b/>", "11 <body/>"])
        play.write("<message/>")
        #expect(play.take() == ["12 <body><message xmlns='jabber:client'/></body>"])
        try play.ask(12, "<b/>", id: 112)
        #expect(play.take() == ["112 <body><message xmlns='jabber:client'/></body>"])
        try play.ask(13)
        try play.ask(13, id: 113)
        #expect(play.take() == ["13 <body/>"])
        play.gone(113)
        play.write("<message id='1'/>")
        #expect(play.take() == [])
        try play.ask(13, id: 213)
        #expect(play.take() == ["213 <body/>"])
        try play.ask(14)
        #expect(play.take() == ["14 <body><message xmlns='jabber:client' id='1'/></body>"])
    }

    @Test(
        "XEP-0124 §11, §12, §14, §15: who asks for what was not agreed is told to go",
        arguments: [
            ("rid='13' sid='secret'", "item-not-found"), ("rid='9' sid='secret'", "item-not-found"),
            ("sid='secret'", "bad-request"),
            ("rid='11' pause='121'", "policy-violation"),
        ])
    func refusals(request: String, condition: String) throws {
        var play = try Play()
        play.greet()
        var actions: [BOSHSession.Action] = []
        play.session.received(try Play.request(request), 11, at: play.now, into: &actions)
        #expect(actions.contains(.answer(11, BOSHSession.terminated(condition))) && actions.last == .forget)
        #expect(actions.contains { if case .lose = $0 { true } else { false } })
        #expect(play.session.nextWake == nil)
    }

    @Test("XEP-0124 §12: a client whose requests do not wait asks now and then, not all the time")
    func polling() throws {
        var play = try Play("wait='0'")
        play.greet()
        try play.ask(11)
        #expect(play.take() == ["11 <body/>"])
        play.now = play.now + 5000
        try play.ask(12)
        #expect(play.take() == ["12 <body/>"])
        play.now = play.now + 4999
        try play.ask(13)
        let heard = play.take().first
        #expect(heard == "13 <body type='terminate' condition='policy-violation'/>")
    }

    @Test("XEP-0124 §10, §16: without requests a session ends, later where it was to pause")
    func inactivity() throws {
        var play = try Play()
        play.greet()
        play.wait(59_999)
        #expect(play.take() == [])
        try play.ask(11, "", "pause='100'")
        #expect(play.take() == ["11 <body/>"])
        play.wait(99_999)
        #expect(play.take() == [])
        #expect(play.session.nextWake == play.now + 1)
        play.wait(1)
        #expect(play.take() == ["lose no request for 100 s", "forget"])
    }

    @Test("XEP-0124 §13, §17.2: an end is said, with its reason, to the request that waits or the next one")
    func endings() throws {
        var play = try Play()
        play.greet()
        try play.ask(11)
        play.write(
            "<message/><stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        #expect(
            play.take() == [
                "11 <body type='terminate' condition='host-gone'><message xmlns='jabber:client'/><stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></body>",
                "lose closed by us", "forget",
            ])
        var left = try Play()
        left.greet()
        try left.ask(11, "<presence/>", "type='terminate'")
        #expect(left.take() == ["hear <presence/>", "hear </stream:stream>"])
        left.write("</stream:stream>")
        #expect(left.take() == ["11 <body type='terminate'></body>", "lose closed by us", "forget"])
        var late = try Play()
        late.greet()
        late.write("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        late.closed()
        #expect(late.take() == [])
        try late.ask(11)
        let next = late.take().first
        #expect(next?.hasPrefix("11 <body type='terminate' condition='remote-stream-error'><stream:error") == true)
        var missing = try Play()
        missing.greet()
        try missing.ask(12)
        missing.wait(30_000)
        #expect(
            missing.take() == ["12 <body type='terminate' condition='item-not-found'/>", "lose a request is missing", "forget"])
    }

    @Test("XEP-0124 §15: where requests are secured by keys, one without the right key ends the session")
    func keys() throws {
        func hash(_ text: String) -> String { Hex.encode(Digest.hash(.sha1, Array(text.utf8))) }
        var play = try Play("newkey='\(hash("second"))'".replacing("second", with: hash("first")))
        _ = play.take()
        var keyed = try Play("newkey='\(hash("last"))'")
        keyed.greet()
        try keyed.ask(11, "", "key='last' newkey='\(hash("other"))'")
        try keyed.ask(12, "", "key='other'")
        #expect(keyed.take() == ["11 <body/>"])
        try keyed.ask(13, "", "key='wrong'")
        let last = keyed.take().first
        #expect(last == "13 <body type='terminate' condition='item-not-found'/>")
    }

    @Test("a slow client's answers are bounded, and what is left waits")
    func sizes() throws {
        var terms = BOSHSession.Terms()
        terms.answerBytes = 100
        var play = try Play(terms: terms)
        play.greet()
        for _ in 0..<5 { play.write("<message id='0123456789'/>") }
        try play.ask(11)
        let rest = play.take().first
        #expect(rest?.split(separator: "<message").count == 3)
        try play.ask(12)
        let more = play.take().first
        #expect(more?.split(separator: "<message").count == 3)
        #expect(play.session.waitingBytes > 0)
    }

    @Test("a body is read with its attributes, and its elements are left as they are")
    func reading() throws {
        let text =
            "<?xml version='1.0'?>\n<body rid='9007199254740991' sid='x' xmlns='http://jabber.org/protocol/httpbind'> <a b='&lt;'/>\n<message xmlns='jabber:client'><body>x</body></message></body>\n"
        let request = try BOSHRequest(parsing: Array(text.utf8), limit: 1000)
        #expect(request.rid == 9_007_199_254_740_991 && request.sid == "x")
        for bad in [
            "", "<body/>", "<body xmlns='http://jabber.org/protocol/httpbind' rid='9007199254740992'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='-1'/>",
            "<!DOCTYPE a><body xmlns='http://jabber.org/protocol/httpbind'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' wait='x'/>",
        ] {
            #expect(throws: BOSHRequest.Malformed.self) { try BOSHRequest(parsing: Array(bad.utf8), limit: 1000) }
        }
        #expect(throws: BOSHRequest.Malformed.self) { try BOSHRequest(parsing: Array(text.utf8), limit: 100) }
    }
}
