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

    private static func link(isStranger: Bool = true) -> PeerLink {
        PeerLink(FederationHarness.outgoing, isStranger: isStranger)
    }

    private static func up(_ foreign: ForeignCarrier? = nil, openedBy opener: LinkStream.Opener = .us) -> PeerLink {
        var link = link()
        link.attemptBegan(dial)
        link.streamBegan(on: connection, openedBy: opener, foreign: foreign)
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
        link.pauseBegan(until: Instant(milliseconds: 10), after: "no route")
        let before = link.generation
        link.streamBegan(on: Self.connection, openedBy: .us, foreign: nil)
        #expect(link.state == .up(Self.connection))
        #expect(link.generation > before, "the timer of the pause is stale")
        #expect(!link.reach.cannotBeDialled)
        #expect(!link.reach.isStranger)
        #expect(link.reach.lastError.isEmpty)
        #expect(link.reach.failures == 1)
        #expect(link.heard() == false, "it is up since it began")
        #expect(link.reach.failures == 0)
    }

    @Test("a stream of the peer says that it exists, not that it can be called, and is told when something was heard")
    func peersStream() {
        var link = Self.link()
        link.attemptFailed(.unreachable("no route"))
        link.streamBegan(on: Self.connection, openedBy: .peer, foreign: nil)
        #expect(!link.reach.isStranger)
        #expect(link.reach.cannotBeDialled)
        #expect(link.isUpUntold)
        #expect(link.acknowledgement.isEmpty)
        #expect(link.heard() == true)
        #expect(link.heard() == false)
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
            link.streamBegan(on: Self.connection, openedBy: .us, foreign: ForeignCarrier(managed: true))
            link.stream?.foreign?.wrote(.entry(.chat, 1))
            _ = link.streamLost()
            #expect(link.isDoubtful == isDoubtful)
        }
        link.streamBegan(on: Self.connection, openedBy: .us, foreign: ForeignCarrier(managed: true))
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
        link.pauseBegan(until: Instant(milliseconds: 10), after: "absent")
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
            reach.pauseBegan(after: "")
        }
    }

    @Test("links are found by their pair and by the stream that carries them, and by no other")
    func places() {
        var links = PeerLinks()
        let id = links.added(Self.link())
        #expect(links.id(of: FederationHarness.outgoing) == id)
        #expect(links.id(on: Self.connection) == nil)
        links.streamBegan(id, on: Self.connection, openedBy: .us, foreign: nil)
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

/// relay-protocol S4: what follows when nothing is heard.
@Suite struct SignsOfLifeTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    @Test("who owes an answer is asked after half of the patience, once, and given up after the whole of it")
    func silence() {
        var life = SignsOfLife()
        #expect(life.becameDue(at: Self.at(0), timeout: 100) == Self.at(50))
        #expect(life.becameDue(at: Self.at(10), timeout: 100) == nil, "it is due already")
        #expect(life.timerFired(at: Self.at(40), timeout: 100) == .tooShort(until: Self.at(50)))
        #expect(life.timerFired(at: Self.at(50), timeout: 100) == .ask(until: Self.at(100)))
        #expect(life.timerFired(at: Self.at(60), timeout: 100) == .tooShort(until: Self.at(100)))
        #expect(life.timerFired(at: Self.at(100), timeout: 100) == .final)
    }

    @Test("one timer is set at a time, and finds what was heard meanwhile")
    func timer() {
        var life = SignsOfLife()
        #expect(life.becameDue(at: Self.at(0), timeout: 100) != nil)
        life.heard(bytesInFlight: 0)
        #expect(life.becameDue(at: Self.at(20), timeout: 100) == nil, "the timer is set")
        #expect(life.timerFired(at: Self.at(50), timeout: 100) == .tooShort(until: Self.at(70)))
        life.heard(bytesInFlight: 0)
        #expect(life.timerFired(at: Self.at(70), timeout: 100) == .nothingOwed)
        #expect(life.becameDue(at: Self.at(80), timeout: 100) == Self.at(130))
    }

    @Test("patience grows with what was under way when the answer became due, not with what is written later")
    func bytes() {
        var life = SignsOfLife()
        life.wrote(bytes: 100)
        #expect(life.becameDue(at: Self.at(0), timeout: 100) == Self.at(100))
        life.wrote(bytes: 1000)
        #expect(life.timerFired(at: Self.at(100), timeout: 100) == .ask(until: Self.at(200)))
    }

    @Test("an answer that proves nothing is no sign of life, but the peer is asked anew")
    func part() {
        var life = SignsOfLife()
        _ = life.becameDue(at: Self.at(0), timeout: 100)
        #expect(life.timerFired(at: Self.at(50), timeout: 100) == .ask(until: Self.at(100)))
        life.heardInVain()
        #expect(life.timerFired(at: Self.at(100), timeout: 100) == .ask(until: Self.at(100)))
        #expect(life.timerFired(at: Self.at(101), timeout: 100) == .final)
    }

    @Test("a peer that is asked again has the whole patience once more")
    func again() {
        var life = SignsOfLife()
        _ = life.becameDue(at: Self.at(0), timeout: 100)
        _ = life.timerFired(at: Self.at(50), timeout: 100)
        #expect(life.timerFired(at: Self.at(100), timeout: 100) == .final)
        #expect(life.askedAgain(at: Self.at(100), timeout: 100) == Self.at(200))
        #expect(life.timerFired(at: Self.at(200), timeout: 100) == .final)
    }
}
