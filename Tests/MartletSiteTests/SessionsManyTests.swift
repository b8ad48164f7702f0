import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

/// What somebody outside can make long is done in slices. That no turn is longer than it may be is checked by the harness.
@Suite struct SessionsManyTests {
    typealias Harness = SessionsHarness

    @Test(
        "XEP-0077 §3.2: an account with thousands of contacts, requests and messages goes in slices; everybody is told, and nobody gets its name before"
    )
    func removal() {
        var harness = Harness()
        harness.policy.limits.mailboxMessages = 5000
        harness.policy.limits.rosterItems = 5000
        harness.subscribe("juliet", to: (0..<2000).map { "contact\($0)@brno.example" })
        for number in 0..<500 {
            harness.receive("<presence type='subscribe' from='stranger\(number)@brno.example' to='juliet@pilsen.example'/>")
        }
        for number in 0..<1500 {
            harness.receive(
                "<message from='writer\(number)@brno.example' to='juliet@pilsen.example' type='chat'><body>\(number)</body></message>"
            )
        }
        let juliet = harness.bind("juliet", "balcony")
        harness.send(juliet, "<presence><priority>-1</priority></presence>")
        harness.pass(1000)
        _ = harness.takeRemote()
        harness.longestBatch = 0
        _ = harness.command(.accounts(.remove(Harness.account("juliet"))))
        #expect(harness.closed[juliet.connection] != nil)
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        let add = Command.accounts(.add(Harness.account("juliet"), PasswordKeys(sha1: keys, sha256: keys)))
        guard case .refused = harness.command(add) else {
            Issue.record("the name is free too early")
            return
        }
        harness.pass(200)
        // The process dies meanwhile, and the next one goes on.
        harness.flush()
        harness.crash()
        harness.pass(5000)
        let told = harness.takeRemote()
        #expect(Set(told.filter { $0.type == "unsubscribe" }.map { $0.to?.localpart ?? "" }).count == 2000)
        #expect(Set(told.filter { $0.type == "unsubscribed" }.map { $0.to?.localpart ?? "" }).count == 2500)
        #expect(Set(told.filter { $0.kind == .message && $0.isError }.map { $0.to?.localpart ?? "" }).count == 1500)
        #expect(harness.longestBatch < 2560)
        for table in [Table.roster, .rosterVersion, .pendingSubscription, .mailbox, .clientSession] {
            #expect(harness.store.count(table) == 0)
        }
        guard case .done = harness.command(add) else {
            Issue.record("the name is not free")
            return
        }
    }

    @Test("RFC 6121 §4.5.4: a room of thousands that is gone as a whole is gone in slices")
    func goneContact() {
        var harness = Harness()
        var clients: [Harness.Client] = []
        for number in 0..<8 { clients.append(harness.login("romeo", "r\(number)")) }
        for number in 0..<3000 {
            harness.receive("<presence from='room@brno.example/n\(number)' to='romeo@pilsen.example'/>")
        }
        for client in clients { _ = harness.take(client) }
        harness.receive("<presence type='unavailable' from='room@brno.example' to='romeo@pilsen.example'/>")
        // One that comes back meanwhile stays.
        harness.now += 1
        harness.receive("<presence from='room@brno.example/n2999' to='romeo@pilsen.example'/>")
        harness.pass(5000)
        for client in clients {
            let got = harness.take(client)
            #expect(Set(got.filter { $0["type"] == "unavailable" }.compactMap { $0["from"] }).count == 2999)
            #expect(got.contains { $0["type"] == nil && $0["from"] == "room@brno.example/n2999" })
        }
    }

    @Test("who is looked at when a line comes back is bounded, also those who are spared")
    func spared() {
        var harness = Harness()
        let romeo = harness.login("romeo", "orchard")
        for number in 0..<3000 {
            harness.receive("<presence from='stranger\(number)@brno.example/x' to='romeo@pilsen.example'/>")
        }
        _ = harness.take(romeo)
        harness.link(.up(wantsRefresh: true))
        harness.link(.lost)
        harness.link(.up(wantsRefresh: true))
        harness.longestBatch = 0
        harness.pass(600_000)
        #expect(harness.longestBatch < 4096)
        // Nobody was asked about strangers, so they stay.
        #expect(harness.take(romeo).isEmpty)
    }

    @Test("presence goes to everybody and is therefore short", arguments: ["", " to='x@brno.example'", " type='unavailable'"])
    func largePresence(attributes: String) {
        var harness = Harness()
        let romeo = harness.login("romeo", "orchard")
        let status = String(repeating: "x", count: LimitsPolicy.presenceBytes)
        harness.send(romeo, "<presence\(attributes)><status>\(status)</status></presence>")
        let answer = harness.take(romeo)
        #expect(answer.map(\.condition) == ["not-acceptable"])
        #expect(harness.takeRemote().isEmpty)
        harness.send(romeo, "<presence\(attributes)><status>\(status.dropLast(100))</status></presence>")
        #expect(harness.take(romeo).allSatisfy { $0.condition == nil })
        harness.receive("<presence from='x@brno.example/y' to='romeo@pilsen.example'><status>\(status)</status></presence>")
        #expect(harness.take(romeo).isEmpty)
        #expect(harness.takeRemote().last?.type == "error")
    }

    /// So many messages wait for juliet, to that resource.
    private static func mailbox(_ count: Int, bytes: Int, to resource: String = "") -> Harness {
        var harness = Harness()
        harness.policy.limits.mailboxMessages = 10_000
        let text = String(repeating: "x", count: bytes)
        for number in 0..<count {
            harness.receive(
                "<message from='writer@brno.example' to='juliet@pilsen.example\(resource)' type='chat'><body>\(number) \(text)</body></message>"
            )
        }
        return harness
    }

    @Test("a message to a full JID costs the same, however much waits for the account")
    func fullAddress() {
        var harness = Self.mailbox(200, bytes: 20_000)
        let juliet = harness.bind("juliet", "balcony")
        let romeo = harness.bind("romeo", "orchard")
        harness.send(romeo, chat("juliet@pilsen.example/balcony", "0"))
        #expect(harness.takeBodies(juliet) == ["0"])
        harness.longestBatch = 0
        let bytes = Meter.bytes {
            for number in 1...50 { harness.send(romeo, chat("juliet@pilsen.example/balcony", "\(number)")) }
        }
        #expect(harness.takeBodies(juliet) == (1...50).map(String.init))
        #expect(harness.longestBatch < 30)
        #expect(bytes < 50 * 200_000)
    }

    @Test("a mailbox of thousands is looked through in slices, each time that somebody becomes available")
    func slicedMailbox() {
        var harness = Self.mailbox(3000, bytes: 10)
        let juliet = harness.bind("juliet", "balcony")
        _ = harness.enable(juliet)
        harness.longestBatch = 0
        harness.send(juliet, "<presence/>")
        var handled: UInt32 = 0
        var bodies: [String] = []
        for _ in 0..<40 {
            let stanzas = harness.take(juliet)
            handled += UInt32(stanzas.count)
            bodies += stanzas.compactMap(\.body)
            harness.acknowledge(juliet, handled)
        }
        #expect(bodies.map { $0.prefix { $0 != " " } } == (0..<3000).map { "\($0)"[...] })
        #expect(harness.waiting("juliet") == 0)
        #expect(harness.longestBatch < 2048)
    }

    @Test("so it is where nearly nothing of it is for the one who asks")
    func sparseMailbox() {
        var harness = Self.mailbox(2500, bytes: 10)
        harness.receive(
            "<message from='writer@brno.example' to='juliet@pilsen.example/balcony' type='chat'><body>mine</body></message>")
        let juliet = harness.bind("juliet", "balcony")
        let romeo = harness.bind("romeo", "orchard")
        harness.longestBatch = 0
        harness.send(romeo, chat("juliet@pilsen.example/balcony", "now"))
        harness.pass(100)
        #expect(harness.takeBodies(juliet) == ["mine", "now"])
        #expect(harness.longestBatch < 2048)
        // Toggling finds nothing to look at twice.
        harness.send(juliet, "<presence/>")
        harness.pass(100)
        #expect(harness.longestBatch < 2048)
    }

    @Test("what an ended session had in hand goes to the others once, in order, although they are in the middle of the mailbox")
    func leftovers() {
        var harness = Self.mailbox(600, bytes: 10)
        let first = harness.bind("juliet", "balcony")
        let second = harness.bind("juliet", "chamber")
        harness.send(first, "<presence/>")
        let taken = harness.take(first).compactMap(\.body).count
        #expect(taken > 0)
        harness.send(second, "<presence/>")
        harness.lose(first)
        var bodies: [String] = []
        for _ in 0..<20 {
            harness.passToFence()
            let all = harness.takeAll(second)
            bodies += all.compactMap(\.body)
            for ping in all where ping.first("ping", Namespaces.ping) != nil {
                harness.send(second, "<iq type='result' id='\(ping["id"] ?? "")' to='pilsen.example'/>")
            }
        }
        let numbers = bodies.compactMap { Int($0.prefix { $0 != " " }) }
        #expect(Set(numbers) == Set(0..<600))
        #expect(numbers.count == 600)
    }
}
