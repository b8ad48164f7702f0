import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions

@Suite("Presence")
struct SessionsPresenceTests {
    /// Makes each see the other.
    private func befriend(_ site: inout SessionsHarness, _ client: SessionsHarness.Client, _ contact: String) {
        let account = client.jid.bare
        site.send(client, "<presence type='subscribe' to='\(contact)'/>")
        site.receive("<presence type='subscribed' from='\(contact)' to='\(account)'/>")
        site.receive("<presence type='subscribe' from='\(contact)' to='\(account)'/>")
        site.send(client, "<presence type='subscribed' to='\(contact)'/>")
        site.flush()
        _ = site.takeRemote()
        _ = site.take(client)
    }

    @Test("RFC 6121 §4.2.2: initial presence goes to contacts and own resources, and asks for the presence of contacts")
    func initial() {
        var site = SessionsHarness()
        let orchard = site.login("romeo", "orchard")
        befriend(&site, orchard, "x@brno.example")
        let garden = site.bind("romeo", "garden")
        site.send(garden, "<presence><status>new</status></presence>")
        let remote = site.takeRemote()
        #expect(remote.map { $0.type } == [nil, "probe"])
        #expect(remote.map { $0.from?.description } == ["romeo@pilsen.example/garden", "romeo@pilsen.example/garden"])
        #expect(site.take(orchard).map { $0["from"] } == ["romeo@pilsen.example/garden"])
        #expect(Set(site.take(garden).map { $0["from"] }) == ["romeo@pilsen.example/garden", "romeo@pilsen.example/orchard"])
        site.send(garden, "<presence><status>newer</status></presence>")
        #expect(site.takeRemote().map { $0.type } == [nil])
    }

    @Test("RFC 6121 §4.3.2: a probe is answered with the presence of every available resource, strangers learn nothing")
    func probes() {
        var site = SessionsHarness()
        let orchard = site.login("romeo", "orchard")
        befriend(&site, orchard, "x@brno.example")
        site.receive("<presence type='probe' from='x@brno.example/a' to='romeo@pilsen.example'/>")
        let answer = site.takeRemote()
        #expect(answer.map { $0.to?.description } == ["x@brno.example/a"])
        #expect(answer.map { $0.from?.description } == ["romeo@pilsen.example/orchard"])
        site.receive("<presence type='probe' from='y@brno.example' to='romeo@pilsen.example'/>")
        site.receive("<presence type='probe' from='y@brno.example' to='nobody@pilsen.example'/>")
        #expect(site.takeRemote().map { $0.type } == ["unsubscribed", "unsubscribed"])
        site.logout(orchard)
        _ = site.takeRemote()
        site.receive("<presence type='probe' from='x@brno.example/a' to='romeo@pilsen.example'/>")
        #expect(site.takeRemote().map { $0.type } == ["unavailable"])
    }

    @Test("RFC 6121 §4.5: unavailable presence goes to contacts and own resources, also when the connection is lost")
    func unavailable() {
        var site = SessionsHarness()
        let orchard = site.login("romeo", "orchard")
        befriend(&site, orchard, "x@brno.example")
        let garden = site.login("romeo", "garden")
        _ = site.takeRemote()
        _ = site.take(orchard)
        site.send(garden, "<presence type='unavailable'><status>bye</status></presence>")
        let remote = site.takeRemote()
        #expect(remote.map { $0.type } == ["unavailable"])
        #expect(remote.first?.payload("status", Namespaces.client)?.text == "bye")
        for client in [orchard, garden] {
            let got = site.take(client)
            #expect(got.map { $0["type"] } == ["unavailable"], "§4.5.2: also the resource that said it")
            #expect(got.map { $0["from"] } == ["romeo@pilsen.example/garden"])
            #expect(got.map { $0["to"] } == [client.jid.description])
        }
        site.send(garden, "<presence type='unavailable'/>")
        #expect(site.take(garden) == [], "it was not available")
        site.lose(garden)
        #expect(site.takeRemote() == [])
        site.lose(orchard)
        #expect(site.takeRemote().map { $0.type } == ["unavailable"])
    }

    @Test("RFC 6121 §4.6: directed presence is taken back at the end, once, unless it was taken back before")
    func directed() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        befriend(&site, romeo, "x@brno.example")
        for address in ["a@rooms.example/r", "b@rooms.example/r", "c@rooms.example/r", "x@brno.example"] {
            site.send(romeo, "<presence to='\(address)'/>")
        }
        site.send(romeo, "<presence to='a@rooms.example/r'/>")
        site.send(romeo, "<presence to='b@rooms.example/r' type='unavailable'/>")
        site.receive("<presence from='c@rooms.example/r' to='romeo@pilsen.example/orchard' type='error'/>")
        #expect(site.takeRemote().count == 6)
        site.lose(romeo)
        #expect(site.takeRemote().map { $0.to?.description } == ["x@brno.example", "a@rooms.example/r"])
        site.flush()
        #expect(site.store.count(.directed) == 0)
    }

    @Test("RFC 6121 §8.5.2.1.2, §8.5.3.1: presence to the bare JID reaches available resources, to a full JID that one")
    func delivery() {
        var site = SessionsHarness()
        let orchard = site.login("romeo", "orchard")
        let bound = site.bind("romeo", "bound")
        site.receive("<presence from='x@brno.example/a' to='romeo@pilsen.example'/>")
        #expect(site.take(orchard).count == 1)
        #expect(site.take(bound) == [])
        site.receive("<presence from='room@rooms.example/r' to='romeo@pilsen.example/bound'/>")
        #expect(site.take(bound).count == 1)
        site.receive("<presence from='room@rooms.example/r' to='romeo@pilsen.example/gone'/>")
        #expect(site.take(orchard) == [])
        #expect(site.takeRemote() == [])
    }

    @Test("a peer that can be reached again gets one current state per contact, and is asked for its own")
    func refresh() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        befriend(&site, romeo, "x@brno.example")
        befriend(&site, juliet, "x@brno.example")
        befriend(&site, juliet, "y@zlin.example")
        site.link(.up(wantsRefresh: true))
        _ = site.takeRemote()
        site.pass(1000)
        site.lose(juliet)
        _ = site.takeRemote()
        site.pass(1000)
        site.link(.up(wantsRefresh: true))
        let told = site.takeRemote()
        #expect(
            told.map { $0.from?.description } == [
                "romeo@pilsen.example/orchard", "romeo@pilsen.example", "juliet@pilsen.example",
            ])
        #expect(told.map { $0.type } == [nil, "probe", "unavailable"])
        #expect(told.allSatisfy { $0.to?.description == "x@brno.example" })
        site.pass(1000)
        site.link(.up(wantsRefresh: true))
        #expect(site.takeRemote().map { $0.type } == [nil, "probe"])
    }

    @Test("RFC 6121 §4.7.2.3: nonsense in priority counts as 0")
    func priority() {
        for (text, priority) in [("5", 5), ("-128", -128), ("128", 0), ("x", 0), (" 1\n", 1)] as [(String, Int8)] {
            let element = Element("priority", Namespaces.client, text: text)
            #expect(Stanza(.presence, payloads: [element]).priority == priority)
        }
    }

    @Test("presence of a type that does not exist is refused")
    func unknownType() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<presence type='strange'/>")
        #expect(site.take(romeo).map(\.condition) == ["bad-request"])
    }
}
