import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

@Suite("XEP-0133: announcements and the message of the day")
struct AnnouncementTests {
    private static let admin = AdministrationTests.admin

    @discardableResult
    private func say(
        _ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ name: String, _ words: [String],
        _ more: [(String, [String])] = [], field: String = "announcement"
    ) -> Element? {
        harness.execute(client, Self.admin + name, session: "s", [(field, words)] + more)
    }

    @Test("§4.23: who is online is told, in all lines that were written; who is away is not")
    func online() {
        var (harness, bard) = AdministrationTests.site()
        let juliet = harness.login("juliet", "balcony")
        let answer = say(&harness, bard, "announce", ["The server stops at 18:00.", "Save your work."])
        #expect(answer?.command?["status"] == "completed")
        harness.pass(1000)
        let told = harness.take(juliet).first { $0.name == "message" }
        #expect(told?.body == "The server stops at 18:00.\nSave your work.")
        #expect(told?["from"] == "pilsen.example" && told?["type"] == "headline")
        #expect(harness.takeBodies(bard).count == 1)
        #expect(harness.waiting("romeo") == 0)
        #expect(harness.takeBodies(harness.login2("romeo", "r")).isEmpty)
    }

    @Test("everybody is told once, in slices, also when the server dies in between; who is away finds it in the mailbox")
    func everybody() {
        let users = ["bard"] + (0..<300).map { "u\($0)" }
        var (harness, bard) = AdministrationTests.site(users: users)
        say(&harness, bard, "announce-all", ["Closed on Friday"])
        harness.longestBatch = 0
        harness.pass(50)
        let told = users.count { harness.waiting($0) == 1 }
        #expect(told > 0 && told < users.count)
        harness.crash()
        harness.pass(5000)
        for user in users.dropFirst() { #expect(harness.waiting(user) == 1, "\(user)") }
        #expect(harness.longestBatch < 2000)
        #expect(harness.takeBodies(harness.login2("u299", "r")) == ["Closed on Friday"])
        #expect(harness.read { AnnouncementTable.all(in: $0).isEmpty })
    }

    @Test("announcements under way are bounded; where the disk is nearly full none begins, and one that began waits")
    func bounds() {
        var (harness, bard) = AdministrationTests.site()
        var refused = 0
        for number in 0..<20 {
            if say(&harness, bard, "announce-all", ["\(number)"])?.condition == "resource-constraint" { refused += 1 }
        }
        #expect(refused > 0 && refused <= 4)
        harness.room = .reserve
        #expect(say(&harness, bard, "announce-all", ["x"])?.condition == "resource-constraint")
        harness.pass(5000)
        let before = harness.waiting("romeo")
        harness.room = .ample
        harness.pass(30_000)
        #expect(harness.waiting("romeo") == 20 - refused && before < 20 - refused)
    }

    @Test(
        "another office: it goes there like a message, is told there to everybody, and what does not arrive is said to whoever has announced it"
    )
    func offices() throws {
        var (harness, bard) = AdministrationTests.site()
        let form = harness.execute(bard, Self.admin + "announce-office")
        let field = form?.command?.first("x", Namespaces.dataForms).flatMap(DataForm.init)?.fields.first { $0.name == "office" }
        #expect(field?.options.map(\.value) == ["brno.example"])
        #expect(
            say(&harness, bard, "announce-office", ["x"], [("office", ["elsewhere.example"])])?.elements.last?.elements.last?
                .name == "bad-payload")
        #expect(
            say(&harness, bard, "announce-office", ["Line down at 8"], [("office", ["brno.example"])])?.command?["status"]
                == "completed")
        let sent = try #require(harness.takeRemote().last)
        #expect(sent.to?.description == "brno.example" && sent.from?.description == "pilsen.example" && sent.isDurableMessage)

        // As the other office gets it.
        var there = SessionsHarness(users: ["eva", "jan"])
        there.policy.federation.knownPeers = [
            JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)
        ]
        let eva = there.login("eva", "desk")
        let announcement = try #require(sent.payload("announcement", Namespaces.announcement))
        let inside = String(decoding: announcement.serialized(within: Namespaces.client), as: UTF8.self)
        func arrive(_ from: String, _ words: String = "Line down at 8") {
            there.receive(
                "<message type='normal' id='\(sent.id ?? "")' from='\(from)' to='pilsen.example'>\(inside)<body>\(words)</body></message>"
            )
            there.pass(1000)
        }
        arrive("brno.example")
        let told = there.take(eva).filter { $0.name == "message" }
        #expect(told.map(\.body) == ["Line down at 8"] && told.first?["from"] == "brno.example")
        #expect(there.waiting("jan") == 1)
        // Nobody else there, nor any other server, has everybody told anything.
        for from in ["bob@brno.example/x", "elsewhere.example", "brno.example/x"] {
            arrive(from)
            #expect(there.takeBodies(eva).isEmpty && there.waiting("jan") == 1, "\(from)")
            #expect(there.takeRemote().map(\.type) == ["error"])
        }
        there.policy.admin.takesAnnouncements = false
        arrive("brno.example")
        #expect(there.takeRemote().map(\.type) == ["error"] && there.waiting("jan") == 1)
        // What comes back.
        harness.receive(
            "<message type='error' id='\(sent.id ?? "")' from='brno.example' to='pilsen.example'><error type='wait'><remote-server-timeout xmlns='\(Namespaces.stanzaErrors)'/><text xmlns='\(Namespaces.stanzaErrors)'>no line</text></error></message>"
        )
        #expect(harness.takeBodies(bard) == ["What you announced at brno.example was not told to anybody there: no line"])
    }

    @Test(
        "§4.24 to §4.26: the message of the day is shown to each account once, until it is another or gone; an edited one to who has not seen it"
    )
    func messageOfTheDay() {
        var (harness, bard) = AdministrationTests.site()
        let balcony = harness.login("juliet", "balcony")
        #expect(harness.execute(bard, Self.admin + "delete-motd")?.condition == "item-not-found")
        #expect(say(&harness, bard, "set-motd", ["Good morning"], field: "motd")?.command?["status"] == "completed")
        harness.pass(1000)
        #expect(harness.takeBodies(balcony) == ["Good morning"])
        #expect(harness.takeBodies(harness.login2("juliet", "chamber")).isEmpty)
        let edit = harness.execute(bard, Self.admin + "edit-motd")
        #expect(edit?.values("motd") == ["Good morning"])
        say(&harness, bard, "edit-motd", ["Good day", "to all"], field: "motd")
        harness.pass(1000)
        #expect(harness.takeBodies(balcony).isEmpty)
        func ready(_ user: String, _ resource: String) -> [String] {
            let client = harness.bind(user, resource)
            harness.send(client, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
            return harness.takeBodies(client)
        }
        #expect(ready("romeo", "a") == ["Good day\nto all"])
        #expect(ready("romeo", "b").isEmpty)
        harness.commit()
        harness.crash()
        #expect(ready("romeo", "c").isEmpty)
        bard = harness.login("bard", "globe")
        say(&harness, bard, "set-motd", ["New"], field: "motd")
        harness.pass(1000)
        #expect(ready("juliet", "d") == ["New"])
        #expect(harness.execute(bard, Self.admin + "delete-motd")?.command?["status"] == "completed")
        #expect(!harness.site.administration.hasDayMessage)
        _ = harness.order(bard, "delete-user", ["juliet@pilsen.example", "romeo@pilsen.example"])
        harness.pass(1000)
        let juliet = harness.number("juliet")
        #expect(harness.read { DayMessageTable.shown(juliet, in: $0) } == nil)
    }
}
