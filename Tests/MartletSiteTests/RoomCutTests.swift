import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// People of another office in a room, while the line is down and when it comes back (`Docs/relay-protocol.md` §5).
@Suite("rooms across a line that goes down")
struct RoomCutTests {
    private static let bob = "bob@brno.example/desk"

    private func tell(_ harness: inout SessionsHarness, _ kind: LinkChange.Kind) {
        let peer = JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)
        let host = JID(preparedLocalpart: nil, preparedDomainpart: SessionsHarness.roomHost, preparedResourcepart: nil)
        harness.step { _, turn in turn.notify(.linkChanged(LinkChange(DomainPair(local: host, peer: peer), kind))) }
    }

    private func cut(_ harness: inout SessionsHarness) {
        tell(&harness, .failing)
        harness.pass(harness.policy.federation.presenceGrace + 200)
    }

    /// A room with somebody here and somebody there, over a line that is up.
    private func room() -> (SessionsHarness, SessionsHarness.Client) {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.receive(
            "<presence from='\(Self.bob)' to='\(SessionsHarness.coven)/bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        tell(&harness, .up(wantsRefresh: true))
        harness.pass(200)
        answer(&harness)
        _ = harness.takeRemote()
        _ = harness.take(crone)
        return (harness, crone)
    }

    /// The other server answers whether somebody is there.
    private func answer(_ harness: inout SessionsHarness, error: String? = nil) {
        for ping in harness.takeRemote() where ping.payload("ping", Namespaces.ping) != nil {
            let words = "id='\(ping.id ?? "")' from='\(ping.to?.description ?? "")' to='\(ping.from?.description ?? "")'"
            if let error {
                harness.receive(
                    "<iq type='error' \(words)><error type='cancel'><\(error) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                )
            } else {
                harness.receive("<iq type='result' \(words)/>")
            }
        }
        harness.pass(50)
    }

    @Test("a line that is down: the others see them gone, once and with the reason; what is said goes into the lane")
    func suspended() {
        var (harness, crone) = room()
        cut(&harness)
        let seen = harness.seen(crone)
        #expect(seen.count == 1 && seen[0].hasPrefix("bob gone none/none bob@brno.example/desk (cut off since "))
        _ = harness.takeRemote()
        harness.say(crone, "one")
        harness.say(crone, "two")
        #expect(harness.seenElsewhere() == ["\(Self.bob) < firstwitch: one", "\(Self.bob) < firstwitch: two"])
        // Presence does not wait there.
        _ = harness.guest("hag66", "thirdwitch")
        #expect(harness.seenElsewhere() == [])
        #expect(harness.seen(crone).last == "thirdwitch none/participant hag66@pilsen.example/pda")
    }

    @Test("the line is back: who is still there is shown again, without a second entry, and sees everybody")
    func restored() {
        var (harness, crone) = room()
        cut(&harness)
        _ = harness.take(crone)
        tell(&harness, .up(wantsRefresh: true))
        harness.pass(200)
        answer(&harness)
        #expect(harness.seen(crone) == ["bob none/participant bob@brno.example/desk"])
        #expect(
            harness.seenElsewhere() == [
                "\(Self.bob) < firstwitch owner/moderator", "\(Self.bob) < bob none/participant bob@brno.example/desk 110,170",
            ])
    }

    @Test("the line is back: who shows himself before he is asked is shown again at once, and needs not answer")
    func shownAgain() {
        var (harness, crone) = room()
        cut(&harness)
        _ = harness.take(crone)
        tell(&harness, .up(wantsRefresh: true))
        harness.receive("<presence from='\(Self.bob)' to='\(SessionsHarness.coven)/bob'/>")
        harness.pass(200)
        #expect(harness.seen(crone) == ["bob none/participant bob@brno.example/desk"])
        answer(&harness)
        #expect(harness.seen(crone) == [])
    }

    @Test("the line is back, and his server does not know him any more: he is gone for good, and nobody is told twice")
    func ghost() {
        var (harness, crone) = room()
        cut(&harness)
        _ = harness.take(crone)
        tell(&harness, .up(wantsRefresh: true))
        harness.pass(200)
        answer(&harness, error: "service-unavailable")
        #expect(harness.seen(crone) == [])
        _ = harness.takeRemote()
        harness.say(crone, "alone")
        #expect(harness.seenElsewhere() == [])
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch")
        #expect(!harness.seen(hag).contains { $0.hasPrefix("bob") })
    }

    @Test("the other server was started anew without a line that was seen down: who is not there any more leaves the room")
    func restartedThere() {
        var (harness, crone) = room()
        tell(&harness, .lost)
        tell(&harness, .up(wantsRefresh: true))
        harness.pass(200)
        answer(&harness, error: "service-unavailable")
        #expect(harness.seen(crone) == ["bob gone none/none bob@brno.example/desk 333"])
    }

    @Test("who does not answer while the line is up is asked three times, and is gone then")
    func silent() {
        var (harness, crone) = room()
        cut(&harness)
        tell(&harness, .up(wantsRefresh: true))
        harness.pass(250_000)
        let pings = harness.takeRemote().count { $0.payload("ping", Namespaces.ping) != nil }
        #expect(pings == 3)
        _ = harness.take(crone)
        harness.say(crone, "alone")
        #expect(harness.seenElsewhere() == [])
    }

    @Test("our own start: who was in the room is there, is asked when his line is up, and gets what was said once")
    func restartedHere() {
        var (harness, crone) = room()
        harness.say(crone, "before")
        _ = harness.takeRemote()
        harness.flush()
        harness.crash()
        harness.pass(1000)
        #expect(harness.wantedLinks.contains { $0.local.domainpart == SessionsHarness.roomHost })
        tell(&harness, .up(wantsRefresh: true))
        harness.pass(500)
        answer(&harness)
        // She had no way to come back: the room is told.
        let hag = harness.login("hag66", "pda")
        harness.enter(hag, "thirdwitch")
        let seen = harness.seen(hag)
        #expect(seen.contains("bob none/participant") && !seen.contains { $0.hasPrefix("firstwitch owner") })
    }

    @Test("an error for what the room has sent takes away who got it, and the author is told nothing")
    func bounced() {
        var (harness, crone) = room()
        harness.say(crone, "hello")
        _ = harness.take(crone)
        harness.receive(
            """
            <message type='error' from='\(Self.bob)' to='\(SessionsHarness.coven)/firstwitch'>\
            <error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>
            """)
        #expect(harness.seen(crone) == ["bob gone none/none bob@brno.example/desk 333"])
    }

    @Test("nobody of a server that is no office fills a room with names that he has made up")
    func strangers() {
        var harness = SessionsHarness.withRooms()
        _ = harness.makeRoom()
        for number in 1...(RoomLimits.strangers + 1) {
            harness.receive(
                "<presence from='p\(number)@away.example/r' to='\(SessionsHarness.coven)/p\(number)'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            )
            if number % 100 == 0 { harness.pass(2000) }
        }
        harness.pass(10_000)
        let last = "p\(RoomLimits.strangers + 1)"
        #expect(
            harness.seenElsewhere().filter { $0.contains(" < \(last) ") } == [
                "\(last)@away.example/r < \(last) error resource-constraint"
            ])
    }

    @Test(
        "a room of thousands is told in slices: no turn is long, what is said is in its order, and a crash in between loses nothing"
    )
    func large() {
        var harness = SessionsHarness.withRooms()
        harness.policy.federation.knownPeers = [
            JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)
        ]
        let crone = harness.makeRoom()
        for number in 1...400 {
            harness.receive(
                "<presence from='p\(number)@brno.example/r' to='\(SessionsHarness.coven)/p\(number)'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            )
            if number % 50 == 0 { harness.pass(500) }
        }
        harness.pass(5000)
        _ = harness.takeRemote()
        _ = harness.take(crone)
        harness.send(crone, "<message type='groupchat' to='\(SessionsHarness.coven)'><body>one</body></message>")
        harness.send(crone, "<message type='groupchat' to='\(SessionsHarness.coven)'><body>two</body></message>")
        #expect(harness.takeRemote().count { $0.kind == .message } == 255)
        harness.flush()
        harness.crash()
        harness.pass(5000)
        // The first slice went before; the rest of both comes now, and nothing twice.
        let rest = harness.takeRemote().filter { $0.kind == .message && $0.type == "groupchat" }
        #expect(rest.count == 800 - 255)
        #expect(
            Set(rest.map { "\($0.to?.description ?? "") \($0.payload("body", Namespaces.client)?.text ?? "")" }).count
                == rest.count)
        let last = rest.filter { $0.to?.localpart == "p400" }.compactMap { $0.payload("body", Namespaces.client)?.text }
        #expect(last == ["one", "two"])
        #expect(harness.largestBatch <= 600)
    }
}
