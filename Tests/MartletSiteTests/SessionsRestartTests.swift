import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

@Suite("Sessions across a restart of the server")
struct SessionsRestartTests {
    @Test("relay protocol §7: a session is resumed after a crash, and what was not handled comes again in order")
    func resume() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        for body in ["1", "2", "3"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        site.crash()
        #expect(site.sessions.sessionCount == 1)
        let again = site.resume(juliet, h: 2)
        let got = site.take(again)
        #expect(got.first?.name == "resumed")
        #expect(got.compactMap(\.body) == ["2", "3"])
        site.acknowledge(again, 4)
        site.flush()
        #expect(site.store.count(.log) == 0)
        #expect(site.store.count(.clientSlot) == 0)
    }

    @Test("requests, roster changes and availability that were committed and never sent are told when the client resumes")
    func missed() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(juliet, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        let romeo = site.loginResumable("romeo", "orchard")
        site.send(romeo, "<presence to='juliet@pilsen.example' type='subscribe'/>")
        site.send(juliet, "<presence to='romeo@pilsen.example' type='subscribed'/>")
        site.send(juliet, "<presence to='romeo@pilsen.example' type='subscribe'/>")
        site.send(romeo, "<presence to='juliet@pilsen.example' type='subscribed'/>")
        site.send(juliet, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='nurse@x.example'/></query></iq>")
        site.receive("<presence from='nurse@x.example' to='juliet@pilsen.example' type='subscribe'/>")
        _ = site.take(juliet)
        site.flush()
        site.crash()
        let again = site.resume(juliet, h: 100)
        let got = site.take(again)
        let pushed = got.compactMap { $0.first("query", Namespaces.roster)?.elements.first?["jid"] }
        #expect(pushed == ["romeo@pilsen.example", "nurse@x.example"])
        #expect(got.contains { $0["type"] == "subscribe" && $0["from"] == "nurse@x.example" })
        let romeos = got.filter { $0.name == "presence" && $0["from"]?.hasPrefix("romeo@") == true }
        #expect(romeos.map { $0["type"] } == [nil], "he waits for his client and counts as present")
    }

    @Test("a count that covers volatile stanzas of which the disk knows nothing is accepted after a crash")
    func volatileAhead() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        for _ in 0..<3 { site.send(romeo, "<presence to='juliet@pilsen.example/balcony'/>") }
        site.crash()
        let romeoAgain = site.login("romeo", "orchard")
        // Arrives while the session waits: no count of the client can mean it.
        site.send(romeoAgain, chat("juliet@pilsen.example", "2"))
        let again = site.resume(juliet, h: 5)
        #expect(site.takeBodies(again) == ["2"])
        site.acknowledge(again, 6)
        site.flush()
        #expect(site.waiting("juliet") == 0)
    }

    @Test("messages that wait for a detached session keep their order over two crashes and a resumption between them")
    func twice() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.receive(
            chat("juliet@pilsen.example", "1").replacing(" type", with: " from='x@brno.example/a' type", maxReplacements: 1))
        site.crash()
        site.receive(
            chat("juliet@pilsen.example", "2").replacing(" type", with: " from='x@brno.example/a' type", maxReplacements: 1))
        site.crash()
        site.receive(
            chat("juliet@pilsen.example", "3").replacing(" type", with: " from='x@brno.example/a' type", maxReplacements: 1))
        let again = site.resume(juliet, h: 1)
        #expect(site.takeBodies(again) == ["1", "2", "3"])
        site.crash()
        let third = site.resume(juliet, h: 3)
        #expect(site.takeBodies(third) == ["3"])
        site.acknowledge(third, 4)
        site.flush()
        #expect(site.store.count(.log) == 0)
    }

    @Test("relay protocol §7.1: the count in resumed never exceeds what was committed, and covers every committed message")
    func count() {
        var site = SessionsHarness()
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(juliet, chat("romeo@pilsen.example", "1"))
        site.send(juliet, "<presence><show>away</show></presence>")
        site.crash()
        let again = site.resume(juliet, h: 1)
        // The second presence was volatile and is sent again by the client.
        #expect(site.take(again).first?["h"] == "2")
        #expect(site.waiting("romeo") == 1)
    }

    @Test("an acknowledgement that was lost in a crash is repeated by resumption, and nothing is sent twice")
    func lostAcknowledgement() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.acknowledge(juliet, 2)
        #expect(site.waiting("juliet") == 0)
        site.crash()
        #expect(site.waiting("juliet") == 1)
        #expect(site.takeBodies(site.resume(juliet, h: 2)) == [])
        #expect(site.waiting("juliet") == 0)
    }

    @Test("presence, priority and interest in the roster survive a restart")
    func state() {
        var site = SessionsHarness()
        let juliet = site.bind("juliet", "balcony")
        var resumable = juliet
        resumable.token = site.enable(juliet)
        site.send(resumable, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        site.send(resumable, "<presence><priority>3</priority><status>dreaming</status></presence>")
        site.flush()
        site.crash()
        let chamber = site.bind("juliet", "chamber")
        site.send(chamber, "<presence/>")
        let seen = site.take(chamber).first { $0["from"] == "juliet@pilsen.example/balcony" }
        #expect(seen?.first("status", Namespaces.client)?.text == "dreaming")
        site.send(
            chamber, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='romeo@pilsen.example'/></query></iq>")
        let again = site.resume(resumable, h: 3)
        #expect(site.take(again).contains { $0.first("query", Namespaces.roster) != nil })
    }

    @Test("contacts and rooms are told that sessions are gone which a crash ended")
    func ghosts() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<presence type='subscribe' to='x@brno.example'/><presence type='subscribed' to='x@brno.example'/>")
        site.receive("<presence type='subscribe' from='x@brno.example' to='romeo@pilsen.example'/>")
        site.send(romeo, "<presence to='room@rooms.example/romeo'/>")
        site.flush()
        _ = site.takeRemote()
        site.crash()
        let told = site.takeRemote().filter { $0.type == "unavailable" }
        #expect(told.map { $0.to?.description } == ["x@brno.example", "room@rooms.example/romeo"])
        #expect(told.allSatisfy { $0.from?.description == "romeo@pilsen.example/orchard" })
        #expect(site.store.count(.clientSession) == 0)
        #expect(site.store.count(.directed) == 0)
        site.crash()
        #expect(site.takeRemote() == [])
    }

    @Test("directed presence of a resumable session survives a restart, and is taken back when the session expires")
    func directed() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        site.send(romeo, "<presence to='room@rooms.example/romeo'/>")
        site.flush()
        site.crash()
        #expect(site.takeRemote().filter { $0.type == "unavailable" } == [])
        site.pass(site.policy.client.resumptionTimeout)
        #expect(site.takeRemote().map { $0.to?.description } == ["room@rooms.example/romeo"])
        #expect(site.store.count(.directed) == 0)
    }

    @Test("a mailbox that was being sent when the server stopped goes on after resumption, without repetition")
    func mailbox() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for number in 0..<300 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        var juliet = site.bind("juliet", "balcony")
        juliet.token = site.enable(juliet)
        site.send(juliet, "<presence/>")
        let got = site.take(juliet)
        let first = got.count
        let read = got.compactMap(\.body).count
        #expect(read < 300)
        site.crash()
        var bodies: [String] = []
        var client = site.resume(juliet, h: UInt32(first))
        var handled = UInt32(first)
        for _ in 0..<4 {
            let got = site.take(client).compactMap(\.body)
            bodies += got
            handled += UInt32(got.count)
            site.acknowledge(client, handled)
        }
        #expect(bodies == (read..<300).map(String.init))
        client = site.resume(client, h: handled)
        #expect(site.takeBodies(client) == [])
        site.flush()
        #expect(site.store.count(.log) == 0)
    }

    @Test("shutdown: everybody is asked for a last word before it is sent away, and nothing that was read comes again")
    func lastWord() {
        for isManaged in [true, false] {
            var site = SessionsHarness()
            let romeo = site.login("romeo", "orchard")
            let juliet = site.bind("juliet", "balcony")
            if isManaged { site.send(juliet, "<enable xmlns='urn:xmpp:sm:3'/>") }
            site.send(juliet, "<presence/>")
            if isManaged { site.acknowledge(juliet, 1) }
            site.pass(site.policy.client.fenceDelay)
            for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
            let first = site.takeAll(juliet)
            site.handle(.shutdownRequested)
            #expect(site.closed[romeo.connection]??.condition == .systemShutdown, "nothing of his is open")
            #expect(site.closed[juliet.connection] == nil)
            // From another office, when nobody gets anything any more.
            site.receive("<message from='x@brno.example/a' to='juliet@pilsen.example' type='chat'><body>3</body></message>")
            #expect(site.takeBodies(juliet) == [])
            if isManaged {
                site.acknowledge(juliet, 2)
                #expect(site.takeAll(juliet).map(\.name) == ["r"], "there is more to prove")
                #expect(site.closed[juliet.connection] == nil && !site.isShutDown)
                site.acknowledge(juliet, 3)
            } else {
                let ping = first.first { $0.first("ping", Namespaces.ping) != nil }
                site.send(juliet, "<iq type='result' id='\(ping?["id"] ?? "")' to='pilsen.example'/>")
                #expect(site.closed[juliet.connection] == nil && !site.isShutDown)
                site.answerPings(juliet)
            }
            #expect(site.closed[juliet.connection]??.condition == .systemShutdown)
            #expect(site.isShutDown)
            site.flush()
            site.crash()
            let again = site.bind("juliet", "balcony")
            site.send(again, "<presence/>")
            #expect(site.takeBodies(again) == ["3"])
        }
    }

    @Test("shutdown: who gives no last word is sent away after two seconds; sessions that can be resumed stay")
    func shutdown() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        let chamber = site.login("juliet", "chamber")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        _ = site.take(juliet)
        site.handle(.shutdownRequested)
        // Somebody who comes meanwhile goes with the others.
        let nurse = site.bind("romeo", "late")
        site.pass(SessionLimits.farewellTime - 1)
        #expect(site.closed[juliet.connection] == nil && site.closed[chamber.connection] == nil && !site.isShutDown)
        site.pass(1)
        #expect(site.isShutDown)
        for client in [romeo, juliet, chamber, nurse] {
            #expect(site.closed[client.connection]??.condition == .systemShutdown)
        }
        // The client's last word, and its answer to our closing tag.
        site.acknowledge(juliet, 3)
        site.logout(juliet)
        site.flush()
        site.crash()
        #expect(site.sessions.sessionCount == 1)
        let again = site.resume(juliet, h: 3)
        #expect(site.take(again).first?.name == "resumed")
        site.send(site.bind("romeo", "orchard"), chat("juliet@pilsen.example", "2"))
        #expect(site.takeBodies(again) == ["2"])
    }

    @Test("drain: every client is told where to go, resumable sessions stay")
    func drain() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        _ = site.command(.drain(otherHost: "other.example:5222"))
        for client in [romeo, juliet] {
            #expect(site.closed[client.connection]??.otherHost == "other.example:5222")
        }
        site.lose(juliet)
        #expect(site.sessions.sessionCount == 1)
    }

    @Test("shutdown: a drain that is asked for meanwhile does not keep the server from stopping")
    func drainWhileStopping() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.handle(.shutdownRequested)
        #expect(!site.isShutDown)
        _ = site.command(.drain(otherHost: "other.example:5222"))
        site.pass(SessionLimits.farewellTime)
        #expect(site.closed[juliet.connection] != nil && site.isShutDown)
    }

    @Test("random traffic with crashes: a client that resumes gets each message once, in order", arguments: 0..<12)
    func random(seed: UInt64) {
        var generator = RandomStream(seed: seed)
        var site = SessionsHarness()
        var juliet = site.loginResumable("juliet", "balcony")
        // Presence is volatile: before this a crash would ask the client for it again.
        site.flush()
        var isConnected = true
        var handled: UInt32 = 1
        var got: [String] = []
        var sentCount = 0
        func read(_ site: inout SessionsHarness) {
            for element in site.takeAll(juliet) where ["message", "presence", "iq"].contains(element.name) {
                handled += 1
                if let body = element.body { got.append(body) }
            }
        }
        func reconnect(_ site: inout SessionsHarness) {
            juliet = site.resume(juliet, h: handled)
            let first = site.inboxes[juliet.connection]?.first
            #expect(first?.name == "resumed")
            isConnected = true
        }
        for _ in 0..<300 {
            switch UInt8.random(in: 0..<10, using: &generator) {
            case 0..<4:
                site.receive(
                    chat("juliet@pilsen.example", String(sentCount)).replacing(
                        " type", with: " from='x@brno.example/a' type", maxReplacements: 1))
                sentCount += 1
            case 4:
                site.receive("<presence from='x@brno.example/a' to='juliet@pilsen.example'/>")
            case 5...6:
                // Not everything that was sent is read before the next thing happens.
                if isConnected { read(&site) }
            case 7:
                if isConnected {
                    read(&site)
                    site.acknowledge(juliet, handled)
                }
            case 8:
                if isConnected {
                    site.lose(juliet)
                    isConnected = false
                } else {
                    reconnect(&site)
                }
            default:
                site.crash()
                isConnected = false
                reconnect(&site)
            }
        }
        if !isConnected { reconnect(&site) }
        read(&site)
        site.acknowledge(juliet, handled)
        site.flush()
        #expect(got == (0..<sentCount).map(String.init))
        #expect(site.store.count(.log) == 0)
        #expect(site.store.count(.mailbox) == 0)
        #expect(site.store.count(.clientSlot) == 0)
    }

    @Test("what is refused below the disk's reserve is answered, also if the machine dies between the commit and the answer")
    func refusalSurvives() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        site.room = .reserve
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        // Its count is on disk; the answer has not reached the client.
        site.crash()
        site.room = .ample
        let again = site.resume(romeo, h: 1)
        let got = site.take(again)
        #expect(got.first?["h"] == "2")
        #expect(got.contains { $0["type"] == "error" })
    }
}
