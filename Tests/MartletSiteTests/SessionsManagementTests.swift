import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

private let request = "<r xmlns='urn:xmpp:sm:3'/>"

@Suite("Stream management with clients")
struct SessionsManagementTests {
    @Test("XEP-0198 §3: enabled once, after binding, with an id and max where resumption is wanted")
    func enable() {
        var site = SessionsHarness()
        let connection = site.authenticate("romeo")
        let unbound = SessionsHarness.Client(connection: connection, jid: SessionsHarness.account("romeo"))
        site.send(unbound, "<enable xmlns='urn:xmpp:sm:3'/>")
        #expect(site.take(unbound).first?.elements.first?.name == "unexpected-request")
        let romeo = site.bind("romeo", "orchard")
        site.send(romeo, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        let enabled = site.take(romeo).first
        #expect(enabled?["resume"] == "true")
        #expect(enabled?["max"] == "300")
        #expect((enabled?["id"] ?? "").count > 20)
        site.send(romeo, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        #expect(site.take(romeo).first?.name == "failed")
        let plain = site.bind("romeo", "plain")
        site.send(plain, "<enable xmlns='urn:xmpp:sm:3'/>")
        #expect(site.take(plain).first?["id"] == nil)
    }

    @Test("XEP-0198 §4: an answer counts all stanzas of the client and leaves only after the commit that covers them")
    func acknowledge() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.send(romeo, "<presence><show>away</show></presence>")
        _ = site.takeAll(romeo)
        site.send(romeo, request)
        #expect(site.takeAll(romeo).filter { $0.name == "a" } == [])
        site.flush()
        #expect(site.takeAll(romeo).filter { $0.name == "a" }.map { $0["h"] } == ["3"])
    }

    @Test(
        "XEP-0198 §4: an acknowledgement is asked for with the first message after a pause, in the same batch, then at the sixteenth",
        arguments: [true, false])
    func acknowledged(isManaged: Bool) {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = isManaged ? site.loginResumable("juliet", "balcony") : site.login("juliet", "balcony")
        var handled: UInt32 = 1
        func isQuestion(_ element: Element) -> Bool { element.name == "r" || element.first("ping", Namespaces.ping) != nil }
        func say(_ count: Int) -> [Bool] {
            for _ in 0..<count { site.send(romeo, chat("juliet@pilsen.example", "x")) }
            return (site.inboxes[juliet.connection] ?? []).map(isQuestion)
        }
        func answer() {
            handled += UInt32((site.inboxes[juliet.connection] ?? []).count { $0.name == "message" })
            if isManaged {
                _ = site.takeAll(juliet)
                site.acknowledge(juliet, handled)
            } else {
                site.answerPings(juliet)
            }
        }
        site.pass(site.policy.client.fenceDelay)
        _ = site.takeAll(juliet)
        #expect(say(1) == [false, true])
        #expect(site.waiting("juliet") == 1)
        answer()
        #expect(site.waiting("juliet") == 0)
        #expect(say(2) == [false, false])
        site.passToFence()
        #expect(say(0) == [false, false, true], "within a second")
        answer()
        #expect(say(17).firstIndex(of: true) == 16)
        answer()
        site.passToFence()
        answer()
        site.flush()
        #expect(site.waiting("juliet") == 0)
        #expect(site.store.count(.clientSlot) == 0)
        #expect(site.store.count(.log) == 0)
    }

    @Test("XEP-0198 §4: a count higher than what was sent ends the stream")
    func tooHigh() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.acknowledge(juliet, 2)
        guard case .some(.some(let error)) = site.closed[juliet.connection] else {
            Issue.record("the stream goes on")
            return
        }
        #expect(error.condition == .undefinedCondition)
    }

    @Test("XEP-0198 §5: after a lost connection the session is resumed, and what was not handled is sent again in order")
    func resume() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        site.lose(juliet)
        site.send(romeo, chat("juliet@pilsen.example", "3"))
        site.send(romeo, "<presence to='juliet@pilsen.example/balcony'><status>here</status></presence>")
        site.send(romeo, chat("juliet@pilsen.example", "4"))
        let again = site.resume(juliet, h: 2)
        let got = site.take(again)
        #expect(got.first?.name == "resumed")
        #expect(got.first?["previd"] == juliet.token)
        #expect(got.first?["h"] == "1")
        #expect(got.compactMap(\.body) == ["2", "3", "4"])
        #expect(got.map(\.name) == ["resumed", "message", "message", "presence", "message"])
        #expect(got.filter { $0.name == "message" }.allSatisfy { $0.delay != nil })
        site.acknowledge(again, 6)
        site.flush()
        #expect(site.waiting("juliet") == 0)
        #expect(site.store.count(.clientSlot) == 0)
        site.send(romeo, chat("juliet@pilsen.example", "5"))
        #expect(site.takeBodies(again) == ["5"])
    }

    @Test("XEP-0198 §5: contacts notice nothing while a session waits, and see it go when nobody came back")
    func expiry() {
        var site = SessionsHarness()
        let chamber = site.login("juliet", "chamber")
        let juliet = site.loginResumable("juliet", "balcony")
        _ = site.take(chamber)
        site.lose(juliet)
        site.pass(site.policy.client.resumptionTimeout - 1)
        #expect(site.take(chamber) == [])
        site.pass(1)
        #expect(site.take(chamber).map { $0["type"] } == ["unavailable"])
        #expect(site.sessions.sessionCount == 1)
    }

    @Test("XEP-0198 §5: an expired session answers item-not-found with its count for a day, an unknown one without")
    func failed() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(juliet, chat("romeo@pilsen.example", "1"))
        site.lose(juliet)
        site.pass(site.policy.client.resumptionTimeout)
        let again = site.resume(juliet, h: 0)
        let failed = site.take(again).first
        #expect(failed?.name == "failed")
        #expect(failed?["h"] == "2")
        #expect(failed?.elements.first?.name == "item-not-found")
        var stranger = juliet
        stranger.token = "7-nonsense"
        #expect(site.take(site.resume(stranger, h: 0)).last?["h"] == nil)
        stranger.jid = SessionsHarness.account("romeo")
        stranger.token = juliet.token
        #expect(site.take(site.resume(stranger, h: 0)).last?["h"] == nil)
        site.crash()
        #expect(site.take(site.resume(juliet, h: 0)).last?["h"] == "2")
        site.pass(SessionLimits.endedSessionLifetime + 1)
        #expect(site.take(site.resume(juliet, h: 0)).last?["h"] == nil)
    }

    @Test("XEP-0198 §5: messages of an expired session are offline again unless another session acknowledged them")
    func leftovers() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.loginResumable("juliet", "balcony")
        let chamber = site.loginResumable("juliet", "chamber")
        _ = site.take(balcony)
        site.acknowledge(balcony, 2)
        site.lose(balcony)
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.send(romeo, chat("juliet@pilsen.example", "2"))
        #expect(site.takeBodies(chamber) == ["1", "2"])
        site.acknowledge(chamber, 3)
        #expect(site.waiting("juliet") == 1)
        site.pass(site.policy.client.resumptionTimeout)
        #expect(site.takeBodies(chamber) == [])
        site.lose(chamber)
        site.pass(site.policy.client.resumptionTimeout)
        #expect(site.waiting("juliet") == 1)
        let again = site.bind("juliet", "orchard")
        site.send(again, "<presence/>")
        #expect(site.takeBodies(again) == ["2"])
        site.pass(site.policy.client.fenceDelay + site.policy.client.fenceTimeout)
        #expect(site.store.count(.log) == 0)
        #expect(site.store.count(.mailbox) == 0)
    }

    @Test("a resumed session has its own copy of what another session acknowledged meanwhile")
    func ownCopy() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.loginResumable("juliet", "balcony")
        let chamber = site.loginResumable("juliet", "chamber")
        _ = site.take(balcony)
        site.acknowledge(balcony, 2)
        site.lose(balcony)
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.acknowledge(chamber, 3)
        #expect(site.waiting("juliet") == 0)
        let again = site.resume(balcony, h: 2)
        #expect(site.takeBodies(again) == ["1"])
        site.acknowledge(again, 3)
        site.flush()
        #expect(site.store.count(.log) == 0)
    }

    @Test("somebody who logs in anew gets at once what only a detached session has in hand")
    func detachedHolds() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.loginResumable("juliet", "balcony")
        site.lose(balcony)
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        let chamber = site.bind("juliet", "chamber")
        site.send(chamber, "<presence/>")
        #expect(site.takeBodies(chamber) == ["1"])
    }

    @Test("XEP-0198 §5: a session whose old connection still looks alive is taken over, the old stream ends with conflict")
    func takeover() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        let again = site.resume(juliet, h: 1)
        #expect(site.closed[juliet.connection] == .some(StreamError(.conflict)))
        site.lose(juliet)
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        #expect(site.takeBodies(again) == ["1"])
    }

    @Test("a client is sent what it acknowledges and nothing is thrown out: what comes beyond waits in order")
    func window() {
        var site = SessionsHarness()
        site.policy.client.unacknowledgedStanzas = 10
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        for number in 0..<25 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        #expect(site.takeBodies(juliet) == (0..<10).map(String.init))
        site.acknowledge(juliet, 6)
        #expect(site.takeBodies(juliet) == (10..<15).map(String.init))
        site.acknowledge(juliet, 16)
        #expect(site.takeBodies(juliet) == (15..<25).map(String.init))
        site.acknowledge(juliet, 26)
        #expect(site.closed[juliet.connection] == nil)
        #expect(site.waiting("juliet") == 0)
        site.flush()
        #expect(site.store.count(.clientSlot) == 0)
    }

    @Test("a client that acknowledges nothing at all loses its connection, and its messages are there when it resumes")
    func silence() {
        var site = SessionsHarness()
        site.policy.client.unacknowledgedStanzas = 10
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        for number in 0..<25 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        site.pass(SessionLimits.acknowledgementTimeout + site.policy.client.fenceDelay)
        #expect(site.closed[juliet.connection]??.condition == .connectionTimeout)
        var again = site.resume(juliet, h: 1)
        var bodies = site.takeBodies(again)
        #expect(bodies.count == 10)
        site.acknowledge(again, 11)
        bodies += site.takeBodies(again)
        site.lose(again)
        again = site.resume(again, h: 11)
        #expect(site.takeBodies(again) == Array(bodies.dropFirst(10)))
        site.acknowledge(again, 21)
        bodies += site.takeBodies(again)
        #expect(bodies == (0..<25).map(String.init))
    }

    @Test("XEP-0198 §6: a stream closed in good order is told the last count and ends its session")
    func closed() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.logout(juliet)
        #expect(site.closed[juliet.connection] == nil, "what she acknowledged is not on disk yet")
        site.flush()
        #expect(site.takeAll(juliet).filter { $0.name == "a" }.map { $0["h"] } == ["1"])
        #expect(site.closed[juliet.connection] == .some(nil))
        #expect(site.take(site.resume(juliet, h: 0)).last?["h"] == nil)
        site.flush()
        #expect(site.store.count(.clientSession) == 0)
    }

    @Test("XEP-0198 §4: the count never falls, whatever comes behind the request, in one batch or in several")
    func countNeverFalls() {
        let away = "<presence type='unavailable'/>"
        for isOneBatch in [true, false] {
            var site = SessionsHarness()
            let juliet = site.loginResumable("juliet", "balcony")
            site.flush()
            _ = site.takeAll(juliet)
            let said = [request, away, request]
            if isOneBatch {
                site.step { site, turn in
                    for xml in said { site.handle(.client(juliet.connection, clientEvent(xml)), turn) }
                    site.handle(.client(juliet.connection, .streamEnded), turn)
                }
            } else {
                for xml in said { site.send(juliet, xml) }
                site.logout(juliet)
            }
            site.flush()
            #expect(site.takeAll(juliet).filter { $0.name == "a" }.map { $0["h"] } == ["1", "2", "2"])
            #expect(site.closed[juliet.connection] == .some(nil))
        }
    }

    @Test("a reader that is too slow loses its connection, not its session")
    func congested() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.client(juliet.connection, .congested)
        #expect(site.closed[juliet.connection] != nil)
        #expect(site.sessions.sessionCount == 1)
        #expect(site.take(site.resume(juliet, h: 1)).first?.name == "resumed")
    }

    @Test("a client that answers no request for acknowledgement is gone")
    func deadPeer() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.pass(site.policy.client.fenceDelay + SessionLimits.acknowledgementTimeout)
        #expect(site.closed[juliet.connection]??.condition == .connectionTimeout)
        #expect(site.sessions.sessionCount == 2)
    }

    @Test("counting goes on modulo 2^32")
    func wraps() {
        var outbox = Outbox()
        _ = outbox.restart(from: 0xFFFF_FFFE)
        for number in 0..<4 { _ = outbox.appendSent(.message(UInt64(number)), size: 1) }
        #expect(outbox.acknowledge(upTo: outbox.number(ofHandled: 0)).count == 2)
        #expect(outbox.number(ofHandled: 2) == outbox.last)
        #expect(outbox.number(ofHandled: 3) > outbox.last)
        #expect(outbox.number(ofHandled: 0xFFFF_FFFF) > outbox.last)
    }

    @Test("of a contact that comes and goes while a session waits only the last state is kept")
    func coalesced() {
        var site = SessionsHarness()
        site.policy.client.unacknowledgedStanzas = 10
        let juliet = site.loginResumable("juliet", "balcony")
        site.lose(juliet)
        for number in 0..<50 {
            site.receive("<presence from='x@brno.example/a' to='juliet@pilsen.example'><status>\(number)</status></presence>")
            site.receive("<presence from='x@brno.example/b' to='juliet@pilsen.example' type='unavailable'/>")
        }
        let got = site.take(site.resume(juliet, h: 1)).filter { $0.name == "presence" }
        #expect(got.map { $0["from"] } == ["x@brno.example/a", "x@brno.example/b"])
        #expect(got.first?.first("status", Namespaces.client)?.text == "49")
    }

    @Test("a session without resumption that is lost bounces requests nobody answered, and leaves nothing in the store")
    func bounced() {
        var site = SessionsHarness()
        let juliet = site.bind("juliet", "balcony")
        site.send(juliet, "<enable xmlns='urn:xmpp:sm:3'/>")
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<iq type='get' id='q' to='juliet@pilsen.example/balcony'><x xmlns='y'/></iq>")
        site.lose(juliet)
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
    }
}

@Suite("Messages in other hands")
struct SessionsHandoverTests {
    @Test("what was sent before stream management was enabled is acknowledged by the first answer")
    func unmanaged() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        var juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        juliet.token = site.enable(juliet)
        #expect(site.waiting("juliet") == 1)
        site.acknowledge(juliet, 0)
        #expect(site.waiting("juliet") == 0)
        site.send(romeo, chat("juliet@pilsen.example", "2"))
        site.acknowledge(juliet, 1)
        site.flush()
        #expect(site.store.count(.log) == 0)
    }

    @Test("many messages of an ended session go to the others in windows, and end none of them")
    func windows() {
        var site = SessionsHarness()
        site.policy.client.unacknowledgedStanzas = 300
        let romeo = site.login("romeo", "orchard")
        let chamber = site.loginResumable("juliet", "chamber")
        let balcony = site.loginResumable("juliet", "balcony")
        site.acknowledge(chamber, 2)
        _ = site.take(chamber)
        site.lose(balcony)
        for number in 0..<290 { site.send(romeo, chat("juliet@pilsen.example/balcony", String(number))) }
        site.pass(site.policy.client.resumptionTimeout)
        site.send(romeo, chat("juliet@pilsen.example", "290"))
        var handled: UInt32 = 2
        var bodies: [String] = []
        for _ in 0..<4 {
            let got = site.take(chamber)
            handled += UInt32(got.count)
            bodies += got.compactMap(\.body)
            site.acknowledge(chamber, handled)
        }
        #expect(bodies == (0...290).map(String.init))
        #expect(site.closed[chamber.connection] == nil)
        site.flush()
        #expect(site.store.count(.log) == 0)
        #expect(site.store.count(.clientSlot) == 0)
    }
}

@Suite("Timers of sessions")
struct SessionsTimerTests {
    @Test("however much is sent and acknowledged, a session has two timers at most")
    func bounded() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        var handled: UInt32 = 1
        for number in 0..<100 {
            site.send(romeo, chat("juliet@pilsen.example", String(number)))
            handled += 1
            site.passToFence()
            site.acknowledge(juliet, handled)
        }
        #expect(site.timerCount <= 4)
        site.pass(SessionLimits.acknowledgementTimeout + site.policy.client.fenceTimeout)
        #expect(site.timerCount == 0)
        #expect(site.closed.isEmpty)
    }
}

/// What a client's stream makes of one element.
private func clientEvent(_ xml: String) -> ClientStreamEvent {
    let element = ContentReader.elements(in: Array(xml.utf8))[0]
    let stanza = try? Stanza(
        parsing: element.serialized(within: Namespaces.client), contentNamespace: Namespaces.client,
        context: NamespaceContext(Namespaces.client))
    return stanza.map { .stanza($0) } ?? .nonza(element)
}
