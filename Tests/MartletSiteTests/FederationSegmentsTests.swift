import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// Lines that swallow large segments.
@Suite struct FederationSegmentsTests {
    typealias Harness = FederationHarness

    private static let day: Int64 = 86_400_000

    /// A stream on which small things pass, and of what is written nothing is ever acknowledged; until the next attempt.
    private func swallow(_ harness: inout Harness) throws {
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        _ = harness.takeSent(connection)
        harness.pass(240_000)
        #expect(harness.effects.contains(.stream(connection, .abort)))
    }

    private func limits(_ harness: inout Harness) -> [UInt16?] { harness.takeDials().map(\.segmentLimit) }

    @Test("a stream that dies of silence with large entries that nobody acknowledged is followed by smaller segments")
    func learnt() throws {
        var harness = Harness()
        harness.acceptMessage(String(repeating: "large ", count: 500))
        for limit: UInt16 in [1220, 536, 536] {
            try swallow(&harness)
            let dials = harness.federation.dials.count
            #expect(dials == 1)
            let request = harness.effects.compactMap { if case .dial(let request) = $0 { request } else { nil } }.last
            #expect(request?.segmentLimit == limit)
        }
        let told = harness.effects.compactMap { if case .note(.segmentsLimited(_, let bytes)) = $0 { bytes } else { nil } }
        #expect(told == [1220, 536], "each once")
    }

    @Test("it is remembered for a day, across a restart, and shown")
    func remembered() throws {
        var harness = Harness()
        harness.acceptMessage(String(repeating: "large ", count: 500))
        try swallow(&harness)
        harness.restart()
        #expect(limits(&harness) == [1220])
        harness.step { #expect($0.linkDetails(LinkID(slot: 0), $1).segmentLimit == 1220) }
        harness.pass(Self.day)
        harness.restart()
        #expect(limits(&harness) == [nil])
    }

    @Test("small entries, an idle line, and a line that has carried large ones before are not suspected")
    func unsuspected() throws {
        var harness = Harness()
        harness.acceptMessage("small")
        try swallow(&harness)
        #expect(limits(&harness).last == .some(nil))
        harness = Harness()
        harness.acceptMessage(String(repeating: "large ", count: 500))
        let connection = try harness.dialSucceeds(relay: true)
        harness.receive(.nonza(Harness.have(nil)), on: connection)
        harness.receive(.nonza(Harness.have(Harness.marks(harness.takeSent(connection)).last)), on: connection)
        harness.acceptMessage(String(repeating: "larger ", count: 500))
        harness.pass(240_000)
        #expect(harness.effects.contains(.stream(connection, .abort)))
        #expect(limits(&harness).last == .some(nil))
    }

    @Test("rows of earlier versions know nothing of it, and one with a limit keeps everything else")
    func rows() {
        let store = MemoryStore()
        let transaction = store.begin()
        var row = PeerRow()
        row.wasReached = true
        row.showedCertificate = true
        row.endpoints = [PeerRow.Endpoint(address: "192.0.2.1", port: 5269, directTLS: true)]
        row.endpointsSeen = Instant(milliseconds: 77)
        for limit: UInt16? in [nil, 536] {
            row.segmentLimit = limit
            row.segmentLimitSet = Instant(milliseconds: limit == nil ? 0 : 88)
            PeerTable.update(AddressNumber(1), row, in: transaction)
            #expect(PeerTable.row(AddressNumber(1), in: transaction) == row)
        }
        store.abort()
    }
}
