import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// The archive of a room.
@Suite("XEP-0313: archives of rooms")
struct RoomArchiveTests {
    private static let query = "<query xmlns='urn:xmpp:mam:2' queryid='q'/>"

    private func bodies(_ stanzas: [Element]) -> [String] {
        stanzas.compactMap {
            $0.first("result", Namespaces.archive)?.first("forwarded", "urn:xmpp:forward:0")?.first(
                "message", Namespaces.client
            )
            .map { "\($0["from"] ?? ""): \($0.first("body", Namespaces.client)?.text ?? "")" }
        }
    }

    @Test("XEP-0313: whoever may enter a room reads its archive, here and from another server")
    func reading() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        for number in 1...3 { harness.say(crone, "verse \(number)") }
        let all = (1...3).map { "\(SessionsHarness.coven)/firstwitch: verse \($0)" }
        let hag = harness.login("hag66", "pda")
        harness.send(hag, "<iq type='set' id='a' to='\(SessionsHarness.coven)'>\(Self.query)</iq>")
        harness.pass(50)
        let found = harness.take(hag)
        #expect(bodies(found) == all)
        #expect(found.last?.first("fin", Namespaces.archive)?["complete"] == "true")
        #expect(found.allSatisfy { $0["from"] == SessionsHarness.coven })
        harness.receive("<iq type='set' id='b' from='bob@brno.example/r' to='\(SessionsHarness.coven)'>\(Self.query)</iq>")
        harness.pass(50)
        let elsewhere = harness.takeRemote().flatMap { ContentReader.elements(in: $0.serialized()) }
        #expect(bodies(elsewhere) == all && elsewhere.last?["type"] == "result")
        harness.configure { $0.flags.insert(.isMembersOnly) }
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.query).condition == "forbidden")
        harness.affiliate("hag66@pilsen.example", .member)
        harness.send(hag, "<iq type='set' id='c' to='\(SessionsHarness.coven)'>\(Self.query)</iq>")
        harness.pass(50)
        #expect(bodies(harness.take(hag)) == all)
        harness.affiliate("hag66@pilsen.example", .outcast)
        harness.configure { $0.flags.remove(.isMembersOnly) }
        #expect(harness.ask(hag, "set", to: SessionsHarness.coven, Self.query).condition == "forbidden")
    }

    @Test("what one occupant has said is found by his nickname; what is not to be kept, and a subject, are no history")
    func with() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let hag = harness.guest("hag66", "thirdwitch")
        harness.say(crone, "one")
        harness.say(hag, "two")
        harness.send(
            hag,
            "<message type='groupchat' to='\(SessionsHarness.coven)'><body>off</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>"
        )
        harness.send(crone, "<message type='groupchat' to='\(SessionsHarness.coven)'><subject>S</subject></message>")
        _ = harness.take(hag)
        let field = "<field var='with'><value>\(SessionsHarness.coven)/thirdwitch</value></field>"
        let form =
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>\(field)</x>"
        harness.send(
            hag, "<iq type='set' id='a' to='\(SessionsHarness.coven)'><query xmlns='urn:xmpp:mam:2'>\(form)</query></iq>")
        harness.pass(50)
        #expect(bodies(harness.take(hag)) == ["\(SessionsHarness.coven)/thirdwitch: two"])
    }

    @Test("a room that is gone takes its archive with it: the next one of its name has nothing of it")
    func removal() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.say(crone, "secret")
        harness.logout(crone)
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag) == ["thirdwitch owner/moderator hag66@pilsen.example/pda 110,170,201", "room # "])
        harness.pass(5000)
        #expect(harness.findings() == [])
    }
}
