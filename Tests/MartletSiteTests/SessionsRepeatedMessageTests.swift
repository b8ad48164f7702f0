import MartletStore
import Testing

@testable import MartletServices
@testable import MartletSessions

/// `Docs/relay-protocol.md` §7.3.
@Suite("Messages that clients send again without resumption")
struct SessionsRepeatedMessageTests {
    private func message(_ body: String, origin: String, delay: Bool = false, to: String = "juliet@pilsen.example") -> String {
        let stamp = delay ? "<delay xmlns='urn:xmpp:delay' stamp='2026-01-05T08:00:00Z'/>" : ""
        return "<message to='\(to)' type='chat' id='\(origin)'><body>\(body)</body>"
            + "<origin-id xmlns='urn:xmpp:sid:0' id='\(origin)'/>\(stamp)</message>"
    }

    @Test("the same message in a new session counts as handled and is not routed again, also after a crash")
    func repeated() {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        let romeo = site.loginResumable("romeo", "orchard")
        site.send(romeo, message("1", origin: "a"))
        #expect(site.takeBodies(juliet) == ["1"])
        site.crash()
        let again = site.login("juliet", "balcony")
        _ = site.takeAll(again)
        let romeoAgain = site.loginResumable("romeo", "street")
        site.send(romeoAgain, message("1", origin: "a", delay: true))
        site.send(romeoAgain, message("2", origin: "b"))
        #expect(site.takeBodies(again) == ["2"])
        site.send(romeoAgain, "<r xmlns='urn:xmpp:sm:3'/>")
        site.flush()
        #expect(site.takeAll(romeoAgain).last { $0.name == "a" }?["h"] == "3")
    }

    @Test("another body, addressee, account or origin-id, or a client without stream management, is another message")
    func different() {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        let romeo = site.loginResumable("romeo", "orchard")
        let plain = site.login("romeo", "plain")
        site.send(romeo, message("1", origin: "a"))
        site.send(romeo, message("2", origin: "a"))
        site.send(romeo, message("1", origin: "b"))
        site.send(romeo, message("1", origin: "a", to: "juliet@pilsen.example/balcony"))
        site.send(plain, message("1", origin: "a"))
        #expect(site.takeBodies(juliet) == ["1", "2", "1", "1", "1"])
    }

    @Test("a message is remembered for a day, and the oldest are forgotten beyond the limit")
    func forgotten() {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        let romeo = site.loginResumable("romeo", "orchard")
        site.send(romeo, message("1", origin: "a"))
        #expect(site.store.count(.recentMessage) == 1)
        site.now += RepeatedMessages.lifetime + 1
        site.send(romeo, message("2", origin: "b"))
        site.send(romeo, message("1", origin: "a"))
        #expect(site.takeBodies(juliet) == ["1", "2", "1"])
        #expect(site.store.count(.recentMessage) == 2)

        let store = MemoryStore()
        let transaction = store.begin()
        var messages = RepeatedMessages(limit: 50)
        for number in 0..<60 {
            let unique = SessionsHarness.message(origin: "\(number)")
            let isRepeated = messages.isRepeated(unique, of: AddressNumber(1), now: .init(milliseconds: 1), in: transaction)
            #expect(!isRepeated)
            messages.write(in: transaction)
        }
        #expect(RecentMessageTable.all(in: transaction).count == 50)
    }

    @Test("the messages of a batch are one row, which goes when its last message is forgotten; a restart knows what is left")
    func batches() {
        let store = MemoryStore()
        let transaction = store.begin()
        var messages = RepeatedMessages(limit: 200)
        func isRepeated(_ number: Int, in messages: inout RepeatedMessages) -> Bool {
            let message = SessionsHarness.message(origin: "\(number)")
            return messages.isRepeated(message, of: AddressNumber(1), now: .init(milliseconds: 1), in: transaction)
        }
        func rows() -> Int { Set(RecentMessageTable.all(in: transaction).map(\.row)).count }
        for number in 0..<200 { #expect(!isRepeated(number, in: &messages)) }
        messages.write(in: transaction)
        messages.write(in: transaction)
        #expect(rows() == 3)
        #expect(RecentMessageTable.all(in: transaction).count == 200)

        // One fails before its batch is written, one after.
        #expect(!isRepeated(200, in: &messages))
        #expect(!isRepeated(201, in: &messages))
        messages.failed("200", of: AddressNumber(1), in: transaction)
        messages.failed("199", of: AddressNumber(1), in: transaction)
        messages.write(in: transaction)
        let left = RecentMessageTable.all(in: transaction)
        #expect(left.count == 200)

        // Beyond the limit the oldest go, and with the last of them their row.
        let before = rows()
        for number in 300..<380 { #expect(!isRepeated(number, in: &messages)) }
        #expect(rows() == before)
        #expect(!isRepeated(0, in: &messages))
        messages.write(in: transaction)

        var restarted = RepeatedMessages(in: transaction)
        for known in [0, 198, 201, 379] { #expect(isRepeated(known, in: &restarted)) }
        for failed in [199, 200] { #expect(!isRepeated(failed, in: &restarted)) }
    }

    @Test("a message that came back with an error is another one when it is sent again, also after a crash")
    func failed() {
        var site = SessionsHarness(users: ["romeo"])
        let romeo = site.loginResumable("romeo", "orchard")
        let lost = message("1", origin: "a", to: "nobody@pilsen.example")
        for _ in 0..<2 {
            site.send(romeo, lost)
            #expect(site.takeAll(romeo).count { $0["type"] == "error" } == 1)
        }
        site.crash()
        let again = site.loginResumable("romeo", "street")
        _ = site.takeAll(again)
        site.send(again, lost)
        #expect(site.takeAll(again).count { $0["type"] == "error" } == 1)
    }
}
