import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

/// Presence across links that go and come back.
@Suite("Presence tells the truth")
struct PresenceTruthTests {
    typealias Site = SessionsHarness

    /// A site whose user sees each of the contacts and is seen by them, without a word from them yet.
    private func site(_ contacts: [String], users: [String] = ["romeo", "juliet"]) -> Site {
        var site = Site(users: users)
        site.policy.limits.rosterItems = 10_000
        site.subscribe("romeo", to: contacts)
        return site
    }

    private func available(_ from: String, _ status: String = "here", to: String = "romeo@pilsen.example") -> String {
        "<presence from='\(from)' to='\(to)'><status>\(status)</status></presence>"
    }

    private func gone(_ elements: [Element]) -> [String] {
        elements.filter { $0["type"] == "unavailable" }.compactMap { $0["from"] }
    }

    @Test("a cut longer than the grace makes each resource that was available unavailable, once, and says why")
    func cut() {
        var site = site(["x@brno.example", "y@brno.example", "z@zlin.example"])
        let desk = site.login("romeo", "desk")
        let phone = site.login("romeo", "phone")
        for from in ["x@brno.example/a", "x@brno.example/b", "y@brno.example/a", "z@zlin.example/a"] {
            site.receive(available(from))
        }
        site.receive(available("x@brno.example/a", "still here"))
        site.receive("<presence from='y@brno.example/a' to='romeo@pilsen.example' type='unavailable'/>")
        _ = (site.take(desk), site.take(phone))
        site.link(.up(wantsRefresh: false))
        site.link(.failing)
        site.pass(site.policy.federation.presenceGrace - 1)
        #expect(site.take(desk) == [])
        site.pass(1)
        for client in [desk, phone] {
            let told = site.take(client)
            #expect(gone(told) == ["x@brno.example/a", "x@brno.example/b"])
            #expect(told.allSatisfy { $0.first("status", Namespaces.client)?.text == "cut off since 22:13" })
            #expect(told.allSatisfy { $0["to"] == client.jid.description })
        }
        site.pass(3_600_000)
        #expect(site.take(desk) == [])
    }

    @Test("times are local, and have a date on another day")
    func words() {
        var site = site(["x@brno.example"])
        site.policy.utcOffset = 7200
        site.policy.federation.presenceGrace = 86_400_000
        site.link(.up(wantsRefresh: false))
        let desk = site.login("romeo", "desk")
        site.receive(available("x@brno.example/a"))
        _ = site.take(desk)
        site.cut()
        let status = site.take(desk).first?.first("status", Namespaces.client)?.text
        #expect(status == "cut off since 2023-11-15 00:13")
    }

    @Test("a flap shorter than the grace is invisible, also where what was said before is said again")
    func flap() {
        var site = site(["x@brno.example"])
        let desk = site.login("romeo", "desk")
        site.receive(available("x@brno.example/a"))
        _ = (site.take(desk), site.takeRemote())
        site.link(.failing)
        site.pass(site.policy.federation.presenceGrace - 1)
        site.link(.up(wantsRefresh: true))
        #expect(site.takeRemote().map(\.type) == [nil, "probe"])
        site.receive(available("x@brno.example/a"))
        site.pass(600_000)
        #expect(gone(site.take(desk)) == [])
    }

    @Test(
        "after a recovery one refresh: our state once to each subscriber, one probe for each contact, whoever has how many resources"
    )
    func refresh() {
        var site = site(["x@brno.example", "y@brno.example"])
        site.subscribe("juliet", to: ["x@brno.example"])
        _ = site.login("romeo", "desk")
        _ = site.login("romeo", "phone")
        site.cut()
        _ = site.takeRemote()
        site.link(.up(wantsRefresh: true))
        site.pass(10_000)
        let told = site.takeRemote()
        #expect(told.filter { $0.type == nil }.count == 4)
        #expect(told.filter { $0.type == "probe" }.map { $0.to?.description } == ["x@brno.example", "y@brno.example"])
        #expect(told.count == 6)
    }

    @Test("a refresh of 5,000 contacts takes slices, and a flap in its middle begins one anew: never two at once")
    func paced() {
        var site = site((0..<5000).map { "c\($0)@brno.example" })
        let desk = site.login("romeo", "desk")
        site.pass(1000)
        _ = site.takeRemote()
        site.largestBatch = 0
        site.link(.up(wantsRefresh: true))
        site.pass(1000)
        let beforeFlap = site.takeRemote().count
        #expect(beforeFlap < 5000)
        site.link(.failing)
        site.pass(1000)
        #expect(site.takeRemote() == [])
        site.link(.up(wantsRefresh: true))
        site.pass(10_000)
        let told = site.takeRemote()
        #expect(told.count == 10_000)
        #expect(Set(told.filter { $0.type == "probe" }.map(\.to)).count == 5000)
        for number in 0..<600 { site.receive(available("c\(number)@brno.example/a")) }
        _ = site.take(desk)
        site.cut()
        site.pass(10_000)
        #expect(Set(gone(site.take(desk))).count == 600)
        #expect(site.largestBatch <= SessionLimits.presenceSlice)
        #expect(site.largestBatch > SessionLimits.presenceSlice / 2)
    }

    @Test("what the peer says by itself and in answer to a probe arrives once, a change always")
    func repetitions() {
        var site = site(["x@brno.example"])
        let desk = site.login("romeo", "desk")
        site.receive(available("x@brno.example/a"))
        site.cut()
        _ = site.take(desk)
        // The peer's stream is up before ours.
        site.receive(available("x@brno.example/a"))
        site.link(.up(wantsRefresh: true))
        site.receive(available("x@brno.example/a"))
        site.receive(available("x@brno.example/a", "changed"))
        #expect(site.take(desk).map { $0.first("status", Namespaces.client)?.text } == ["here", "changed"])
        // Whoever came meanwhile has not heard it.
        let phone = site.login("romeo", "phone")
        site.pass(1)
        _ = site.take(phone)
        site.receive(available("x@brno.example/a", "changed"))
        #expect(site.take(phone).count == 1)
    }

    @Test("after a crash of the peer probes bring the truth: who is gone is gone, who does not answer too, nobody else")
    func ghosts() {
        var site = site(["x@brno.example", "y@brno.example", "z@brno.example"])
        let desk = site.login("romeo", "desk")
        for from in ["x@brno.example/a", "x@brno.example/b", "y@brno.example/a", "z@brno.example/a"] {
            site.receive(available(from))
        }
        site.receive(available("room@brno.example/nick", to: "romeo@pilsen.example/desk"))
        _ = site.take(desk)
        site.link(.failing)
        site.pass(2000)
        site.link(.up(wantsRefresh: true))
        site.receive(available("x@brno.example/b"))
        site.receive("<presence from='y@brno.example' to='romeo@pilsen.example' type='unavailable'/>")
        #expect(gone(site.take(desk)) == ["y@brno.example/a"])
        // The peer's own refresh says so too.
        site.receive("<presence from='y@brno.example' to='romeo@pilsen.example' type='unavailable'/>")
        #expect(site.take(desk) == [])
        site.pass(SessionLimits.probeAnswerTime)
        let told = site.take(desk)
        #expect(gone(told) == ["x@brno.example/a", "z@brno.example/a"])
        #expect(told.allSatisfy { $0.first("status", Namespaces.client)?.text == "no answer since the line is back" })
        // A real cut is one for rooms too.
        site.cut()
        #expect(gone(site.take(desk)) == ["room@brno.example/nick", "x@brno.example/b"])
    }

    @Test("who was sent presence as a session is told as that session, and nobody else")
    func directed() {
        var site = site([])
        let desk = site.login("romeo", "desk")
        let phone = site.login("romeo", "phone")
        _ = site.take(desk)
        site.receive(available("room@brno.example/nick", to: "romeo@pilsen.example/desk"))
        _ = site.take(desk)
        site.cut()
        #expect(gone(site.take(desk)) == ["room@brno.example/nick"])
        #expect(site.take(phone) == [])
    }

    @Test("relay §5: directed presence is told anew at recovery, as it is then, without entering rooms again; farewells first")
    func directedAtRecovery() {
        var site = site(["x@brno.example"])
        let desk = site.login("romeo", "desk")
        let phone = site.login("romeo", "phone")
        let entry = "<x xmlns='http://jabber.org/protocol/muc'/>"
        site.send(desk, "<presence to='a@brno.example/r'>\(entry)</presence>")
        site.send(desk, "<presence to='b@brno.example/r'>\(entry)</presence>")
        site.send(phone, "<presence to='a@brno.example/p'>\(entry)</presence>")
        site.send(phone, "<presence to='c@brno.example/p'>\(entry)</presence>")
        site.send(desk, "<presence to='a@zlin.example/r'>\(entry)</presence>")
        site.cut()
        site.send(desk, "<presence to='b@brno.example/r' type='unavailable'/>")
        site.logout(phone)
        let again = site.login("romeo", "phone")
        site.send(again, "<presence to='c@brno.example/p'>\(entry)</presence>")
        site.send(desk, "<presence><show>away</show></presence>")
        _ = site.takeRemote()
        site.link(.up(wantsRefresh: true))
        site.pass(10_000)
        let told = site.takeRemote().filter { $0.to?.bare.description != "x@brno.example" }
        #expect(
            told.map { "\($0.to?.description ?? "") \($0.type ?? "available")" } == [
                "b@brno.example/r unavailable", "a@brno.example/p unavailable", "a@brno.example/r available",
                "c@brno.example/p available",
            ])
        #expect(told.allSatisfy { !$0.traits.contains(.roomEntry) })
        #expect(told.first { $0.to?.localpart == "a" && $0.type == nil }?.payload("show", Namespaces.client)?.text == "away")
    }

    @Test("directed presence is told anew in slices, and farewells are bounded")
    func directedSlices() {
        var site = site([])
        let desk = site.login("romeo", "desk")
        for number in 0..<600 { site.send(desk, "<presence to='r\(number)@brno.example/r'/>") }
        let phone = site.login("romeo", "phone")
        site.cut()
        for number in 0..<SessionLimits.farewells + 10 {
            site.send(phone, "<presence to='r\(number)@brno.example/p'/>")
            site.send(phone, "<presence to='r\(number)@brno.example/p' type='unavailable'/>")
        }
        _ = site.takeRemote()
        site.link(.up(wantsRefresh: true))
        var slices = [site.takeRemote().count]
        for _ in 0..<100 {
            site.pass(SessionLimits.presencePause)
            slices.append(site.takeRemote().count)
        }
        #expect(slices.allSatisfy { $0 <= SessionLimits.presenceSlice })
        #expect(slices.reduce(0, +) == 600 + SessionLimits.farewells)
    }

    @Test("who logs in during a cut is sent nothing of those behind it, and nothing is kept for them but the refresh")
    func loginDuringCut() {
        var site = site(["x@brno.example"])
        let desk = site.login("romeo", "desk")
        site.receive(available("x@brno.example/a"))
        site.cut()
        site.logout(desk)
        let phone = site.login("romeo", "phone")
        site.pass(600_000)
        #expect(site.take(phone) == [])
        _ = site.takeRemote()
        site.link(.up(wantsRefresh: true))
        #expect(site.takeRemote().map(\.type) == [nil, "probe"])
        site.receive(available("x@brno.example/a"))
        #expect(site.take(phone).count == 1)
    }

    @Test("a stream that a foreign server closes when idle is no cut: the link is tried first")
    func idleStream() {
        var site = site(["x@brno.example"])
        let desk = site.login("romeo", "desk")
        site.link(.up(wantsRefresh: false))
        site.receive(available("x@brno.example/a"))
        _ = site.take(desk)
        site.wantedLinks = []
        site.link(.lost)
        site.pass(site.policy.federation.presenceGrace)
        #expect(site.take(desk) == [])
        #expect(site.wantedLinks.map(\.peer.domainpart) == ["brno.example"])
        site.link(.failing)
        #expect(gone(site.take(desk)) == ["x@brno.example/a"])
        site.link(.up(wantsRefresh: true))
        site.link(.lost)
        site.wantedLinks = []
        site.pass(600_000)
        // Nobody there is believed to be available: nobody needs the link.
        #expect(site.wantedLinks == [])
    }

    @Test("R5: after our own restart peers of resumable sessions are reached and asked; who does not answer is unavailable")
    func restart() {
        var site = site(["x@brno.example", "y@brno.example"])
        let desk = site.loginResumable("romeo", "desk")
        site.receive(available("x@brno.example/a"))
        site.receive(available("y@brno.example/a"))
        site.flush()
        site.crash()
        #expect(site.wantedLinks.map(\.peer.domainpart) == ["brno.example"])
        _ = site.takeRemote()
        let resumed = site.resume(desk, h: 3)
        _ = site.take(resumed)
        site.link(.up(wantsRefresh: true))
        #expect(site.takeRemote().filter { $0.type == "probe" }.count == 2)
        site.receive(available("x@brno.example/a"))
        #expect(site.take(resumed).count == 1)
        site.acknowledge(resumed, 4)
        site.pass(SessionLimits.probeAnswerTime + 1000)
        #expect(gone(site.take(resumed)) == ["y@brno.example"])
    }

    @Test(
        "after our own restart in a cut, whoever resumes is told at the first failure that the people behind it are unavailable, and why"
    )
    func restartInACut() {
        for fails in [true, false] {
            var site = site(["x@brno.example", "y@brno.example", "z@zlin.example"])
            let desk = site.loginResumable("romeo", "desk")
            for from in ["x@brno.example/a", "y@brno.example/a"] { site.receive(available(from)) }
            site.flush()
            site.crash()
            let resumed = site.resume(desk, h: 3)
            _ = site.take(resumed)
            site.link(.up(wantsRefresh: true), to: "zlin.example")
            site.receive(available("y@brno.example/b"))
            #expect(site.take(resumed).count == 1)
            if fails { site.link(.failing) } else { site.pass(SessionLimits.reachTime) }
            let told = site.take(resumed)
            #expect(gone(told) == ["x@brno.example"])
            let words = told.map { $0.first("status", Namespaces.client)?.text }
            #expect(words == ["not reached yet"])
            // Who was heard of has the usual grace.
            if !fails { site.link(.failing) }
            site.pass(site.policy.federation.presenceGrace)
            #expect(gone(site.take(resumed)) == ["y@brno.example/b"])
            site.link(.up(wantsRefresh: true))
            site.receive(available("x@brno.example/a"))
            #expect(site.take(resumed).map { $0["from"] } == ["x@brno.example/a"])
        }
    }

    @Test("the table of who is available is bounded; who is not in it is passed on all the same")
    func bound() {
        var seen = SeenPresence()
        let full = (0..<SessionLimits.seenPresence + 1).map {
            JID(preparedLocalpart: "c\($0)", preparedDomainpart: "brno.example", preparedResourcepart: "r")
        }
        for jid in full { seen.note(jid, digest: 0, at: .init(milliseconds: 1), session: nil) }
        #expect(seen.count == SessionLimits.seenPresence)
        #expect(seen[full[0]] != nil)
        #expect(seen[full[SessionLimits.seenPresence]] == nil)
        seen.note(full[0], digest: 7, at: .init(milliseconds: 2), session: nil)
        #expect(seen[full[0]]?.digest == 7)
    }
}
