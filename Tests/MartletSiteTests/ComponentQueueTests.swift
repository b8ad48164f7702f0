import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What waits for a component that is away, and what does not.
@Suite("XEP-0114: what waits for a component")
struct ComponentQueueTests {
    typealias Harness = ComponentHarness

    private func write(_ texts: [String], from client: ConnectionID, in harness: inout Harness) {
        for text in texts {
            harness.site.send(
                "<message id='\(text)' to='#swift@irc.pilsen.example' type='chat'><body>\(text)</body></message>", on: client)
        }
    }

    @Test(
        "messages wait on disk while it is away, also over our own restart, and come once, in order, with the time of their acceptance"
    )
    func waits() throws {
        var harness = Harness()
        var alice = harness.site.login("alice")
        write(["1", "2"], from: alice, in: &harness)
        #expect(harness.links().map(\.waiting) == [2, 0])
        harness.restart()
        alice = harness.site.login("alice")
        harness.site.now += 60_000
        write(["3"], from: alice, in: &harness)
        let component = try harness.admitted()
        let got = harness.read(component)
        #expect(got.compactMap(\.body) == ["1", "2", "3"])
        #expect(got.first?.first("delay", Namespaces.delay)?["from"] == "pilsen.example")
        #expect(harness.links().map(\.waiting) == [0, 0])
        harness.site.handle(.server(component, .closed("gone")))
        let again = try harness.admitted()
        #expect(harness.read(again).compactMap(\.body).isEmpty)
    }

    @Test(
        "any answer to the ping behind it proves what it got, an error too; what it has not proven comes again, in order",
        arguments: ["result", "error"])
    func proof(type: String) throws {
        var harness = Harness()
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        #expect(harness.read(component, answering: type).compactMap(\.body) == ["1"])
        #expect(harness.links().map(\.waiting) == [0, 0])
        write(["2", "3"], from: alice, in: &harness)
        #expect(harness.take(component).compactMap(\.body) == ["2", "3"])
        harness.site.handle(.server(component, .closed("killed")))
        write(["4"], from: alice, in: &harness)
        let again = try harness.admitted()
        #expect(harness.read(again).compactMap(\.body) == ["2", "3", "4"])
        #expect(harness.links().map(\.waiting) == [0, 0])
    }

    @Test("nobody but the component answers its pings")
    func forgedProof() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let other = try harness.admitted(Harness.other)
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        let sent = harness.takeAll(component)
        let ping = try #require(sent.last)
        let id = try #require(ping["id"])
        for (speaker, from) in [(other, "sms.pilsen.example"), (component, "a@irc.pilsen.example")] {
            harness.say("<iq type='result' id='\(id)' from='\(from)' to='pilsen.example'/>", on: speaker)
            #expect(harness.links().map(\.waiting) == [1, 0])
        }
        harness.say("<iq type='result' id='fence-guessed' from='irc.pilsen.example' to='pilsen.example'/>", on: component)
        #expect(harness.links().map(\.waiting) == [1, 0])
        harness.say("<iq type='result' id='\(id)' from='irc.pilsen.example' to='pilsen.example'/>", on: component)
        #expect(harness.links().map(\.waiting) == [0, 0])
    }

    @Test("who asks an absent component something, or wants to enter a room there, has an error at once, with words")
    func requests() throws {
        var harness = Harness()
        let alice = harness.site.login("alice")
        _ = harness.site.take(alice)
        harness.site.send(
            "<iq type='get' id='q' to='irc.pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>", on: alice)
        harness.site.send(
            "<presence to='#swift@irc.pilsen.example/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>", on: alice)
        let answers = harness.site.take(alice)
        #expect(answers.map(\.name) == ["iq", "presence"])
        for answer in answers {
            #expect(answer["type"] == "error")
            let error = answer.first("error", Namespaces.client)
            #expect(error?.first("remote-server-timeout", Namespaces.stanzaErrors) != nil)
            #expect(error?.first("text", Namespaces.stanzaErrors)?.text == "irc.pilsen.example is not connected at the moment")
        }
        #expect(harness.links().map(\.waiting) == [0, 0])
    }

    @Test("a request that was under way when it went is answered with an error, and the late answer is dropped")
    func requestUnderWay() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        harness.site.send(
            "<iq type='get' id='q' to='irc.pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>", on: alice)
        _ = harness.site.take(alice)
        harness.site.handle(.server(component, .closed("gone")))
        #expect(harness.site.take(alice).map { $0["type"] } == ["error"])
        let again = try harness.admitted()
        harness.say("<iq type='result' id='q' from='irc.pilsen.example' to='alice@pilsen.example/desk'/>", on: again)
        #expect(harness.site.take(alice).isEmpty)
    }

    @Test("presence is not kept for a component that is away, and what only shows that somebody types is gone")
    func notReplayed() throws {
        var harness = Harness()
        let alice = harness.site.login("alice")
        harness.site.send("<presence to='bob@irc.pilsen.example'><status>old</status></presence>", on: alice)
        harness.site.send(
            "<message to='bob@irc.pilsen.example' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
            on: alice)
        #expect(harness.site.take(alice).filter { $0["type"] == "error" }.isEmpty)
        let component = try harness.admitted()
        #expect(!harness.take(component).contains { $0.first("status", Namespaces.client) != nil || $0.name == "message" })
    }

    @Test("subscriptions wait like messages")
    func subscriptions() throws {
        var harness = Harness()
        let alice = harness.site.login("alice")
        harness.site.send("<presence type='subscribe' to='bob@irc.pilsen.example'/>", on: alice)
        let component = try harness.admitted()
        #expect(harness.read(component).filter { $0["type"] == "subscribe" }.map { $0["from"] } == ["alice@pilsen.example"])
    }

    @Test("what is not delivered within its lifetime comes back to its sender")
    func expiry() throws {
        var policy = Harness.policy
        policy.federation.entryLifetime = 60_000
        policy.federation.delayWarning = 0
        var harness = Harness(policy: policy)
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        _ = harness.site.take(alice)
        harness.site.pass(70_000)
        #expect(harness.site.take(alice).filter { $0["type"] == "error" }.map { $0["id"] } == ["1"])
        let component = try harness.admitted()
        #expect(harness.take(component).compactMap(\.body).isEmpty)
        #expect(harness.links().map(\.waiting) == [0, 0])
    }

    @Test("people here hear that their messages wait; somebody elsewhere hears of what comes back only")
    func warnings() throws {
        var policy = Harness.policy
        policy.federation.delayWarning = 60_000
        var harness = Harness(policy: policy)
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        let theirs = harness.newConnection()
        let pair = DomainPair(local: Harness.domain, peer: SiteHarness.peer)
        harness.site.handle(.server(theirs, .peerVerified(pair, .certificate)))
        harness.site.send(
            "<message id='2' to='irc.pilsen.example' type='chat'><body>2</body></message>", from: "bob@brno.example/x",
            on: theirs)
        #expect(harness.links().map(\.waiting) == [2, 0])
        _ = harness.site.take(alice)
        harness.site.pass(70_000)
        let told = harness.site.take(alice).compactMap(\.body)
        #expect(told.count == 1 && told[0].hasPrefix("Your message to irc.pilsen.example has been waiting"), "\(told)")
        guard case .links(let rows)? = harness.site.ask(.links(.listLinks)) else {
            Issue.record("no list")
            return
        }
        #expect(rows.filter { $0.peer == "brno.example" }.allSatisfy { $0.waiting == 0 })
    }

    @Test("its queue is bounded in bytes, as another server's: beyond it the sender has an error before anything is taken over")
    func bounded() throws {
        var policy = Harness.policy
        policy.federation.queueBytes = 20_000
        var harness = Harness(policy: policy)
        let alice = harness.site.login("alice")
        _ = harness.site.take(alice)
        for number in 0..<20 {
            let body = String(repeating: "x", count: 2000)
            harness.site.send(
                "<message id='m\(number)' to='irc.pilsen.example' type='chat'><body>\(body)</body></message>", on: alice)
        }
        let errors = harness.site.take(alice).filter { $0["type"] == "error" }
        #expect(!errors.isEmpty)
        #expect(
            errors.allSatisfy {
                $0.first("error", Namespaces.client)?.first("resource-constraint", Namespaces.stanzaErrors) != nil
            })
        #expect(harness.links()[0].waiting + errors.count == 20)
        #expect(harness.links()[0].waiting >= 2)
    }

    @Test("a component that answers no ping has its stream closed: its closing tag proves what it got")
    func silent() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        _ = harness.takeAll(component)
        var commands: [StreamCommand] = []
        for _ in 0..<120 where commands.isEmpty {
            harness.site.pass(1000)
            commands = harness.commands(component)
        }
        #expect(commands == [.close(nil)])
        harness.site.handle(.server(component, .streamEnded))
        harness.site.handle(.server(component, .closed("closed by us")))
        #expect(harness.links().map(\.waiting) == [0, 0])
        let again = try harness.admitted()
        #expect(harness.take(again).compactMap(\.body).isEmpty)
    }

    @Test("a component that closes its stream in good order is away at once, and has nothing written to it any more")
    func closes() throws {
        var harness = Harness()
        let component = try harness.admitted()
        harness.site.handle(.server(component, .streamEnded))
        #expect(harness.commands(component) == [.close(nil)])
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        #expect(harness.take(component).isEmpty)
        #expect(harness.links().map(\.state) == ["away", "away"])
        harness.site.handle(.server(component, .closed("closed by us")))
        let again = try harness.admitted()
        #expect(harness.read(again).compactMap(\.body) == ["1"])
    }

    @Test("a component that does not read has its stream ended, and gets the rest when it is back")
    func congested() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        write(["1"], from: alice, in: &harness)
        harness.site.handle(.server(component, .congested))
        #expect(harness.commands(component).contains(.abort))
        let again = try harness.admitted()
        #expect(harness.read(again).compactMap(\.body) == ["1"])
    }

    @Test("a sender of another domain of ours sees his own waiting messages, and so does the operator")
    func ownMessages() throws {
        var harness = Harness()
        let dora = harness.site.login("dora", at: Harness.lab)
        write(["1"], from: dora, in: &harness)
        guard case .queue(let page)? = harness.site.ask(.links(.listQueue(QueueFilter(), after: nil))) else {
            Issue.record("no list")
            return
        }
        #expect(page.rows.map(\.from) == ["dora@lab.example/desk"])
        #expect(page.rows.map(\.peer) == ["irc.pilsen.example"])
    }
}
