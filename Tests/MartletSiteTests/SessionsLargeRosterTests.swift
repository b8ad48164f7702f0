import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

/// What is as large as a roster is done in slices, and in order all the same.
@Suite struct SessionsLargeRosterTests {
    typealias Harness = SessionsHarness

    /// Rows that a slice may touch.
    private static let rowsPerTurn = 2048

    private static func contacts(_ count: Int) -> [String] { (0..<count).map { "contact\($0)@brno.example" } }

    private static func items(_ element: Element?) -> [Element] { element?.first("query", Namespaces.roster)?.elements ?? [] }

    private static let get = "<iq type='get' id='get'><query xmlns='jabber:iq:roster'/></iq>"
    private static let ping = "<iq type='get' id='ping' to='pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>"

    private static func change(_ contact: String, _ name: String) -> String {
        "<iq type='set' id='set'><query xmlns='jabber:iq:roster'><item jid='\(contact)' name='\(name)'/></query></iq>"
    }

    @Test("RFC 6120 §10.1: a roster of thousands is answered in slices, and what was asked behind it is answered behind it")
    func slices() {
        var harness = Harness()
        harness.policy.limits.rosterItems = 10_000
        harness.subscribe("romeo", to: Self.contacts(3000))
        let romeo = harness.bind("romeo", "orchard")
        harness.longestBatch = 0
        harness.send(romeo, Self.get + Self.ping)
        #expect(harness.take(romeo).isEmpty)
        #expect(harness.commands[romeo.connection]?.last == .hold)
        harness.pass(1000)
        let answers = harness.take(romeo)
        #expect(answers.map { $0["id"] } == ["get", "ping"])
        #expect(Self.items(answers.first).map { $0["jid"] } == Self.contacts(3000))
        #expect(harness.commands[romeo.connection]?.last == .goOn)
        #expect(harness.longestBatch < Self.rowsPerTurn)
    }

    @Test("RFC 6121 §2.1.6: what changes while a roster is put together comes as a push behind it")
    func pushes() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let (orchard, garden) = (harness.bind("romeo", "orchard"), harness.bind("romeo", "garden"))
        harness.send(orchard, Self.get)
        harness.send(garden, Self.change("contact3@brno.example", "three"))
        harness.send(garden, Self.change("contact900@brno.example", "nine"))
        harness.send(
            garden,
            "<iq type='set' id='x'><query xmlns='jabber:iq:roster'><item jid='contact5@brno.example' subscription='remove'/></query></iq>"
        )
        #expect(harness.take(orchard).isEmpty)
        harness.pass(1000)
        let got = harness.take(orchard)
        #expect(got.map { $0["type"] } == ["result", "set", "set", "set"])
        let pushed = got.dropFirst().flatMap { Self.items($0) }
        #expect(pushed.map { $0["name"] } == ["three", "nine", nil])
        #expect(pushed.last?["subscription"] == "remove")
        // With the last push the client has the version of the store.
        let version = got.last?.first("query", Namespaces.roster)?["ver"] ?? ""
        harness.send(orchard, "<iq type='get' id='get'><query xmlns='jabber:iq:roster' ver='\(version)'/></iq>")
        #expect(Self.items(harness.take(orchard).first).isEmpty)
    }

    @Test("a roster that changes as fast as it is read is read anew, and is right in the end")
    func manyChanges() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(600))
        let (orchard, garden) = (harness.bind("romeo", "orchard"), harness.bind("romeo", "garden"))
        harness.send(orchard, Self.get)
        for number in 0..<200 { harness.send(garden, Self.change("contact\(number)@brno.example", "n\(number)")) }
        harness.pass(1000)
        let got = harness.take(orchard)
        var names: [String: String] = [:]
        for element in got { for item in Self.items(element) { names[item["jid"] ?? ""] = item["name"] ?? "" } }
        for number in 0..<200 { #expect(names["contact\(number)@brno.example"] == "n\(number)") }
        #expect(names.count == 600)
    }

    @Test("a large roster that was not read is not sent again", arguments: [true, false])
    func unread(isManaged: Bool) {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1500))
        let romeo = harness.bind("romeo", "orchard")
        if isManaged { _ = harness.enable(romeo) }
        harness.send(romeo, Self.get)
        harness.pass(500)
        let first = harness.takeAll(romeo)
        #expect(first.contains { Self.items($0).count == 1500 })
        harness.send(romeo, Self.get)
        harness.pass(500)
        #expect(harness.take(romeo).compactMap(\.condition) == ["resource-constraint"])
        if isManaged {
            harness.acknowledge(romeo, 2)
        } else {
            let ping = first.first { $0.first("ping", Namespaces.ping) != nil }
            harness.send(romeo, "<iq type='result' id='\(ping?["id"] ?? "")' to='pilsen.example'/>")
        }
        harness.send(romeo, Self.get)
        harness.pass(500)
        #expect(harness.take(romeo).contains { Self.items($0).count == 1500 })
    }

    @Test("a client that goes while its roster is put together has said what it said")
    func leaves() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let romeo = harness.bind("romeo", "orchard")
        let juliet = harness.login("juliet", "balcony")
        harness.send(romeo, Self.get + chat("juliet@pilsen.example", "farewell"))
        #expect(harness.takeBodies(juliet) == [])
        harness.lose(romeo)
        harness.pass(500)
        #expect(harness.takeBodies(juliet) == ["farewell"])
        #expect(harness.sessions.sessionCount == 1)
    }

    @Test("XEP-0198 §4: what was held when a resumable session lost its connection was not counted, and is said again")
    func leavesResumable() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        var romeo = harness.bind("romeo", "orchard")
        romeo.token = harness.enable(romeo)
        let juliet = harness.login("juliet", "balcony")
        harness.send(romeo, Self.get + chat("juliet@pilsen.example", "farewell"))
        harness.lose(romeo)
        harness.pass(500)
        #expect(harness.takeBodies(juliet) == [])
        romeo = harness.resume(romeo, h: 0)
        #expect(harness.take(romeo).first { $0.name == "resumed" }?["h"] == "1")
        harness.send(romeo, chat("juliet@pilsen.example", "farewell"))
        #expect(harness.takeBodies(juliet) == ["farewell"])
    }

    @Test("RFC 6120 §10.1: presence to thousands goes in slices, and a message to the last of them does not overtake it")
    func presence() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(2000))
        let romeo = harness.bind("romeo", "orchard")
        harness.longestBatch = 0
        harness.largestBatch = 0
        harness.send(romeo, "<presence/>" + chat("contact1999@brno.example", "hello"))
        harness.pass(1000)
        #expect(harness.longestBatch < Self.rowsPerTurn)
        // Presence and a probe for each.
        #expect(harness.largestBatch <= 2 * SessionLimits.presenceSlice)
        let toLast = harness.takeRemote().filter { $0.to?.localpart == "contact1999" }
        #expect(toLast.map(\.kind) == [.presence, .presence, .message])
        #expect(toLast.map(\.type) == [nil, "probe", "chat"])
        harness.send(romeo, "<presence type='unavailable'/>")
        harness.pass(1000)
        #expect(Set(harness.takeRemote().map { $0.to?.localpart ?? "" }).count == 2000)
        #expect(harness.closed.isEmpty)
    }

    @Test("presence of several sessions of an account reaches each contact in its order, also of one that has ended")
    func successors() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let first = harness.bind("romeo", "orchard")
        harness.send(first, "<presence/>")
        harness.lose(first)
        let second = harness.bind("romeo", "orchard")
        harness.send(second, "<presence><show>dnd</show></presence>")
        harness.pass(2000)
        let toLast = harness.takeRemote().filter { $0.to?.localpart == "contact999" && $0.type != "probe" }
        #expect(toLast.map(\.type) == [nil, "unavailable", nil])
        #expect(toLast.last?.payload("show", Namespaces.client)?.text == "dnd")
    }

    @Test("RFC 6121 §4.5.2: whoever was not told of the end of a session when the server died hears it from the next process")
    func crashMeanwhile() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let romeo = harness.bind("romeo", "orchard")
        harness.send(romeo, "<presence/>")
        harness.pass(1000)
        _ = harness.takeRemote()
        harness.lose(romeo)
        harness.flush()
        let told = harness.takeRemote().count
        #expect(told < 1000)
        harness.crash()
        harness.pass(1000)
        let later = harness.takeRemote().filter { $0.type == "unavailable" }
        #expect(Set(later.map { $0.to?.localpart ?? "" }).count == 1000)
        harness.crash()
        harness.pass(1000)
        #expect(harness.takeRemote().filter { $0.type == "unavailable" }.isEmpty)
    }

    @Test("who comes and goes faster than contacts can be told waits")
    func comesAndGoes() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        var refused = 0
        for number in 0..<100 {
            let romeo = harness.bind("romeo", "r\(number)")
            if romeo.jid.isBare { refused += 1 }
            harness.send(romeo, "<presence/>")
            harness.lose(romeo)
        }
        #expect(refused > 0)
        #expect(harness.sessions.jobs.count(of: harness.number("romeo")) <= SessionLimits.jobsPerAccount + 2)
        harness.pass(5000)
        #expect(!harness.bind("romeo", "again").jid.isBare)
    }

    @Test("a server that stops tells all contacts of its clients first")
    func shutdown() {
        var harness = Harness()
        harness.subscribe("romeo", to: Self.contacts(1000))
        let romeo = harness.bind("romeo", "orchard")
        harness.send(romeo, "<presence/>")
        harness.pass(1000)
        _ = harness.takeRemote()
        harness.handle(.shutdownRequested)
        #expect(!harness.isShutDown)
        harness.pass(1000)
        #expect(harness.isShutDown)
        #expect(harness.takeRemote().count { $0.type == "unavailable" } == 1000)
    }

    @Test("RFC 6121 §2.3.3: a roster has an end in bytes, and whoever reaches it is told in words")
    func size() {
        var harness = Harness()
        harness.policy.limits.rosterBytes = 4000
        let romeo = harness.bind("romeo", "orchard")
        var errors: [Element] = []
        for number in 0..<50 {
            harness.send(romeo, Self.change("contact\(number)@brno.example", String(repeating: "n", count: 100)))
            errors += harness.take(romeo).filter { $0["type"] == "error" }
        }
        #expect(errors.count > 20 && errors.count < 40)
        #expect(Set(errors.map(\.condition)) == ["resource-constraint"])
        #expect(errors.first?.first("error", Namespaces.client)?.elements.contains { $0.text.contains("full") } == true)
        harness.send(romeo, "<presence type='subscribe' to='\(String(repeating: "x", count: 900))@brno.example'/>")
        #expect(harness.take(romeo).map(\.condition) == ["resource-constraint"])
        // What has less may change, and what goes makes room.
        harness.send(romeo, Self.change("contact0@brno.example", "short"))
        #expect(harness.take(romeo).map(\.condition) == [nil])
        harness.send(romeo, Self.get)
        let size =
            harness.take(romeo).first?.first("query", Namespaces.roster)?.serialized(within: Namespaces.client).count ?? 0
        #expect(size < 4200)
    }
}
