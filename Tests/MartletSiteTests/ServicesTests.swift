import MartletBus
import MartletPrimitives
import MartletServices
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSite

@Suite("Services of the domain")
struct ServicesTests {
    private static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "pilsen.example", preparedResourcepart: nil)
    private static let romeo = JID(
        preparedLocalpart: "romeo", preparedDomainpart: "brno.example", preparedResourcepart: "orchard")

    private func answers(_ stanza: Stanza, to: JID = domain) -> [Stanza] {
        var policy = SitePolicy(domains: [Self.domain])
        policy.softwareVersion = "1.2"
        let turn = Turn(
            now: Instant(milliseconds: 0), wall: WallTime(milliseconds: 1_700_000_000_000), random: RandomStream(seed: 1),
            store: MemoryStore().begin(), policy: policy)
        var stanza = stanza
        stanza.from = Self.romeo
        stanza.to = to
        let elsewhere = Elsewhere()
        var site = Site(policy: policy, services: SiteService.all + [elsewhere.service])
        let pair = DomainPair(local: Self.domain, peer: Self.romeo.domain)
        turn.admit(stanza, from: .peer(ConnectionID(loop: 9, slot: 9, generation: 9), pair))
        site.settle(turn)
        return elsewhere.stanzas
    }

    private func get(_ name: String, _ namespace: String, node: String? = nil) -> Stanza {
        var payload = Element(name, namespace)
        if let node { payload["node"] = node }
        return Stanza(.iq, id: "1", type: "get", payloads: [payload])
    }

    private func condition(_ stanza: Stanza?) -> String? {
        stanza?.payload("error", Namespaces.client)?.elements.first?.name
    }

    @Test("XEP-0199: a ping is answered")
    func ping() {
        let answer = answers(get("ping", Namespaces.ping))
        #expect(answer.map(\.type) == ["result"])
        #expect(answer.first?.from == Self.domain)
        #expect(answer.first?.to == Self.romeo)
        #expect(answer.first?.id == "1")
        #expect(answer.first?.content == [])
    }

    @Test("XEP-0030: the domain is an IM server; it lists what it can do, and nobody's accounts")
    func disco() {
        let info = answers(get("query", Namespaces.discoInfo)).first?.payload("query", Namespaces.discoInfo)
        #expect(info?.first("identity", Namespaces.discoInfo)?["type"] == "im")
        let features = info?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
        #expect(features == features.sorted())
        #expect(features.contains(Namespaces.ping) && features.contains(Namespaces.discoInfo))
        #expect(features.contains(Namespaces.register))
        let items = answers(get("query", Namespaces.discoItems)).first
        #expect(items?.payload("query", Namespaces.discoItems)?.elements == [])
        for namespace in [Namespaces.discoInfo, Namespaces.discoItems] {
            let unknown = answers(get("query", namespace, node: "x")).first
            #expect(condition(unknown) == "item-not-found")
            #expect(unknown?.payload("query", namespace)?["node"] == "x")
        }
    }

    @Test("XEP-0092, XEP-0202: name and version, time in UTC")
    func versionAndTime() {
        let version = answers(get("query", Namespaces.version)).first?.payload("query", Namespaces.version)
        #expect(version?.elements.map(\.text) == ["Martlet", "1.2"])
        let time = answers(get("time", Namespaces.time)).first?.payload("time", Namespaces.time)
        #expect(time?.elements.map(\.text) == ["+00:00", "2023-11-14T22:13:20.000Z"])
    }

    @Test("RFC 6121 §8.4, RFC 6120 §8.2.3: the unknown is service-unavailable, the malformed bad-request, answers end here")
    func refused() throws {
        #expect(condition(answers(get("x", "y")).first) == "service-unavailable")
        #expect(
            condition(answers(Stanza(.iq, id: "1", type: "set", payloads: [Element("x", "y")])).first) == "service-unavailable")
        #expect(condition(answers(Stanza(.iq, id: "1", type: "get")).first) == "bad-request")
        #expect(condition(answers(Stanza(.iq, id: "1")).first) == "bad-request")
        #expect(condition(answers(Stanza(.message, id: "1")).first) == "service-unavailable")
        let resource = try Self.domain.with(resourcepart: "x")
        #expect(condition(answers(get("ping", Namespaces.ping), to: resource).first) == "service-unavailable")
        #expect(answers(Stanza(.iq, id: "1", type: "result")) == [])
        #expect(answers(Stanza(.iq, id: "1", type: "error")) == [])
        #expect(answers(Stanza(.message, id: "1", type: "error")) == [])
        for type in [nil, "probe", "subscribe", "unavailable"] { #expect(answers(Stanza(.presence, type: type)) == []) }
    }
}
