import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// Registration, voice requests and moderated retraction: XEP-0045 §7.10 to §7.13, §8.6, §9.9 and XEP-0425.
@Suite("XEP-0045 §7.10, §7.13: registration and requests")
struct RoomRegistrationTests {
    private static let register = "<query xmlns='jabber:iq:register'/>"

    private static func form(_ nick: String) -> String {
        "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field><field var='muc#register_roomnick'><value>\(nick)</value></field></x></query>"
    }

    @Test("§7.10, §7.12: who registers is a member, and the nickname is his and nobody else's")
    func register() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.login("hag66", "pda")
        let asked = harness.ask(hag, "get", to: SessionsHarness.coven, Self.register)
        let form = asked.first("query", Namespaces.register)?.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        #expect(form?.fields.map(\.name) == ["FORM_TYPE", "muc#register_roomnick"])
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.register).condition == "bad-request")
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.form("firstwitch")).condition == "conflict")
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.form("thirdwitch"))["type"] == "result")
        let again = harness.ask(hag, "get", to: SessionsHarness.coven, Self.register).first("query", Namespaces.register)
        #expect(again?.first("registered", Namespaces.register) != nil)
        #expect(again?.first("username", Namespaces.register)?.text == "thirdwitch")
        let own = harness.ask(
            hag, "get", to: SessionsHarness.coven,
            "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>")
        #expect(own.first("query", Namespaces.discoInfo)?.first("identity", Namespaces.discoInfo)?["name"] == "thirdwitch")
        let wicca = harness.login("wiccarocks", "laptop")
        harness.enter(wicca, "thirdwitch")
        #expect(harness.seen(wicca) == ["thirdwitch error conflict"])
        #expect(harness.ask(wicca, "set", to: SessionsHarness.coven, Self.form("thirdwitch")).condition == "conflict")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag).contains("thirdwitch member/participant hag66@pilsen.example/pda 110,170"))
        let remove = "<query xmlns='jabber:iq:register'><remove/></query>"
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, remove)["type"] == "result")
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, remove).condition == "registration-required")
        #expect(harness.findings() == [])
        _ = crone
    }

    @Test("§7.10: who is banned may not register, and nobody where it is switched off, nor in a room that is not there")
    func refusals() {
        var harness = SessionsHarness.withRooms()
        _ = harness.makeRoom()
        let hag = harness.login("hag66", "pda")
        #expect(harness.ask(hag, "get", to: "none@rooms.pilsen.example", Self.register).condition == "item-not-found")
        harness.affiliate("hag66@pilsen.example", .outcast)
        #expect(harness.ask(hag, "get", to: SessionsHarness.coven, Self.register).condition == "not-allowed")
        harness.affiliate("hag66@pilsen.example", .none)
        harness.configure { $0.flags.remove(.takesRegistrations) }
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.form("thirdwitch")).condition == "not-allowed")
    }

    @Test("§9.9: where only members enter, an admin decides who becomes one")
    func approval() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.configure { $0.flags.insert(.isMembersOnly) }
        let hag = harness.login("hag66", "pda")
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.form("thirdwitch"))["type"] == "result")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag) == ["thirdwitch error registration-required"])
        var form = try #require(
            harness.take(crone).compactMap { $0.first("x", Namespaces.dataForms) }.first.flatMap(DataForm.init))
        #expect(form.values("muc#register_jid") == ["hag66@pilsen.example"])
        form.kind = .submit
        for index in form.fields.indices where form.fields[index].name == "muc#register_allow" {
            form.fields[index].values = ["1"]
        }
        let xml = String(decoding: form.element.serialized(within: "jabber:client"), as: UTF8.self)
        harness.send(hag, "<message to='\(SessionsHarness.coven)'>\(xml)</message>")
        #expect(harness.seen(hag) == ["room error not-acceptable"])
        harness.send(crone, "<message to='\(SessionsHarness.coven)'>\(xml)</message>")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag).contains("thirdwitch member/participant hag66@pilsen.example/pda 110,170"))
    }

    @Test("§7.13, §8.6: a visitor asks for voice, the moderators are asked, and one of them decides")
    func voice() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.configure { $0.flags.insert(.isModerated) }
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        let request =
            "<message to='\(SessionsHarness.coven)'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field><field var='muc#role'><value>participant</value></field></x></message>"
        harness.send(hag, request)
        var form = try #require(
            harness.take(crone).compactMap { $0.first("x", Namespaces.dataForms) }.first.flatMap(DataForm.init))
        #expect(form.values("muc#roomnick") == ["thirdwitch"] && form.values("muc#jid") == ["hag66@pilsen.example/pda"])
        form.kind = .submit
        for index in form.fields.indices where form.fields[index].name == "muc#request_allow" {
            form.fields[index].values = ["true"]
        }
        let xml = String(decoding: form.element.serialized(within: "jabber:client"), as: UTF8.self)
        harness.send(hag, "<message to='\(SessionsHarness.coven)'>\(xml)</message>")
        _ = harness.take(hag)
        harness.send(crone, "<message to='\(SessionsHarness.coven)'>\(xml)</message>")
        #expect(harness.seen(hag) == ["thirdwitch none/participant hag66@pilsen.example/pda 110"])
        harness.send(hag, request)
        #expect(harness.seen(hag) == ["room error not-allowed"])
        harness.configure { $0.flags.remove(.takesVoiceRequests) }
        harness.send(hag, request)
        #expect(harness.seen(hag) == ["room error forbidden"])
    }

    @Test("XEP-0425: a moderator takes back what somebody has said; who enters afterwards is not shown it")
    func moderation() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        harness.say(hag, "DM me for free magic potions!")
        harness.say(hag, "or not")
        let heard = harness.take(crone)
        let id = try #require(heard.first?.first("stanza-id", Namespaces.stanzaID)?["id"])
        func moderate(_ client: SessionsHarness.Client, _ id: String, _ reason: String = "spam") -> String {
            let answer = harness.ask(
                client, "set", to: SessionsHarness.coven,
                "<moderate id='\(id)' xmlns='urn:xmpp:message-moderate:1'><retract xmlns='urn:xmpp:message-retract:1'/><reason>\(reason)</reason></moderate>"
            )
            return answer.condition ?? answer["type"] ?? ""
        }
        _ = harness.take(hag)
        #expect(moderate(hag, id) == "forbidden")
        #expect(moderate(crone, "nothing") == "item-not-found")
        #expect(moderate(crone, id, String(repeating: "r", count: 1025)) == "not-acceptable")
        #expect(moderate(crone, id) == "result")
        let told = try #require(harness.take(hag).first { $0.first("retract", Namespaces.retraction) != nil })
        #expect(told["from"] == SessionsHarness.coven && told["type"] == "groupchat")
        let retraction = try #require(told.first("retract", Namespaces.retraction))
        #expect(retraction["id"] == id && retraction.first("reason", Namespaces.retraction)?.text == "spam")
        let moderated = try #require(retraction.first("moderated", Namespaces.moderation))
        #expect(moderated["by"] == "\(SessionsHarness.coven)/firstwitch")
        #expect(moderated.first("occupant-id", Namespaces.occupantID)?["id"]?.isEmpty == false)
        #expect(told.first("stanza-id", Namespaces.stanzaID) != nil)
        let wicca = harness.login("wiccarocks", "laptop")
        harness.enter(wicca, "secondwitch")
        #expect(harness.seen(wicca).filter { $0.contains("late") } == ["thirdwitch late: or not"])
    }
}
