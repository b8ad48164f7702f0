import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// The use cases of owners, by the examples of XEP-0045 §10.
@Suite("XEP-0045 §10: owners of a room")
struct RoomOwnerTests {
    private static let owner = "xmlns='http://jabber.org/protocol/muc#owner'"

    private static func form(_ fields: [(String, String)]) -> String {
        let inner = fields.map { "<field var='\($0.0)'><value>\($0.1)</value></field>" }.joined()
        return
            "<query \(owner)><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\(inner)</x></query>"
    }

    @Test("§10.1.3: a reserved room is open to others when its form was submitted")
    func reserved() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.login("crone1", "desktop")
        harness.enter(crone, "firstwitch")
        _ = harness.take(crone)
        let answer = harness.ask(crone, "get", to: SessionsHarness.coven, "<query \(Self.owner)/>")
        let form = try #require(
            answer.first("query", Namespaces.roomOwner)?.first("x", Namespaces.dataForms).flatMap(DataForm.init))
        #expect(form.kind == .form && form.values("FORM_TYPE") == ["http://jabber.org/protocol/muc#roomconfig"])
        #expect(form.values("muc#roomconfig_publicroom") == ["1"] && form.values("muc#roomconfig_whois") == ["moderators"])
        let hag = harness.login("hag66", "pda")
        #expect(harness.ask(hag, "get", to: SessionsHarness.coven, "<query \(Self.owner)/>").condition == "forbidden")
        let submission = Self.form([
            ("muc#roomconfig_roomname", "A Dark Cave"), ("muc#roomconfig_roomdesc", "The place for all good witches!"),
            ("muc#roomconfig_passwordprotectedroom", "1"), ("muc#roomconfig_roomsecret", "cauldronburn"),
            ("muc#roomconfig_persistentroom", "1"), ("muc#roomconfig_maxusers", "10"), ("muc#roomconfig_allowpm", "moderators"),
            ("muc#roomconfig_whois", "anyone"), ("something#else", "x"),
        ])
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, submission)["type"] == "result")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag) == ["thirdwitch error not-authorized"])
        harness.enter(hag, "thirdwitch", "<password>cauldronburn</password>")
        #expect(harness.seen(hag).count == 3)
        let info = harness.ask(hag, "get", to: SessionsHarness.coven, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        let query = try #require(info.first("query", Namespaces.discoInfo))
        #expect(query.first("identity", Namespaces.discoInfo)?["name"] == "A Dark Cave")
        let features = query.all("feature", Namespaces.discoInfo).compactMap { $0["var"] }
        #expect(features.contains("muc_passwordprotected") && features.contains("muc_persistent"))
        #expect(features.contains("muc_nonanonymous"))
        // §10.2: it stays when everybody has gone.
        harness.send(hag, "<presence type='unavailable' to='\(SessionsHarness.coven)/thirdwitch'/>")
        harness.send(crone, "<presence type='unavailable' to='\(SessionsHarness.coven)/firstwitch'/>")
        _ = harness.take(hag)
        harness.enter(hag, "thirdwitch", "<password>cauldronburn</password>")
        #expect(harness.seen(hag).last == "room # ")
        #expect(harness.findings() == [])
    }

    @Test("§10.1.3: a room that is given up before it has begun is not there")
    func cancel() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.login("crone1", "desktop")
        harness.enter(crone, "firstwitch")
        _ = harness.take(crone)
        let cancel = "<query \(Self.owner)><x xmlns='jabber:x:data' type='cancel'/></query>"
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, cancel)["type"] == "result")
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag).first == "thirdwitch owner/moderator hag66@pilsen.example/pda 110,170,201")
        #expect(harness.findings() == [])
    }

    @Test("§10.2: what cannot be is refused, and nothing of it is taken")
    func refusals() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        func condition(_ fields: [(String, String)]) -> String? {
            harness.ask(crone, "set", to: SessionsHarness.coven, Self.form(fields)).condition
        }
        #expect(condition([("muc#roomconfig_passwordprotectedroom", "1")]) == "not-acceptable")
        #expect(condition([("muc#roomconfig_publicroom", "perhaps")]) == "not-acceptable")
        #expect(condition([("muc#roomconfig_whois", "moderator")]) == "not-acceptable")
        #expect(condition([("muc#roomconfig_roomname", String(repeating: "n", count: 257))]) == "not-acceptable")
        #expect(condition([("muc#roomconfig_roomname", "x"), ("muc#roomconfig_maxusers", "-1")]) == "not-acceptable")
        #expect(condition((0..<200).map { ("f\($0)", "1") }) == "not-acceptable")
        let other =
            "<query \(Self.owner)><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>other</value></field></x></query>"
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, other).condition == "bad-request")
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, "<query \(Self.owner)/>").condition == "bad-request")
        let info = harness.ask(
            crone, "get", to: SessionsHarness.coven, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        let identity = info.first("query", Namespaces.discoInfo)?.first("identity", Namespaces.discoInfo)
        #expect(identity?["name"] == "coven")
    }

    @Test("§10.2.1: everybody in the room hears what has changed, by its codes, and nobody hears of nothing")
    func announcements() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        func codes(_ fields: [(String, String)]) -> [String] {
            #expect(harness.ask(crone, "set", to: SessionsHarness.coven, Self.form(fields))["type"] == "result")
            return harness.take(hag).flatMap {
                $0.first("x", Namespaces.roomUser)?.all("status", Namespaces.roomUser).compactMap { $0["code"] } ?? []
            }
        }
        #expect(codes([("muc#roomconfig_enablearchiving", "0")]) == ["171"])
        #expect(codes([("mam", "1")]) == ["170"])
        #expect(codes([("muc#roomconfig_whois", "anyone")]) == ["172"])
        #expect(codes([("muc#roomconfig_whois", "moderators"), ("muc#roomconfig_lang", "cs")]) == ["173", "104"])
        #expect(codes([("muc#roomconfig_lang", "cs")]) == [])
    }

    @Test("§10.2: who is no member does not stay in a room that is for members only now, with status 322")
    func membersOnly() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.affiliate("wiccarocks@pilsen.example", .member)
        let wicca = harness.guest("wiccarocks", "secondwitch")
        let hag = harness.guest("hag66", "thirdwitch")
        _ = (harness.take(crone), harness.take(wicca))
        #expect(
            harness.ask(crone, "set", to: SessionsHarness.coven, Self.form([("muc#roomconfig_membersonly", "1")]))["type"]
                == "result")
        #expect(harness.seen(hag) == ["thirdwitch gone none/none hag66@pilsen.example/pda 110,322"])
        #expect(harness.seen(wicca) == ["thirdwitch gone none/none 322", "room x"])
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag) == ["thirdwitch error registration-required"])
    }

    @Test("§10.9: who is in a room that is destroyed hears why and where to go, and the room is not there any more")
    func destroy() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.configure { $0.flags.insert(.isPersistent) }
        harness.affiliate("wiccarocks@pilsen.example", .member)
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let wish =
            "<query \(Self.owner)><destroy jid='darkcave@rooms.pilsen.example'><reason>Macbeth doth come.</reason><password>x</password></destroy></query>"
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, wish).condition == "forbidden")
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, wish)["type"] == "result")
        let told = try #require(harness.take(hag).last)
        let x = try #require(told.first("x", Namespaces.roomUser))
        #expect(told["type"] == "unavailable" && x.first("item", Namespaces.roomUser)?["affiliation"] == "none")
        let destroyed = try #require(x.first("destroy", Namespaces.roomUser))
        #expect(destroyed["jid"] == "darkcave@rooms.pilsen.example")
        #expect(destroyed.first("reason", Namespaces.roomUser)?.text == "Macbeth doth come.")
        #expect(destroyed.first("password", Namespaces.roomUser)?.text == "x")
        harness.pass(50)
        #expect(harness.findings() == [])
        harness.say(hag, "hello?")
        #expect(harness.seen(hag) == ["room error item-not-found"])
        // A new room of that name is another: nobody is a member of it.
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag).first?.hasSuffix("110,170,201") == true)
    }

    @Test("§10.9: words that are too long, and an address that is none, destroy nothing")
    func destroyRefused() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let long = String(repeating: "r", count: 1025)
        let wish = "<query \(Self.owner)><destroy><reason>\(long)</reason></destroy></query>"
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, wish).condition == "not-acceptable")
        let nowhere = "<query \(Self.owner)><destroy jid='@nowhere'/></query>"
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, nowhere).condition == "jid-malformed")
        harness.say(crone, "still here")
        #expect(harness.seen(crone) == ["firstwitch: still here"])
    }

    @Test("XEP-0486: the owner sets the picture of a room, everybody reads it, and it goes with the room")
    func avatar() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let vCard = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0K</BINVAL></PHOTO></vCard>"
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, vCard).condition == "forbidden")
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, vCard)["type"] == "result")
        #expect(harness.seen(hag) == ["room x"])
        let read = harness.ask(hag, "get", to: SessionsHarness.coven, "<vCard xmlns='vcard-temp'/>")
        let photo = read.first("vCard", Namespaces.vCardTemp)?.first("PHOTO", Namespaces.vCardTemp)
        #expect(photo?.first("BINVAL", Namespaces.vCardTemp)?.text == "iVBORw0K")
        let info = harness.ask(hag, "get", to: SessionsHarness.coven, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        let form = info.first("query", Namespaces.discoInfo)?.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        #expect(form?.values("muc#roominfo_avatarhash").first?.count == 40)
        let bad = "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>?</BINVAL></PHOTO></vCard>"
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, bad).condition == "bad-request")
        let long = "<vCard xmlns='vcard-temp'><NOTE>\(String(repeating: "n", count: 100_000))</NOTE></vCard>"
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, long).condition == "not-acceptable")
        #expect(harness.findings() == [])
        #expect(harness.ask(crone, "set", to: SessionsHarness.coven, "<vCard xmlns='vcard-temp'/>")["type"] == "result")
        let none = harness.ask(hag, "get", to: SessionsHarness.coven, "<vCard xmlns='vcard-temp'/>")
        #expect(none.first("vCard", Namespaces.vCardTemp)?.children.isEmpty == true)
    }
}
