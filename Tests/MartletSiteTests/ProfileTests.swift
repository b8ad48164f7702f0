import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// Profiles, pictures, private storage and bookmarks: what different clients write in different ways is the same for all.
@Suite("Profiles, pictures, bookmarks: one thing in several forms")
struct ProfileTests {
    private static let romeo = "romeo@pilsen.example"
    private static let picture = "aGVsbG8="
    /// SHA-1 of `hello`.
    private static let hash = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"

    private func harness() -> SessionsHarness {
        var harness = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        harness.subscribe("romeo", to: ["juliet@pilsen.example", "eva@brno.example"])
        harness.subscribe("juliet", to: [Self.romeo])
        return harness
    }

    private func vCard(_ answer: Element) -> Element? { answer.first("vCard", Namespaces.vCardTemp) }

    @Test(
        "XEP-0054 §3: saved and read back as it was, also after a crash; contacts see it; others hear what they would of nobody"
    )
    func vCard() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        #expect(vCard(harness.ask(romeo, "get", "<vCard xmlns='vcard-temp'/>"))?.children.isEmpty == true)
        let card = """
            <vCard xmlns='vcard-temp'><FN>Romeo Montague</FN><N><FAMILY>Montague</FAMILY><GIVEN>Romeo</GIVEN></N>\
            <TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL><X-OWN>kept</X-OWN></vCard>
            """
        #expect(harness.ask(romeo, "set", card)["type"] == "result")
        harness.crash()
        let again = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [])
        let nurse = harness.login("nurse", "kitchen", wanting: [])
        for (client, to) in [(again, nil), (juliet, Self.romeo)] {
            let read = vCard(harness.ask(client, "get", to: to, "<vCard xmlns='vcard-temp'/>"))
            #expect(
                read?.serialized(within: Namespaces.client)
                    == ContentReader.elements(in: Array(card.utf8))[0].serialized(within: Namespaces.client))
        }
        #expect(harness.ask(juliet, "set", to: Self.romeo, card).condition == "forbidden")
        for to in [Self.romeo, "nobody@pilsen.example"] {
            #expect(harness.ask(nurse, "get", to: to, "<vCard xmlns='vcard-temp'/>").condition == "service-unavailable")
        }
        let items = harness.ask(
            juliet, "get", to: Self.romeo, "<pubsub xmlns='\(SessionsHarness.pubsub)'><items node='urn:xmpp:vcard4'/></pubsub>")
        let v4 = items.first("pubsub", Namespaces.pubsub)?.elements.first?.elements.first?.first("vcard", Namespaces.vCard4)
        #expect(v4?.first("fn", Namespaces.vCard4)?.elements.first?.text == "Romeo Montague")
        #expect(v4?.first("tel", Namespaces.vCard4)?.first("uri", Namespaces.vCard4)?.text == "tel:303-308-3282")
    }

    @Test("XEP-0292: what is published as vCard4 is the profile of older clients too")
    func vCard4() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        _ = harness.ask(romeo, "set", "<vCard xmlns='vcard-temp'><FN>Old</FN></vCard>")
        let v4 = """
            <vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>New</text></fn><n><surname>M</surname><given>R</given></n>\
            <impp><uri>xmpp:\(Self.romeo)</uri></impp><note><text>words</text></note></vcard>
            """
        #expect(harness.publish(romeo, "urn:xmpp:vcard4", v4)["type"] == "result")
        let read = vCard(harness.ask(romeo, "get", "<vCard xmlns='vcard-temp'/>"))
        #expect(read?.first("FN", Namespaces.vCardTemp)?.text == "New")
        #expect(read?.first("N", Namespaces.vCardTemp)?.first("FAMILY", Namespaces.vCardTemp)?.text == "M")
        #expect(read?.first("JABBERID", Namespaces.vCardTemp)?.text == Self.romeo)
        #expect(read?.first("DESC", Namespaces.vCardTemp)?.text == "words")
    }

    private func hashes(_ elements: [Element]) -> [String?] {
        elements.filter { $0.name == "presence" }.map {
            $0.first("x", Namespaces.vCardUpdate)?.first("photo", Namespaces.vCardUpdate)?.text
        }
    }

    @Test(
        "XEP-0398: a picture published is in the profile and in presence, of new devices too; one in a profile is published; one that is gone is gone"
    )
    func pictures() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: ["urn:xmpp:avatar:metadata"])
        _ = harness.take(juliet)
        _ = harness.publish(
            romeo, "urn:xmpp:avatar:data", id: Self.hash, "<data xmlns='urn:xmpp:avatar:data'>\(Self.picture)</data>")
        let info = "<metadata xmlns='urn:xmpp:avatar:metadata'><info bytes='5' id='\(Self.hash)' type='image/png'/></metadata>"
        _ = harness.publish(romeo, "urn:xmpp:avatar:metadata", id: Self.hash, info)
        harness.pass(50)
        let got = harness.take(juliet)
        #expect(hashes(got) == [Self.hash])
        #expect(got.contains { $0.first("event", Namespaces.pubsubEvent) != nil })
        let remote = harness.takeRemote().filter {
            $0.kind == .presence && $0.to?.domainpart == "brno.example" && $0.presenceType == .available
        }
        #expect(remote.last?.payload("x", Namespaces.vCardUpdate)?.elements.first?.text == Self.hash)
        let photo = vCard(harness.ask(juliet, "get", to: Self.romeo, "<vCard xmlns='vcard-temp'/>"))?.first(
            "PHOTO", Namespaces.vCardTemp)
        #expect(photo?.first("BINVAL", Namespaces.vCardTemp)?.text == Self.picture)
        #expect(photo?.first("TYPE", Namespaces.vCardTemp)?.text == "image/png")
        _ = harness.login("romeo", "phone", wanting: [])
        #expect(hashes(harness.take(juliet)) == [Self.hash])
        // A profile saved without a picture has none.
        #expect(harness.ask(romeo, "set", "<vCard xmlns='vcard-temp'><FN>R</FN></vCard>")["type"] == "result")
        harness.pass(50)
        #expect(hashes(harness.take(juliet)).allSatisfy { $0 == "" })
        let other = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/gif</TYPE><BINVAL>aGVs\nbG8=</BINVAL></PHOTO></vCard>"
        #expect(harness.ask(romeo, "set", other)["type"] == "result")
        #expect(harness.items(juliet, "urn:xmpp:avatar:data", of: Self.romeo) == [Self.hash])
        #expect(harness.items(juliet, "urn:xmpp:avatar:metadata", of: Self.romeo) == [Self.hash])
        harness.pass(50)
        #expect(hashes(harness.take(juliet)).last == Self.hash)
        #expect(
            harness.ask(romeo, "set", "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>?</BINVAL></PHOTO></vCard>").condition
                == "bad-request")
        // Who says that it has none is believed.
        harness.send(romeo, "<presence><x xmlns='vcard-temp:x:update'><photo/></x></presence>")
        #expect(hashes(harness.take(juliet)) == [""])
        harness.send(romeo, "<presence><x xmlns='vcard-temp:x:update'/></presence>")
        #expect(hashes(harness.take(juliet)) == [Self.hash])
    }

    @Test("XEP-0049: elements under their namespace, for the account alone, up to so many bytes")
    func privateStorage() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        func query(_ content: String) -> String { "<query xmlns='jabber:iq:private'>\(content)</query>" }
        let notes = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>"
        #expect(harness.ask(romeo, "set", query(notes))["type"] == "result")
        harness.crash()
        let again = harness.login("romeo", "orchard", wanting: [])
        let juliet = harness.login("juliet", "balcony", wanting: [])
        let read = harness.ask(again, "get", query("<exodus xmlns='exodus:prefs'/>"))
        #expect(read.first("query", Namespaces.privateStorage)?.elements.first?.elements.first?.text == "Hamlet")
        // By namespace: Gajim asks for <storage/> where it has put <roster/>.
        let other = harness.ask(again, "get", query("<storage xmlns='exodus:prefs'/>"))
        #expect(other.first("query", Namespaces.privateStorage)?.elements.map(\.name) == ["exodus"])
        let pair = "<a xmlns='urn:pair'/><b xmlns='urn:pair'>b</b>"
        #expect(harness.ask(again, "set", query(pair))["type"] == "result")
        let both = harness.ask(again, "get", query("<a xmlns='urn:pair'/>"))
        #expect(both.first("query", Namespaces.privateStorage)?.elements.map(\.name) == ["a", "b"])
        #expect(harness.ask(again, "set", query("<a xmlns='urn:one'/><b xmlns='urn:two'/>")).condition == "not-acceptable")
        let none = harness.ask(again, "get", query("<other xmlns='urn:other'/>"))
        #expect(none.first("query", Namespaces.privateStorage)?.elements.first?.children.isEmpty == true)
        #expect(harness.ask(juliet, "get", to: Self.romeo, query(notes))["type"] == "error")
        #expect(harness.ask(again, "get", query("")).condition == "bad-request")
        let large = "<x xmlns='urn:large'>\(String(repeating: "x", count: 200 << 10))</x>"
        #expect(harness.ask(again, "set", query(large))["type"] == "result")
        #expect(
            harness.ask(again, "set", query(large.replacing("urn:large", with: "urn:more"))).condition == "resource-constraint")
    }

    @Test("XEP-0402, XEP-0411: bookmarks written in one of three ways are seen in all, and other devices are told")
    func bookmarks() {
        var harness = harness()
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let phone = harness.login("romeo", "phone", wanting: ["urn:xmpp:bookmarks:1"])
        let room =
            "<conference xmlns='urn:xmpp:bookmarks:1' name='Play' autojoin='1'><nick>R</nick><extensions><y xmlns='y'/></extensions></conference>"
        let options = [("access_model", "whitelist"), ("max_items", "max")]
        #expect(
            harness.publish(romeo, "urn:xmpp:bookmarks:1", id: "a@rooms.example", room, options: options)["type"] == "result")
        #expect(harness.takeNews(phone) == ["\(Self.romeo) urn:xmpp:bookmarks:1 item a@rooms.example"])
        let get = "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"
        func stored() -> [String] {
            harness.ask(romeo, "get", get).first("query", Namespaces.privateStorage)?.elements.first?.elements
                .map { "\($0["jid"] ?? $0["url"] ?? "") \($0["name"] ?? "")" } ?? []
        }
        #expect(stored() == ["a@rooms.example Play"])
        let two = """
            <storage xmlns='storage:bookmarks'><conference jid='a@rooms.example' name='Play' autojoin='1'><nick>R</nick></conference>\
            <conference jid='b@rooms.example' name='Council'/><url url='http://x.example/' name='page'/></storage>
            """
        #expect(harness.ask(romeo, "set", "<query xmlns='jabber:iq:private'>\(two)</query>")["type"] == "result")
        // What did not change is not published anew, and keeps what only the newer way can say.
        #expect(harness.takeNews(phone) == ["\(Self.romeo) urn:xmpp:bookmarks:1 item b@rooms.example"])
        #expect(harness.items(romeo, "urn:xmpp:bookmarks:1") == ["a@rooms.example", "b@rooms.example"])
        #expect(stored() == ["a@rooms.example Play", "b@rooms.example Council", "http://x.example/ page"])
        let one = "<storage xmlns='storage:bookmarks'><conference jid='b@rooms.example' name='Council'/></storage>"
        #expect(harness.publish(romeo, "storage:bookmarks", one)["type"] == "result")
        #expect(harness.takeNews(phone) == ["\(Self.romeo) urn:xmpp:bookmarks:1 retract a@rooms.example"])
        #expect(harness.items(romeo, "urn:xmpp:bookmarks:1") == ["b@rooms.example"])
        let retract =
            "<pubsub xmlns='\(SessionsHarness.pubsub)'><retract node='urn:xmpp:bookmarks:1' notify='1'><item id='b@rooms.example'/></retract></pubsub>"
        #expect(harness.ask(romeo, "set", retract)["type"] == "result")
        #expect(stored() == [])
    }

    @Test(
        "XEP-0490, XEP-0172: what was read last in each conversation is kept and told to the other devices only; a nickname to contacts"
    )
    func displayed() {
        var harness = harness()
        let (displayed, nick) = ("urn:xmpp:mds:displayed:0", "http://jabber.org/protocol/nick")
        let romeo = harness.login("romeo", "orchard", wanting: [])
        let phone = harness.login("romeo", "phone", wanting: [displayed])
        let juliet = harness.login("juliet", "balcony", wanting: [displayed, nick])
        let options = [
            ("persist_items", "true"), ("max_items", "max"), ("send_last_published_item", "never"),
            ("access_model", "whitelist"),
        ]
        func read(_ peer: String, _ id: String) {
            let payload =
                "<displayed xmlns='\(displayed)'><stanza-id xmlns='urn:xmpp:sid:0' id='\(id)' by='\(Self.romeo)'/></displayed>"
            #expect(harness.publish(romeo, displayed, id: peer, payload, options: options)["type"] == "result")
        }
        read("juliet@pilsen.example", "1")
        read("nurse@pilsen.example", "2")
        read("juliet@pilsen.example", "3")
        #expect(harness.takeNews(phone).count == 3)
        #expect(harness.takeNews(juliet) == [])
        #expect(harness.items(romeo, displayed).sorted() == ["juliet@pilsen.example", "nurse@pilsen.example"])
        #expect(harness.publish(romeo, nick, "<nick xmlns='\(nick)'>Ro</nick>")["type"] == "result")
        #expect(harness.takeNews(juliet) == ["\(Self.romeo) \(nick) item current"])
    }
}
