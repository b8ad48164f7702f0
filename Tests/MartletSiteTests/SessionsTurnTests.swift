import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

/// A turn is short, whatever others have prepared: what a client is sent comes in slices, as fast as it reads.
@Suite struct SessionsTurnTests {
    typealias Harness = SessionsHarness

    /// So many subscription requests of strangers wait for an account, each with a status of that many bytes.
    private static func harness(requests: Int, status: Int = 0) -> Harness {
        var harness = Harness()
        // All of one server, which has half of the list at most.
        harness.policy.limits.pendingSubscriptions = 4000
        harness.policy.limits.pendingSubscriptionBytes = 16 << 20
        let text = String(repeating: "x", count: status)
        for number in 0..<requests {
            harness.receive(
                "<presence type='subscribe' from='stranger\(number)@brno.example' to='juliet@pilsen.example'><status>\(text)</status></presence>"
            )
        }
        return harness
    }

    @Test(
        "RFC 6121 §3.1.3: a thousand requests that wait reach a client with stream management, the next when it has read these")
    func manyRequests() {
        var harness = Self.harness(requests: 1000)
        let juliet = harness.bind("juliet", "balcony")
        _ = harness.enable(juliet)
        harness.send(juliet, "<presence/>")
        var handled: UInt32 = 0
        var senders: [String] = []
        for _ in 0..<20 {
            let stanzas = harness.take(juliet)
            if stanzas.isEmpty { break }
            #expect(stanzas.count <= SessionLimits.catchUpMessages + 1)
            handled += UInt32(stanzas.count)
            senders += stanzas.filter { $0["type"] == "subscribe" }.compactMap { $0["from"] }
            harness.acknowledge(juliet, handled)
        }
        #expect(harness.closed[juliet.connection] == nil)
        #expect(senders == (0..<1000).map { "stranger\($0)@brno.example" })
    }

    @Test("so they do without stream management, and who does not answer is not sent more")
    func manyRequestsUnmanaged() {
        var harness = Self.harness(requests: 500)
        let juliet = harness.bind("juliet", "balcony")
        harness.send(juliet, "<presence/>")
        var count = 0
        for _ in 0..<10 {
            let all = harness.takeAll(juliet)
            let some = all.count { $0["type"] == "subscribe" }
            if some == 0 { break }
            #expect(some <= SessionLimits.catchUpMessages)
            count += some
            for ping in all where ping.first("ping", Namespaces.ping) != nil {
                harness.send(juliet, "<iq type='result' id='\(ping["id"] ?? "")' to='\(ping["from"] ?? "")'/>")
            }
        }
        #expect(count == 500)
    }

    @Test("large ones come in slices of bytes")
    func largeRequests() {
        var harness = Self.harness(requests: 150, status: 8_000)
        let juliet = harness.bind("juliet", "balcony")
        harness.send(juliet, "<presence/>")
        let bytes = harness.take(juliet).reduce(0) { $0 + $1.serialized(within: Namespaces.client).count }
        #expect(bytes < SessionLimits.catchUpBytes + 20_000)
    }

    @Test("a request that comes while others are shown is shown once, in its place")
    func requestMeanwhile() {
        var harness = Self.harness(requests: 300)
        let juliet = harness.bind("juliet", "balcony")
        _ = harness.enable(juliet)
        harness.send(juliet, "<presence/>")
        harness.receive("<presence type='subscribe' from='late@brno.example' to='juliet@pilsen.example'/>")
        var senders = harness.take(juliet).compactMap { $0["type"] == "subscribe" ? $0["from"] : nil }
        #expect(!senders.contains("late@brno.example"))
        harness.acknowledge(juliet, UInt32(senders.count + 1))
        senders += harness.take(juliet).compactMap { $0["type"] == "subscribe" ? $0["from"] : nil }
        #expect(senders.count == 301)
        #expect(senders.last == "late@brno.example")
        harness.receive("<presence type='subscribe' from='later@brno.example' to='juliet@pilsen.example'/>")
        #expect(harness.take(juliet).compactMap { $0["from"] } == ["later@brno.example"])
    }

    @Test("XEP-0198 §5: a session that is resumed while they are shown gets the others")
    func requestsAcrossResumption() {
        var harness = Self.harness(requests: 300)
        var juliet = harness.bind("juliet", "balcony")
        juliet.token = harness.enable(juliet)
        harness.send(juliet, "<presence/>")
        let first = harness.take(juliet).compactMap { $0["type"] == "subscribe" ? $0["from"] : nil }
        harness.lose(juliet)
        juliet = harness.resume(juliet, h: UInt32(first.count + 1))
        let rest = harness.take(juliet).compactMap { $0["type"] == "subscribe" ? $0["from"] : nil }
        #expect((first + rest).count == 300)
        #expect(Set(first + rest).count == 300)
    }
}
