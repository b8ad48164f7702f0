import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// What is kept, what is not, and for how long.
@Suite("XEP-0313: what archives keep")
struct ArchiveRulesTests {
    private static let romeo = "romeo@pilsen.example"
    private static let juliet = "juliet@pilsen.example"

    private func begin() -> (harness: SessionsHarness, romeo: SessionsHarness.Client, juliet: SessionsHarness.Client) {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        let juliet = harness.login("juliet", "balcony")
        return (harness, romeo, juliet)
    }

    private func count(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client) -> Int {
        harness.search(client).messages.count
    }

    private static let body = "<body>b</body>"
    private static func hint(_ name: String) -> String { "<\(name) xmlns='urn:xmpp:hints'/>" }

    /// The inside of a message, its type, and whether it is kept.
    private static let cases: [(String, String, Bool)] = [
        (body, "chat", true), (body, "normal", true), (body, "nonsense", true), (body, "headline", false),
        (body, "groupchat", false),
        ("<subject>s</subject>", "normal", true),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "chat", false),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>", "chat", false),
        (body + "<active xmlns='http://jabber.org/protocol/chatstates'/>", "chat", true),
        ("<x xmlns='urn:example:unknown'/>", "chat", false),
        ("<x xmlns='urn:example:unknown'/>" + hint("store"), "chat", true),
        (hint("store"), "chat", true),
        (body + hint("no-store"), "chat", false), (body + hint("no-permanent-store"), "chat", false),
        (body + hint("store") + hint("no-store"), "chat", false), (body + hint("no-copy"), "chat", true),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "chat", true),
        ("<request xmlns='urn:xmpp:receipts'/>", "chat", false),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", "chat", true),
        ("<markable xmlns='urn:xmpp:chat-markers:0'/>", "chat", false),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>" + hint("no-store"), "chat", false),
        ("<reactions id='1' xmlns='urn:xmpp:reactions:0'><reaction>x</reaction></reactions>", "chat", true),
        ("<retract id='1' xmlns='urn:xmpp:message-retract:1'/>", "chat", true),
        (body + "<replace id='1' xmlns='urn:xmpp:message-correct:0'/>", "chat", true),
        ("<encrypted xmlns='eu.siacs.conversations.axolotl'/>", "chat", true),
        ("<encrypted xmlns='urn:xmpp:omemo:2'/>", "chat", true),
        ("<event xmlns='http://jabber.org/protocol/pubsub#event'/>", "headline", false),
    ]

    @Test("§6.1.1, XEP-0334: what says something is kept by both, what passes is not", arguments: 0..<27)
    func kinds(place: Int) {
        let (inside, type, isKept) = Self.cases[place]
        #expect(Self.cases.count == 27)
        var (harness, romeo, juliet) = begin()
        harness.send(romeo, "<message to='\(Self.juliet)/balcony' type='\(type)' id='1'>\(inside)</message>")
        #expect(harness.take(juliet).contains { $0.name == "message" })
        #expect(count(&harness, romeo) == (isKept ? 1 : 0), "\(type) \(inside)")
        #expect(count(&harness, juliet) == (isKept ? 1 : 0), "\(type) \(inside)")
    }

    @Test("no-permanent-store: it waits for its addressee all the same")
    func mailboxOnly() {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        harness.send(romeo, "<message to='\(Self.juliet)' type='chat'>\(Self.body)\(Self.hint("no-permanent-store"))</message>")
        #expect(harness.waiting("juliet") == 1 && harness.rows(.log) == 1)
    }

    @Test(
        "XEP-0308, XEP-0424 §5, XEP-0444: corrections, reactions and retractions wait for who is away, in their order, and are archived; what they are about stays"
    )
    func referring() {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        let insides = [
            Self.body, "<body>c</body><replace id='m0' xmlns='urn:xmpp:message-correct:0'/>",
            "<reactions id='m0' xmlns='urn:xmpp:reactions:0'><reaction>\u{1F44B}</reaction></reactions>",
            "<retract id='m0' xmlns='\(Namespaces.retraction)'/>",
            "<reactions id='m0' xmlns='urn:xmpp:reactions:0'/>" + Self.hint("store"),
        ]
        for (number, inside) in insides.enumerated() {
            harness.send(romeo, "<message to='\(Self.juliet)' type='chat' id='m\(number)'>\(inside)</message>")
        }
        #expect(harness.waiting("juliet") == insides.count)
        let ids = (0..<insides.count).map { "m\($0)" }
        let juliet = harness.bind("juliet", "balcony")
        harness.send(juliet, "<presence/>")
        #expect(harness.take(juliet).filter { $0.name == "message" }.map { $0["id"] } == ids)
        for client in [romeo, juliet] {
            _ = harness.take(client)
            harness.sendSearch(client)
            let found = harness.take(client).compactMap { $0.first("result", Namespaces.archive) }
            let messages = found.compactMap {
                $0.first("forwarded", Namespaces.forward)?.first("message", Namespaces.client)
            }
            #expect(messages.compactMap { $0["id"] } == ids)
            #expect(messages.first?.body == "b")
            #expect(messages.dropFirst(3).first?.first("retract", Namespaces.retraction)?["id"] == "m0")
        }
        harness.send(juliet, "<iq type='get' id='d' to='\(Self.juliet)'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        let info = harness.take(juliet).last?.first("query", Namespaces.discoInfo)
        let features = info?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
        #expect(features.contains(Namespaces.retraction) && !features.contains(Namespaces.retraction + "#tombstone"))
    }

    @Test("what comes back to the account is kept, what a session alone is told is not; who does not exist has no archive")
    func errors() {
        var (harness, romeo, _) = begin()
        let error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        harness.receive("<message type='error' from='t@brno.example' to='\(Self.romeo)/orchard'>\(Self.body)\(error)</message>")
        #expect(count(&harness, romeo) == 0)
        harness.receive("<message type='error' from='t@brno.example' to='\(Self.romeo)'>\(Self.body)\(error)</message>")
        #expect(count(&harness, romeo) == 1)
        harness.send(romeo, chat("nobody@pilsen.example", "lost"))
        #expect(count(&harness, romeo) == 1)
    }

    @Test("a message that its client sends again, because it was not told that it had arrived, is kept once")
    func repeated() {
        var (harness, romeo, juliet) = begin()
        harness.send(romeo, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        let message =
            "<message to='\(Self.juliet)' type='chat' id='1'>\(Self.body)<origin-id xmlns='urn:xmpp:sid:0' id='1'/></message>"
        harness.send(romeo, message)
        harness.send(romeo, message)
        #expect(count(&harness, juliet) == 1 && count(&harness, romeo) == 1)
    }

    @Test("messages to and from other offices are kept, and are in one row with the queue's entry")
    func elsewhere() {
        var (harness, romeo, _) = begin()
        harness.send(romeo, chat("tybalt@brno.example/x", "out"))
        harness.receive("<message from='tybalt@brno.example/x' to='\(Self.romeo)' type='chat'><body>in</body></message>")
        let answer = harness.search(romeo, [("with", ["tybalt@brno.example"])])
        #expect(answer.bodies == ["out", "in"])
        #expect(harness.rows(.log) == 2 && harness.rows(.entry) == 1)
        // What leaves says nothing of the archive here (§2.1.4).
        let sent = harness.takeRemote().filter { $0.kind == .message }
        #expect(sent.count == 1 && sent[0].payload("stanza-id", Namespaces.stanzaID) == nil)
    }

    @Test("addresses of 3,071 bytes are found like others")
    func longAddresses() {
        var (harness, romeo, _) = begin()
        let part = String(repeating: "a", count: 1023)
        let domain = [63, 63, 63, 61].map { String(repeating: "d", count: $0) }.joined(separator: ".")
        let long = "\(part)@\(domain)/\(part)"
        harness.receive("<message from='\(long)' to='\(Self.romeo)' type='chat'>\(Self.body)</message>")
        harness.send(romeo, chat("\(part)@\(domain)", "out"))
        harness.writeIndex()
        #expect(harness.search(romeo, [("with", [long])]).bodies == ["b"])
        #expect(harness.search(romeo, [("with", ["\(part)@\(domain)"])]).bodies == ["b", "out"])
        #expect(preferences(&harness, romeo, "always", never: [long])?["type"] == "result")
        harness.receive("<message from='\(long)' to='\(Self.romeo)' type='chat'>\(Self.body)</message>")
        #expect(count(&harness, romeo) == 2)
    }

    // MARK: preferences

    private func preferences(
        _ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ rule: String?, always: [String] = [],
        never: [String] = []
    ) -> Element? {
        func list(_ name: String, _ jids: [String]) -> String {
            "<\(name)>\(jids.map { "<jid>\($0)</jid>" }.joined())</\(name)>"
        }
        _ = harness.take(client)
        if let rule {
            harness.send(
                client,
                "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='\(rule)'>\(list("always", always))\(list("never", never))</prefs></iq>"
            )
        } else {
            harness.send(client, "<iq type='get' id='p'><prefs xmlns='urn:xmpp:mam:2'/></iq>")
        }
        return harness.take(client).first { $0["id"] == "p" }
    }

    @Test("XEP-0441 §2.1: the default, the lists, and what is refused")
    func preferencesAnswer() {
        var (harness, romeo, _) = begin()
        let first = preferences(&harness, romeo, nil)?.first("prefs", Namespaces.archive)
        #expect(first?["default"] == "always" && first?.elements.map(\.name) == ["always", "never"])
        let set = preferences(&harness, romeo, "roster", always: ["Tybalt@brno.example"], never: [Self.juliet, Self.juliet])
        let said = set?.first("prefs", Namespaces.archive)
        #expect(said?["default"] == "roster")
        #expect(said?.first("always", Namespaces.archive)?.elements.map(\.text) == ["tybalt@brno.example"])
        #expect(said?.first("never", Namespaces.archive)?.elements.map(\.text) == [Self.juliet])
        #expect(preferences(&harness, romeo, "sometimes")?.condition == "bad-request")
        #expect(preferences(&harness, romeo, "always", always: ["@@"])?.condition == "jid-malformed")
        harness.policy.archive.preferenceAddresses = 2
        #expect(preferences(&harness, romeo, "always", always: ["a@b", "b@b", "c@b"])?.condition == "policy-violation")
        harness.crash()
        let again = harness.login("romeo", "orchard")
        #expect(preferences(&harness, again, nil)?.first("prefs", Namespaces.archive) == said)
    }

    @Test("XEP-0441 §2.3: never goes before always, always before the default; each account decides for its own archive")
    func preferencesRule() {
        var (harness, romeo, juliet) = begin()
        func kept(_ rule: String, always: [String] = [], never: [String] = []) -> [String] {
            _ = preferences(&harness, romeo, rule, always: always, never: never)
            let before = harness.search(romeo, set: "<before/>").messages.count
            for to in [Self.juliet, "tybalt@brno.example/x"] { harness.send(romeo, chat(to, to)) }
            harness.receive("<message from='tybalt@brno.example/y' to='\(Self.romeo)' type='chat'><body>y</body></message>")
            return Array(harness.search(romeo, set: "<before/>").bodies.dropFirst(before))
        }
        #expect(kept("never") == [])
        #expect(kept("never", always: ["tybalt@brno.example"]) == ["tybalt@brno.example/x", "y"])
        #expect(kept("never", always: ["tybalt@brno.example/y"]) == ["y"])
        #expect(kept("always", never: [Self.juliet, "tybalt@brno.example/x"]) == ["y"])
        #expect(kept("always", always: [Self.juliet], never: [Self.juliet]) == ["tybalt@brno.example/x", "y"])
        harness.subscribe("romeo", to: [Self.juliet])
        #expect(kept("roster") == [Self.juliet])
        #expect(harness.search(juliet).messages.count == 6)
        // What its addressee alone keeps names its id to the addressee.
        _ = harness.take(juliet)
        _ = preferences(&harness, juliet, "never")
        harness.send(romeo, chat(Self.juliet, "unnamed"))
        #expect(harness.take(juliet).last?.first("stanza-id", Namespaces.stanzaID) == nil)
        #expect(harness.search(romeo, set: "<before/>").bodies.last == "unnamed")
    }

    // MARK: the end

    @Test("what is too old goes, from the beginning, in slices, by calendar and site time; what the other one keeps stays")
    func retention() {
        var (harness, romeo, juliet) = begin()
        harness.policy.archive.retention = 10 * 86_400_000
        for day in 0..<20 {
            for number in 0..<30 { harness.send(romeo, chat(Self.juliet, "\(day)-\(number)")) }
            harness.pass(86_400_000)
        }
        let day = harness.search(romeo, set: "<max>1</max>").bodies.first?.prefix { $0 != "-" } ?? ""
        #expect(["9", "10", "11"].contains(day))
        #expect(harness.search(romeo, set: "<max>0</max>").count == harness.search(juliet, set: "<max>0</max>").count)
        // An operator says otherwise of one of them.
        guard let account = try? JID(Self.romeo) else { return }
        #expect(
            harness.command(.archive(.setRetention(account, 3 * 86_400_000)))
                == .done("it was noted how long the messages of \(account) are kept"))
        harness.pass(600_000)
        let rows = harness.rows(.log)
        #expect((60...120).contains(Int(harness.search(romeo, set: "<max>0</max>").count ?? "") ?? 0))
        #expect(Int(harness.search(juliet, set: "<max>0</max>").count ?? "") == rows)
        harness.policy.archive.retention = 0
        #expect(
            harness.command(.archive(.setRetention(account, nil)))
                == .done("the messages of \(account) are kept as long as everybody's"))
        harness.pass(100 * 86_400_000)
        #expect(harness.rows(.log) == rows)
    }

    @Test("a clock that is wrong after a start takes nothing away")
    func wrongClock() {
        var (harness, romeo, _) = begin()
        harness.send(romeo, chat(Self.juliet, "1"))
        harness.writeIndex()
        harness.step { site, turn in
            let future = Turn(
                now: turn.now, wall: WallTime(milliseconds: turn.wall.milliseconds + 4000 * 86_400_000), random: turn.random,
                store: turn.store, policy: turn.policy)
            site.archive.beginSweep(future)
            site.archive.work(future)
            #expect(site.archive.sweep == nil)
        }
        #expect(harness.archived(romeo) == ["1"])
    }

    @Test("beyond its bytes an archive loses its oldest messages")
    func bytes() {
        var (harness, romeo, juliet) = begin()
        for number in 0..<600 { harness.send(romeo, chat(Self.juliet, "\(number)")) }
        harness.policy.archive.bytesPerAccount = 20_000
        harness.pass(3 * 3_600_000)
        for client in [romeo, juliet] {
            let answer = harness.search(client, set: "<max>0</max>")
            let count = Int(answer.count ?? "") ?? 0
            #expect((50...150).contains(count))
            #expect(harness.search(client, set: "<max>1</max>").bodies == ["\(600 - count)"])
        }
    }

    @Test("§2.2: a number of the log that is given once more does not bring a removed message's id back")
    func idsAreNotReused() {
        var (harness, romeo, juliet) = begin()
        harness.send(romeo, chat(Self.juliet, "1"))
        let old = harness.search(romeo).ids
        harness.answerPings(juliet)
        harness.policy.archive.bytesPerAccount = 0
        harness.pass(2 * 3_600_000)
        #expect(harness.rows(.log) == 0)
        harness.policy.archive.bytesPerAccount = 1 << 20
        harness.send(romeo, chat(Self.juliet, "2"))
        #expect(harness.rows(.log) == 1)
        let new = harness.search(romeo)
        #expect(new.bodies == ["2"] && new.ids != old && new.count == "1")
        #expect(harness.search(romeo, set: "<after>\(old.first ?? "")</after>").condition == "item-not-found")
        harness.writeIndex()
        #expect(harness.archived(juliet) == ["2"])
        harness.crash()
        let again = harness.login("romeo", "orchard")
        #expect(harness.archived(again) == ["2"])
    }

    @Test(
        "an account that is removed leaves nothing, in slices; who has its name next sees nothing of it",
        arguments: [false, true])
    func removal(isIndexed: Bool) {
        var (harness, romeo, juliet) = begin()
        for number in 0..<700 { harness.send(romeo, chat(Self.juliet, "\(number)")) }
        _ = preferences(&harness, romeo, "always", never: ["x@y"])
        if isIndexed { harness.writeIndex() }
        guard let account = try? JID(Self.romeo) else { return }
        _ = harness.command(.accounts(.remove(account)))
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        _ = harness.command(.accounts(.add(account, PasswordKeys(sha1: keys, sha256: keys))))
        let next = harness.login("romeo", "orchard")
        #expect(harness.archived(next) == [])
        harness.send(next, chat(Self.juliet, "new"))
        #expect(harness.archived(next) == ["new"] && harness.search(next).count == "1")
        harness.pass(100)
        harness.crash()
        harness.pass(60_000)
        let again = harness.login("romeo", "orchard")
        #expect(harness.archived(again) == ["new"] && harness.search(again).count == "1")
        harness.writeIndex()
        // What is hers stays.
        #expect(harness.rows(.archive) == 702)
        #expect(harness.site.archive.removals == [])
        _ = harness.command(.accounts(.remove(account)))
        guard let other = try? JID(Self.juliet) else { return }
        _ = harness.command(.accounts(.remove(other)))
        harness.pass(60_000)
        #expect(harness.rows(.log) == 0 && harness.rows(.archive) == 0 && harness.rows(.archiveByPeer) == 0)
        #expect(harness.rows(.archiveAccount) == 0 && harness.rows(.logHolders) == 0 && harness.rows(.archivePreferences) == 0)
        _ = juliet
    }

    @Test("below the disk's reserve nothing is kept, and people go on talking")
    func reserve() {
        var (harness, romeo, juliet) = begin()
        harness.room = .reserve
        harness.send(romeo, chat(Self.juliet, "now"))
        #expect(harness.takeBodies(juliet) == ["now"])
        harness.room = .ample
        #expect(harness.archived(romeo) == [])
    }

    // MARK: bounds

    @Test("a page is as long as the site says, and shorter where messages are large")
    func page() {
        var (harness, romeo, juliet) = begin()
        for number in 0..<120 { harness.send(romeo, chat(Self.juliet, "\(number)")) }
        #expect(harness.search(juliet, set: "<max>1000</max>").messages.count == 100)
        #expect(harness.search(juliet).messages.count == 100)
        let large = String(repeating: "x", count: 200_000)
        for _ in 0..<6 { harness.send(romeo, "<message to='\(Self.juliet)' type='chat'><body>\(large)</body></message>") }
        let last = harness.search(juliet, set: "<before/>")
        #expect(last.messages.count == 2 && !last.isComplete)
        harness.policy.archive.pageBytes = 1000
        #expect(harness.search(juliet, set: "<before/>").messages.count == 1)
    }

    @Test("searches of one session wait for each other, and not without end; a client that acknowledges nothing gets no more")
    func flow() {
        var (harness, romeo, juliet) = begin()
        for number in 0..<100 { harness.send(romeo, chat(Self.juliet, "\(number)")) }
        harness.answerPings(juliet)
        harness.pass(60_000)
        harness.send(juliet, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        _ = harness.take(juliet)
        for number in 0..<30 { harness.sendSearch(juliet, id: "s\(number)") }
        harness.pass(5000)
        let first = harness.take(juliet)
        let refused = first.filter { $0.condition == "resource-constraint" }
        let pages = first.count { $0.name == "iq" && $0["type"] == "result" }
        #expect((12...16).contains(refused.count) && pages == 1)
        #expect(first.count { $0.name == "message" } == 100)
        // Each acknowledgement brings the next page.
        var handled = UInt32(first.count)
        var all = pages
        for _ in 0..<40 {
            harness.acknowledge(juliet, handled)
            harness.pass(100)
            let more = harness.take(juliet)
            #expect(more.count { $0.name == "iq" } <= 1)
            handled += UInt32(more.count)
            all += more.count { $0.name == "iq" }
        }
        #expect(all + refused.count == 30)
    }
}
