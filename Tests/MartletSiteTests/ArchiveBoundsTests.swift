import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// How much one party can put into archives, and what of other people's it can push out.
@Suite("XEP-0313: how much archives keep")
struct ArchiveBoundsTests {
    private static let romeo = "romeo@pilsen.example"
    private static let juliet = "juliet@pilsen.example"

    private func count(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client) -> Int {
        Int(harness.search(client, set: "<max>0</max>").count ?? "") ?? -1
    }

    @Test("an archive with more than it may have loses its oldest messages as soon as they are in the index")
    func excess() {
        var harness = SessionsHarness(archives: true)
        harness.policy.archive.bytesPerAccount = 20_000
        let romeo = harness.login("romeo", "orchard")
        _ = harness.login("juliet", "balcony")
        for number in 0..<2000 { harness.send(romeo, chat(Self.juliet, "\(number)")) }
        harness.writeIndex()
        harness.pass(1000)
        let kept = count(&harness, romeo)
        #expect((50...150).contains(kept))
        #expect(harness.search(romeo, set: "<max>1</max><before/>").bodies == ["1999"])
        #expect(harness.site.archive.overfull == [] && harness.rows(.archive) == 2 * kept)
        // Not before a crash, and not without end after it.
        for number in 2000..<2600 { harness.send(romeo, chat(Self.juliet, "\(number)")) }
        harness.step { site, turn in
            site.archive.beginFlush()
            site.archive.workIfNeeded(turn)
        }
        harness.pass(20)
        harness.flush()
        harness.crash()
        harness.pass(2000)
        let again = harness.login("romeo", "orchard")
        #expect((50...150).contains(count(&harness, again)))
        #expect(harness.search(again, set: "<max>1</max><before/>").bodies == ["2599"])
        #expect(harness.site.archive.overfull == [])
    }

    @Test("an account's removal, too much and too old at once are no long turn")
    func everything() {
        var harness = SessionsHarness(users: ["romeo", "juliet", "nurse"], archives: true)
        let romeo = harness.login("romeo", "orchard")
        let nurse = harness.login("nurse", "kitchen")
        for number in 0..<800 {
            harness.send(romeo, chat(Self.juliet, "\(number)"))
            harness.send(nurse, chat(Self.juliet, "\(number)"))
        }
        harness.writeIndex()
        harness.pass(10_000)
        guard let account = try? JID(Self.romeo) else { return }
        let juliet = harness.number("juliet")
        _ = harness.command(.accounts(.remove(account)))
        harness.policy.archive.retention = 5000
        harness.policy.archive.bytesPerAccount = 1000
        harness.longestBatch = 0
        harness.step { site, turn in
            site.archive.overfull = [juliet]
            site.archive.beginSweep(turn)
        }
        harness.pass(5000)
        #expect(harness.rows(.archive) == 0 && harness.rows(.archiveByPeer) == 0)
        #expect((500..<4000).contains(harness.longestBatch))
    }

    @Test("many large messages go to the index before there are many")
    func tailBytes() {
        var harness = SessionsHarness(archives: true)
        harness.policy.limits.mailboxBytes = 1 << 30
        let romeo = harness.login("romeo", "orchard")
        let body = String(repeating: "x", count: 200_000)
        let many = ArchiveLimits.tailBytes / 200_000
        for _ in 0...many { harness.send(romeo, "<message to='\(Self.romeo)' type='chat'><body>\(body)</body></message>") }
        #expect(harness.site.archive.flush != nil)
        harness.pass(1000)
        #expect(harness.site.archive.tail.bytes < 10 << 20 && harness.rows(.archive) > many - 40)
    }

    @Test("what strangers write takes half of an archive at most: it does not have it forget what others have written")
    func strangers() {
        var harness = SessionsHarness(archives: true)
        harness.policy.archive.bytesPerAccount = 20_000
        let romeo = harness.login("romeo", "orchard")
        harness.subscribe("romeo", to: ["friend@brno.example"])
        func write(_ from: String, _ body: String) {
            harness.receive("<message from='\(from)' to='\(Self.romeo)' type='chat'><body>\(body)</body></message>")
        }
        let juliet = harness.login("juliet", "balcony")
        for number in 0..<10 {
            write("friend@brno.example/x", "f\(number)")
            harness.send(juliet, chat(Self.romeo, "j\(number)"))
        }
        for round in 0..<8 {
            for number in 0..<50 { write("s\(number)@spam.example/x", "spam \(round)") }
            harness.writeIndex()
            harness.pass(100)
        }
        let all = harness.archived(romeo) + harness.search(romeo, set: "<before/>").bodies
        #expect((0..<10).allSatisfy { all.contains("f\($0)") && all.contains("j\($0)") })
        // What was on its way to the index is more than that once.
        #expect((70...140).contains(count(&harness, romeo)))
        let waiting = harness.waiting("romeo")
        // It is delivered all the same, and friends and colleagues are kept; also after a start.
        harness.crash()
        for from in ["friend@brno.example/x", "s1@spam.example/x"] { write(from, "late") }
        #expect(harness.waiting("romeo") == waiting + 2)
        let again = harness.login("romeo", "orchard")
        let last = harness.search(again, set: "<max>2</max><before/>").messages
        #expect(last.last?.body == "late" && last.last?.from == "friend@brno.example/x" && last.first?.body != "late")
        // What the account itself says to such people is its own.
        harness.send(again, chat("s1@spam.example", "who are you?"))
        #expect(harness.search(again, set: "<max>1</max><before/>").bodies == ["who are you?"])
    }

    @Test("the lists of an account are bounded in bytes, since they are held in memory")
    func preferences() {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        let part = String(repeating: "a", count: 1023)
        let jids = (0..<65).map { "<jid>\(part)@d\($0).example</jid>" }.joined()
        harness.send(
            romeo, "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='always'><never>\(jids)</never></prefs></iq>")
        #expect(harness.take(romeo).last?.condition == "policy-violation")
        #expect(harness.rows(.archivePreferences) == 0)
    }
}
