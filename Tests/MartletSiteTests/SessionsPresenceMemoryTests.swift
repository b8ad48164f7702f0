import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions

/// What is remembered of presence is bounded in bytes, and stands on the account of who causes it.
@Suite("Memory of presence") struct SessionsPresenceMemoryTests {
    @Test("presence that would be kept for everybody who comes later has a bound in bytes")
    func ownPresence() {
        var site = SessionsHarness()
        let romeo = site.bind("romeo", "orchard")
        site.send(romeo, "<presence><status>\(String(repeating: "s", count: LimitsPolicy.presenceBytes))</status></presence>")
        #expect(site.take(romeo).map(\.condition) == ["not-acceptable"])
        site.send(
            romeo, "<presence><status>\(String(repeating: "s", count: LimitsPolicy.presenceBytes / 2))</status></presence>")
        #expect(site.take(romeo).map(\.condition) == [nil])
    }

    @Test("the addresses with directed presence of a session are bounded in bytes, not only in number")
    func directed() throws {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let resource = String(repeating: "r", count: 1000)
        for number in 0..<400 { site.send(romeo, "<presence to='room\(number)@brno.example/\(resource)'/>") }
        let refused = site.take(romeo).filter { $0.condition == "resource-constraint" }.count
        #expect(refused > 100 && refused < 200)
    }

    @Test("another server that names people without end is remembered with some of them, on its own account")
    func seen() throws {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        let evil = Party.peer(try JID("evil.example"))
        let resource = String(repeating: "r", count: 1000)
        for number in 0..<3000 {
            site.receive("<presence from='x\(number)@evil.example/\(resource)' to='juliet@pilsen.example'/>")
        }
        let held = site.memory.bytes(of: evil)
        #expect(held <= SessionLimits.seenPresenceBytes + 2000 && held > SessionLimits.seenPresenceBytes / 2)
        site.receive("<presence from='x1@evil.example/\(resource)' to='juliet@pilsen.example' type='unavailable'/>")
        #expect(site.memory.bytes(of: evil) < held)
        site.logout(juliet)
        #expect(site.memory.total == 0)
    }
}

/// What an operator takes away.
@Suite("Clearing what waits") struct SessionsClearingTests {
    private func clear(
        _ site: inout SessionsHarness, _ what: Clearance, isRehearsal: Bool = false
    ) -> (count: Int, bytes: Int, parts: Int) {
        var sum = (count: 0, bytes: 0, parts: 0)
        var next: UInt64? = 0
        while let after = next {
            let command = Command.clear(SessionsHarness.account("juliet"), what, after: after, isRehearsal: isRehearsal)
            guard case .cleared(let part) = site.command(command) else { return sum }
            sum = (sum.count + part.count, sum.bytes + part.bytes, sum.parts + 1)
            next = part.next
        }
        return sum
    }

    @Test(
        "messages that wait go back to their senders in slices, 200 one by one and the rest counted, and the mailbox has room again"
    )
    func messages() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for number in 0..<600 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        let rehearsed = clear(&site, .messages, isRehearsal: true)
        #expect(rehearsed.count == 600 && rehearsed.parts == 3 && rehearsed.bytes > 600 * 50)
        #expect(site.waiting("juliet") == 600)
        #expect(clear(&site, .messages).count == 600)
        #expect(site.take(romeo).filter { $0.condition == "service-unavailable" }.count == 200)
        site.pass(60_000)
        #expect(
            site.takeBodies(romeo).filter { $0.hasPrefix("400 more of your messages to pilsen.example came back") }.count == 1)
        #expect(site.waiting("juliet") == 0)
        #expect(site.sessions.mailboxes.values.allSatisfy { $0.total.bytes == 0 && $0.total.count == 0 })
        site.flush()
        #expect(site.store.count(.log) == 0)
    }

    @Test("what is on its way to a client stays, and a session that is away resumes without what was removed")
    func inHand() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "sent"))
        site.lose(juliet)
        site.send(romeo, chat("juliet@pilsen.example", "waits"))
        #expect(clear(&site, .messages).count == 1)
        let again = site.resume(juliet, h: 1)
        #expect(site.takeBodies(again) == ["sent"])
        site.acknowledge(again, 2)
        site.flush()
        #expect(site.store.count(.clientSlot) == 0 && site.store.count(.mailbox) == 0 && site.store.count(.log) == 0)
    }

    @Test("RFC 6121 §3.1.6: subscription requests that wait are declined")
    func subscriptions() {
        var site = SessionsHarness()
        for number in 0..<300 {
            site.receive("<presence from='x\(number)@s\(number % 20).example' to='juliet@pilsen.example' type='subscribe'/>")
        }
        _ = site.takeRemote()
        #expect(clear(&site, .subscriptions).count == 300)
        #expect(site.store.count(.pendingSubscription) == 0)
        #expect(site.takeRemote().count { $0.type == "unsubscribed" } == 300)
        #expect(site.sessions.subscriptionRequests.values.allSatisfy { $0.total.bytes == 0 })
    }
}
