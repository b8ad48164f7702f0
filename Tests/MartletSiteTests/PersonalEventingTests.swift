import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// XEP-0163 with what it takes of XEP-0060, XEP-0115, XEP-0222 and XEP-0223: what people publish, who sees it, and who is told.
@Suite("XEP-0163: what people publish")
struct PersonalEventingTests {
    private static let tune = "http://jabber.org/protocol/tune"
    private static let romeo = "romeo@pilsen.example"
    private static let juliet = "juliet@pilsen.example"

    private func harness() -> SessionsHarness {
        var harness = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        harness.subscribe("romeo", to: [Self.juliet])
        harness.subscribe("juliet", to: [Self.romeo])
        return harness
    }

    @Test("XEP-0163 §3: a node is made by what is published; contacts who want it are told, with every device of the publisher")
    func publish() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let phone = harness.login("romeo", "phone", wanting: [Self.tune])
        let juliet = harness.login("juliet", "balcony", wanting: [Self.tune])
        let chamber = harness.login("juliet", "chamber", wanting: ["urn:other"])
        let nurse = harness.login("nurse", "kitchen", wanting: [Self.tune])
        let answer = harness.publish(romeo, Self.tune)
        #expect(answer["type"] == "result")
        #expect(
            answer.first("pubsub", Namespaces.pubsub)?.first("publish", Namespaces.pubsub)?.elements.first?["id"] == "current")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) \(Self.tune) item current"])
        #expect(harness.takeNews(phone) == ["\(Self.romeo) \(Self.tune) item current"])
        #expect(harness.takeNews(romeo) == [])
        #expect(harness.takeNews(chamber) == [])
        #expect(harness.takeNews(nurse) == [])
        #expect(harness.items(juliet, Self.tune, of: Self.romeo) == ["current"])
        #expect(harness.items(nurse, Self.tune, of: Self.romeo) == ["error item-not-found"])
    }

    @Test("an item that was acknowledged is there after a crash; the publisher's answer comes after the commit")
    func durable() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let before = harness.bindingSteps
        #expect(harness.publish(romeo, Self.tune)["type"] == "result")
        #expect(harness.bindingSteps > before)
        harness.crash()
        let again = harness.login("romeo", "orchard", wanting: [])
        #expect(harness.items(again, Self.tune) == ["current"])
    }

    @Test("XEP-0163 §4.3.4: who comes is shown the last item of what he wants, with its time, once")
    func lastItem() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        _ = harness.publish(romeo, Self.tune, id: "1")
        _ = harness.publish(romeo, Self.tune, id: "2")
        _ = harness.publish(romeo, "urn:other", id: "3")
        let juliet = harness.login("juliet", "balcony", wanting: [Self.tune])
        harness.pass(50)
        let message = harness.inboxes[juliet.connection]?.last { $0.name == "message" }
        #expect(message?.delay != nil)
        #expect(message?["type"] == "headline")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) \(Self.tune) item 2"])
        let phone = harness.login("romeo", "phone", wanting: [Self.tune, "urn:other"])
        #expect(
            harness.takeNews(phone).sorted() == ["\(Self.romeo) \(Self.tune) item 2", "\(Self.romeo) urn:other item 3"])
        harness.send(
            juliet, "<presence><show>away</show>\(SessionsHarness.c(SessionsHarness.capabilities([Self.tune]).hash))</presence>"
        )
        #expect(harness.takeNews(juliet) == [])
    }

    @Test(
        "XEP-0115 §5.4: a hash that is not what it was made of counts for nobody; a known one is asked for once, also after a start"
    )
    func hashes() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        _ = harness.publish(romeo, Self.tune)
        let (hash, info) = SessionsHarness.capabilities([Self.tune])
        let liar = harness.bind("juliet", "liar")
        harness.send(liar, "<presence>\(SessionsHarness.c(hash))</presence>")
        let question = harness.take(liar).first { $0.first("query", Namespaces.discoInfo) != nil }
        #expect(question?["from"] == Self.juliet)
        #expect(question?.first("query", Namespaces.discoInfo)?["node"] == "urn:test#\(hash)")
        if let question { harness.answerInfo(question, info + "<feature var='urn:more+notify'/>", by: liar) }
        #expect(harness.takeNews(liar) == [])
        let juliet = harness.login("juliet", "balcony", wanting: [Self.tune])
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) \(Self.tune) item current"])
        harness.pass(200)
        harness.crash()
        let again = harness.bind("juliet", "balcony")
        harness.send(again, "<presence>\(SessionsHarness.c(hash))</presence>")
        harness.pass(50)
        #expect(!(harness.inboxes[again.connection] ?? []).contains { $0.first("query", Namespaces.discoInfo) != nil })
        #expect(harness.takeNews(again) == ["\(Self.romeo) \(Self.tune) item current"])
    }

    @Test("XEP-0115 §5.2, §5.3: the hashes of the examples")
    func examples() throws {
        let simple = """
            <query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' name='Exodus 0.9.1' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
            <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/></query>
            """
        let complex = """
            <query xmlns='http://jabber.org/protocol/disco#info'><identity xml:lang='en' category='client' name='Psi 0.11' \
            type='pc'/><identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
            <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>\
            <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo\
            </value></field><field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>\
            <field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>\
            <field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x></query>
            """
        // §5.1 sorts names before it writes their ends, and "+" and ":" come before "<". As slixmpp computes it.
        let close = """
            <query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='bot'/>\
            <feature var='urn:xmpp:ping:0'/><feature var='urn:xmpp:bookmarks:1+notify'/><feature var='urn:xmpp:bookmarks:1'/>\
            <feature var='urn:xmpp:ping'/><feature var='http://jabber.org/protocol/muc'/></query>
            """
        for (info, hash) in [
            (simple, "QgayPKawpkPSDYmwT/WM94uAlu0="), (complex, "q07IKJEyjvHSyhy//CH0CxmKi8w="),
            (close, "6sAZAs2dee378zayBF8fz1Hx+0k="),
        ] {
            let presence = Stanza(
                .presence, from: try JID("romeo@montague.lit/orchard"),
                payloads: ContentReader.elements(in: Array(SessionsHarness.c(hash).utf8)))
            let claim = try #require(CapabilityClaim(presence))
            let element = try #require(ContentReader.elements(in: Array(info.utf8)).first)
            #expect(claim.isMet(by: element))
            var twice = element
            twice.append(Element("feature", Namespaces.discoInfo, [("var", "http://jabber.org/protocol/muc")]))
            #expect(!claim.isMet(by: twice))
        }
    }

    @Test("a contact elsewhere: asked what it can, told what it wants, shown the last item; one that has gone is told nothing")
    func remote() {
        var harness = harness()
        harness.subscribe("romeo", to: ["eva@brno.example"])
        let romeo = harness.login("romeo", "orchard", wanting: [])
        _ = harness.publish(romeo, Self.tune, id: "1")
        let (hash, info) = SessionsHarness.capabilities([Self.tune])
        let presence = "<presence from='eva@brno.example/desk' to='\(Self.romeo)'>\(SessionsHarness.c(hash))</presence>"
        _ = harness.takeRemote()
        harness.receive(presence)
        let question = harness.takeRemote().first { $0.kind == .iq }
        #expect(question?.from?.description == Self.romeo)
        harness.receive(
            """
            <iq type='result' id='\(question?.id ?? "")' from='eva@brno.example/desk' to='\(Self.romeo)'>\
            <query xmlns='http://jabber.org/protocol/disco#info' node='urn:test#\(hash)'>\(info)</query></iq>
            """)
        harness.pass(50)
        func news() -> [String] {
            harness.pass(50)
            return harness.takeRemote().filter { $0.kind == .message }.map {
                "\($0.to?.description ?? "") \(ContentReader.elements(in: $0.content)[0].elements[0].elements[0]["id"] ?? "")"
            }
        }
        #expect(news() == ["eva@brno.example/desk 1"])
        _ = harness.publish(romeo, Self.tune, id: "2")
        #expect(news() == ["eva@brno.example/desk 2"])
        // The same once more is no arrival; after the line was down it is.
        harness.receive(presence)
        #expect(news() == [])
        harness.link(.failing)
        harness.receive(presence)
        #expect(news() == ["eva@brno.example/desk 2"])
        harness.link(.failing)
        harness.pass(harness.policy.federation.presenceGrace)
        _ = harness.publish(romeo, Self.tune, id: "3")
        #expect(news() == [])
        harness.receive(presence)
        #expect(news() == ["eva@brno.example/desk 3"])
        harness.receive("<presence from='eva@brno.example/desk' to='\(Self.romeo)' type='unavailable'/>")
        _ = harness.publish(romeo, Self.tune, id: "4")
        #expect(news() == [])
    }

    @Test(
        "who is let in later is told from then on, and shown the last item, here and elsewhere, in whichever order they became friends"
    )
    func befriended() {
        var harness = SessionsHarness(users: ["romeo", "juliet"])
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [Self.tune])
        _ = harness.publish(romeo, Self.tune, id: "1")
        harness.send(
            romeo, "<presence to='\(Self.juliet)' type='subscribe'/><presence to='eva@brno.example' type='subscribe'/>")
        harness.send(juliet, "<presence to='\(Self.romeo)' type='subscribed'/><presence to='\(Self.romeo)' type='subscribe'/>")
        harness.receive("<presence from='eva@brno.example' to='\(Self.romeo)' type='subscribed'/>")
        let (hash, _) = SessionsHarness.capabilities([Self.tune])
        harness.receive("<presence from='eva@brno.example/desk' to='\(Self.romeo)'>\(SessionsHarness.c(hash))</presence>")
        harness.receive("<presence from='eva@brno.example' to='\(Self.romeo)' type='subscribe'/>")
        harness.pass(50)
        _ = harness.takeRemote()
        #expect(harness.takeNews(juliet) == [])
        harness.send(
            romeo, "<presence to='\(Self.juliet)' type='subscribed'/><presence to='eva@brno.example' type='subscribed'/>")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) \(Self.tune) item 1"])
        #expect(harness.takeRemote().filter { $0.kind == .message }.map { $0.to?.description } == ["eva@brno.example/desk"])
        _ = harness.publish(romeo, Self.tune, id: "2")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) \(Self.tune) item 2"])
        #expect(harness.takeRemote().filter { $0.kind == .message }.count == 1)
    }

    @Test("XEP-0060 §7.1.5: options are what a new node is, and what an old one has to be; what nobody knows cannot be")
    func options() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let bookmarks = "urn:xmpp:bookmarks:1"
        let options = [
            ("persist_items", "true"), ("max_items", "max"), ("send_last_published_item", "never"),
            ("access_model", "whitelist"),
        ]
        for id in ["a", "b", "c"] {
            #expect(harness.publish(romeo, bookmarks, id: id, options: options)["type"] == "result")
        }
        #expect(harness.items(romeo, bookmarks) == ["a", "b", "c"])
        let open = harness.publish(romeo, bookmarks, id: "d", options: [("access_model", "open")])
        #expect(open.condition == "conflict")
        #expect(open.pubsubCondition == "precondition-not-met")
        let unknown = harness.publish(romeo, "urn:new", options: [("colour", "red")])
        #expect(unknown.pubsubCondition == "precondition-not-met")
        #expect(harness.items(romeo, "urn:new") == ["error item-not-found"])
        #expect(harness.items(romeo, bookmarks) == ["a", "b", "c"])
        // XEP-0223: nobody else sees it.
        let juliet = harness.login("juliet", "balcony", wanting: [bookmarks])
        #expect(harness.items(juliet, bookmarks, of: Self.romeo) == ["error not-allowed"])
        #expect(harness.takeNews(juliet) == [])
    }

    @Test("XEP-0060 §4.5: who sees what, by access model")
    func access() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [])
        let nurse = harness.login("nurse", "kitchen", wanting: [])
        let expected = [
            "open": ["x", "x"], "presence": ["x", "error item-not-found"],
            "roster": ["error not-authorized", "error item-not-found"],
            "whitelist": ["error not-allowed", "error item-not-found"],
            "authorize": ["error not-authorized", "error item-not-found"],
        ]
        for (model, seen) in expected.sorted(by: { $0.key < $1.key }) {
            #expect(harness.publish(romeo, model, id: "x", options: [("access_model", model)])["type"] == "result")
            #expect(harness.items(romeo, model) == ["x"])
            #expect(
                [harness.items(juliet, model, of: Self.romeo), harness.items(nurse, model, of: Self.romeo)].map { $0[0] }
                    == seen)
        }
        let member = """
            <pubsub xmlns='\(SessionsHarness.owner)'><affiliations node='whitelist'><affiliation jid='nurse@pilsen.example' \
            affiliation='member'/></affiliations></pubsub>
            """
        #expect(harness.ask(romeo, "set", member)["type"] == "result")
        #expect(harness.items(nurse, "whitelist", of: Self.romeo) == ["x"])
        let outcast = member.replacing("whitelist", with: "open").replacing("member", with: "outcast")
        #expect(harness.ask(romeo, "set", outcast)["type"] == "result")
        #expect(harness.items(nurse, "open", of: Self.romeo) == ["error item-not-found"])
    }

    @Test("only the account publishes, makes and configures its nodes; whoever it lets may publish too")
    func rights() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [])
        _ = harness.publish(romeo, "n")
        #expect(harness.publish(juliet, "n", to: Self.romeo).condition == "forbidden")
        #expect(harness.publish(juliet, "other", to: Self.romeo).condition == "forbidden")
        for action in ["<configure node='n'/>", "<subscriptions node='n'/>", "<affiliations node='n'/>"] {
            let request = "<pubsub xmlns='\(SessionsHarness.owner)'>\(action)</pubsub>"
            #expect(harness.ask(juliet, "get", to: Self.romeo, request).condition == "forbidden")
        }
        for action in ["<delete node='n'/>", "<purge node='n'/>"] {
            let request = "<pubsub xmlns='\(SessionsHarness.owner)'>\(action)</pubsub>"
            #expect(harness.ask(juliet, "set", to: Self.romeo, request).condition == "forbidden")
        }
        let publisher = """
            <pubsub xmlns='\(SessionsHarness.owner)'><affiliations node='n'><affiliation jid='\(Self.juliet)' \
            affiliation='publisher'/></affiliations></pubsub>
            """
        _ = harness.ask(romeo, "set", publisher)
        #expect(harness.publish(juliet, "n", id: "hers", to: Self.romeo)["type"] == "result")
        #expect(harness.items(romeo, "n") == ["hers"])
    }

    @Test("XEP-0060 §7.2, §8.4, §8.5: taken back, purged, deleted: gone at once, and told")
    func removal() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: ["n"])
        for id in ["1", "2", "3"] { _ = harness.publish(romeo, "n", id: id, options: [("max_items", "max")]) }
        _ = harness.takeNews(juliet)
        let retract =
            "<pubsub xmlns='\(SessionsHarness.pubsub)'><retract node='n' notify='true'><item id='2'/></retract></pubsub>"
        #expect(harness.ask(romeo, "set", retract)["type"] == "result")
        #expect(harness.ask(romeo, "set", retract).condition == "item-not-found")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) n retract 2"])
        #expect(harness.items(romeo, "n") == ["1", "3"])
        let purge = "<pubsub xmlns='\(SessionsHarness.owner)'><purge node='n'/></pubsub>"
        #expect(harness.ask(romeo, "set", purge)["type"] == "result")
        #expect(harness.items(romeo, "n") == [])
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) n purge"])
        _ = harness.publish(romeo, "n", id: "1")
        #expect(harness.items(romeo, "n") == ["1"])
        _ = harness.takeNews(juliet)
        #expect(harness.ask(romeo, "set", purge.replacing("purge", with: "delete"))["type"] == "result")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) n delete"])
        #expect(harness.items(romeo, "n") == ["error item-not-found"])
        harness.pass(1000)
        #expect(harness.pubsubRows == 0)
    }

    @Test("XEP-0060 §16.4.4: items go by themselves when their time is over")
    func expiry() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        _ = harness.publish(romeo, "n", id: "1", options: [("item_expire", "60"), ("max_items", "5")])
        harness.pass(30_000)
        _ = harness.publish(romeo, "n", id: "2")
        harness.pass(31_000)
        #expect(harness.items(romeo, "n") == ["2"])
        harness.crash()
        let again = harness.login("romeo", "orchard", wanting: [])
        harness.pass(60_000)
        #expect(harness.items(again, "n") == [])
    }

    @Test("an account that goes takes what it has published with it, and who has its name next finds nothing")
    func accountRemoval() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        for node in 0..<20 { _ = harness.publish(romeo, "n\(node)") }
        #expect(harness.pubsubRows > 0)
        _ = harness.command(.accounts(.remove(SessionsHarness.account("romeo"))))
        harness.pass(2000)
        #expect(harness.pubsubRows == 0)
    }

    @Test("RFC-sized: an account publishes so many nodes and bytes, and no item is larger than a stanza may be")
    func limits() {
        var harness = harness()
        harness.policy.pubsub.nodesPerAccount = 2
        harness.policy.pubsub.bytesPerAccount = 2000
        harness.policy.pubsub.itemBytes = 1500
        harness.policy.pubsub.itemsPerNode = 3
        let romeo = harness.login("romeo", "orchard", wanting: [])
        func big(_ count: Int) -> String { "<x xmlns='urn:x'>\(String(repeating: "x", count: count))</x>" }
        #expect(harness.publish(romeo, "a", big(1400))["type"] == "result")
        #expect(harness.publish(romeo, "a", big(1600)).pubsubCondition == "payload-too-big")
        #expect(harness.publish(romeo, "b", big(1000)).condition == "resource-constraint")
        #expect(harness.items(romeo, "b") == ["error item-not-found"])
        // What it takes the place of does not count.
        #expect(harness.publish(romeo, "a", big(1450))["type"] == "result")
        #expect(harness.publish(romeo, "a", big(1))["type"] == "result")
        #expect(harness.publish(romeo, "b")["type"] == "result")
        #expect(harness.publish(romeo, "c").condition == "resource-constraint")
        #expect(harness.publish(romeo, String(repeating: "n", count: 1024)).condition == "not-acceptable")
        for id in 0..<5 { _ = harness.publish(romeo, "b", id: "\(id)", options: [("max_items", "1")]) }
        let configure = """
            <pubsub xmlns='\(SessionsHarness.owner)'><configure node='b'>\
            \(SessionsHarness.form("node_config", [("max_items", "max")]))</configure></pubsub>
            """
        #expect(harness.ask(romeo, "set", configure)["type"] == "result")
        for id in 5..<10 { _ = harness.publish(romeo, "b", id: "\(id)") }
        #expect(harness.items(romeo, "b") == ["7", "8", "9"])
    }

    @Test("XEP-0059: items page by page, and a page has a largest size")
    func pages() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        for id in 0..<9 { _ = harness.publish(romeo, "n", id: "\(id)", options: [("max_items", "max")]) }
        func page(_ set: String) -> [String] {
            harness.items(romeo, "n", set: "<set xmlns='http://jabber.org/protocol/rsm'>\(set)</set>")
        }
        #expect(page("<max>3</max>") == ["0", "1", "2"])
        #expect(page("<max>3</max><after>2</after>") == ["3", "4", "5"])
        #expect(page("<max>3</max><before/>") == ["6", "7", "8"])
        #expect(page("<max>3</max><before>6</before>") == ["3", "4", "5"])
        #expect(page("<max>2</max><index>4</index>") == ["4", "5"])
        #expect(page("<max>0</max>") == [])
        #expect(page("<max>3</max><after>none</after>") == ["error item-not-found"])
        #expect(harness.items(romeo, "n", " max_items='2'") == ["7", "8"])
        let large = "<x xmlns='urn:x'>\(String(repeating: "x", count: 100_000))</x>"
        for id in 0..<5 { _ = harness.publish(romeo, "large", id: "\(id)", large, options: [("max_items", "max")]) }
        #expect(harness.items(romeo, "large") == ["4"])
    }

    @Test("XEP-0384: bundles of 200 KiB, a list of devices that anybody sees, and the answer to a stranger")
    func bundles() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let nurse = harness.login("nurse", "kitchen", wanting: [])
        let keys = String(repeating: "A", count: 200 << 10)
        let bundle = "<bundle xmlns='urn:xmpp:omemo:2'><spk id='1'>\(keys)</spk></bundle>"
        let options = [("access_model", "open"), ("max_items", "max")]
        #expect(harness.publish(romeo, "urn:xmpp:omemo:2:bundles", id: "31415", bundle, options: options)["type"] == "result")
        #expect(harness.publish(romeo, "urn:xmpp:omemo:2:bundles", id: "27182", bundle, options: options)["type"] == "result")
        let request = """
            <pubsub xmlns='\(SessionsHarness.pubsub)'><items node='urn:xmpp:omemo:2:bundles'><item id='31415'/></items></pubsub>
            """
        let answer = harness.ask(nurse, "get", to: Self.romeo, request)
        #expect(answer.itemIDs == ["31415"])
        #expect(answer.serialized(within: Namespaces.client).count > 200 << 10)
    }

    @Test(
        "a publish to 300 contacts is done in slices; each is told once, in order, and what another says meanwhile does not wait"
    )
    func many() {
        let names = (0..<300).map { "user\($0)" }
        var harness = SessionsHarness(users: ["romeo"] + names)
        harness.subscribe("romeo", to: names.map { "\($0)@pilsen.example" })
        for name in names { harness.subscribe(name, to: [Self.romeo]) }
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let clients = names.map { harness.login($0, "desk", wanting: [Self.tune]) }
        for client in clients { _ = harness.take(client) }
        _ = harness.take(romeo)
        for id in ["1", "2"] { _ = harness.publish(romeo, Self.tune, id: id) }
        let atOnce = clients.count { !(harness.inboxes[$0.connection] ?? []).isEmpty }
        #expect(atOnce < 300)
        harness.pass(500)
        for client in clients {
            #expect(
                harness.takeNews(client) == ["\(Self.romeo) \(Self.tune) item 1", "\(Self.romeo) \(Self.tune) item 2"])
        }
    }

    @Test("XEP-0030: an account says that it has nodes, and which, to those who may see them")
    func discovery() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [])
        _ = harness.publish(romeo, "seen")
        _ = harness.publish(romeo, "hidden", options: [("access_model", "whitelist")])
        let info = harness.ask(juliet, "get", to: Self.romeo, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        let query = info.first("query", Namespaces.discoInfo)
        #expect(
            query?.all("identity", Namespaces.discoInfo).contains { $0["category"] == "pubsub" && $0["type"] == "pep" } == true)
        let features = query?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
        for feature in ["auto-create", "auto-subscribe", "filtered-notifications", "publish-options", "access-presence"] {
            #expect(features.contains("http://jabber.org/protocol/pubsub#\(feature)"))
        }
        func nodes(_ client: SessionsHarness.Client) -> [String] {
            harness.ask(client, "get", to: Self.romeo, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
                .first("query", Namespaces.discoItems)?.elements.compactMap { $0["node"] }.sorted() ?? []
        }
        #expect(nodes(juliet) == ["seen"])
        #expect(nodes(romeo) == ["hidden", "seen"])
    }

    @Test("an error about a notification is nobody's message")
    func errors() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [Self.tune])
        _ = harness.publish(romeo, Self.tune)
        harness.pass(50)
        let news = harness.take(juliet).last { $0.name == "message" }
        _ = harness.take(romeo)
        harness.send(
            juliet,
            "<message to='\(Self.romeo)' type='error' id='\(news?["id"] ?? "")'><error type='cancel'>"
                + "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
        harness.pass(50)
        #expect(harness.take(romeo).isEmpty)
        #expect(harness.waiting("romeo") == 0)
    }
}

extension SessionsHarness {
    /// Rows of nodes and what they have.
    var pubsubRows: Int {
        let transaction = store.begin()
        defer { store.abort() }
        var count = 0
        for number: UInt8 in 96...105 {
            transaction.forEach(Table(rawValue: number), prefix: []) { _, _ in
                count += 1
                return true
            }
        }
        return count
    }
}
