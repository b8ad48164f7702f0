import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletFederation

/// What links hold in memory is bounded in bytes, and nobody takes all of it.
@Suite("Memory of links") struct FederationMemoryTests {
    private static let mallory = account(1)

    private static func account(_ number: UInt64) -> Origin {
        .session(SessionOrigin(SessionID(slot: 0, generation: 0), account: AddressNumber(number), isManaged: true))
    }

    private static func query(_ id: String, bytes: Int = 0, from: JID = FederationHarness.alice) -> Stanza {
        Stanza(
            .iq, from: from, to: FederationHarness.bob, id: id, type: "get",
            payloads: [Element("query", "urn:example:q", text: String(repeating: "x", count: bytes))])
    }

    private static func accept(_ stanza: Stanza, _ origin: Origin, _ site: inout FederationHarness) {
        site.step { $0.accept(Envelope(stanza, from: origin), $1) }
    }

    @Test("what waits for a domain that is being called is bounded in bytes; one account takes half of it, another still asks")
    func waitingBeside() throws {
        var site = FederationHarness(known: false)
        for number in 0..<100 { Self.accept(Self.query("\(number)", bytes: 100_000), Self.mallory, &site) }
        let held = try #require(site.federation.links.first?.beside.bytes)
        #expect(held <= WaitingBeside.limit.bytes / 2)
        #expect(site.memory.bytes(of: .account(AddressNumber(1))) == held, "it stands on the account of who asks")
        #expect(site.routed.allSatisfy { $0.type == "error" })
        #expect(site.routed.count == 100 - (site.federation.links.first?.beside.count ?? 0), "whoever is refused is told")
        let refused = site.routed.count
        Self.accept(Self.query("another", bytes: 1000), Self.account(2), &site)
        #expect(site.routed.count == refused, "somebody else's question waits")
        _ = try site.dialSucceeds(relay: true)
        #expect(site.memory.total == 0)
        #expect(site.federation.links.first?.beside.isEmpty == true)
    }

    @Test("what waited for an attempt that failed is off the account of who asked")
    func failedAttempt() {
        var site = FederationHarness()
        Self.accept(Self.query("1", bytes: 10_000), Self.mallory, &site)
        #expect(site.memory.total > 10_000)
        site.dialFails()
        #expect(site.memory.total == 0)
        #expect(site.routed.last?.type == "error")
    }

    @Test("RFC 6120 §8.3.3.12: a request whose id has to be remembered and is too long goes back with policy-violation")
    func longIdentifier() {
        var site = FederationHarness()
        let id = String(repeating: "i", count: PeerRequests.idLimit + 1)
        Self.accept(Self.query(id), Self.mallory, &site)
        #expect(site.routed.last?.id == id)
        #expect(site.routed.last?.payloads.last?.elements.first?.name == "policy-violation")
        #expect(site.federation.links.first?.beside.isEmpty == true)
        Self.accept(Self.query(String(id.dropLast())), Self.mallory, &site)
        #expect(site.federation.links.first?.beside.count == 1)
    }

    @Test("requests that a peer never answers take a bounded number of bytes, also when their stream has died")
    func rememberedRequests() {
        var requests = PeerRequests()
        let long = String(repeating: "i", count: PeerRequests.idLimit - 4)
        for number in 1000..<5000 {
            requests.wrote(
                PeerRequests.Request(id: "\(number)\(long)", from: FederationHarness.alice, to: FederationHarness.bob))
            #expect(requests.bytes <= PeerRequests.byteLimit)
        }
        let lost = requests.streamLost()
        #expect(lost.last?.id.hasPrefix("4999") == true)
        for number in 5000..<9000 {
            requests.wrote(
                PeerRequests.Request(id: "\(number)\(long)", from: FederationHarness.alice, to: FederationHarness.bob))
        }
        _ = requests.streamLost()
        #expect(requests.bytes <= PeerRequests.byteLimit)
    }

    @Test("who asks without end forgets his own requests, not those of others")
    func ownRequestsGoFirst() throws {
        var requests = PeerRequests()
        let other = try JID("carol@pilsen.example/desk")
        let first = PeerRequests.Request(id: "first", from: other, to: FederationHarness.bob)
        requests.wrote(first)
        for number in 0..<5 * PeerRequests.limit {
            requests.wrote(PeerRequests.Request(id: "\(number)", from: FederationHarness.alice, to: FederationHarness.bob))
        }
        #expect(requests.isOpen(first))
    }
}

/// The two values by which memory and shared room are kept.
@Suite("Portions and the ledger") struct PortionsTests {
    @Test("nobody gets more than is still free: one takes half, the next a quarter, and there is always room for another")
    func shares() {
        var shares = Portions<Int>()
        let limit = Portions<Int>.Amount(count: 1000, bytes: 1 << 30)
        for owner in 1...5 { while shares.admits(10, for: owner, of: limit) { shares.add(10, for: owner) } }
        #expect((1...5).map { shares.share(of: $0).count } == [500, 250, 125, 63, 31])
        #expect(shares.admits(10, for: 6, of: limit))
        for _ in 0..<500 { shares.remove(10, for: 1) }
        #expect(shares.share(of: 1) == Portions.Amount(count: 0, bytes: 0))
        #expect(shares.total.count == 469)
    }

    @Test("bytes are shared out like things")
    func sharesOfBytes() {
        var shares = Portions<Int>()
        let limit = Portions<Int>.Amount(count: 1000, bytes: 1_000_000)
        while shares.admits(100_000, for: 1, of: limit) { shares.add(100_000, for: 1) }
        #expect(shares.share(of: 1).bytes == 500_000)
        #expect(!shares.admits(600_000, for: 2, of: limit))
        #expect(shares.admits(500_000, for: 2, of: limit))
    }

    @Test("at the ceiling whoever holds most is refused, and nobody else")
    func ledger() {
        var ledger = MemoryLedger()
        let (large, small) = (Party.account(AddressNumber(1)), Party.account(AddressNumber(2)))
        ledger.changed(by: 900, for: large)
        ledger.changed(by: 90, for: small)
        #expect(ledger.admits(large, ceiling: 1000))
        ledger.changed(by: 10, for: small)
        #expect(!ledger.admits(large, ceiling: 1000))
        #expect(ledger.admits(small, ceiling: 1000))
        #expect(ledger.largest(1).map(\.party) == [large])
        ledger.changed(by: -850, for: large)
        #expect(ledger.total == 150)
        ledger.changed(by: 900, for: small)
        #expect(ledger.admits(large, ceiling: 1000))
        #expect(!ledger.admits(small, ceiling: 1000))
        ledger.changed(by: -1000, for: small)
        ledger.changed(by: -50, for: large)
        #expect(ledger.total == 0)
        #expect(ledger.largest(5).isEmpty)
    }
}
