import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices

/// What clients are told of services beside XMPP, and who is reached where.
@Suite("Services elsewhere")
struct ExternalServicesTests {
    private func office(_ services: [ExternalService]) -> SessionsHarness {
        var office = SessionsHarness()
        office.policy.externalServices = services
        return office
    }

    private static let relay = ExternalService(
        type: "turn", host: "turn.pilsen.example", port: 3478, transport: "udp", name: "Calls",
        credentials: .derived(secret: "north", lifetime: 43_200))
    private static let stun = ExternalService(type: "stun", host: "192.0.2.1", port: 0)
    private static let files = ExternalService(
        type: "ftp", host: "ftp.pilsen.example", port: 20, transport: "tcp",
        credentials: .fixed(username: "guest", password: "guest"))

    private func ask(_ office: inout SessionsHarness, _ payload: String) -> Element? {
        let juliet = office.login("juliet", "balcony")
        office.send(juliet, "<iq type='get' id='s' to='pilsen.example'>\(payload)</iq>")
        return office.take(juliet).first { $0["id"] == "s" }
    }

    @Test("XEP-0215 §3.1, §3.2: all services, or those of a type")
    func list() {
        var office = office([Self.relay, Self.stun, Self.files])
        let all = ask(&office, "<services xmlns='urn:xmpp:extdisco:2'/>")?.elements.first?.elements ?? []
        #expect(all.map { $0["type"] } == ["turn", "stun", "ftp"])
        #expect(all.map { $0["port"] } == ["3478", nil, "20"])
        #expect(all.map { $0["transport"] } == ["udp", nil, "tcp"])
        #expect(all.map { $0["restricted"] } == ["true", nil, "true"])
        #expect(all.last?["username"] == "guest" && all.last?["password"] == "guest" && all.last?["expires"] == nil)
        let some = ask(&office, "<services xmlns='urn:xmpp:extdisco:2' type='stun'/>")?.elements.first
        #expect(some?["type"] == "stun" && some?.elements.map { $0["host"] } == ["192.0.2.1"])
    }

    @Test("credentials are made for whoever asks, say when they end, and are what the relay computes from the secret")
    func derived() throws {
        var office = office([Self.relay])
        let list = ask(
            &office, "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.pilsen.example'/></credentials>")
        let service = try #require(list?.elements.first?.elements.first)
        let username = try #require(service["username"])
        let end = try #require(Int64(username.split(separator: ":")[0]))
        #expect(username.hasSuffix(":juliet") && end > 43_200)
        let expires = try #require(service["expires"].flatMap { WallTime($0) })
        #expect(expires.milliseconds == end * 1000)
        // RFC 2104 with the secret `north`, computed elsewhere.
        #expect(ExternalServices.password(for: "1700043200:juliet", secret: "north") == "LXmf0mxiB0/7mIH8ksYNch+it8s=")
        #expect(service["password"] == ExternalServices.password(for: username, secret: "north"))
    }

    @Test("XEP-0215 §3.3: a service that is not known, and a request that names none")
    func unknown() {
        var office = office([Self.relay])
        for (asked, condition) in [
            ("<service type='turn' host='elsewhere.example'/>", "item-not-found"),
            ("<service type='stun' host='turn.pilsen.example'/>", "item-not-found"),
            ("<service type='turn' host='turn.pilsen.example' port='1'/>", "item-not-found"),
            ("<service type='turn'/>", "bad-request"), ("", "bad-request"),
        ] {
            let answer = ask(&office, "<credentials xmlns='urn:xmpp:extdisco:2'>\(asked)</credentials>")
            #expect(answer?.first("error", Namespaces.client)?.elements.first?.name == condition, "\(asked)")
        }
    }

    @Test("credentials are for our own people: another server is refused, and where there is nothing nobody offers it")
    func strangers() {
        var office = office([Self.relay])
        office.receive(
            "<iq from='a@brno.example/x' to='pilsen.example' type='get' id='s'><services xmlns='urn:xmpp:extdisco:2'/></iq>")
        #expect(
            office.takeRemote().compactMap { $0.payload("error", Namespaces.client)?.elements.first?.name } == ["forbidden"])
        var nothing = self.office([])
        let answer = ask(&nothing, "<services xmlns='urn:xmpp:extdisco:2'/>")
        #expect(answer?.first("error", Namespaces.client)?.elements.first?.name == "service-unavailable")
    }

    @Test("XEP-0455 §2.1: where people read what is wrong, as a form; none where nothing is configured")
    func outageStatus() {
        func forms(_ addresses: [String]) -> [DataForm] {
            var office = office([])
            office.policy.outageStatus = addresses
            let info = ask(&office, "<query xmlns='http://jabber.org/protocol/disco#info'/>")?.elements.first
            return info?.all("x", Namespaces.dataForms).compactMap { DataForm($0) } ?? []
        }
        #expect(forms([]).isEmpty)
        let shown = forms(["http://secondary.shakespeare.lit/status.json"])
        #expect(shown.map { $0.values("FORM_TYPE") } == [["urn:xmpp:sos:0"]])
        #expect(shown.first?.values("external-status-addresses") == ["http://secondary.shakespeare.lit/status.json"])
    }

    @Test("XEP-0157 §2: each role that is reached somewhere, as a form; none where nobody is")
    func contacts() {
        func forms(_ contacts: [ContactRole]) -> [DataForm] {
            var office = office([])
            office.policy.contacts = contacts
            let info = ask(&office, "<query xmlns='http://jabber.org/protocol/disco#info'/>")?.elements.first
            return info?.all("x", Namespaces.dataForms).compactMap { DataForm($0) } ?? []
        }
        #expect(forms([]).isEmpty)
        let shown = forms([
            ContactRole("abuse", ["mailto:a@pilsen.example", "xmpp:b@pilsen.example"]),
            ContactRole("admin", ["mailto:c@pilsen.example"]),
        ])
        #expect(shown.count == 1 && shown[0].values("FORM_TYPE") == ["http://jabber.org/network/serverinfo"])
        #expect(shown[0].values("abuse-addresses") == ["mailto:a@pilsen.example", "xmpp:b@pilsen.example"])
        #expect(shown[0].values("admin-addresses") == ["mailto:c@pilsen.example"])
    }
}
