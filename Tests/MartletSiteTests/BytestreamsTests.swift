import MartletBus
import MartletCrypto
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSite

/// XEP-0065: what a proxy's domain says to people's clients.
@Suite("XEP-0065: the proxy for bytestreams")
struct BytestreamsTests {
    private static let proxy = "proxy.pilsen.example"

    private func harness() -> SessionsHarness {
        let hosts = [
            Host(SessionsHarness.domain),
            Host(JID(preparedLocalpart: nil, preparedDomainpart: Self.proxy, preparedResourcepart: nil), .proxy),
        ]
        var harness = SessionsHarness(users: ["romeo"], hosts: hosts)
        harness.policy.bytestreams.host = "files.pilsen.example"
        harness.policy.bytestreams.port = 7777
        harness.handle(.policyChanged(harness.policy))
        return harness
    }

    private func activate(_ target: String, sid: String = "vxf9n471bn46") -> String {
        "<query xmlns='http://jabber.org/protocol/bytestreams' sid='\(sid)'><activate>\(target)</activate></query>"
    }

    @Test("§4: it is found by service discovery, and says where it is")
    func discovery() {
        var harness = harness()
        let romeo = harness.login("romeo", "foo")
        let items = harness.ask(
            romeo, "get", to: "pilsen.example", "<query xmlns='http://jabber.org/protocol/disco#items'/>")
        #expect(items.first("query", Namespaces.discoItems)?.elements.contains { $0["jid"] == Self.proxy } == true)
        let info = harness.ask(romeo, "get", to: Self.proxy, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
            .first("query", Namespaces.discoInfo)
        #expect(
            info?.elements.contains { $0.name == "identity" && $0["category"] == "proxy" && $0["type"] == "bytestreams" }
                == true)
        #expect(info?.elements.contains { $0["var"] == Namespaces.bytestreams } == true)
        let host = harness.ask(romeo, "get", to: Self.proxy, "<query xmlns='http://jabber.org/protocol/bytestreams'/>")
            .first("query", Namespaces.bytestreams)?.elements.first
        #expect(host?["jid"] == Self.proxy && host?["host"] == "files.pilsen.example" && host?["port"] == "7777")
    }

    @Test("§6.3.5: a stream begins by the digest of its name, its requester and its target; each outcome has its answer")
    func activation() throws {
        var harness = harness()
        let romeo = harness.login("romeo", "foo")
        let outcomes: [(BytestreamOutcome, String?)] = [
            (.begun, nil), (.unknown, "item-not-found"), (.oneEnd, "not-allowed"), (.tooMany, "resource-constraint"),
            (.stopped, "internal-server-error"),
        ]
        for (outcome, condition) in outcomes {
            harness.send(
                romeo, "<iq type='set' id='a' to='\(Self.proxy)'>\(activate("target@example.org/bar"))</iq>")
            #expect(!harness.take(romeo).contains { $0["id"] == "a" })
            let last = harness.activations.popLast()
            let (id, activation) = try #require(last)
            let words = "vxf9n471bn46romeo@pilsen.example/footarget@example.org/bar"
            #expect(activation.digest == Hex.encode(Digest.hash(.sha1, words.utf8)))
            #expect(activation.account.description == "romeo@pilsen.example")
            harness.handle(.workDone(id, .bytestream(outcome)))
            let answer = harness.take(romeo).last { $0["id"] == "a" }
            #expect(answer?["type"] == (condition == nil ? "result" : "error") && answer?["from"] == Self.proxy)
            #expect(answer?.condition == condition)
        }
    }

    @Test("without a name, without a target, with one that is no address: refused; so is whoever has no account here")
    func refusals() {
        var harness = harness()
        let romeo = harness.login("romeo", "foo")
        let none = "<query xmlns='http://jabber.org/protocol/bytestreams' sid='s'/>"
        #expect(harness.ask(romeo, "set", to: Self.proxy, none).condition == "bad-request")
        #expect(harness.ask(romeo, "set", to: Self.proxy, activate("a@b", sid: "")).condition == "bad-request")
        let long = String(repeating: "s", count: 1024)
        #expect(harness.ask(romeo, "set", to: Self.proxy, activate("a@b", sid: long)).condition == "bad-request")
        #expect(harness.ask(romeo, "set", to: Self.proxy, activate("@")).condition == "jid-malformed")
        #expect(harness.activations.isEmpty)
        harness.receive("<iq type='get' id='x' from='eva@brno.example/r' to='\(Self.proxy)'>\(none)</iq>")
        #expect(harness.takeRemote().last?.payloads.first?.elements.first?.name == "forbidden")
    }

    @Test("requests that wait have a bound, and their places are free again when they are answered")
    func bound() {
        var harness = harness()
        let romeo = harness.login("romeo", "foo")
        for number in 0..<257 {
            harness.send(romeo, "<iq type='set' id='a\(number)' to='\(Self.proxy)'>\(activate("t@example.org/b"))</iq>")
        }
        #expect(harness.activations.count == 256)
        #expect(harness.take(romeo).last { $0["id"] == "a256" }?.condition == "resource-constraint")
        for (id, _) in harness.activations { harness.handle(.workDone(id, .bytestream(.begun))) }
        harness.activations = []
        harness.send(romeo, "<iq type='set' id='again' to='\(Self.proxy)'>\(activate("t@example.org/b"))</iq>")
        #expect(harness.activations.count == 1)
    }
}
