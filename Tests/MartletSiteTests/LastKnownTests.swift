import MartletBus
import MartletPrimitives
import MartletSite
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What our people were shown of their contacts elsewhere is shown again while nobody there can be reached, and to nobody else.
@Suite("what is last known of people elsewhere")
struct LastKnownTests {
    private static let eva = "eva@brno.example"
    private static let devices = "urn:xmpp:omemo:2:devices"
    private static let bundles = "urn:xmpp:omemo:2:bundles"
    private static let picture = "urn:xmpp:avatar:metadata"

    /// Alice and Carol, a contact of both, and the streams to and from her server.
    private struct Scene {
        let store = MemoryStore()
        var policy = SiteHarness.policy
        var harness: SiteHarness
        var alice, carol: ConnectionID
        var theirs = ConnectionID(loop: 0, slot: 0, generation: 0)
        var ours = ConnectionID(loop: 0, slot: 0, generation: 0)

        init(change: (inout SitePolicy) -> Void = { _ in }) {
            change(&policy)
            harness = SiteHarness(policy: policy, store: store)
            alice = harness.login("alice")
            carol = harness.login("carol")
            (theirs, ours) = harness.connectPeer()
            for client in [alice, carol] {
                harness.send(
                    "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='\(LastKnownTests.eva)'/></query></iq>",
                    on: client)
            }
            _ = (harness.take(alice), harness.take(carol))
        }

        /// News of Eva's.
        mutating func news(_ event: String, to: String = "alice@pilsen.example/desk") {
            harness.send(
                "<message type='headline' to='\(to)'><event xmlns='http://jabber.org/protocol/pubsub#event'>\(event)</event></message>",
                from: LastKnownTests.eva, on: theirs)
        }

        mutating func item(_ node: String, _ id: String, _ text: String, to: String = "alice@pilsen.example/desk") {
            news("<items node='\(node)'><item id='\(id)'><x xmlns='urn:x'>\(text)</x></item></items>", to: to)
        }

        /// The line is cut, and attempts fail.
        mutating func cut() {
            harness.handle(.server(ours, .closed("cut")))
            harness.handle(.server(theirs, .closed("cut")))
            harness.dialFails()
        }

        /// What somebody hears who asks Eva's account.
        mutating func ask(_ payload: String, as client: ConnectionID? = nil, answer: String? = nil, type: String = "result")
            -> Element?
        {
            let client = client ?? alice
            let user = client == alice ? "alice" : "carol"
            harness.send("<iq type='get' id='q' to='\(LastKnownTests.eva)'>\(payload)</iq>", on: client)
            if let answer {
                harness.send(
                    "<iq type='\(type)' id='q' to='\(user)@pilsen.example/desk'>\(answer)</iq>", from: LastKnownTests.eva,
                    on: theirs)
            }
            return harness.take(client).last { $0["id"] == "q" }
        }

        mutating func items(_ node: String, _ inner: String = "", more: String = "", as client: ConnectionID? = nil) -> Element?
        {
            ask(
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='\(node)'\(more)>\(inner)</items></pubsub>",
                as: client)
        }

        func rows(_ table: Table) -> Int {
            let transaction = store.begin()
            defer { store.abort() }
            var count = 0
            transaction.forEach(table, prefix: []) { _, _ in
                count += 1
                return true
            }
            return count
        }
    }

    private func ids(_ answer: Element?) -> [String] {
        if let condition = answer?.condition { return ["error \(condition)"] }
        return answer?.itemIDs ?? ["none"]
    }

    @Test("what came as news is shown while the line is cut, with its age (XEP-0203), also after a start; to nobody else")
    func news() {
        var scene = Scene()
        scene.item(Self.devices, "current", "one")
        #expect(scene.harness.take(scene.alice).contains { $0.name == "message" })
        scene.harness.pass(5000)
        scene.cut()
        let answer = scene.items(Self.devices)
        #expect(answer?["type"] == "result" && answer?["from"] == Self.eva)
        #expect(ids(answer) == ["current"])
        let pubsub = answer?.first("pubsub", Namespaces.pubsub)
        let delay = pubsub?.first("delay", Namespaces.delay)
        #expect(delay?["from"] == "pilsen.example" && delay?["stamp"]?.hasPrefix("2023-11-14T22:13:21") == true)
        #expect(pubsub?.first("items", Namespaces.pubsub)?.elements.first?.elements.first?.text == "one")
        #expect(ids(scene.items(Self.devices, as: scene.carol)) == ["error remote-server-timeout"])
        scene.harness.pass(200)
        scene.harness.restart(scene.store)
        scene.alice = scene.harness.login("alice")
        scene.harness.dialFails()
        #expect(ids(scene.items(Self.devices)) == ["current"])
    }

    @Test("an answer to what was asked is kept: items by id, both forms of profile, what an account can and has")
    func answers() {
        var scene = Scene()
        let bundle = "<bundle xmlns='urn:xmpp:omemo:2'>keys</bundle>"
        _ = scene.ask(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='\(Self.bundles)'/></pubsub>",
            answer: """
                <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='\(Self.bundles)'><item id='31415'>\(bundle)</item>\
                <item id='27183'>\(bundle)</item></items></pubsub>
                """)
        let others = [
            "<vCard xmlns='vcard-temp'><FN>Eva</FN></vCard>", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn/></vcard>",
            "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:x'/></query>",
            "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='\(Self.eva)' node='n'/></query>",
        ]
        let questions = [
            "<vCard xmlns='vcard-temp'/>", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>", "<query xmlns='http://jabber.org/protocol/disco#items'/>",
        ]
        for (question, answer) in zip(questions, others) { #expect(scene.ask(question, answer: answer)?["type"] == "result") }
        scene.cut()
        #expect(ids(scene.items(Self.bundles)) == ["31415", "27183"])
        #expect(ids(scene.items(Self.bundles, "<item id='27183'/>")) == ["27183"])
        #expect(ids(scene.items(Self.bundles, more: " max_items='1'")) == ["27183"])
        #expect(ids(scene.items(Self.bundles, "<item id='1'/>")) == ["error remote-server-timeout"])
        for question in questions {
            let answer = scene.ask(question)
            #expect(answer?["type"] == "result")
            #expect(
                answer?.elements.first?.first("delay", Namespaces.delay) != nil && answer?.elements.first?.elements.count == 2)
        }
    }

    @Test("of a node whose item has another id each time the last one is shown; what was retracted, purged or deleted is not")
    func changes() {
        var scene = Scene()
        scene.item(Self.picture, "a", "1")
        scene.item(Self.picture, "b", "2")
        scene.item("retracted", "a", "1")
        scene.news("<items node='retracted'><retract id='a'/></items>")
        scene.item("purged", "a", "1")
        scene.news("<purge node='purged'/>")
        scene.item("deleted", "a", "1")
        scene.news("<delete node='deleted'/>")
        scene.item("unsaid", "a", "1")
        scene.news("<items node='unsaid'><item id='a'/></items>")
        scene.item("back", "a", "1")
        scene.item("back", "b", "2")
        scene.item("back", "a", "1")
        scene.cut()
        #expect(ids(scene.items(Self.picture)) == ["b"])
        #expect(ids(scene.items(Self.picture, "<item id='a'/>")) == ["a"])
        #expect(ids(scene.items("back")) == ["a"])
        for node in ["retracted", "purged", "deleted", "unsaid"] {
            #expect(ids(scene.items(node)) == ["error remote-server-timeout"], "\(node)")
        }
    }

    @Test("where nothing is known the error says since when the office is cut off; where it was never reached, that")
    func words() {
        var scene = Scene()
        scene.cut()
        func text(_ answer: Element?) -> String? {
            answer?.first("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text
        }
        #expect(text(scene.items(Self.devices)) == "brno.example is cut off since 22:13.")
        #expect(text(scene.ask("<query xmlns='jabber:iq:version'/>")) == "brno.example is cut off since 22:13.")
        scene.harness.restart(scene.store)
        scene.alice = scene.harness.login("alice")
        scene.harness.dialFails()
        #expect(text(scene.items(Self.devices)) == "brno.example was not reached since the server was started.")
    }

    @Test(
        "a contact who is none any more, who does not want to be seen, or whose server refuses an answer is forgotten; a stranger is not kept"
    )
    func ends() {
        func scene(_ change: (inout Scene) -> Void) -> [String] {
            var scene = Scene()
            scene.item(Self.devices, "current", "one")
            change(&scene)
            scene.cut()
            return ids(scene.items(Self.devices))
        }
        let gone = ["error remote-server-timeout"]
        #expect(scene { _ in } == ["current"])
        #expect(
            scene {
                $0.harness.send(
                    "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='\(Self.eva)' subscription='remove'/></query></iq>",
                    on: $0.alice)
            } == gone)
        #expect(
            scene {
                $0.harness.send("<presence type='unsubscribed' to='alice@pilsen.example'/>", from: Self.eva, on: $0.theirs)
            } == gone)
        #expect(
            scene {
                _ = $0.ask(
                    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='\(Self.devices)'/></pubsub>",
                    answer: "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", type: "error"
                )
            } == gone)
        var other = Scene()
        other.harness.send(
            """
            <message type='headline' to='alice@pilsen.example'><event xmlns='http://jabber.org/protocol/pubsub#event'>\
            <items node='n'><item id='1'><x xmlns='urn:x'/></item></items></event></message>
            """, from: "stranger@brno.example", on: other.theirs)
        #expect(other.rows(.known) == 0)
    }

    @Test("an answer that nobody asked for is not kept; nor one to another question")
    func unasked() {
        var scene = Scene()
        let answer = "<vCard xmlns='vcard-temp'><FN>Eva</FN></vCard>"
        scene.harness.send(
            "<iq type='result' id='q' to='alice@pilsen.example/desk'>\(answer)</iq>", from: Self.eva, on: scene.theirs)
        _ = scene.ask("<query xmlns='http://jabber.org/protocol/disco#info'/>", answer: answer)
        scene.harness.pass(200)
        #expect(scene.rows(.known) == 0)
    }

    @Test(
        "what several people were shown stands once; the bounds of a contact, an account and of all hold, and the oldest gives way"
    )
    func bounds() {
        var scene = Scene()
        let large = String(repeating: "k", count: 3000)
        for user in ["alice", "carol"] {
            scene.item("n", "1", large, to: "\(user)@pilsen.example/desk")
            scene.item("n", "1", large, to: "\(user)@pilsen.example/desk")
        }
        scene.harness.pass(200)
        #expect(scene.rows(.known) == 2 && scene.rows(.knownText) == 1)
        // One contact has an eighth of an account's bytes: nine such items.
        var narrow = Scene { $0.pubsub.knownBytesPerAccount = 240_000 }
        for number in 0..<40 { narrow.item("n", "\(number)", large + "\(number)") }
        narrow.harness.pass(200)
        #expect(narrow.rows(.known) == 9 && narrow.rows(.knownByAge) == 9 && narrow.rows(.knownOfAccount) == 9)
        narrow.cut()
        #expect(ids(narrow.items("n", "<item id='39'/>")) == ["39"])
        #expect(ids(narrow.items("n", "<item id='30'/>")) == ["error remote-server-timeout"])
        var many = Scene()
        for number in 0..<300 { many.item("n\(number)", "1", "\(number)") }
        many.harness.pass(200)
        #expect(many.rows(.known) == 128)
        var small = Scene { $0.pubsub.knownBytes = 10_000 }
        for number in 0..<40 { small.item("n", "\(number)", large + "\(number)") }
        small.harness.pass(200)
        #expect(small.rows(.known) == 3 && small.rows(.knownText) == 3 && small.rows(.knownHolders) == 3)
        var none = Scene { $0.pubsub.knownBytesPerAccount = 0 }
        none.item("n", "1", "x")
        none.harness.pass(200)
        #expect(none.rows(.known) == 0)
    }

    @Test("hostile: news with thousands of items, names and texts that are too long, no node at all")
    func hostile() {
        var scene = Scene()
        let items = (0..<3000).map { "<item id='\($0)'><x xmlns='urn:x'/></item>" }.joined()
        scene.news("<items node='n'>\(items)</items>")
        let long = String(repeating: "n", count: 2000)
        scene.item(long, "1", "x")
        scene.item("n2", long, "x")
        scene.news("<items><item id='1'><x xmlns='urn:x'/></item></items>")
        scene.news("")
        scene.harness.pass(200)
        #expect(scene.rows(.known) == 32)
    }

    @Test("an account that is removed leaves nothing, in slices that go on after a start; who gets its name is shown nothing")
    func removal() {
        var scene = Scene { $0.pubsub.knownBytesPerAccount = 64 << 20 }
        for number in 0..<128 { scene.item("n\(number)", "1", "\(number)") }
        scene.harness.send(
            "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='adam@brno.example'/></query></iq>",
            on: scene.alice)
        for number in 0..<100 {
            scene.harness.send(
                """
                <message type='headline' to='alice@pilsen.example'><event xmlns='http://jabber.org/protocol/pubsub#event'>\
                <items node='n\(number)'><item id='1'><x xmlns='urn:x'>\(number)</x></item></items></event></message>
                """, from: "adam@brno.example", on: scene.theirs)
        }
        scene.harness.pass(200)
        #expect(scene.rows(.known) == 228)
        _ = scene.harness.ask(.accounts(.remove(SiteHarness.account("alice"))))
        scene.harness.restart(scene.store)
        #expect(scene.rows(.known) > 0)
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        _ = scene.harness.ask(.accounts(.add(SiteHarness.account("alice"), PasswordKeys(sha1: keys, sha256: keys))))
        scene.alice = scene.harness.login("alice")
        scene.harness.send(
            "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='\(Self.eva)'/></query></iq>", on: scene.alice)
        scene.harness.dialFails()
        #expect(ids(scene.items("n1")) == ["error remote-server-timeout"])
        scene.harness.pass(1000)
        for table in [Table.known, .knownByAge, .knownOfAccount, .knownText, .knownHolders] { #expect(scene.rows(table) == 0) }
        #expect(scene.rows(.knownSize) == 1)
    }
}
