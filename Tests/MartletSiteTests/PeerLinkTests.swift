import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams

@testable import MartletFederation

/// The facts about a link and what they leave behind.
@Suite struct PeerLinkTests {
    private static let connection = ConnectionID(loop: 0, slot: 1, generation: 1)
    private static let dial = DialID(1)
    private static let now = Instant(milliseconds: 0)

    private static func link(isStranger: Bool = true) -> PeerLink {
        PeerLink(FederationHarness.outgoing, isStranger: isStranger)
    }

    private static func up(_ foreign: ForeignCarrier? = nil, openedBy opener: LinkStream.Opener = .us) -> PeerLink {
        var link = link()
        link.attemptBegan(dial)
        link.streamBegan(on: connection, openedBy: opener, at: now, foreign: foreign)
        return link
    }

    @Test("an attempt that failed counts absences in a row, and leaves the state to what follows")
    func attemptFailed() {
        var link = Self.link()
        link.attemptBegan(Self.dial)
        link.attemptFailed(.noSuchDomain)
        link.attemptFailed(.noSuchDomain)
        #expect(link.state == .dialling(Self.dial))
        #expect(link.reach.absences == 2)
        #expect(link.reach.cannotBeDialled)
        #expect(link.reach.lastError == DialFailure.noSuchDomain.words)
        link.attemptFailed(.serviceNotOffered)
        #expect(link.reach.absences == 2)
        link.attemptFailed(.refused("no"))
        #expect(link.reach.absences == 0)
        #expect(link.reach.failures == 0, "only a pause counts")
    }

    @Test("a stream of ours forgives everything but the pauses, which end with a sign of life")
    func streamBegan() {
        var link = Self.link()
        link.attemptFailed(.unreachable("no route"))
        link.pauseBegan(until: Instant(milliseconds: 10), after: "no route", .noAnswer)
        let before = link.generation
        link.streamBegan(on: Self.connection, openedBy: .us, at: Self.now, foreign: nil)
        #expect(link.state == .up(Self.connection))
        #expect(link.generation > before, "the timer of the pause is stale")
        #expect(!link.reach.cannotBeDialled)
        #expect(!link.reach.isStranger)
        #expect(link.reach.lastError.isEmpty)
        #expect(link.reach.failures == 1)
        #expect(link.heard(at: Self.now) == false, "it is up since it began")
        #expect(link.reach.failures == 0)
    }

    @Test("a stream of the peer says that it exists, not that it can be called, and is told when something was heard")
    func peersStream() {
        var link = Self.link()
        link.attemptFailed(.unreachable("no route"))
        link.streamBegan(on: Self.connection, openedBy: .peer, at: Self.now, foreign: nil)
        #expect(!link.reach.isStranger)
        #expect(link.reach.cannotBeDialled)
        #expect(link.isUpUntold)
        #expect(link.acknowledgement.isEmpty)
        #expect(link.heard(at: Self.now) == true)
        #expect(link.heard(at: Self.now) == false)
        #expect(link.acknowledgement == "relay, on the peer's stream")
        #expect(link.trouble.isEmpty, "it is up")
        #expect(link.detour == "no route")
    }

    @Test("there is a stream exactly while the link is up or closing")
    func streamLost() {
        var link = Self.up(ForeignCarrier(managed: false))
        #expect(link.stream != nil)
        link.closeBegan()
        #expect(link.state == .closing(Self.connection))
        #expect(link.stream != nil)
        let before = link.generation
        let lost = link.streamLost()
        #expect(lost?.connection == Self.connection)
        #expect(link.state == .idle)
        #expect(link.stream == nil)
        #expect(link.generation > before)
        link.closeBegan()
        #expect(link.state == .idle, "there is nothing to close")
    }

    @Test(
        "relay-protocol §6, rung 4: two streams that died over something unproven put the link in doubt, until something is proven"
    )
    func doubt() {
        var link = Self.link()
        for isDoubtful in [false, true] {
            link.streamBegan(on: Self.connection, openedBy: .us, at: Self.now, foreign: ForeignCarrier(managed: true))
            link.stream?.foreign?.wrote(.entry(.chat, 1))
            _ = link.streamLost()
            #expect(link.isDoubtful == isDoubtful)
        }
        link.streamBegan(on: Self.connection, openedBy: .us, at: Self.now, foreign: ForeignCarrier(managed: true))
        link.stream?.foreign?.wrote(.beside)
        _ = link.streamLost()
        link.entriesProven()
        #expect(!link.isDoubtful)
    }

    @Test("availability is wanted again after each stream, and the failure of a link is told once")
    func told() {
        var link = Self.up()
        #expect(link.upTold() == true)
        #expect(link.upTold() == false)
        _ = link.streamLost()
        #expect(link.failingTold() == true)
        #expect(link.failingTold() == false)
        #expect(link.upTold() == true)
        #expect(link.failingTold() == true, "it was up in between")
    }

    @Test("whoever gives up forgets attempts, and makes the timers of the last one stale")
    func gaveUp() {
        var link = Self.link()
        link.attemptFailed(.noSuchDomain)
        link.pauseBegan(until: Instant(milliseconds: 10), after: "absent", .rebuff)
        link.attemptBegan(Self.dial)
        link.attemptFailed(.noSuchDomain)
        let before = link.generation
        link.gaveUp("absent")
        #expect(link.state == .idle)
        #expect(link.generation > before)
        #expect(link.reach.failures == 0)
        #expect(link.reach.absences == 0)
        #expect(link.reach.isStranger)
    }

    @Test("relay-protocol §5: a request fails with its stream, and its answer is not heard after that")
    func requests() {
        var link = Self.up()
        let first = PeerRequests.Request(id: "1", from: FederationHarness.alice, to: FederationHarness.bob)
        let second = PeerRequests.Request(id: "2", from: FederationHarness.alice, to: FederationHarness.bob)
        link.requests.wrote(first)
        link.requests.wrote(second)
        #expect(link.requests.answered(first) == .expected)
        let lost = link.streamLost()
        #expect(lost.map { Array($0.requests) } == [second])
        #expect(link.requests.answered(second) == .tooLate)
        #expect(link.requests.answered(second) == .expected, "it is told apart once")
    }

    @Test("the pause before an attempt doubles up to its maximum, and lies in its second half")
    func pause() {
        var reach = Reach(isStranger: false)
        for base: Int64 in [1000, 2000, 4000, 5000, 5000] {
            #expect(reach.pause(from: 1000, upTo: 5000, draw: 0) == base / 2)
            #expect(reach.pause(from: 1000, upTo: 5000, draw: UInt64(base / 2) - 1) == base - 1)
            reach.pauseBegan(after: "", .noAnswer)
        }
    }

    @Test("one of our offices that does not answer is called all the time, one that will not have us more and more rarely")
    func officePause() {
        var reach = Reach(isStranger: false)
        func pause(_ setback: Setback) -> Int64 {
            reach.pause(from: 1000, upTo: 60_000, isOffice: true, after: setback, draw: 0)
        }
        for _ in 0..<50 {
            #expect(pause(.noAnswer) == 500)
            reach.pauseBegan(after: "", .noAnswer)
        }
        for base: Int64 in [1000, 2000, 4000] {
            #expect(pause(.rebuff) == base / 2)
            reach.pauseBegan(after: "", .rebuff)
            #expect(pause(.noAnswer) == 500)
        }
        reach.heard()
        #expect(pause(.rebuff) == 500)
    }

    @Test("a line that flaps is called after five seconds at most, once it held for a while at once")
    func flapping() {
        var reach = Reach(isStranger: false)
        func pause(_ setback: Setback) -> Int64 {
            reach.pause(from: 1000, upTo: 60_000, isOffice: true, after: setback, draw: 0)
        }
        for base: Int64 in [1000, 2000, 4000, 5000, 5000] {
            #expect(pause(.shortLife) == base / 2)
            reach.pauseBegan(after: "", .shortLife)
            reach.heard()
            #expect(pause(.loss) == 500)
        }
        reach.pauseBegan(after: "", .loss)
        #expect(pause(.shortLife) == 500)
    }

    @Test("an attempt to reach an office hangs for two seconds, as long as its line needs, and every fourth time for four")
    func attemptPatience() {
        var reach = Reach(isStranger: false)
        var slow = LinePace()
        slow.answered(after: 1000)
        for _ in 0..<2 {
            for expected: Int64 in [2000, 2000, 2000, 4000] {
                #expect(reach.patience(of: LinePace()) == expected)
                #expect(reach.patience(of: slow) == 4000)
                reach.pauseBegan(after: "", .noAnswer)
            }
        }
    }

    @Test("links are found by their pair and by the stream that carries them, and by no other")
    func places() {
        var links = PeerLinks()
        let id = links.added(Self.link())
        #expect(links.id(of: FederationHarness.outgoing) == id)
        #expect(links.id(on: Self.connection) == nil)
        links.streamBegan(id, on: Self.connection, openedBy: .us, at: Self.now, foreign: nil)
        #expect(links.id(on: Self.connection) == id)
        _ = links.streamLost(id)
        #expect(links.id(on: Self.connection) == nil)
        #expect(links.isCurrent(id, links[id].generation))
        #expect(!links.isCurrent(LinkID(slot: 1), 0))
    }

    @Test("a link that was touched is looked after once in a batch")
    func touched() {
        var links = PeerLinks()
        let id = links.added(Self.link())
        links.touch(id)
        links.touch(id)
        #expect(links.touched == [id])
        links.lookedAfter(id)
        links.lookedAfterAll()
        links.touch(id)
        #expect(links.touched == [id])
    }
}
