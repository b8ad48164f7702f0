import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// The use cases of occupants, by the examples of XEP-0045 §7.
@Suite("XEP-0045 §7: occupants of a room")
struct RoomOccupantTests {
    @Test("§10.1: whoever enters first makes the room and owns it; nobody else enters until it is as its owner wants it")
    func make() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.login("crone1", "desktop")
        harness.enter(crone, "firstwitch")
        #expect(
            harness.seen(crone) == ["firstwitch owner/moderator crone1@pilsen.example/desktop 110,170,201", "room # "])
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag) == ["thirdwitch error item-not-found"])
        let form = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, form).condition == "forbidden")
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, form)["type"] == "result")
        harness.enter(hag, "thirdwitch")
        #expect(
            harness.seen(hag) == [
                "firstwitch owner/moderator", "thirdwitch none/participant hag66@pilsen.example/pda 110,170", "room # ",
            ])
        #expect(harness.seen(crone) == ["thirdwitch none/participant hag66@pilsen.example/pda"])
    }

    @Test("§10.1: who may not make rooms does not, and nobody makes more than he may")
    func makers() {
        var harness = SessionsHarness.withRooms()
        harness.receive(
            "<presence from='eve@away.example/r' to='\(SessionsHarness.coven)/eve'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        #expect(harness.seenElsewhere() == ["eve@away.example/r < eve error not-allowed"])
        harness.policy.rooms.roomsPerCreator = 1
        let crone = harness.makeRoom()
        harness.enter(crone, "firstwitch", room: "second@rooms.pilsen.example")
        #expect(harness.seen(crone) == ["firstwitch error resource-constraint"])
        harness.policy.rooms.roomsPerCreator = 100
        harness.policy.rooms.roomsPerHost = 1
        harness.enter(crone, "firstwitch", room: "second@rooms.pilsen.example")
        #expect(harness.seen(crone) == ["firstwitch error resource-constraint"])
        harness.policy.rooms.creators = .nobody
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch", room: "third@rooms.pilsen.example")
        #expect(harness.seen(hag) == ["thirdwitch error not-allowed"])
        // A room that is gone counts no more.
        harness.policy.rooms.creators = .people
        harness.send(crone, "<presence type='unavailable' to='\(SessionsHarness.coven)/firstwitch'/>")
        #expect(harness.seen(crone) == ["firstwitch gone owner/none crone1@pilsen.example/desktop 110"])
        harness.enter(hag, "thirdwitch", room: "third@rooms.pilsen.example")
        #expect(harness.seen(hag).last == "room # ")
    }

    @Test("§7.2.1 to §7.2.10: each refusal with its condition")
    func refusals() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.login("hag66", "pda")
        func refusal(_ nick: String, _ more: String = "") -> [String] {
            harness.enter(hag, nick, more)
            return harness.seen(hag)
        }
        harness.send(hag, "<presence to='\(SessionsHarness.coven)'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        #expect(harness.seen(hag) == ["room error jid-malformed"])
        #expect(refusal("firstwitch") == ["firstwitch error conflict"])
        #expect(refusal(String(repeating: "w", count: 257)).first?.hasSuffix("error not-acceptable") == true)
        harness.affiliate("hag66@pilsen.example", .outcast)
        #expect(refusal("thirdwitch") == ["thirdwitch error forbidden"])
        harness.affiliate("hag66@pilsen.example", .none)
        harness.configure { $0.flags.insert(.isMembersOnly) }
        #expect(refusal("thirdwitch") == ["thirdwitch error registration-required"])
        harness.configure {
            $0.flags = [.hasPassword]
            $0.password = "cauldronburn"
        }
        #expect(refusal("thirdwitch") == ["thirdwitch error not-authorized"])
        #expect(refusal("thirdwitch", "<password>no</password>") == ["thirdwitch error not-authorized"])
        harness.configure { $0.maxOccupants = 1 }
        #expect(refusal("thirdwitch", "<password>cauldronburn</password>") == ["thirdwitch error service-unavailable"])
        harness.configure { $0.maxOccupants = 0 }
        #expect(refusal("thirdwitch", "<password>cauldronburn</password>").last == "room # ")
        #expect(harness.seen(crone).count == 1)
        // Not to be in the room and to act as if.
        let wicca = harness.login("wiccarocks", "laptop")
        harness.send(wicca, "<presence to='\(SessionsHarness.coven)/secondwitch'/>")
        harness.say(wicca, "hello")
        #expect(harness.seen(wicca) == ["secondwitch error not-acceptable", "room error not-acceptable"])
    }

    @Test("§7.2.3: who enters sees everybody, himself last, and real addresses only where he may")
    func order() {
        var harness = SessionsHarness.withRooms()
        _ = harness.makeRoom()
        _ = harness.guest("wiccarocks", "secondwitch")
        harness.configure { $0.whois = .anyone }
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch")
        #expect(
            harness.seen(hag) == [
                "firstwitch owner/moderator crone1@pilsen.example/desktop",
                "secondwitch none/participant wiccarocks@pilsen.example/pda",
                "thirdwitch none/participant hag66@pilsen.example/pda 100,110,170", "room # ",
            ])
    }

    @Test("§7.4: what is said reaches everybody in the same form, with ids of the occupant and of the message")
    func messages() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        harness.send(
            hag,
            """
            <message type='groupchat' to='\(SessionsHarness.coven)' id='hysf1v37'><body>Harpier cries: 'tis time, 'tis time.</body>\
            <stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='\(SessionsHarness.coven)'/>\
            <occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/></message>
            """)
        harness.pass(20)
        let heard = try #require(harness.take(crone).first { $0.name == "message" })
        let own = try #require(harness.take(hag).first { $0.name == "message" })
        #expect(
            heard["from"] == "\(SessionsHarness.coven)/thirdwitch" && heard["id"] == "hysf1v37" && heard["type"] == "groupchat")
        #expect(heard.children == own.children)
        let ids = heard.all("stanza-id", Namespaces.stanzaID)
        #expect(ids.count == 1 && ids[0]["by"] == SessionsHarness.coven && ids[0]["id"] != "forged")
        let occupants = heard.all("occupant-id", Namespaces.occupantID)
        #expect(occupants.count == 1 && occupants[0]["id"] != "forged")
        harness.configure { $0.flags.insert(.isModerated) }
        let visitor = harness.guest("wiccarocks", "secondwitch")
        harness.say(visitor, "me too")
        #expect(harness.seen(visitor) == ["room error forbidden"])
        harness.send(hag, "<message type='groupchat' to='\(SessionsHarness.coven)/firstwitch'><body>x</body></message>")
        #expect(harness.seen(hag).last == "firstwitch error bad-request")
    }

    @Test("§7.5: private messages go to one nickname, with the room's mark, as far as the room allows them")
    func privately() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        let wicca = harness.guest("wiccarocks", "secondwitch")
        _ = (harness.take(crone), harness.take(hag))
        func whisper(_ to: String) {
            harness.send(
                wicca,
                "<message type='chat' id='p' to='\(SessionsHarness.coven)/\(to)'><body>I'll give thee a wind.</body></message>")
        }
        whisper("thirdwitch")
        let heard = try #require(harness.take(hag).first)
        #expect(heard["type"] == "chat" && heard["from"] == "\(SessionsHarness.coven)/secondwitch")
        #expect(heard.first("x", Namespaces.roomUser) != nil)
        #expect(harness.seen(crone) == [])
        whisper("nobody")
        #expect(harness.seen(wicca) == ["nobody error item-not-found"])
        harness.configure { $0.privateMessages = .moderators }
        whisper("thirdwitch")
        #expect(harness.seen(wicca) == ["thirdwitch error forbidden"])
        whisper("firstwitch")
        #expect(harness.seen(crone) == ["secondwitch privately: I'll give thee a wind."])
        harness.configure { $0.privateMessages = .nobody }
        whisper("firstwitch")
        #expect(harness.seen(wicca) == ["firstwitch error forbidden"])
    }

    @Test("§7.6: another nickname is told as one that goes and one that comes; one that is taken is refused")
    func nick() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        harness.send(hag, "<presence to='\(SessionsHarness.coven)/oldhag'/>")
        #expect(
            harness.seen(hag) == [
                "thirdwitch gone none/participant hag66@pilsen.example/pda -> oldhag 110,303",
                "oldhag none/participant hag66@pilsen.example/pda 110",
            ])
        #expect(
            harness.seen(crone) == [
                "thirdwitch gone none/participant hag66@pilsen.example/pda -> oldhag 303",
                "oldhag none/participant hag66@pilsen.example/pda",
            ])
        harness.send(hag, "<presence to='\(SessionsHarness.coven)/firstwitch'/>")
        #expect(harness.seen(hag) == ["firstwitch error conflict"])
        harness.send(hag, "<presence to='\(SessionsHarness.coven)/oldhag'><show>away</show></presence>")
        #expect(harness.seen(crone) == ["oldhag none/participant hag66@pilsen.example/pda"])
    }

    @Test("§7.14: who leaves is told so, and everybody; whose client is gone has left")
    func leaving() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        let wicca = harness.guest("wiccarocks", "secondwitch")
        _ = (harness.take(crone), harness.take(hag))
        harness.send(
            hag,
            "<presence type='unavailable' to='\(SessionsHarness.coven)/thirdwitch'><status>gone where the goblins go</status></presence>"
        )
        #expect(
            harness.seen(hag) == ["thirdwitch gone none/none hag66@pilsen.example/pda 110 (gone where the goblins go)"])
        #expect(
            harness.seen(crone) == ["thirdwitch gone none/none hag66@pilsen.example/pda (gone where the goblins go)"])
        #expect(harness.seen(wicca) == ["thirdwitch gone none/none (gone where the goblins go)"])
        harness.logout(wicca)
        #expect(harness.seen(crone) == ["secondwitch gone none/none wiccarocks@pilsen.example/pda"])
        // The last one takes the room with him.
        harness.logout(crone)
        let again = harness.login("hag66", "pda")
        let answer = harness.ask(
            again, "get", to: SessionsHarness.coven, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        #expect(answer.condition == "item-not-found")
    }

    @Test("§7.2.9: several sessions of one person have one nickname, and each of them sees and hears everything")
    func sessions() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let pda = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let laptop = harness.login("hag66", "laptop")
        _ = harness.take(pda)
        harness.enter(laptop, "thirdwitch")
        #expect(
            harness.seen(laptop) == [
                "firstwitch owner/moderator", "thirdwitch none/participant hag66@pilsen.example/laptop 110,170", "room # ",
            ])
        _ = (harness.take(pda), harness.take(crone))
        harness.say(crone, "hail")
        #expect(harness.seen(pda) == ["firstwitch: hail"] && harness.seen(laptop) == ["firstwitch: hail"])
        _ = harness.take(crone)
        harness.send(pda, "<presence type='unavailable' to='\(SessionsHarness.coven)/thirdwitch'/>")
        #expect(harness.seen(crone) == [])
        harness.logout(laptop)
        #expect(harness.seen(crone) == ["thirdwitch gone none/none hag66@pilsen.example/laptop"])
    }

    @Test("§8.1: who may change the subject does, everybody is told, and whoever enters later too")
    func subject() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let subject =
            "<message type='groupchat' to='\(SessionsHarness.coven)'><subject>Fire Burn and Cauldron Bubble!</subject></message>"
        harness.send(hag, subject)
        #expect(harness.seen(hag) == ["room error forbidden"])
        harness.send(crone, subject)
        #expect(harness.seen(hag) == ["firstwitch # Fire Burn and Cauldron Bubble!"])
        harness.configure { $0.flags.insert(.allowsSubject) }
        harness.send(hag, subject.replacing("Fire", with: "Water"))
        #expect(harness.seen(crone).last == "thirdwitch # Water Burn and Cauldron Bubble!")
        let wicca = harness.login("wiccarocks", "laptop")
        harness.enter(wicca, "secondwitch")
        #expect(harness.seen(wicca).last == "thirdwitch # Water Burn and Cauldron Bubble!")
        harness.policy.rooms.subjectBytes = 10
        harness.send(crone, subject)
        #expect(harness.seen(crone).last == "room error not-acceptable")
    }

    @Test("§7.8.2: an invitation goes through the room, makes a member where that is needed, and can be declined")
    func invitations() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let wicca = harness.login("wiccarocks", "laptop")
        let invitation = """
            <message to='\(SessionsHarness.coven)'><x xmlns='http://jabber.org/protocol/muc#user'>\
            <invite to='wiccarocks@pilsen.example'><reason>Hey Wicca, this is the place.</reason></invite></x></message>
            """
        harness.send(wicca, invitation)
        #expect(harness.seen(wicca) == ["room error not-acceptable"])
        harness.configure { $0.flags = [.isMembersOnly] }
        harness.send(hag, invitation)
        #expect(harness.seen(hag) == ["room error forbidden"])
        harness.send(crone, invitation)
        #expect(harness.seen(wicca) == ["room invite from crone1@pilsen.example"])
        harness.send(
            wicca,
            """
            <message to='\(SessionsHarness.coven)'><x xmlns='http://jabber.org/protocol/muc#user'>\
            <decline to='crone1@pilsen.example'><reason>Sorry.</reason></decline></x></message>
            """)
        #expect(harness.seen(crone) == ["room decline from wiccarocks@pilsen.example"])
        harness.enter(wicca, "secondwitch")
        #expect(harness.seen(wicca).contains("secondwitch member/participant wiccarocks@pilsen.example/laptop 110"))
    }

    @Test("§17.4: requests go from nickname to nickname; the room answers for itself, also who is in it (XEP-0410)")
    func requests() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let ping = "<ping xmlns='urn:xmpp:ping'/>"
        #expect(harness.ask(hag, "get", to: "\(SessionsHarness.coven)/thirdwitch", ping)["type"] == "result")
        harness.send(
            hag, "<iq type='get' id='v' to='\(SessionsHarness.coven)/firstwitch'><query xmlns='jabber:iq:version'/></iq>")
        let asked = try #require(harness.take(crone).first)
        #expect(asked["from"] == "\(SessionsHarness.coven)/thirdwitch")
        harness.send(
            crone,
            "<iq type='result' id='\(asked["id"] ?? "")' to='\(asked["from"] ?? "")'><query xmlns='jabber:iq:version'/></iq>")
        let answer = try #require(harness.take(hag).first)
        #expect(answer["id"] == "v" && answer["type"] == "result" && answer["from"] == "\(SessionsHarness.coven)/firstwitch")
        #expect(harness.ask(hag, "get", to: "\(SessionsHarness.coven)/nobody", ping).condition == "item-not-found")
        let wicca = harness.login("wiccarocks", "laptop")
        #expect(harness.ask(wicca, "get", to: "\(SessionsHarness.coven)/secondwitch", ping).condition == "not-acceptable")
        #expect(harness.ask(wicca, "get", to: SessionsHarness.coven, ping).condition == "not-acceptable")
    }

    @Test("§6: a host lists its public rooms, and a room says what it is")
    func discovery() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
        let host = harness.ask(crone, "get", to: SessionsHarness.roomHost, info).first("query", Namespaces.discoInfo)
        #expect(host?.all("identity", Namespaces.discoInfo).map { $0["category"] } == ["conference"])
        #expect(host?.all("feature", Namespaces.discoInfo).contains { $0["var"] == Namespaces.rooms } == true)
        func listed() -> [String?] {
            harness.ask(crone, "get", to: SessionsHarness.roomHost, items).first("query", Namespaces.discoItems)?
                .all("item", Namespaces.discoItems).map { $0["jid"] } ?? []
        }
        #expect(listed() == [SessionsHarness.coven])
        let room = harness.ask(crone, "get", to: SessionsHarness.coven, info).first("query", Namespaces.discoInfo)
        let features = room?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
        #expect(
            features.contains("muc_semianonymous") && features.contains("muc_open") && features.contains(Namespaces.archive))
        harness.configure { $0.flags.remove(.isPublic) }
        #expect(listed() == [])
        let here = harness.ask(crone, "get", to: SessionsHarness.coven, items).first("query", Namespaces.discoItems)
        #expect(here?.elements.map { $0["jid"] } == ["\(SessionsHarness.coven)/firstwitch"])
    }
}
