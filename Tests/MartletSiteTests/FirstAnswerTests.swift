import MartletBus
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A server asks one of our domains for the first time: it has a stream to us, and we have none to it.
@Suite("the first answer to a server")
struct FirstAnswerTests {
    private static let stranger = JID(preparedLocalpart: nil, preparedDomainpart: "stranger.example", preparedResourcepart: nil)

    private func asked() -> SiteHarness {
        var harness = SiteHarness()
        let theirs = ConnectionID(loop: 3, slot: 1, generation: 0)
        harness.handle(
            .server(theirs, .peerVerified(DomainPair(local: SiteHarness.domain, peer: Self.stranger), .certificate)))
        harness.send(
            "<iq type='get' id='first' to='pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>",
            from: "eva@stranger.example/r", on: theirs)
        return harness
    }

    private func answers(_ harness: inout SiteHarness) -> Int {
        harness.takeEffects().count {
            guard case .stream(_, .send(let bytes)) = $0 else { return false }
            return String(decoding: bytes, as: UTF8.self).contains("id='first'")
        }
    }

    @Test("a stream is opened for it, and it goes there once")
    func goes() {
        var harness = asked()
        harness.dialReachesForeigner(managed: false)
        harness.pass(200)
        #expect(answers(&harness) == 1)
    }

    @Test("where the server cannot be reached it is forgotten")
    func fails() {
        var harness = asked()
        harness.dialFails()
        harness.pass(1000)
        #expect(answers(&harness) == 0)
        let theirs = ConnectionID(loop: 3, slot: 1, generation: 0)
        harness.send(
            "<iq type='get' id='second' to='pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>",
            from: "eva@stranger.example/r", on: theirs)
        harness.dialReachesForeigner(managed: false)
        harness.pass(200)
        #expect(answers(&harness) == 0)
    }
}
