import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// Stanzas over which a server ends its streams, and everybody else's that travel beside them.
@Suite("Stanzas at which streams end")
struct FederationPoisonTests {
    typealias Harness = FederationHarness

    private static let mallory = JID(
        preparedLocalpart: "mallory", preparedDomainpart: "pilsen.example", preparedResourcepart: "x")

    /// A server that ends each stream over what it does not bear, and acknowledges everything before that.
    private struct Peer {
        var harness = Harness()
        var connection: ConnectionID?
        var streams = 0
        var handled = 0
        var taken: [String] = []
        let bears: (Element) -> Bool

        init(bears: @escaping (Element) -> Bool) { self.bears = bears }

        /// Does what is due until nothing more comes, at most so many streams.
        mutating func run(streams limit: Int) throws {
            if harness.federation.links.first?.isUp != true { connection = nil }
            while streams < limit {
                if connection == nil {
                    var waited = 0
                    while !harness.isDialling, waited < 100 {
                        harness.pass(1_000)
                        waited += 1
                    }
                    guard harness.isDialling else { return }
                    connection = try harness.dialSucceeds(relay: false, managed: true)
                    streams += 1
                    handled = 0
                }
                guard let connection else { return }
                exchange: while true {
                    let sent = harness.takeSent(connection).filter { !$0.is("enable", Namespaces.streamManagement) }
                    if sent.isEmpty { return }
                    for element in sent {
                        if element.is("r", Namespaces.streamManagement) {
                            harness.receive(
                                .nonza(Element("a", Namespaces.streamManagement, [("h", String(handled))])), on: connection)
                        } else if bears(element) {
                            handled += 1
                            taken.append(element["id"] ?? "")
                        } else {
                            self.connection = nil
                            harness.receive(.errorReceived("policy-violation"), on: connection)
                            harness.receive(.closed("policy-violation"), on: connection)
                            break exchange
                        }
                    }
                }
            }
        }
    }

    private static func size(_ element: Element) -> Int { element.serialized(within: Namespaces.client).count }

    @Test("60 messages of 75 kB that the peer does not bear cost three streams, not 180; what stands between them arrives once")
    func tooLong() throws {
        var peer = Peer { Self.size($0) < 64_000 }
        let long = String(repeating: "x", count: 75_000)
        peer.harness.step { $0.boot($1) }
        for number in 0..<60 {
            peer.harness.accept(
                Stanza(
                    .message, from: Self.mallory, to: Harness.bob, id: "long\(number)", type: "chat",
                    payloads: [Element("body", Namespaces.client, text: long)]))
            peer.harness.acceptMessage("good\(number)")
        }
        try peer.run(streams: 20)
        #expect(peer.streams <= 3)
        #expect(peer.taken == (0..<60).map { "good\($0)" })
        #expect(peer.harness.store.count(.held) == 60)
        #expect(peer.harness.waiting == 0)
        peer.harness.pass(Federation.heldNotice)
        let told = peer.harness.toldSenders()
        #expect(Set(told) == ["mallory@pilsen.example"] && told.count <= 3)
        // From now on the sender hears it at once.
        peer.harness.routed = []
        peer.harness.accept(Harness.message(long, from: Self.mallory))
        #expect(peer.harness.routed.map(\.type) == ["error"] && peer.harness.waiting == 0)
        // Only as long as that is true.
        peer.harness.pass(StreamSuspicion.memory + 1)
        peer.harness.accept(Harness.message(long, from: Self.mallory))
        #expect(peer.harness.waiting == 1)
    }

    @Test(
        "requests beside the lanes that end each stream take no innocent message with them, and are refused from the third on")
    func besides() throws {
        var peer = Peer { $0.first("bad", "urn:bad") == nil }
        peer.harness.step { $0.boot($1) }
        for number in 0..<20 {
            peer.harness.acceptMessage("good\(number)")
            peer.harness.accept(
                Stanza(
                    .iq, from: Self.mallory, to: Harness.bob, id: "bad\(number)", type: "get",
                    payloads: [Element("bad", "urn:bad")]))
            peer.harness.accept(
                Stanza(
                    .iq, from: Harness.alice, to: Harness.bob, id: "ping\(number)", type: "get",
                    payloads: [Element("ping", Namespaces.ping)]))
            try peer.run(streams: peer.streams + 3)
        }
        #expect(peer.harness.store.count(.held) == 0)
        #expect(peer.taken.filter { $0.hasPrefix("good") }.count == 20, "\(peer.taken)")
        #expect(peer.streams <= 5)
        #expect(peer.taken.count { $0.hasPrefix("ping") } >= 15)
        let refused = peer.harness.routed.filter { $0.to == Self.mallory && $0.type == "error" }
        #expect(refused.count >= 15)
        #expect(
            peer.harness.effects.contains {
                if case .note(.senderRefused(_, let sender, _)) = $0 { sender == Self.mallory.bare } else { false }
            })
        // After ten minutes it is tried again.
        peer.harness.pass(StreamSuspicion.refusal + 1)
        try peer.run(streams: peer.streams + 2)
        peer.harness.accept(
            Stanza(.iq, from: Self.mallory, to: Harness.bob, id: "late", type: "get", payloads: [Element("x", "urn:x")]))
        try peer.run(streams: peer.streams + 2)
        #expect(peer.taken.contains("late"))
    }
}

extension FederationHarness {
    /// Who was told that messages are held, since the last look.
    mutating func toldSenders() -> [String] {
        let notices = routed.filter { $0.type == "normal" && $0.from == Self.local }
        routed.removeAll { $0.type == "normal" && $0.from == Self.local }
        return notices.compactMap { $0.to?.description }
    }
}
