import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// What one site does not take is refused where it is taken over, and never costs a stream.
@Suite struct FederationRefusingTests {
    typealias Harness = FederationHarness

    private static let long = String(repeating: "x", count: 20_000)

    private func announced(_ bytes: Int?, relay: Bool = false) throws -> (Harness, ConnectionID) {
        var harness = Harness()
        harness.step { $0.boot($1) }
        let request = try #require(harness.takeDials().last)
        let connection = harness.newConnection()
        let features = PeerFeatures(
            relay: relay, streamManagement: true, proof: .certificate, peerCertificateVerified: false, announcedBytes: bytes)
        harness.step { $0.dialed(request.id, connection, features, [], $1) }
        if relay { harness.receive(.nonza(Harness.have(nil)), on: connection) }
        _ = harness.takeSent(connection)
        return (harness, connection)
    }

    @Test("XEP-0478 §4: what is longer than the peer announced goes back to its sender, whatever it is, and is not written")
    func tooLong() throws {
        var (harness, connection) = try announced(16_000)
        harness.acceptMessage(Self.long)
        let payload = Element("x", "urn:x", text: Self.long)
        harness.accept(Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "i", type: "get", payloads: [payload]))
        #expect(harness.routed.map(\.type) == ["error", "error"])
        #expect(
            harness.routed.allSatisfy {
                $0.payload("error", Namespaces.client)?.first("policy-violation", Namespaces.stanzaErrors) != nil
            })
        #expect(harness.waiting == 0)
        harness.acceptMessage("short")
        #expect(harness.takeSent(connection).contains { $0["id"] == "short" })
    }

    @Test("what a peer announced outlives a restart, and is forgotten when it announces nothing any more")
    func remembered() throws {
        var (harness, _) = try announced(16_000)
        harness.restart()
        harness.acceptMessage(Self.long)
        #expect(harness.routed.count == 1 && harness.waiting == 0)
        _ = try harness.dialSucceeds(relay: false)
        harness.acceptMessage(Self.long)
        #expect(harness.routed.count == 1 && harness.waiting == 1)
    }

    @Test("what a peer says in <bidi/> about the stream that it opened counts for its link")
    func announcedByOpener() throws {
        var (harness, _) = try announced(nil)
        let theirs = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate, .relay, announcedBytes: 16_000), on: theirs)
        harness.acceptMessage(Self.long)
        #expect(harness.routed.count == 1 && harness.waiting == 0)
    }

    @Test("an answer that is refused for its size: whoever asked is told so, once")
    func answers() throws {
        var (harness, connection) = try announced(nil, relay: true)
        harness.accept(
            Stanza(.iq, from: Harness.alice, to: Harness.bob, id: "i", type: "get", payloads: [Element("x", "urn:x")]))
        let answer = Stanza(.iq, from: Harness.bob, to: Harness.alice, id: "i", type: "result")
        for _ in 0..<2 { harness.receive(.stanzaRefused(answer, StanzaError(.policyViolation)), on: connection) }
        #expect(harness.routed.map(\.type) == ["error"])
        #expect(harness.routed.first?.to == Harness.alice && harness.routed.first?.id == "i")
    }

    @Test("R3: a stanza that is refused for its size has its number counted, and is answered")
    func counted() throws {
        var (harness, _) = try announced(nil, relay: true)
        let theirs = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: theirs)
        var stanza = Stanza(.message, from: Harness.bob, to: Harness.alice, id: "m", type: "chat")
        stanza.relayMark = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 1, tag: 3, after: nil)
        harness.receive(.stanzaRefused(stanza, StanzaError(.policyViolation)), on: theirs)
        #expect(harness.routed.map(\.type) == ["error"])
        let have = harness.takeSent(theirs).last
        #expect(have?.name == "have" && have?["n"] == "1")
    }

    private static func numbered(_ number: UInt64, _ text: String) -> Stanza {
        var stanza = Harness.message(text, from: Harness.bob, to: Harness.alice)
        stanza.relayMark = RelayMark(
            lane: .chat, epoch: Epoch(high: 1, low: 2), number: number, tag: number, after: number == 1 ? nil : number - 1)
        return stanza
    }

    @Test(
        "R4: a long stanza for which there is no room is neither counted nor taken over, though a short one would be",
        arguments: [
            StoreRoom.Look(freeBytes: 1 << 40, growth: 0),
            StoreRoom.Look(freeBytes: LimitsPolicy().diskReserve + 75_000),
        ])
    func longWithoutRoom(look: StoreRoom.Look) throws {
        var (harness, _) = try announced(nil, relay: true)
        let theirs = harness.newConnection()
        harness.receive(.peerVerified(Harness.outgoing, .certificate), on: theirs)
        harness.room = StoreRoom(look, LimitsPolicy())
        harness.receive(.stanza(Self.numbered(1, "short")), on: theirs)
        #expect(harness.routed.map(\.id) == ["short"])
        #expect(harness.takeSent(theirs).last?["n"] == "1")
        harness.effects = []
        harness.receive(.stanza(Self.numbered(2, Self.long)), on: theirs)
        #expect(harness.routed.map(\.id) == ["short"])
        #expect(harness.takeSent(theirs).isEmpty)
        let closes = harness.effects.compactMap { effect in
            if case .stream(theirs, .close(let error)) = effect { error?.condition } else { nil }
        }
        #expect(closes == [.resourceConstraint])
        harness.room = .ample
        harness.receive(.stanza(Self.numbered(2, Self.long)), on: theirs)
        #expect(harness.routed.count == 2)
    }

    @Test("R4: of a bundle so much is taken over as there is room for, and the rest when there is")
    func bundleWithoutRoom() throws {
        var harness = Harness()
        let records = (1...20).map { number in
            let stanza = Self.numbered(UInt64(number), Self.long)
            var delivered = stanza
            delivered.relayMark = nil
            return CarriedRecord.stanza(stanza.relayMark!, delivered)
        }
        harness.room = StoreRoom(StoreRoom.Look(freeBytes: LimitsPolicy().diskReserve + (1 << 20)), LimitsPolicy())
        var answer = CommandAnswer.refused("")
        harness.step { answer = $0.importRecords(records, Harness.outgoing, $1) }
        guard case .refused(let words) = answer else { throw IssueOf(answer: "\(answer)") }
        #expect(words.contains("import the file again"))
        let taken = harness.routed.count
        #expect(taken > 0 && taken < 20)
        harness.room = .ample
        harness.step { answer = $0.importRecords(records, Harness.outgoing, $1) }
        guard case .imported(let outcome) = answer else { throw IssueOf(answer: "\(answer)") }
        #expect((outcome.taken, outcome.duplicates) == (20 - taken, taken))
        #expect(harness.routed.count == 20)
    }

    private struct IssueOf: Error, CustomStringConvertible {
        let answer: String
        var description: String { "another answer: \(answer)" }
    }

    @Test(
        "XEP-0478: what a peer says in <bidi/> counts only of one that is let in, costs a stranger no row, and ends with a stream that says nothing"
    )
    func announcedByStranger() throws {
        var harness = Harness(known: false)
        for blocked in [true, false] {
            harness.policy.federation.blockedPeers = blocked ? [Harness.peer] : []
            let theirs = harness.newConnection()
            harness.receive(.peerVerified(Harness.outgoing, .dialback, .relay, announcedBytes: 16_000), on: theirs)
            #expect(harness.store.count(.peer) == 0)
        }
        (harness, _) = try announced(nil)
        for bytes in [16_000, nil] {
            let theirs = harness.newConnection()
            harness.receive(.peerVerified(Harness.outgoing, .certificate, .relay, announcedBytes: bytes), on: theirs)
            harness.restart()
            harness.routed = []
            harness.acceptMessage(Self.long)
            #expect(harness.routed.count == (bytes == nil ? 0 : 1))
        }
    }
}
