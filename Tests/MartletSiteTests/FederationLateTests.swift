import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// Messages that were written at once and came late say so (`Docs/relay-protocol.md` S6).
@Suite struct FederationLateTests {
    typealias Harness = FederationHarness
    private static let epoch = Epoch(high: 5, low: 6)

    /// A destination with one stream of the peer's, and the peer's clock.
    private struct Destination {
        var harness = Harness()
        let connection: ConnectionID
        /// What the peer's clock says when ours counts nothing.
        var peersClock: Int64
        private var last: UInt64 = 0

        init(peersClock: Int64) {
            self.peersClock = peersClock
            connection = harness.newConnection()
            harness.receive(.peerVerified(Harness.outgoing, .certificate), on: connection)
        }

        /// The peer asks; it takes so long.
        mutating func ask(at time: Int64, takes way: Int64) {
            harness.now = time + way
            let ask = Element(
                "ask", Namespaces.relay,
                [
                    ("from", Harness.peer.description), ("to", Harness.local.description), ("at", String(peersClock + time)),
                ])
            harness.receive(.nonza(ask), on: connection)
        }

        /// The peer takes a message over and writes it at once; it takes so long. With which stamps it was delivered.
        mutating func message(
            at time: Int64, takes way: Int64, from sender: JID = Harness.bob, stamps: [Element] = [], saysWhen: Bool = true
        ) -> [String] {
            harness.now = time + way
            last += 1
            var stanza = Harness.message("m\(last)", from: sender, to: Harness.alice.bare)
            for stamp in stamps { stanza.append(stamp) }
            let mark = RelayMark(
                lane: .chat, epoch: FederationLateTests.epoch, number: last, tag: last * 10,
                after: last == 1 ? nil : (last - 1) * 10,
                acceptedAt: saysWhen ? WallTime(milliseconds: peersClock + time) : nil)
            // As it comes: over the wire.
            let bytes = stanza.serialized(relayMark: mark)
            let context = NamespaceContext(Namespaces.server)
            if let parsed = try? Stanza(parsing: bytes, contentNamespace: Namespaces.server, context: context) {
                harness.receive(.stanza(parsed), on: connection)
            }
            #expect(harness.routed.last?.id == "m\(last)")
            let delays = harness.routed.last?.payloads.filter { $0.is("delay", Namespaces.delay) } ?? []
            return delays.map { "\($0["from"] ?? "") \($0["stamp"] ?? "")" }
        }

        func stamp(_ time: Int64) -> String {
            "\(Harness.peer) \(WallTime(milliseconds: peersClock + time))"
        }
    }

    /// Clocks that agree, and such that are hours apart in either direction.
    private static let clocks: [Int64] = [1_700_000_000_000, 1_700_007_200_000, 1_699_992_800_000]

    @Test(
        "S6: what was written at once and comes 20 s later carries its time of acceptance, however clocks differ",
        arguments: clocks)
    func late(_ clock: Int64) {
        var destination = Destination(peersClock: clock)
        destination.ask(at: 1000, takes: 300)
        #expect(destination.message(at: 2000, takes: 300).isEmpty)
        #expect(destination.message(at: 3000, takes: 4900).isEmpty)
        #expect(destination.message(at: 10_000, takes: 20_000) == [destination.stamp(10_000)])
        #expect(destination.message(at: 29_000, takes: 1200).isEmpty)
    }

    @Test("S6: the first thing that a stream brings may be late itself: the next quicker one corrects it")
    func lateQuestion() {
        var destination = Destination(peersClock: Self.clocks[1])
        destination.ask(at: 1000, takes: 20_000)
        #expect(destination.message(at: 21_500, takes: 100).isEmpty)
        #expect(destination.message(at: 22_000, takes: 8000) == [destination.stamp(22_000)])
    }

    @Test("S6: no second stamp of the same domain, but one beside those of others")
    func notTwice() {
        var destination = Destination(peersClock: Self.clocks[0])
        destination.ask(at: 1000, takes: 10)
        func delay(_ domain: String) -> Element {
            Element("delay", Namespaces.delay, [("from", domain), ("stamp", "2020-01-01T00:00:00.000Z")])
        }
        let own = destination.message(at: 2000, takes: 20_000, stamps: [delay(Harness.peer.description)])
        #expect(own == ["\(Harness.peer) 2020-01-01T00:00:00.000Z"])
        let other = destination.message(at: 3000, takes: 20_000, stamps: [delay("room.example")])
        #expect(other == ["room.example 2020-01-01T00:00:00.000Z", destination.stamp(3000)])
    }

    @Test(
        "S6: a number that says no time was accepted within a second after the last one that did; what waited has its own stamp"
    )
    func toldBefore() {
        var destination = Destination(peersClock: Self.clocks[1])
        destination.ask(at: 1000, takes: 10)
        #expect(destination.message(at: 2000, takes: 10).isEmpty)
        #expect(destination.message(at: 2900, takes: 10, saysWhen: false).isEmpty)
        #expect(destination.message(at: 2990, takes: 20_000, saysWhen: false) == [destination.stamp(2000)])
        let waited = Element(
            "delay", Namespaces.delay, [("from", Harness.peer.description), ("stamp", "2020-01-01T00:00:00.000Z")])
        // Long after: the line was idle, and this was not written at once.
        #expect(destination.message(at: 4_000_000, takes: 10, stamps: [waited], saysWhen: false).count == 1)
        #expect(destination.message(at: 4_001_000, takes: 20_000) == [destination.stamp(4_001_000)])
    }

    @Test("S6: a build that says no time is believed to be punctual")
    func silentBuild() {
        var destination = Destination(peersClock: Self.clocks[0])
        destination.ask(at: 1000, takes: 10)
        #expect(destination.message(at: 20_000, takes: 9000, saysWhen: false).isEmpty)
    }

    @Test("S6: a peer whose clock was put back by hours is understood")
    func clockSet() {
        var destination = Destination(peersClock: Self.clocks[0])
        destination.ask(at: 1000, takes: 10)
        destination.peersClock -= 7_200_000
        #expect(destination.message(at: 2000, takes: 10).isEmpty)
        #expect(destination.message(at: 3000, takes: 10).isEmpty)
        #expect(destination.message(at: 4000, takes: 9000) == [destination.stamp(4000)])
    }

    @Test("S6: clocks that run apart on a stream that stands for weeks make nothing late", arguments: [-1, 1])
    func drift(_ direction: Int64) {
        var destination = Destination(peersClock: Self.clocks[0])
        destination.ask(at: 1000, takes: 10)
        // A hundred in a million: nine seconds a day.
        for day: Int64 in 1...14 {
            destination.peersClock = Self.clocks[0] + direction * 8640 * day
            #expect(destination.message(at: 86_400_000 * day, takes: 10).isEmpty)
            #expect(destination.message(at: 86_400_000 * day + 1000, takes: 20_000).count == 1)
        }
    }

    @Test(
        "S6: the origin says when it accepted what it writes at once, and stamps what it writes later; its questions say the time"
    )
    func origin() throws {
        var harness = Harness()
        harness.acceptMessage("waited")
        harness.now += 7000
        let connection = try harness.dialSucceeds(relay: true)
        #expect(harness.takeSent(connection).compactMap { $0["at"] } == ["1700000008000"])
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        harness.acceptMessage("at once")
        let sent = harness.takeSent(connection).filter { $0.name == "message" }
        #expect(sent.map { $0.first("seq", Namespaces.relay)?["at"] } == [nil, "1700000008000"])
        #expect(sent.map { $0.first("delay", Namespaces.delay)?["stamp"] } == ["2023-11-14T22:13:21.000Z", nil])
        harness.now += 999
        harness.acceptMessage("soon after")
        harness.now += 1
        harness.acceptMessage("a second after")
        #expect(
            harness.takeSent(connection).map { $0.first("seq", Namespaces.relay)?["at"] } == [nil, "1700000009000"])
    }
}
