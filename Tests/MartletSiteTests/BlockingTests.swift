import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSessions
@testable import MartletSite

extension SessionsHarness {
    /// A request about the block list; its answer.
    @discardableResult
    fileprivate mutating func blocking(_ client: Client, _ name: String, _ items: [String] = []) -> Element? {
        let inside = items.map { "<item jid='\($0)'/>" }.joined()
        let type = name == "blocklist" ? "get" : "set"
        send(client, "<iq type='\(type)' id='bl'><\(name) xmlns='urn:xmpp:blocking'>\(inside)</\(name)></iq>")
        return take(client).first { $0["id"] == "bl" }
    }

    fileprivate mutating func blocked(_ client: Client) -> [String] {
        blocking(client, "blocklist")?.first("blocklist", Namespaces.blocking)?.elements.compactMap { $0["jid"] } ?? [
            "no answer"
        ]
    }

    /// The pushes that a client got since the last look: what, and for whom.
    fileprivate mutating func pushes(_ client: Client) -> [String] {
        take(client).filter { $0.name == "iq" && $0["type"] == "set" }.compactMap(\.elements.first).filter {
            $0.namespace == Namespaces.blocking
        }.map { "\($0.name) \($0.elements.compactMap { $0["jid"] }.joined(separator: " "))" }
    }

    fileprivate mutating func blockedRows() -> Int {
        var count = 0
        step { _, turn in
            BlockTable.forEach(in: turn.store) { _, _ in count += 1 }
        }
        return count
    }
}

@Suite("XEP-0191: Blocking Command")
struct BlockingTests {
    private static let juliet = "juliet@pilsen.example"
    private static let romeo = "romeo@montague.example"

    /// Juliet in her chamber and on the balcony, who sees Romeo at another server and is seen by him, and so with the nurse here.
    private func begin() -> (harness: SessionsHarness, chamber: SessionsHarness.Client, balcony: SessionsHarness.Client) {
        var harness = SessionsHarness(users: ["juliet", "nurse", "paris"])
        harness.subscribe("juliet", to: [Self.romeo, "nurse@pilsen.example"])
        harness.subscribe("nurse", to: [Self.juliet])
        let chamber = harness.login("juliet", "chamber")
        let balcony = harness.login("juliet", "balcony")
        _ = (harness.take(chamber), harness.take(balcony), harness.takeRemote())
        return (harness, chamber, balcony)
    }

    @Test("§3.1, XEP-0377 §2: the domain says that it can be asked")
    func disco() {
        var (harness, chamber, _) = begin()
        harness.send(chamber, "<iq type='get' id='d' to='pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        let features = harness.take(chamber).last?.elements.first?.elements.compactMap { $0["var"] } ?? []
        #expect(features.contains("urn:xmpp:blocking") && features.contains("urn:xmpp:reporting:1"))
    }

    @Test(
        "§3.2 to §3.5: the list is empty, gets longer and shorter, is there after a crash, and costs nothing when it is empty again"
    )
    func list() {
        var (harness, chamber, _) = begin()
        #expect(harness.blocked(chamber).isEmpty)
        #expect(harness.blocking(chamber, "block", [Self.romeo])?["type"] == "result")
        #expect(
            harness.blocking(chamber, "block", ["iago@shakespeare.lit/x", "evil.example", Self.romeo])?["type"] == "result")
        let all = [Self.romeo, "iago@shakespeare.lit/x", "evil.example"]
        #expect(harness.blocked(chamber) == all)
        harness.crash()
        let again = harness.login("juliet", "chamber")
        #expect(harness.blocked(again) == all)
        #expect(harness.blocking(again, "unblock", ["evil.example", "unknown.example"])?["type"] == "result")
        #expect(harness.blocked(again) == Array(all.dropLast()))
        #expect(harness.site.blocking.isUsed)
        #expect(harness.blocking(again, "unblock")?["type"] == "result")
        #expect(harness.blocked(again).isEmpty && harness.blockedRows() == 0 && !harness.site.blocking.isUsed)
    }

    @Test(
        "§3.3, §3.4, §3.5: resources that have asked for the list are told, also after a resumption and a restart; others are not"
    )
    func push() {
        var (harness, chamber, balcony) = begin()
        let phone = harness.loginResumable("juliet", "phone")
        #expect(harness.blocked(chamber).isEmpty && harness.blocked(phone).isEmpty)
        harness.send(chamber, "<iq type='set' id='x'><block xmlns='urn:xmpp:blocking'><item jid='\(Self.romeo)'/></block></iq>")
        #expect(harness.pushes(chamber) == ["block \(Self.romeo)"])
        #expect(harness.pushes(phone) == ["block \(Self.romeo)"])
        #expect(harness.pushes(balcony).isEmpty)
        harness.lose(phone)
        harness.blocking(balcony, "unblock", [Self.romeo])
        // Three sessions' presence, the list, the first push.
        let back = harness.resume(phone, h: 5)
        #expect(harness.pushes(back) == ["unblock \(Self.romeo)"])
        harness.crash()
        let later = harness.resume(back, h: 6)
        _ = harness.take(later)
        let desk = harness.login("juliet", "desk")
        harness.blocking(desk, "unblock")
        #expect(harness.pushes(later) == ["unblock "])
    }

    @Test(
        "§3.3: without items, with none that is an address, about oneself or somebody else, beyond the bounds: refused, and nothing done"
    )
    func refusals() {
        var (harness, chamber, _) = begin()
        #expect(harness.blocking(chamber, "block")?.condition == "bad-request")
        #expect(harness.blocking(chamber, "block", ["@@"])?.condition == "jid-malformed")
        harness.send(chamber, "<iq type='set' id='bl'><block xmlns='urn:xmpp:blocking'><item/></block></iq>")
        #expect(harness.take(chamber).last?.condition == "bad-request")
        for own in [Self.juliet, "\(Self.juliet)/balcony"] {
            #expect(harness.blocking(chamber, "block", ["a.example", own])?.condition == "not-allowed")
        }
        harness.send(
            chamber, "<iq type='get' id='bl' to='nurse@pilsen.example'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
        #expect(harness.take(chamber).last?.condition == "service-unavailable")
        #expect(harness.blocking(chamber, "block", (0...1000).map { "a\($0).example" })?.condition == "policy-violation")
        harness.policy.limits.blockedAddresses = 2
        #expect(
            harness.blocking(chamber, "block", ["a.example", "b.example", "c.example"])?.condition == "resource-constraint")
        #expect(harness.blocking(chamber, "block", ["a.example", "b.example"])?["type"] == "result")
        #expect(harness.blocking(chamber, "block", ["c.example"])?.condition == "resource-constraint")
        harness.policy.limits.blockedAddresses = 10
        harness.policy.limits.blockedBytes = 30
        let long = String(repeating: "x", count: 20)
        #expect(harness.blocking(chamber, "block", ["\(long)@c.example"])?.condition == "resource-constraint")
        harness.room = .reserve
        #expect(harness.blocking(chamber, "block", ["d.example"])?.condition == "resource-constraint")
        #expect(harness.blocking(chamber, "unblock", ["b.example"])?["type"] == "result")
        harness.room = .ample
        #expect(harness.blocked(chamber) == ["a.example"])
    }

    private static let body = "<body>b</body>"
    private static let chatState = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    /// What somebody sends who is blocked, and whether he is told that nobody is there.
    private static let heard: [(String, Bool)] = [
        ("<message type='chat' id='1' TO>\(body)</message>", true), ("<message id='1' TO>\(body)</message>", true),
        ("<message type='chat' id='1' TO>\(chatState)</message>", false),
        ("<message type='headline' TO>\(body)</message>", false),
        ("<message type='groupchat' TO>\(body)</message>", true),
        ("<message type='error' id='1' TO><error type='cancel'/></message>", false),
        ("<presence TO/>", false), ("<presence type='unavailable' TO/>", false), ("<presence type='subscribe' TO/>", false),
        ("<presence type='subscribed' TO/>", false), ("<presence type='unsubscribe' TO/>", false),
        ("<presence type='probe' TO/>", false),
        ("<iq type='get' id='1' TO><ping xmlns='urn:xmpp:ping'/></iq>", true),
        ("<iq type='set' id='1' TO><x xmlns='urn:example'/></iq>", true), ("<iq type='result' id='1' TO/>", false),
    ]

    @Test(
        "§3.3: from who is blocked nothing comes, to no resource and to no mailbox; he hears what he would hear of nobody",
        arguments: 0..<15)
    func inbound(place: Int) {
        let (stanza, isAnswered) = Self.heard[place]
        var (harness, chamber, balcony) = begin()
        harness.blocking(chamber, "block", [Self.romeo])
        _ = (harness.take(chamber), harness.take(balcony), harness.takeRemote())
        for to in [Self.juliet, "\(Self.juliet)/balcony", "\(Self.juliet)/nowhere"] {
            harness.receive(stanza.replacing("TO", with: "from='\(Self.romeo)/orchard' to='\(to)'"))
            let answers = harness.takeRemote()
            #expect(answers.map(\.type) == (isAnswered ? ["error"] : []), "\(stanza) to \(to)")
            for answer in answers {
                #expect(answer.payload("error", Namespaces.client)?.elements.first?.name == "service-unavailable")
            }
            #expect(harness.take(chamber).isEmpty && harness.take(balcony).isEmpty, "\(stanza) to \(to)")
        }
        #expect(harness.waiting("juliet") == 0)
        // The same, byte for byte, as from an account that does not exist; but it answers a probe, and asks nobody's pardon for IQs.
        guard stanza.hasPrefix("<message") else { return }
        harness.receive(stanza.replacing("TO", with: "from='\(Self.romeo)/orchard' to='\(Self.juliet)'"))
        let of = harness.takeRemote().map { $0.serialized() }
        harness.receive(stanza.replacing("TO", with: "from='\(Self.romeo)/orchard' to='nobody@pilsen.example'"))
        let nobody = harness.takeRemote().map {
            String(decoding: $0.serialized(), as: UTF8.self).replacing("nobody@", with: "juliet@")
        }
        #expect(of.map { String(decoding: $0, as: UTF8.self) } == nobody)
    }

    @Test(
        "§3.3: what the account sends there comes back with a reason of its own, goes nowhere, and is copied to no other device"
    )
    func outbound() {
        var (harness, chamber, balcony) = begin()
        harness.send(balcony, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        harness.blocking(chamber, "block", [Self.romeo, "nurse@pilsen.example"])
        let nurse = harness.login("nurse", "room")
        _ = (harness.take(chamber), harness.take(balcony), harness.takeRemote())
        for to in [Self.romeo, "\(Self.romeo)/orchard", "nurse@pilsen.example", "nurse@pilsen.example/room"] {
            for stanza in [
                "<message type='chat' id='1' to='\(to)'>\(Self.body)</message>", "<presence id='1' to='\(to)'/>",
                "<iq type='get' id='1' to='\(to)'><ping xmlns='urn:xmpp:ping'/></iq>",
            ] {
                harness.send(chamber, stanza)
                let answers = harness.take(chamber).filter { $0["type"] == "error" }
                #expect(answers.map(\.condition) == ["not-acceptable"], "\(stanza)")
                let error = answers.first?.first("error", Namespaces.client)
                #expect(error?["type"] == "cancel" && error?.first("blocked", Namespaces.blockingErrors) != nil)
            }
            harness.send(chamber, "<iq type='result' id='1' to='\(to)'/>")
            #expect(harness.take(chamber).isEmpty)
        }
        harness.blocking(chamber, "block", ["iago@shakespeare.lit"])
        harness.send(chamber, "<presence id='1' type='subscribe' to='iago@shakespeare.lit'/>")
        #expect(harness.take(chamber).contains { $0.condition == "not-acceptable" })
        #expect(harness.takeRemote().isEmpty && harness.take(nurse).isEmpty)
        #expect(!harness.take(balcony).contains { $0.name == "message" })
    }

    @Test("§5: a full JID, a bare one, a domain with a resource, a domain: who is meant and who is not")
    func matching() {
        for (blocked, meant, others) in [
            ("a@b.example/r", ["a@b.example/r"], ["a@b.example", "a@b.example/s", "b.example"]),
            ("a@b.example", ["a@b.example/r", "a@b.example"], ["c@b.example", "b.example", "a@c.b.example"]),
            ("b.example/r", ["b.example/r"], ["b.example", "a@b.example/r"]),
            ("b.example", ["b.example/r", "b.example", "a@b.example/r", "c@b.example"], ["a@c.b.example", "b.example.org"]),
        ] {
            var (harness, chamber, _) = begin()
            harness.blocking(chamber, "block", [blocked])
            for (from, isBlocked) in meant.map({ ($0, true) }) + others.map({ ($0, false) }) {
                harness.receive("<message type='chat' from='\(from)' to='\(Self.juliet)'>\(Self.body)</message>")
                #expect(harness.takeBodies(chamber) == (isBlocked ? [] : ["b"]), "\(blocked): \(from)")
            }
        }
    }

    private func presence(_ stanzas: [Stanza]) -> [String] {
        stanzas.filter { $0.kind == .presence }.map { "\($0.type ?? "available") \($0.from?.resourcepart ?? "bare")" }
    }

    @Test(
        "§3.3, §3.4: who is blocked sees the account leave, and nothing of it until he is not blocked any more; then how it is now"
    )
    func presence() {
        var (harness, chamber, balcony) = begin()
        harness.blocking(chamber, "block", [Self.romeo, "stranger@elsewhere.example"])
        #expect(presence(harness.takeRemote()) == ["unavailable chamber", "unavailable balcony"])
        // The account's own devices see him leave.
        for client in [chamber, balcony] {
            let seen = harness.take(client).filter { $0.name == "presence" }
            #expect(client == chamber || seen.map { $0["from"] } == [Self.romeo] && seen.map { $0["type"] } == ["unavailable"])
        }
        harness.send(chamber, "<presence><show>dnd</show></presence>")
        harness.send(balcony, "<presence type='unavailable'/>")
        let third = harness.login("juliet", "third")
        harness.logout(third)
        harness.link(.failing, to: "montague.example")
        harness.link(.up(wantsRefresh: true), to: "montague.example")
        harness.pass(5000)
        #expect(presence(harness.takeRemote()).isEmpty)
        harness.blocking(chamber, "unblock", [Self.romeo, "stranger@elsewhere.example"])
        let after = harness.takeRemote()
        #expect(presence(after) == ["available chamber", "probe bare"])
        #expect(after.allSatisfy { $0.to?.bare.description == Self.romeo })
        harness.receive("<presence from='\(Self.romeo)/orchard' to='\(Self.juliet)'/>")
        #expect(harness.take(chamber).last?["from"] == "\(Self.romeo)/orchard")
    }

    @Test("a domain: every contact there sees the account leave, no other; people of this office too, and both ways")
    func domains() {
        var (harness, chamber, balcony) = begin()
        let nurse = harness.login("nurse", "room")
        let more = (0..<20).map { "c\($0)@montague.example" } + ["other@elsewhere.example"]
        harness.subscribe("juliet", to: more)
        _ = (harness.take(chamber), harness.take(nurse), harness.takeRemote())
        harness.blocking(chamber, "block", ["montague.example", "pilsen.example"])
        harness.pass(1000)
        let gone = harness.takeRemote()
        #expect(gone.count == 2 * 21 && gone.allSatisfy { $0.type == "unavailable" && $0.to?.domainpart == "montague.example" })
        #expect(harness.take(nurse).map { $0["type"] } == ["unavailable", "unavailable"])
        _ = harness.take(chamber)
        harness.send(nurse, chat(Self.juliet, "hello"))
        #expect(harness.take(nurse).last?.condition == "service-unavailable")
        harness.send(nurse, "<presence><show>away</show></presence>")
        #expect(harness.take(chamber).isEmpty)
        // One's own server and one's own devices stay.
        harness.send(chamber, "<iq type='get' id='p' to='pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        #expect(harness.take(chamber).map { $0["type"] } == ["result"])
        harness.send(chamber, chat("\(Self.juliet)/balcony", "note"))
        #expect(harness.take(chamber).isEmpty)
        _ = harness.take(balcony)
        harness.blocking(chamber, "unblock")
        harness.pass(1000)
        #expect(harness.take(nurse).filter { $0.name == "presence" && $0["type"] == nil }.count >= 2)
        #expect(harness.take(balcony).contains { $0["from"] == "nurse@pilsen.example/room" })
    }

    @Test("a request for a subscription that waits goes without an answer; a new one does not come")
    func requests() {
        var (harness, chamber, _) = begin()
        for from in ["paris@elsewhere.example", "tybalt@other.example"] {
            harness.receive("<presence type='subscribe' from='\(from)' to='\(Self.juliet)'/>")
        }
        _ = harness.takeRemote()
        harness.blocking(chamber, "block", ["elsewhere.example"])
        harness.receive("<presence type='subscribe' from='paris@elsewhere.example' to='\(Self.juliet)'/>")
        #expect(harness.takeRemote().isEmpty)
        let later = harness.bind("juliet", "later")
        harness.send(later, "<presence/>")
        #expect(harness.take(later).filter { $0["type"] == "subscribe" }.map { $0["from"] } == ["tybalt@other.example"])
    }

    @Test("§3.3: nothing that is said of a subscription to somebody who is blocked is noted: no ask, no approval, no end")
    func subscriptionsOut() {
        var (harness, chamber, balcony) = begin()
        for client in [chamber, balcony] {
            harness.send(client, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
            _ = harness.take(client)
        }
        harness.blocking(chamber, "block", [Self.romeo, "iago@shakespeare.lit", "strangers.example"])
        _ = (harness.take(chamber), harness.take(balcony), harness.takeRemote())
        for to in [Self.romeo, "iago@shakespeare.lit", "x@strangers.example"] {
            for type in ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] {
                harness.send(chamber, "<presence id='1' type='\(type)' to='\(to)'/>")
                let answers = harness.take(chamber)
                #expect(answers.map(\.condition) == ["not-acceptable"], "\(type) to \(to)")
                #expect(answers.first?.first("error", Namespaces.client)?.first("blocked", Namespaces.blockingErrors) != nil)
                #expect(answers.first?["from"] == to && answers.first?["to"] == chamber.jid.description)
                #expect(harness.take(balcony).isEmpty && harness.takeRemote().isEmpty)
            }
        }
        harness.send(balcony, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        let items = harness.take(balcony).last?.elements.first?.elements ?? []
        #expect(items.map { $0["subscription"] } == ["both", "both"] && items.allSatisfy { $0["ask"] == nil })
        harness.blocking(chamber, "unblock", ["iago@shakespeare.lit"])
        _ = (harness.take(chamber), harness.take(balcony))
        harness.send(chamber, "<presence type='subscribe' to='iago@shakespeare.lit'/>")
        #expect(harness.takeRemote().filter { $0.type == "subscribe" }.count == 1)
    }

    @Test(
        "§3.3: what waits in the mailbox from before is not delivered while its sender is blocked, and comes when he is not any more"
    )
    func mailbox() {
        var (harness, chamber, balcony) = begin()
        harness.logout(chamber)
        harness.logout(balcony)
        _ = harness.takeRemote()
        for (from, text) in [
            ("\(Self.romeo)/a", "one"), ("friend@away.example", "two"), ("\(Self.romeo)/b", "three"),
            ("spy@bad.example", "four"),
        ] { harness.receive("<message from='\(from)' to='\(Self.juliet)' type='chat' id='m'><body>\(text)</body></message>") }
        let first = harness.bind("juliet", "early")
        harness.blocking(first, "block", [Self.romeo, "bad.example"])
        harness.send(first, "<presence/>")
        harness.passToFence()
        let got = harness.takeAll(first)
        #expect(got.compactMap(\.body) == ["two"])
        for ping in got where ping.first("ping", Namespaces.ping) != nil {
            harness.send(first, "<iq type='result' id='\(ping["id"] ?? "")' to='\(ping["from"] ?? "")'/>")
        }
        harness.logout(first)
        harness.flush()
        #expect(harness.waiting("juliet") == 3)
        #expect(harness.takeRemote().allSatisfy { $0.kind != .message })
        harness.crash()
        let second = harness.bind("juliet", "late")
        harness.blocking(second, "unblock", [Self.romeo])
        harness.send(second, "<presence/>")
        #expect(harness.takeBodies(second) == ["one", "three"])
    }

    @Test("directed presence: who was sent it and is blocked sees it end; a later end is not told")
    func directed() {
        var (harness, chamber, _) = begin()
        harness.send(chamber, "<presence to='room@rooms.example/juliet'/>")
        _ = harness.takeRemote()
        harness.blocking(chamber, "block", ["room@rooms.example/juliet"])
        #expect(presence(harness.takeRemote()) == ["unavailable chamber", "unavailable balcony"])
        harness.logout(chamber)
        #expect(harness.takeRemote().allSatisfy { $0.to?.domainpart != "rooms.example" })
    }

    @Test("with the account its list goes; whoever gets the name next begins with none")
    func removal() {
        var (harness, chamber, _) = begin()
        harness.blocking(chamber, "block", (0..<300).map { "a\($0)@b.example" })
        #expect(harness.blockedRows() == 300)
        let held = harness.memory.bytes(of: .account(harness.number("juliet")))
        #expect(held > 0)
        _ = harness.command(.accounts(.remove(SessionsHarness.account("juliet"))))
        #expect(!harness.site.blocking.isUsed)
        harness.crash()
        harness.pass(5000)
        #expect(harness.blockedRows() == 0)
    }

    @Test("a client that blocks and unblocks without end waits until everybody knows, as with its presence")
    func haste() {
        var (harness, chamber, _) = begin()
        harness.subscribe("juliet", to: (0..<600).map { "c\($0)@montague.example" })
        _ = harness.takeRemote()
        for _ in 0..<20 {
            harness.send(
                chamber, "<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'><item jid='montague.example'/></block></iq>")
            harness.send(chamber, "<iq type='set' id='1'><unblock xmlns='urn:xmpp:blocking'/></iq>")
        }
        #expect(harness.sessions.jobs.count(of: harness.number("juliet")) <= 4)
        harness.pass(60_000)
        #expect(harness.take(chamber).count { $0["id"] == "1" } == 40)
        #expect(!harness.site.blocking.isUsed && harness.largestBatch < 1000)
    }

    @Test("XEP-0377: the reason stands in the log, cut to a sentence; an address is blocked whatever stands beside it")
    func reports() {
        var (harness, chamber, _) = begin()
        let long = String(repeating: "word ", count: 1000)
        for (number, report) in [
            "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:abuse'/>",
            "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'><text>Never\n came</text></report>",
            "<report xmlns='urn:xmpp:reporting:1' reason='urn:example'><text>\(long)</text></report>",
            "<report xmlns='urn:xmpp:reporting:1'/>", "<x xmlns='urn:example'/>",
        ].enumerated() {
            harness.send(
                chamber,
                "<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'><item jid='a\(number).example'>\(report)</item></block></iq>"
            )
            #expect(harness.take(chamber).contains { $0["type"] == "result" })
        }
        #expect(harness.blocked(chamber).count == 5)
        let reported: [String] = harness.diagnostics.compactMap {
            if case .abuseReported(_, let jid, let reason, let text) = $0 { "\(jid) \(reason) \(text.count)" } else { nil }
        }
        #expect(reported == ["a0.example abuse 0", "a1.example spam 10", "a2.example other 199"])
    }

    @Test("an operator who asks why nothing passes is told")
    func explanation() {
        var (harness, chamber, _) = begin()
        harness.blocking(chamber, "block", [Self.romeo])
        guard let juliet = try? JID(Self.juliet), let romeo = try? JID(Self.romeo),
            case .explanation(let lines) = harness.command(.explain(from: romeo, to: juliet))
        else {
            Issue.record("no explanation")
            return
        }
        #expect(lines.last == "\(Self.juliet) has blocked \(Self.romeo): nothing passes between them")
    }
}
