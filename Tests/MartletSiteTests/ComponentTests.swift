import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Components (XEP-0114) as a part of the site: who reaches them, and whom they reach.
@Suite("XEP-0114: components")
struct ComponentTests {
    typealias Harness = ComponentHarness

    private func message(_ text: String, to: String, from: String? = nil) -> String {
        "<message id='\(text)' to='\(to)' type='chat'\(from.map { " from='\($0)'" } ?? "")><body>\(text)</body></message>"
    }

    // Routing

    @Test("a person and a component's people write to each other, whoever's domain the person has")
    func people() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        let dora = harness.site.login("dora", at: Harness.lab)
        harness.site.send(message("hello", to: "#swift@irc.pilsen.example/bob"), on: alice)
        harness.site.send(message("lab", to: "irc.pilsen.example"), on: dora)
        #expect(harness.take(component).compactMap(\.body) == ["hello", "lab"])
        harness.say(
            message("to alice", to: "alice@pilsen.example", from: "#swift@irc.pilsen.example/bob")
                + message("to dora", to: "dora@lab.example/desk", from: "irc.pilsen.example"), on: component)
        #expect(
            harness.site.take(alice).filter { $0.name == "message" }.map { $0["from"] } == ["#swift@irc.pilsen.example/bob"])
        #expect(harness.site.take(dora).compactMap(\.body) == ["to dora"])
    }

    @Test("presence and requests go both ways at once, and nothing of them is kept")
    func besides() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        harness.site.send(
            "<presence to='#swift@irc.pilsen.example/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>", on: alice)
        harness.site.send(
            "<iq type='get' id='d' to='irc.pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>", on: alice)
        let sent = harness.take(component)
        #expect(sent.map(\.name) == ["presence", "iq"])
        #expect(sent.map { $0["from"] } == ["alice@pilsen.example/desk", "alice@pilsen.example/desk"])
        _ = harness.site.take(alice)
        harness.say("<iq type='result' id='d' from='irc.pilsen.example' to='alice@pilsen.example/desk'/>", on: component)
        harness.say("<presence from='#swift@irc.pilsen.example/alice' to='alice@pilsen.example/desk'/>", on: component)
        #expect(harness.site.take(alice).map(\.name) == ["iq", "presence"])
        #expect(harness.links().map(\.waiting) == [0, 0])
    }

    @Test("two components write to each other, each from its own domain")
    func components() throws {
        var harness = Harness()
        let irc = try harness.admitted()
        let sms = try harness.admitted(Harness.other)
        harness.say(message("hello", to: "1@sms.pilsen.example", from: "a@irc.pilsen.example"), on: irc)
        #expect(harness.take(sms).compactMap(\.body) == ["hello"])
        harness.say(message("answer", to: "a@irc.pilsen.example", from: "1@sms.pilsen.example"), on: sms)
        #expect(harness.take(irc).compactMap(\.body) == ["answer"])
    }

    @Test("a component and people of an office write to each other over the office's link")
    func offices() throws {
        var harness = Harness()
        let component = try harness.admitted()
        // The office speaks to the component's domain on a stream of its own.
        let theirs = harness.newConnection()
        let pair = DomainPair(local: Harness.domain, peer: SiteHarness.peer)
        harness.site.handle(.server(theirs, .peerVerified(pair, .certificate)))
        harness.site.send(message("hello", to: "#swift@irc.pilsen.example"), from: "bob@brno.example/x", on: theirs)
        #expect(harness.take(component).map { $0["from"] } == ["bob@brno.example/x"])
        _ = harness.site.takeEffects()
        harness.say(message("answer", to: "bob@brno.example", from: "#swift@irc.pilsen.example"), on: component)
        var dialled: [DomainPair] = []
        for case .dial(let request) in harness.site.takeEffects() { dialled.append(request.pair) }
        #expect(dialled == [pair])
    }

    @Test("an office cannot speak for a component's domain, nor is that called")
    func isOurs() throws {
        var harness = Harness()
        let liar = harness.newConnection()
        let pair = DomainPair(local: SiteHarness.domain, peer: Harness.domain)
        harness.site.handle(.server(liar, .peerVerified(pair, .certificate)))
        #expect(harness.commands(liar).contains(.close(StreamError(.policyViolation))))
        let alice = harness.site.login("alice")
        harness.site.send(message("waits", to: "irc.pilsen.example"), on: alice)
        harness.site.pass(120_000)
        for case .dial(let request) in harness.site.takeEffects() { #expect(request.pair.peer == SiteHarness.peer) }
    }

    @Test("a component's errors and what it writes to nobody behave as another server's do")
    func errors() throws {
        var harness = Harness()
        let component = try harness.admitted()
        harness.say(message("lost", to: "nobody@pilsen.example", from: "a@irc.pilsen.example"), on: component)
        let answer = harness.take(component)
        #expect(answer.map { $0["type"] } == ["error"])
        #expect(answer.map { $0["to"] } == ["a@irc.pilsen.example"])
        harness.say(
            "<iq type='get' id='v' from='irc.pilsen.example' to='pilsen.example'><query xmlns='jabber:iq:version'/></iq>",
            on: component)
        #expect(harness.take(component).map { $0["type"] } == ["result"])
    }

    @Test("a stanza of a component that its stream refuses is answered to it")
    func refused() throws {
        var harness = Harness()
        let component = try harness.admitted()
        let head = Stanza(.message, from: Harness.domain, to: SiteHarness.domain, id: "m", type: nil, payloads: [])
        harness.site.handle(.server(component, .stanzaRefused(head, StanzaError(.jidMalformed))))
        let answers = harness.take(component)
        let answer = try #require(answers.first)
        #expect(answer["type"] == "error" && answer["id"] == "m")
    }

    @Test("XEP-0030: components stand among the items of people's domains; the component answers for itself")
    func disco() throws {
        var harness = Harness()
        let alice = harness.site.login("alice")
        _ = harness.site.take(alice)
        harness.site.send("<iq type='get' id='i' to='pilsen.example'><query xmlns='\(Namespaces.discoItems)'/></iq>", on: alice)
        let items = harness.site.take(alice).first?.first("query", Namespaces.discoItems)?.elements.map { $0["jid"] }
        #expect(items == ["irc.pilsen.example", "sms.pilsen.example"])
    }

    @Test(
        "an account's contact at a component is seen while it is there, and not when it has gone for longer than the grace",
        arguments: ["alice@pilsen.example", "dora@lab.example"])
    func presence(person: String) throws {
        let jid = try JID(person)
        var harness = Harness()
        let component = try harness.admitted()
        let client = harness.site.login(jid.localpart ?? "", at: jid.domain)
        harness.site.send("<presence type='subscribe' to='bob@irc.pilsen.example'/>", on: client)
        #expect(harness.take(component).contains { $0["type"] == "subscribe" })
        harness.say("<presence type='subscribed' from='bob@irc.pilsen.example' to='\(person)'/>", on: component)
        harness.say("<presence from='bob@irc.pilsen.example/phone' to='\(person)'/>", on: component)
        #expect(harness.site.take(client).contains { $0.name == "presence" && $0["from"] == "bob@irc.pilsen.example/phone" })
        harness.site.handle(.server(component, .closed("gone")))
        harness.site.pass(10_000)
        #expect(!harness.site.take(client).contains { $0["type"] == "unavailable" })
        harness.site.pass(60_000)
        #expect(
            harness.site.take(client).contains { $0["type"] == "unavailable" && $0["from"] == "bob@irc.pilsen.example/phone" })
        let again = try harness.admitted()
        harness.site.pass(1000)
        // It is asked who is there: nothing that was said before is said again.
        #expect(harness.take(again).contains { $0["type"] == "probe" && $0["to"] == "bob@irc.pilsen.example" })
    }

    // Its stream

    @Test("one stream for each component: whoever shows the secret anew is the component, the other stream ends with conflict")
    func second() throws {
        var harness = Harness()
        let first = try harness.admitted()
        let alice = harness.site.login("alice")
        harness.site.send(message("unproven", to: "irc.pilsen.example"), on: alice)
        #expect(harness.take(first).compactMap(\.body) == ["unproven"])
        let second = try harness.admitted()
        #expect(
            harness.commands(first).contains { if case .close(let error?) = $0 { error.condition == .conflict } else { false } }
        )
        // What the first never proved goes to the second; what the first still says is not heard, nor is its end.
        #expect(harness.take(second).compactMap(\.body) == ["unproven"])
        harness.say(message("late", to: "alice@pilsen.example", from: "irc.pilsen.example"), on: first)
        harness.site.handle(.server(first, .closed("gone")))
        #expect(harness.site.take(alice).compactMap(\.body).isEmpty)
        #expect(harness.links().map(\.state) == ["up", "away"])
        harness.site.send(message("new", to: "irc.pilsen.example"), on: alice)
        #expect(harness.read(second).compactMap(\.body) == ["new"])
    }

    @Test(
        "wrong secrets are counted by address: after ten nobody from there is let in, for half a minute at most once it is mended"
    )
    func wrongSecrets() throws {
        var harness = Harness()
        for _ in 0..<9 { #expect(harness.connect(isGenuine: false) == nil) }
        #expect(harness.connect() != nil)
        for _ in 0..<10 { #expect(harness.connect(isGenuine: false) == nil) }
        let refused = harness.newConnection()
        harness.site.handle(
            .server(refused, .componentShown(Harness.domain, isGenuine: true, address: RemoteAddress("127.0.0.1"))))
        #expect(harness.commands(refused) == [.refuse(.notAuthorized)])
        #expect(harness.connect(Harness.other, from: "192.0.2.9") != nil)
        harness.site.pass(31_000)
        #expect(harness.connect() != nil)
    }

    @Test("many addresses with wrong secrets cost a bounded table")
    func manyAddresses() throws {
        var harness = Harness()
        for number in 0..<1000 { #expect(harness.connect(isGenuine: false, from: "198.51.100.\(number)") == nil) }
        #expect(harness.connect() != nil)
    }

    @Test("a reload that takes a component away ends its stream; one that leaves it does not touch it")
    func reload() throws {
        var harness = Harness()
        let component = try harness.admitted()
        harness.site.handle(.policyChanged(Harness.policy))
        #expect(harness.commands(component).isEmpty)
        #expect(harness.links().map(\.state) == ["up", "away"])
        var policy = Harness.policy
        policy.hosts.removeAll { $0.domain == Harness.domain }
        harness.site.handle(.policyChanged(policy))
        #expect(
            harness.commands(component).contains {
                if case .close(let error?) = $0 { error.condition == .hostGone } else { false }
            })
        harness.site.handle(.policyChanged(Harness.policy))
        #expect(harness.connect() != nil)
    }

    @Test("a domain that becomes a component's is not called any more")
    func becomesComponent() throws {
        var before = Harness.policy
        before.hosts.removeAll { $0.domain == Harness.domain }
        var harness = Harness(policy: before)
        let alice = harness.site.login("alice")
        harness.site.send(message("early", to: "irc.pilsen.example"), on: alice)
        var dialled: DialID?
        for case .dial(let request) in harness.site.takeEffects() where request.pair.peer == Harness.domain {
            dialled = request.id
        }
        let dial = try #require(dialled)
        harness.site.handle(.policyChanged(Harness.policy))
        #expect(harness.site.takeEffects().contains(.cancelDial(dial)))
        let component = try harness.admitted()
        #expect(harness.take(component).compactMap(\.body) == ["early"])
    }

    @Test("a stopping site closes components' streams and lets none in")
    func shutdown() throws {
        var harness = Harness()
        let component = try harness.admitted()
        harness.site.handle(.shutdownRequested)
        #expect(harness.commands(component).contains { if case .close = $0 { true } else { false } })
        #expect(harness.connect() == nil)
    }

    @Test("status and the list of links show components, and explain says where a stanza goes")
    func desk() throws {
        var harness = Harness()
        let component = try harness.admitted()
        _ = harness.read(component)
        let rows = harness.links()
        #expect(rows.map(\.state) == ["up", "away"])
        #expect(rows.map(\.acknowledgement) == ["ping fence, of a component", ""])
        #expect(rows.map(\.lastError) == ["", "the component is not connected"])
        guard case .status(let status)? = harness.site.ask(.status) else { throw Missing() }
        #expect(status.components == 2 && status.connectedComponents == 1)
        guard case .explanation(let lines)? = harness.site.ask(.explain(from: Harness.domain, to: SiteHarness.account("alice")))
        else { throw Missing() }
        #expect(lines.first == "irc.pilsen.example is a component's")
        guard case .explanation(let back)? = harness.site.ask(.explain(from: SiteHarness.account("alice"), to: Harness.domain))
        else { throw Missing() }
        #expect(back.last == "irc.pilsen.example is a component's: it goes over the link to it, and waits while it is away")
    }

    private struct Missing: Error {}

    @Test("components work where nothing is exchanged with other servers")
    func withoutFederation() throws {
        var policy = Harness.policy
        policy.federation.isEnabled = false
        var harness = Harness(policy: policy)
        let component = try harness.admitted()
        let alice = harness.site.login("alice")
        harness.site.send(message("hello", to: "irc.pilsen.example"), on: alice)
        #expect(harness.take(component).compactMap(\.body) == ["hello"])
        harness.say(message("away", to: "bob@brno.example", from: "irc.pilsen.example"), on: component)
        #expect(harness.take(component).map { $0["type"] } == ["error"])
    }

    @Test("its work is its own: a component that causes more than its share rests")
    func karma() throws {
        var harness = Harness()
        let component = try harness.admitted()
        harness.site.handle(.server(component, .spent(60_000_000)))
        guard case .karma(let report)? = harness.site.ask(.karma) else { throw Missing() }
        #expect(report.worst.contains { $0.name == "irc.pilsen.example" })
    }
}
