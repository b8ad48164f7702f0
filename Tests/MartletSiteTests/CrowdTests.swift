import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSite

/// Whoever makes others wait: by a lane that is full of what he has written, or by what has to be on disk.
@Suite struct CrowdTests {
    private func work(of name: String, _ site: inout SiteHarness) -> Int64 {
        site.handle(.command(CommandID(99), .karma))
        for case .answer(CommandID(99), .karma(let report)) in site.takeEffects() {
            return report.worst.first { $0.name == name }?.work ?? 0
        }
        return 0
    }

    private func message(_ number: Int) -> String {
        "<message to='x@brno.example' id='n\(number)' type='chat'><body>words</body></message>"
    }

    @Test("who writes to an office faster than the line carries pays for the delay of others, while the line is up")
    func crowdedLane() {
        var policy = SiteHarness.policy
        policy.karma.person = WorkBudget(perSecond: 1, burst: 100_000_000, longestRest: 0)
        var site = SiteHarness(policy: policy)
        let alice = site.login("alice")
        site.send(message(0), on: alice)
        let peer = site.connectPeer()
        let began = work(of: "alice@pilsen.example", &site)
        for number in 1..<200 { site.send(message(number), on: alice) }
        let quiet = work(of: "alice@pilsen.example", &site) - began
        for number in 200..<600 { site.send(message(number), on: alice) }
        let crowded = work(of: "alice@pilsen.example", &site) - quiet - began
        #expect(quiet < 200 * WorkPrice.crowdedEntry / 1000 / 4)
        #expect(crowded >= 300 * WorkPrice.crowdedEntry / 1000)
        // What was acknowledged is out of the way.
        for acknowledged in stride(from: 64, through: 1024, by: 64) {
            let xml = "<a xmlns='urn:xmpp:sm:3' h='\(min(acknowledged, 600))'/>"
            for element in ContentReader.elements(in: Array(xml.utf8)) { site.handle(.server(peer.ours, .nonza(element))) }
        }
        let before = work(of: "alice@pilsen.example", &site)
        for number in 600..<700 { site.send(message(number), on: alice) }
        let after = work(of: "alice@pilsen.example", &site) - before
        #expect(after * 4 < crowded)
    }

    @Test("who writes to an office that is cut off pays for what it costs and no more: nobody else is delayed by it")
    func cutLane() {
        var policy = SiteHarness.policy
        policy.karma.person = WorkBudget(perSecond: 1, burst: 100_000_000, longestRest: 0)
        var site = SiteHarness(policy: policy)
        let alice = site.login("alice")
        for number in 0..<600 { site.send(message(number), on: alice) }
        let cost = work(of: "alice@pilsen.example", &site)
        #expect(cost > 0 && cost < 600 * WorkPrice.crowdedEntry / 1000 / 4)
    }

    @Test("a batch ends when much was written: what is left is handled in the next one, in order, and nothing is lost")
    func fullBatch() throws {
        var site = SiteHarness()
        let alice = site.login("alice")
        var events: [SiteEvent] = []
        for number in 0..<1500 {
            let stanza = try Stanza(
                parsing: Array(message(number).utf8), contentNamespace: Namespaces.client,
                context: NamespaceContext(Namespaces.client))
            events.append(.client(alice, .stanza(stanza)))
        }
        var batches = 0
        while !events.isEmpty, batches < 100 {
            let before = events.count
            _ = try site.driver.handle(&events, monotonic: site.now, wall: WallTime(milliseconds: 1_700_000_000_000))
            #expect(events.count < before)
            batches += 1
        }
        #expect(events.isEmpty)
        #expect(batches > 1)
        site.handle(.command(CommandID(98), .links(.listLinks)))
        var waiting = 0
        for case .answer(CommandID(98), .links(let rows)) in site.takeEffects() {
            waiting = rows.reduce(0) { $0 + $1.waiting }
        }
        #expect(waiting == 1500)
    }
}
