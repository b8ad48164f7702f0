import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// relay-protocol S4: what is a sign of life, and what follows without one.
@Suite struct FederationSilenceTests {
    typealias Harness = FederationHarness

    private static func aborts(_ harness: Harness, _ connection: ConnectionID) -> Bool {
        harness.effects.contains(.stream(connection, .abort))
    }

    @Test("S4, §6.1: a stream that never falls idle lives as long as its acknowledgements get on")
    func neverIdle() throws {
        var harness = Harness()
        harness.acceptMessage("m0")
        let connection = try harness.dialSucceeds(relay: false, managed: true)
        // A line of 100 ms at 20 messages a second: two are always under way, and none of the counts covers them all.
        for number in 1...2000 {
            harness.acceptMessage("m\(number)")
            harness.pass(50)
            guard number >= 2 else { continue }
            let count = Element("a", Namespaces.streamManagement, [("h", "\(number - 1)")])
            harness.receive(.nonza(count), on: connection)
        }
        let isGivenUp = Self.aborts(harness, connection)
        #expect(!isGivenUp)
        #expect(harness.waiting == 2)
    }

    /// A link to another Martlet whose line has shown a round trip of `delay`, with nothing waiting.
    private static func measured(_ harness: inout Harness, _ delay: Int64) throws -> ConnectionID {
        harness.acceptMessage("first")
        let connection = try harness.dialSucceeds(relay: true)
        harness.pass(delay)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        for number in 0..<20 {
            let marks = Harness.marks(harness.takeSent(connection))
            harness.pass(delay)
            harness.receive(.nonza(Harness.have(marks.last)), on: connection)
            if number < 19 { harness.acceptMessage("m\(number)") }
        }
        // The first timer was set in more patient times.
        harness.pass(6000)
        _ = harness.takeSent(connection)
        return connection
    }

    private static func closes(_ harness: Harness, _ connection: ConnectionID) -> Bool {
        harness.effects.contains(.stream(connection, .close(nil)))
    }

    @Test(
        "S4: a line of 100 ms that falls silent is asked after one second and given up after two, a slow one a little later")
    func shortPatience() throws {
        for (delay, patience): (Int64, Int64) in [(100, 2000), (1000, 3000)] {
            var harness = Harness()
            harness.policy.federation.silenceTimeout = 30_000
            let connection = try Self.measured(&harness, delay)
            harness.acceptMessage("into the hole")
            harness.pass(patience / 2 + 300)
            #expect(harness.takeSent(connection).map(\.name) == ["message", "ask"])
            harness.pass(patience / 2 - 500)
            var isGivenUp = Self.aborts(harness, connection)
            #expect(!isGivenUp)
            harness.pass(800)
            isGivenUp = Self.aborts(harness, connection)
            #expect(isGivenUp)
        }
    }

    @Test("S4: what a line has shown is remembered for its next stream, which may be slower all the same")
    func nextStream() throws {
        var harness = Harness()
        harness.policy.federation.silenceTimeout = 30_000
        let connection = try Self.measured(&harness, 20)
        harness.receive(.closed("reset"), on: connection)
        harness.pass(1000)
        // From now on every answer takes five seconds.
        var streams = 1
        var next = try harness.dialSucceeds(relay: true)
        for _ in 0..<10 {
            harness.pass(5000)
            if harness.federation.links[0].connection == next {
                harness.receive(.nonza(Harness.have(nil)), on: next)
                break
            }
            streams += 1
            while harness.federation.links[0].connection == nil, !harness.isDialling { harness.pass(100) }
            next = try harness.dialSucceeds(relay: true)
        }
        #expect(streams == 3)
        #expect(harness.federation.links[0].connection == next)
    }

    @Test("S4: an office that does not answer is called at least every five seconds, for hours, and the log does not fill")
    func calledAllTheTime() {
        var harness = Harness()
        harness.acceptMessage("a")
        var last = harness.now
        var longest: Int64 = 0
        for _ in 0..<2000 {
            guard let request = harness.takeDials().last else {
                harness.pass(100)
                continue
            }
            longest = max(longest, harness.now - last)
            last = harness.now
            harness.pass(request.patience ?? 60_000)
            harness.step { $0.dialFailed(request.id, .unreachable("no answer in time"), $1) }
        }
        #expect(longest <= 5000)
        let lines = harness.effects.count { if case .note(.linkDown) = $0 { true } else { false } }
        #expect(lines < 20)
    }

    @Test("S4, R4: a peer that is there and ends each stream is called more and more rarely, an office too")
    func rebuffed() throws {
        var harness = Harness()
        harness.policy.federation.retryMaximum = 60_000
        harness.acceptMessage("a")
        for _ in 0..<10 {
            while harness.federation.links[0].connection == nil {
                if harness.federation.links[0].state == .idle { break }
                if case .dialling = harness.federation.links[0].state { break }
                harness.pass(1000)
            }
            let connection = try harness.dialSucceeds(relay: true)
            harness.receive(.errorReceived("resource-constraint"), on: connection)
            harness.receive(.closed("the peer reports resource-constraint"), on: connection)
        }
        harness.pass(29_000)
        #expect(harness.takeDials().isEmpty)
        harness.pass(31_000)
        #expect(harness.takeDials().count == 1)
    }

    @Test("§6.2: a lost answer costs a second fence after some seconds, and the answer to any of them counts")
    func lostAnswer() throws {
        for answered in 0..<2 {
            var harness = Harness()
            harness.policy.federation.silenceTimeout = 30_000
            harness.acceptMessage("a")
            let connection = try harness.dialSucceeds(relay: false)
            harness.pass(5600)
            let fences = harness.takeSent(connection).filter { $0.name == "iq" }.compactMap { $0["id"] }
            #expect(Set(fences).count == 2)
            harness.receive(
                .stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: fences[answered], type: "result")),
                on: Self.inbound(&harness))
            #expect(harness.waiting == 0)
            harness.pass(10_000)
            let isClosed = Self.closes(harness, connection)
            #expect(!isClosed)
        }
    }

    private static func inbound(_ harness: inout Harness) -> ConnectionID {
        let connection = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .dialback), on: connection)
        return connection
    }

    @Test(
        "§6: a black hole in front of a foreign server is noticed after its patience, and a close that is not answered either")
    func blackHole() throws {
        var harness = Harness()
        harness.policy.federation.silenceTimeout = 30_000
        harness.acceptMessage("a")
        let connection = try harness.dialSucceeds(relay: false)
        let id = try #require(harness.takeSent(connection).last?["id"])
        harness.pass(100)
        harness.receive(
            .stanza(Stanza(.iq, from: Harness.peer, to: Harness.local, id: id, type: "result")), on: Self.inbound(&harness))
        _ = harness.takeChanges()
        harness.acceptMessage("b")
        harness.pass(10_500)
        let isClosed = Self.closes(harness, connection)
        #expect(isClosed)
        harness.pass(2500)
        let isGivenUp = Self.aborts(harness, connection)
        #expect(isGivenUp)
        #expect(harness.takeChanges().map(\.kind).first == .failing)
    }

    @Test("§6.3: where closing is what proves, it is done at once, with more on each stream, and the next one follows at once")
    func closingRung() throws {
        var harness = Harness()
        harness.policy.federation.silenceTimeout = 30_000
        for number in 0..<600 { harness.acceptMessage("m\(number) " + String(repeating: "x", count: 250)) }
        var streams: [Int64] = []
        while harness.waiting > 0, streams.count < 20 {
            let began = harness.now
            let connection = try harness.dialSucceeds(relay: false)
            while harness.federation.links[0].isUp { harness.pass(100) }
            harness.pass(100)
            harness.receive(.streamEnded, on: connection)
            harness.receive(.closed("closed"), on: connection)
            streams.append(harness.now - began)
        }
        #expect(streams.count <= 4)
        #expect(streams.dropFirst().allSatisfy { $0 < 20_000 })
        #expect(harness.takeChanges().allSatisfy { $0.kind != .failing })
    }

    @Test("a stranger of whom nobody wants to hear any more is not dialled on, and the rest of the site is told")
    func strangerGivenUp() throws {
        var harness = Harness(known: false)
        harness.acceptMessage("a")
        harness.dialFails()
        while harness.takeDials().isEmpty { harness.pass(1000) }
        harness.pass(harness.policy.federation.strangers.timeout)
        _ = harness.takeDials()
        #expect(harness.waiting == 0)
        #expect(harness.effects.contains { if case .cancelDial = $0 { true } else { false } })
        #expect(harness.takeChanges().last?.kind == .lost)
        #expect(harness.federation.links[0].census == nil)
    }

    @Test("an attempt that fails while the site is being closed is followed by nothing")
    func failsAtShutdown() throws {
        var harness = Harness()
        harness.acceptMessage("a")
        let request = try #require(harness.takeDials().last)
        harness.step { $0.shutdown($1) }
        harness.effects = []
        harness.timers = []
        _ = harness.takeChanges()
        harness.step { $0.dialFailed(request.id, .unreachable("no longer wanted"), $1) }
        #expect(harness.effects.isEmpty)
        #expect(harness.timers.isEmpty)
        #expect(harness.takeChanges().isEmpty)
    }

    @Test("S4: who refuses us is called more and more rarely, however much comes from him")
    func refusing() throws {
        var harness = Harness(known: false)
        let theirs = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: theirs)
        harness.acceptMessage("waits")
        var calls = 0
        for _ in 0..<1200 {
            let dials = harness.takeDials()
            calls += dials.count
            if let request = dials.last { harness.step { $0.dialFailed(request.id, .refused("not welcome"), $1) } }
            harness.pass(1000)
            harness.receive(.stanza(Harness.message("m", from: Harness.bob, to: Harness.alice.bare)), on: theirs)
        }
        // In twenty minutes: after pauses that double from one second up to a minute.
        #expect((10...40).contains(calls), "\(calls) calls")
    }

    @Test("what is heard of a peer ends a pause: a request for dialback at once, a stanza on its old stream after five seconds")
    func heard() {
        var harness = Harness(known: false)
        let theirs = Self.inbound(&harness)
        harness.acceptMessage("a")
        func pauseBegins(_ harness: inout Harness) {
            while harness.takeDials().isEmpty { harness.pass(1000) }
            harness.step { federation, turn in
                guard case .dialling(let dial) = federation.links[0].state else { return }
                federation.dialFailed(dial, .unreachable("connection refused"), turn)
            }
        }
        for _ in 0..<8 { pauseBegins(&harness) }
        let stanza = PeerStreamEvent.stanza(Harness.message("x", from: Harness.bob, to: Harness.alice))
        harness.receive(stanza, on: theirs)
        harness.pass(4900)
        harness.receive(stanza, on: theirs)
        #expect(harness.takeDials().isEmpty)
        harness.pass(100)
        harness.receive(stanza, on: theirs)
        harness.receive(stanza, on: theirs)
        #expect(harness.federation.links[0].state != .idle)
        pauseBegins(&harness)
        let key = PeerStreamEvent.dialbackKeyReceived(
            Harness.outgoing, key: "key", streamID: "stream", address: RemoteAddress("192.0.2.1"))
        harness.receive(key, on: harness.newConnection())
        #expect(harness.takeDials().map(\.purpose).contains(.link))
        harness.step { federation, turn in
            guard case .dialling(let dial) = federation.links[0].state else { return }
            federation.dialFailed(dial, .unreachable("connection refused"), turn)
        }
        harness.policy.limits.pendingDialbacksPerAddress = 1
        harness.receive(key, on: harness.newConnection())
        #expect(harness.takeDials().isEmpty, "who asks for too many verifications makes us call nobody")
    }
}
