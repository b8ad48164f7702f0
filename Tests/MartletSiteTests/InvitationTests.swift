import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSite

@Suite("XEP-0445: invitations")
struct InvitationTests {
    private static let day: Int64 = 86_400_000

    private func invite(_ site: inout SessionsHarness, _ address: String = "pilsen.example", days: Int64 = 7) throws -> String {
        let answer = site.command(.accounts(.invite(try JID(address), lifetime: days * Self.day)))
        guard case .done(let words) = answer, let token = words.split(separator: "\n").first?.split(separator: "=").last else {
            Issue.record("\(answer)")
            return ""
        }
        #expect(words.hasPrefix("xmpp:\(address)?register;preauth="))
        return String(token)
    }

    private func show(
        _ site: inout SessionsHarness, _ token: String, from address: String = "192.0.2.1", at domain: JID? = nil
    ) -> Element? {
        let connection = site.connect()
        let preauth = Element("preauth", Namespaces.preauthorization, [("token", token)])
        let stanza = Stanza(.iq, id: "pa1", type: "set", payloads: [preauth])
        site.client(
            connection,
            .registrationRequested(stanza, domain: domain ?? SessionsHarness.domain, address: RemoteAddress(address)))
        #expect(site.commands[connection] == [.registrationHandled])
        return site.inboxes[connection]?.last
    }

    private func register(_ site: inout SessionsHarness, _ name: String, _ token: String?, type: String = "set") -> Element? {
        let connection = site.connect()
        var query = Element("query", Namespaces.register)
        if type == "set" {
            query.append(Element("username", Namespaces.register, text: name))
            query.append(Element("password", Namespaces.register, text: "secret"))
        }
        let stanza = Stanza(.iq, id: "r", type: type, payloads: [query])
        site.client(
            connection,
            .registrationRequested(
                stanza, domain: SessionsHarness.domain, address: RemoteAddress("192.0.2.1"), invitation: token))
        return site.inboxes[connection]?.last
    }

    @Test("§4: whoever brings an invitation makes one account, where nobody else may")
    func once() throws {
        var site = SessionsHarness()
        let token = try invite(&site)
        #expect(token.count == 32)
        #expect(register(&site, "mercutio", nil)?.condition == "not-allowed")
        #expect(register(&site, "mercutio", "wrong")?.condition == "not-allowed")
        #expect(show(&site, token)?["type"] == "result")
        #expect(show(&site, token)?["type"] == "result", "it is used only when the account is there")
        #expect(register(&site, "", token, type: "get")?["type"] == "result")
        #expect(register(&site, "romeo", token)?.condition == "conflict")
        site.crash()
        #expect(register(&site, "mercutio", token)?["type"] == "result")
        #expect(site.site.accounts.count == 3)
        #expect(site.store.count(.invitation) == 0)
        #expect(register(&site, "tybalt", token)?.condition == "not-allowed")
        #expect(show(&site, token)?.condition == "item-not-found")
    }

    @Test("§5: a name is kept for whoever was invited to it, until the invitation expires")
    func reserved() throws {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        let token = try invite(&site, "juliet2@pilsen.example")
        let other = try invite(&site)
        #expect(register(&site, "juliet2", nil)?.condition == "conflict")
        #expect(register(&site, "juliet2", other)?.condition == "conflict")
        let form = register(&site, "", token, type: "get")?.first("query", Namespaces.register)
        #expect(form?.first("username", Namespaces.register)?.text == "juliet2")
        #expect(register(&site, "mercutio", token)?.condition == "not-acceptable")
        #expect(register(&site, "Juliet2", token)?["type"] == "result")
        let late = try invite(&site, "rosaline@pilsen.example", days: 1)
        site.pass(Self.day)
        #expect(register(&site, "rosaline", late)?["type"] == "result", "as anybody else")
    }

    @Test("§4: the end of an invitation counts when it is shown, and not afterwards")
    func expiry() throws {
        var site = SessionsHarness()
        let (shown, other) = (try invite(&site, days: 1), try invite(&site, days: 1))
        site.pass(Self.day - 1)
        #expect(show(&site, shown)?["type"] == "result")
        site.pass(60_000)
        #expect(show(&site, other)?.condition == "item-not-found")
        #expect(register(&site, "late", other)?.condition == "not-allowed")
        #expect(register(&site, "mercutio", shown)?["type"] == "result")
        _ = try invite(&site)
        #expect(site.store.count(.invitation) == 1, "those that have expired are forgotten")
    }

    @Test("guesses count like wrong passwords of their address; an invitation is good in its domain alone")
    func guesses() throws {
        var site = SessionsHarness()
        let verona = try JID("verona.example")
        site.policy.hosts.append(Host(verona))
        let token = try invite(&site)
        #expect(show(&site, token, at: verona)?.condition == "item-not-found")
        site.policy.limits.failedLoginsPerAddress = 3
        for number in 0..<3 { #expect(show(&site, "guess\(number)", from: "203.0.113.1")?.condition == "item-not-found") }
        #expect(show(&site, token, from: "203.0.113.1")?.condition == "resource-constraint")
        #expect(show(&site, token)?["type"] == "result")
    }

    @Test("an operator hears why somebody cannot be invited")
    func refusals() throws {
        var site = SessionsHarness()
        func refusal(_ address: String) throws -> String? {
            if case .refused(let words) = site.command(.accounts(.invite(try JID(address), lifetime: 1))) { return words }
            return nil
        }
        #expect(try refusal("romeo@pilsen.example") == "romeo@pilsen.example exists")
        #expect(try refusal("brno.example")?.contains("not an account address at a domain of this site") == true)
        #expect(try refusal("a@pilsen.example/x") != nil)
        site.room = .reserve
        #expect(try refusal("pilsen.example")?.hasPrefix("the disk is nearly full") == true)
        site.room = .ample
        for _ in 0..<AccountLimits.invitations { _ = try invite(&site) }
        #expect(try refusal("pilsen.example")?.hasPrefix("1000 invitations are open") == true)
        site.policy.client.allowsInvitations = false
        #expect(try refusal("pilsen.example")?.hasPrefix("invitations are off") == true)
        // What a name has to be in a URI.
        site.policy.client.allowsInvitations = true
        site.pass(8 * Self.day)
        let answer = site.command(.accounts(.invite(try JID("j\u{FC}rg@pilsen.example"), lifetime: Self.day)))
        guard case .done(let words) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(words.hasPrefix("xmpp:j%c3%bcrg@pilsen.example?register;preauth="))
    }

    @Test("XEP-0078: the resource that was named with the login is bound, and a newer session has it")
    func oldLogin() {
        var site = SessionsHarness()
        func login() -> (ConnectionID, [StreamCommand]) {
            let connection = site.connect()
            let account = SessionsHarness.account("romeo")
            let address = RemoteAddress("192.0.2.1")
            site.client(
                connection,
                .credentialsWanted(localpart: "romeo", domain: account.domain, mechanism: .plain, address: address))
            guard case .credentials(let credentials) = site.commands[connection]?.last else { return (connection, []) }
            var request = LoginRequest()
            request.resource = "globe"
            let client = AuthenticatedClient(
                account: account, generation: credentials.generation, isSecure: true, address: address, request: request)
            site.client(connection, .authenticated(client))
            return (connection, site.commands[connection] ?? [])
        }
        let (first, told) = login()
        let jid = SessionsHarness.account("romeo").description + "/globe"
        guard case .welcome(let welcome) = told.last else {
            Issue.record("\(told)")
            return
        }
        #expect(welcome.identity.description == jid)
        _ = login()
        #expect(site.closed[first] == .some(StreamError(.conflict)))
        #expect(site.sessions.sessionCount == 1)
    }
}
