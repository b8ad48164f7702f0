import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSessions
@testable import MartletSite

@Suite("Logins that want more than to be let in")
struct LoginTests {
    private static let phone = "d4565fa7-4d72-4749-b3d3-740edbf87770"
    private static let laptop = "11111111-2222-4333-8444-555555555555"
    private static let address = RemoteAddress("192.0.2.9")

    /// A token as a client has it.
    private struct Token {
        var text: String
        var mechanism: TokenMechanism
        var agent: String

        func proof(
            of user: String = "romeo", binding: [UInt8] = [9], count: UInt32? = nil, invalidates: Bool = false,
            by mechanism: TokenMechanism? = nil, wanting request: LoginRequest = LoginRequest()
        ) -> TokenProof {
            var request = request
            request.agent = UserAgent(id: agent)
            // A client's HMAC has the token itself as its key.
            let code = HMAC.authenticate(.sha256, key: text.utf8, Array("Initiator".utf8) + binding)
            var proof = TokenProof(
                localpart: user, domain: SessionsHarness.domain, mechanism: mechanism ?? self.mechanism, binding: binding,
                code: code, address: address, request: request)
            proof.count = count
            proof.invalidates = invalidates
            return proof
        }
    }

    private func binding(_ agent: String? = phone, tag: String = "Phone", with features: [Element] = []) -> LoginRequest {
        var request = LoginRequest()
        request.agent = UserAgent(id: agent, software: "AwesomeXMPP", device: "Kiva's Phone")
        request.binding = BindingRequest(tag: tag, features: features)
        return request
    }

    private let enable = Element("enable", Namespaces.streamManagement, [("resume", "true")])

    /// Logs in with the password; returns the connection and what the client is told.
    private func login(
        _ site: inout SessionsHarness, _ request: LoginRequest, user: String = "romeo"
    ) -> (connection: ConnectionID, welcome: Welcome?) {
        let connection = site.connect()
        let account = SessionsHarness.account(user)
        site.client(
            connection,
            .credentialsWanted(localpart: user, domain: account.domain, mechanism: .scramSHA256, address: Self.address))
        guard case .credentials(let credentials) = site.commands[connection]?.last else { return (connection, nil) }
        let client = AuthenticatedClient(
            account: account, generation: credentials.generation, isSecure: true, address: Self.address, request: request)
        site.client(connection, .authenticated(client))
        return (connection, welcome(site, connection))
    }

    private func welcome(_ site: SessionsHarness, _ connection: ConnectionID) -> Welcome? {
        for command in site.commands[connection] ?? [] { if case .welcome(let welcome) = command { return welcome } }
        return nil
    }

    /// Shows a token; returns what the client is told, or why it is refused.
    private func show(
        _ site: inout SessionsHarness, _ proof: TokenProof
    ) -> (connection: ConnectionID, welcome: Welcome?, refusal: SASLFailure?) {
        let connection = site.connect()
        site.client(connection, .tokenShown(proof))
        var refusal: SASLFailure?
        if case .refuse(let failure) = site.commands[connection]?.last { refusal = failure }
        return (connection, welcome(site, connection), refusal)
    }

    private func token(
        in welcome: Welcome?, _ mechanism: TokenMechanism = .exporter, _ agent: String = phone
    ) -> Token? {
        let element = welcome?.elements.first { $0.is("token", Namespaces.fast) }
        return element?["token"].map { Token(text: $0, mechanism: mechanism, agent: agent) }
    }

    private func tokenOf(
        _ site: inout SessionsHarness, _ agent: String = phone, _ mechanism: TokenMechanism = .exporter
    ) throws -> Token {
        var request = binding(agent)
        request.tokenMechanism = mechanism
        return try #require(token(in: login(&site, request).welcome, mechanism, agent))
    }

    // MARK: XEP-0386

    @Test("XEP-0386: a resource is bound with the login, with the client's tag, and is the same when that client comes again")
    func bind() throws {
        var site = SessionsHarness()
        let first = login(&site, binding())
        let jid = try #require(first.welcome?.identity)
        #expect(jid.resourcepart?.hasPrefix("Phone/") == true)
        #expect(jid.resourcepart?.contains(Self.phone) == false, "the identifier is nobody's business")
        #expect(first.welcome?.elements.map(\.name) == ["bound"])
        let again = login(&site, binding())
        #expect(again.welcome?.identity == jid)
        #expect(site.closed[first.connection] == .some(StreamError(.conflict)))
        // Another tag, the same client: the session that it had is given up; another client's is not.
        let other = login(&site, binding(Self.laptop))
        #expect(other.welcome?.identity != jid)
        let renamed = login(&site, binding(tag: "Telephone"))
        #expect(renamed.welcome?.identity.resourcepart?.hasPrefix("Telephone/") == true)
        #expect(site.closed[again.connection] == .some(StreamError(.conflict)))
        #expect(site.closed[other.connection] == nil)
        #expect(site.sessions.sessionCount == 2)
        // Who does not say which client he is gets something new each time.
        let nameless = [login(&site, binding(nil)), login(&site, binding(nil))].map { $0.welcome?.identity }
        #expect(nameless[0] != nameless[1])
        #expect(login(&site, binding(nil, tag: "")).welcome?.identity.resourcepart?.contains("/") == false)
        // What is no resourcepart becomes one.
        #expect(login(&site, binding(nil, tag: "\u{1F4F1}\u{0}")).welcome?.identity.resourcepart != nil)
    }

    @Test(
        "XEP-0198 §8.1: stream management is on from the beginning; the session is resumed with the next login, before any binding"
    )
    func management() throws {
        var site = SessionsHarness()
        let first = login(&site, binding(with: [enable]))
        let enabled = first.welcome?.elements.first?.first("enabled", Namespaces.streamManagement)
        let id = try #require(enabled?["id"])
        let jid = try #require(first.welcome?.identity)
        let client = SessionsHarness.Client(connection: first.connection, jid: jid, token: id)
        site.send(client, "<presence/>")
        _ = site.take(client)
        site.acknowledge(client, 1)
        site.lose(client)
        let juliet = site.login("juliet", "balcony")
        site.send(juliet, chat("romeo@pilsen.example", "while away"))
        site.flush()
        var request = binding(with: [enable])
        request.resumption = Element("resume", Namespaces.streamManagement, [("previd", id), ("h", "1")])
        let resumed = login(&site, request)
        #expect(resumed.welcome?.identity == jid)
        #expect(resumed.welcome?.elements.map(\.name) == ["resumed"])
        #expect(resumed.welcome?.elements.first?["h"] == "1")
        #expect(site.sessions.sessionCount == 2)
        #expect(site.takeBodies(SessionsHarness.Client(connection: resumed.connection, jid: jid)) == ["while away"])
        // The welcome comes before everything that is sent again.
        guard
            case .welcome = site.commands[resumed.connection]?.first(where: {
                if case .credentials = $0 { false } else { true }
            })
        else {
            Issue.record("not welcomed first")
            return
        }
        // A session that is not there: the failure, and then a resource.
        request.resumption = Element("resume", Namespaces.streamManagement, [("previd", "9-none"), ("h", "0")])
        let failed = login(&site, request)
        #expect(failed.welcome?.elements.map(\.name) == ["bound", "failed"])
        #expect(failed.welcome?.identity == jid)
        // Without a wish to bind, the client binds afterwards.
        request.binding = nil
        let unbound = login(&site, request)
        #expect(unbound.welcome?.elements.map(\.name) == ["failed"])
        #expect(unbound.welcome?.identity == SessionsHarness.account("romeo"))
        let later = SessionsHarness.Client(connection: unbound.connection, jid: SessionsHarness.account("romeo"))
        site.send(later, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'/></iq>")
        #expect(site.take(later).map { $0["type"] } == ["result"])
    }

    @Test("a message that was being sent to a client that comes anew is not lost with the session that it has given up")
    func givenUp() throws {
        var site = SessionsHarness()
        let first = login(&site, binding(tag: "one", with: [enable]))
        let jid = try #require(first.welcome?.identity)
        let client = SessionsHarness.Client(connection: first.connection, jid: jid)
        site.send(client, "<presence/>")
        _ = site.take(client)
        let juliet = site.login("juliet", "balcony")
        site.send(juliet, chat(jid.bare.description, "kept"))
        site.lose(client)
        let again = login(&site, binding(tag: "two", with: [enable]))
        let anew = SessionsHarness.Client(connection: again.connection, jid: try #require(again.welcome?.identity))
        site.send(anew, "<presence/>")
        #expect(site.takeBodies(anew) == ["kept"])
    }

    @Test("what is not known is ignored, stream management is begun once, and a full disk says so")
    func features() {
        var site = SessionsHarness()
        let unknown = Element("enable", "urn:example:unknown")
        let welcome = login(&site, binding(with: [unknown, enable, enable])).welcome
        #expect(welcome?.elements.first?.elements.map(\.name) == ["enabled"])
        site.room = .none
        #expect(login(&site, binding(Self.laptop, with: [enable])).welcome?.elements.first?.elements.map(\.name) == ["failed"])
    }

    @Test("an account with as many resources as it may have is refused for now, and nothing of the connection is left")
    func full() {
        var site = SessionsHarness()
        site.policy.client.resourcesPerAccount = 2
        _ = [login(&site, binding(nil)), login(&site, binding(nil))]
        let refused = login(&site, binding(nil))
        #expect(refused.welcome == nil)
        #expect(site.commands[refused.connection]?.last == .refuse(.temporaryAuthFailure))
        #expect(site.sessions.connectionCount == 2)
    }

    // MARK: XEP-0484

    @Test("XEP-0484: a token lets its client in, knows the server by its answer, and is there after a crash")
    func token() throws {
        var site = SessionsHarness()
        let token = try tokenOf(&site)
        #expect(token.text.utf8.count == 72)
        site.crash()
        let shown = show(&site, token.proof(wanting: binding()))
        #expect(shown.refusal == nil)
        #expect(shown.welcome?.identity.bare == SessionsHarness.account("romeo"))
        #expect(
            shown.welcome?.additionalData
                == HMAC.authenticate(.sha256, key: token.text.utf8, Array("Responder".utf8) + [9]))
        #expect(self.token(in: shown.welcome) == nil, "it is not a day old")
        let dump = site.store.begin().get(.client, [0, 0, 0, 0, 0, 0, 0, 1] + keyBytes(Self.phone)) ?? []
        #expect(!dump.isEmpty)
        #expect(!String(decoding: dump, as: UTF8.self).contains(token.text), "the store does not have it")
    }

    private func keyBytes(_ agent: String) -> [UInt8] { Array(Digest.hash(.sha256, agent.utf8).prefix(16)) }

    @Test(
        "a wrong token, mechanism, channel, client, account or name is refused in the same way, and counted like a wrong password"
    )
    func wrongTokens() throws {
        var site = SessionsHarness()
        site.policy.limits.failedLoginsPerAccount = 100
        let token = try tokenOf(&site)
        let wrong: [TokenProof] = [
            Token(text: "x" + token.text.dropFirst(), mechanism: .exporter, agent: Self.phone).proof(),
            token.proof(by: .unbound), token.proof(of: "juliet"), token.proof(of: "nobody"),
            Token(text: token.text, mechanism: .exporter, agent: Self.laptop).proof(),
        ]
        for proof in wrong { #expect(show(&site, proof).refusal == .notAuthorized) }
        var moved = token.proof()
        moved.binding = [8]
        #expect(show(&site, moved).refusal == .notAuthorized)
        #expect(show(&site, token.proof()).welcome != nil)
        site.policy.limits.failedLoginsPerAccount = 3
        for _ in 0..<3 { _ = show(&site, token.proof(by: .unbound)) }
        let closed = show(&site, token.proof())
        #expect(closed.refusal == .temporaryAuthFailure)
        for _ in 0..<3 { _ = show(&site, token.proof(of: "nobody")) }
        #expect(show(&site, token.proof(of: "nobody")).refusal == .temporaryAuthFailure, "as with an account")
    }

    @Test("§3.5: a count grows, also over a crash: a login that somebody has recorded is of no use")
    func count() throws {
        var site = SessionsHarness()
        let token = try tokenOf(&site)
        #expect(show(&site, token.proof(count: 5)).welcome != nil)
        #expect(show(&site, token.proof(count: 5)).refusal == .notAuthorized)
        site.crash()
        #expect(show(&site, token.proof(count: 4)).refusal == .notAuthorized)
        #expect(show(&site, token.proof(count: 6)).welcome != nil)
    }

    @Test("§3.6: a token of yesterday is followed by a fresh one; both are good until that is used, and then only that")
    func rotation() throws {
        var site = SessionsHarness()
        let old = try tokenOf(&site)
        site.pass(AccountLimits.tokenRotation)
        let fresh = try #require(token(in: show(&site, old.proof()).welcome))
        #expect(fresh.text != old.text)
        // The answer was lost: the old one goes on, and what was given before is void.
        let second = try #require(token(in: show(&site, old.proof()).welcome))
        #expect(show(&site, fresh.proof()).refusal == .notAuthorized)
        #expect(show(&site, second.proof()).welcome != nil)
        #expect(show(&site, old.proof()).refusal == .notAuthorized)
        #expect(show(&site, second.proof()).welcome != nil)
    }

    @Test("§3.7: a client gives its token up, and gets no other unless it asks for one")
    func invalidation() throws {
        var site = SessionsHarness()
        let token = try tokenOf(&site)
        site.pass(AccountLimits.tokenRotation)
        let last = show(&site, token.proof(invalidates: true))
        #expect(last.welcome != nil)
        #expect(self.token(in: last.welcome) == nil)
        #expect(show(&site, token.proof()).refusal == .notAuthorized)
        let next = try tokenOf(&site)
        var request = LoginRequest()
        request.tokenMechanism = .exporter
        let asked = show(&site, next.proof(invalidates: true, wanting: request))
        #expect(show(&site, next.proof()).refusal == .notAuthorized)
        #expect(show(&site, try #require(self.token(in: asked.welcome)).proof()).welcome != nil)
    }

    @Test("a token expires, and its client hears so; whoever has another one hears nothing of it")
    func expiry() throws {
        var site = SessionsHarness()
        let token = try tokenOf(&site)
        site.pass(site.policy.client.tokenLifetime)
        #expect(show(&site, token.proof()).refusal == .credentialsExpired)
        #expect(show(&site, token.proof(by: .unbound)).refusal == .notAuthorized)
        site.policy.client.tokenLifetime = 0
        var request = binding()
        request.tokenMechanism = .exporter
        #expect(self.token(in: login(&site, request).welcome) == nil, "no tokens are given")
    }

    @Test("another password, and the end of the account, make all tokens void")
    func passwordChanged() throws {
        var site = SessionsHarness()
        let tokens = [try tokenOf(&site), try tokenOf(&site, Self.laptop)]
        let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [2], serverKey: [3])
        site.now += 1
        let romeo = SessionsHarness.account("romeo")
        _ = site.command(.accounts(.changePassword(romeo, PasswordKeys(sha1: keys, sha256: keys))))
        for token in tokens { #expect(show(&site, token.proof()).refusal == .notAuthorized) }
        let later = try tokenOf(&site)
        #expect(site.store.count(.client) == 2)
        _ = site.command(.accounts(.remove(romeo)))
        site.flush()
        #expect(site.store.count(.client) == 0)
        #expect(show(&site, later.proof()).refusal == .notAuthorized)
    }

    @Test("a client without a name gets no token, and where the disk is nearly full nobody does")
    func noToken() {
        var site = SessionsHarness()
        var request = binding(nil)
        request.tokenMechanism = .exporter
        #expect(token(in: login(&site, request).welcome) == nil)
        site.room = .reserve
        request = binding()
        request.tokenMechanism = .exporter
        let told = login(&site, request).welcome
        #expect(told?.elements.map(\.name) == ["bound"])
        #expect(site.store.count(.client) == 0)
    }

    @Test("of an account so many clients are remembered; the one that was away for the longest time goes first")
    func manyClients() throws {
        var site = SessionsHarness()
        let first = try tokenOf(&site)
        for number in 10..<10 + AccountLimits.clientsPerAccount {
            site.now += 1
            var request = LoginRequest()
            request.agent = UserAgent(id: "11111111-2222-4333-8444-5555555555\(number)")
            _ = login(&site, request)
        }
        site.flush()
        #expect(site.store.count(.client) == AccountLimits.clientsPerAccount)
        #expect(show(&site, first.proof()).refusal == .notAuthorized)
    }

    // MARK: XEP-0494

    @Test("XEP-0494: the owner sees which clients have access, and since when; and takes it away")
    func access() throws {
        var site = SessionsHarness()
        let token = try tokenOf(&site)
        let shown = show(&site, token.proof(wanting: binding()))
        let phone = SessionsHarness.Client(connection: shown.connection, jid: try #require(shown.welcome?.identity))
        let desk = login(&site, binding(Self.laptop, tag: "Laptop"))
        let laptop = SessionsHarness.Client(connection: desk.connection, jid: try #require(desk.welcome?.identity))
        func list() -> [Element] {
            site.send(laptop, "<iq type='get' id='l'><list xmlns='urn:xmpp:cam:0'/></iq>")
            return site.take(laptop).last?.first("clients", Namespaces.clientAccess)?.elements ?? []
        }
        var clients = list()
        #expect(clients.count == 2)
        let names = clients.compactMap { $0.first("user-agent", Namespaces.clientAccess)?.elements.map(\.text) }
        #expect(names == [["AwesomeXMPP", "Kiva's Phone"], ["AwesomeXMPP", "Kiva's Phone"]])
        #expect(clients.allSatisfy { $0["connected"] == "true" && $0["type"] == "session" })
        #expect(clients.allSatisfy { $0.first("permission", Namespaces.clientAccess)?["status"] == "unrestricted" })
        let wanted = ClientKey(agentID: Self.phone).text
        func methods() -> [String]? {
            list().first { $0["id"] == wanted }?.first("auth", Namespaces.clientAccess)?.elements.map(\.name)
        }
        #expect(methods() == ["password", "fast"])
        func revoke(_ id: String) -> Element? {
            site.send(laptop, "<iq type='set' id='r'><revoke xmlns='urn:xmpp:cam:0' id='\(id)'/></iq>")
            return site.take(laptop).last
        }
        // §2.2: it knows the password.
        let refused = revoke(wanted)
        #expect(refused?.condition == "service-unavailable")
        #expect(
            refused?.first("error", Namespaces.client)?.first("password-reset-required", Namespaces.clientAccess) != nil)
        #expect(revoke("00")?.condition == "item-not-found")
        // With another password its token is void too, so it has no access.
        let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [2], serverKey: [3])
        site.now += 1
        _ = site.command(
            .accounts(.changePassword(SessionsHarness.account("romeo"), PasswordKeys(sha1: keys, sha256: keys))))
        site.logout(phone)
        clients = list()
        #expect(clients.map { $0["id"] } == [ClientKey(agentID: Self.laptop).text], "it is connected still")
        #expect(revoke(wanted)?["type"] == "result")
        #expect(site.store.count(.client) == 1)
    }

    @Test("XEP-0494 §2.2: a client that has a token and not the password loses it with its session")
    func revokeToken() throws {
        var site = SessionsHarness()
        let old = try tokenOf(&site)
        let key = ClientKey(agentID: Self.phone)
        // As after a time in which it has come with tokens alone.
        site.step { _, turn in
            guard let number = AccountTable.number(of: SessionsHarness.account("romeo"), in: turn.store),
                var row = ClientTable.row(number, key, in: turn.store)
            else {
                Issue.record("no client")
                return
            }
            row.passwordGeneration = 0
            ClientTable.put(number, key, row, in: turn.store)
        }
        let shown = show(&site, old.proof(wanting: binding()))
        let owner = site.bind("romeo", "desk")
        site.send(owner, "<iq type='set' id='r'><revoke xmlns='urn:xmpp:cam:0' id='\(key.text)'/></iq>")
        #expect(site.take(owner).last?["type"] == "result")
        #expect(site.closed[shown.connection] == .some(StreamError(.notAuthorized)))
        #expect(show(&site, old.proof()).refusal == .notAuthorized)
        // Nobody else asks.
        let juliet = site.bind("juliet", "desk")
        for payload in [
            "type='get'><list xmlns='urn:xmpp:cam:0'/>", "type='set'><revoke xmlns='urn:xmpp:cam:0' id='\(key.text)'/>",
        ] {
            site.send(juliet, "<iq id='x' to='romeo@pilsen.example' \(payload)</iq>")
            #expect(site.take(juliet).last?.condition == "service-unavailable")
        }
    }

    // MARK: SCRAM-SHA-512

    @Test("SCRAM-SHA-512 is offered when every account has keys for it, to everybody or to nobody")
    func strongKeys() {
        var site = SessionsHarness(users: ["romeo"])
        #expect(site.withheld == [.scramSHA512])
        let romeo = SessionsHarness.account("romeo")
        func keys(_ byte: UInt8) -> PasswordKeys.Keys {
            .init(salt: [byte], iterations: 4096, storedKey: [byte], serverKey: [3])
        }
        let strong = PasswordKeys(sha1: keys(1), sha256: keys(2), sha512: keys(5))
        site.now += 1
        _ = site.command(.accounts(.changePassword(romeo, strong)))
        #expect(site.withheld == [])
        // An account of an earlier version's command.
        let juliet = SessionsHarness.account("juliet")
        _ = site.command(.accounts(.add(juliet, PasswordKeys(sha1: keys(1), sha256: keys(2)))))
        #expect(site.withheld == [.scramSHA512])
        site.withheld = nil
        site.crash()
        #expect(site.withheld == [.scramSHA512])
        func ask(_ name: String, _ mechanism: SASLMechanism) -> StoredCredentials? {
            let connection = site.connect()
            site.client(
                connection,
                .credentialsWanted(localpart: name, domain: romeo.domain, mechanism: mechanism, address: Self.address))
            guard case .credentials(let credentials) = site.commands[connection]?.last else { return nil }
            return credentials
        }
        #expect(ask("romeo", .scramSHA512)?.storedKey == [5])
        #expect(ask("juliet", .scramSHA512)?.isDecoy == true)
        #expect(ask("juliet", .scramSHA512)?.salt == ask("Juliet", .scramSHA512)?.salt)
        #expect(ask("nobody", .scramSHA512)?.storedKey.count == 64)
        // PLAIN shows the password: the keys come from it, and the login goes on as it is.
        #expect(ask("romeo", .plain)?.wantsPassword == false)
        let wanted = ask("juliet", .plain)
        #expect(wanted?.wantsPassword == true)
        let connection = site.connect()
        site.client(
            connection,
            .authenticated(
                AuthenticatedClient(
                    account: juliet, generation: wanted?.generation ?? 0, isSecure: true, address: Self.address,
                    newPassword: Array("secret".utf8))))
        #expect(site.commands[connection]?.contains(.admit) == true)
        #expect(site.withheld == [])
        #expect(ask("juliet", .scramSHA512)?.isDecoy == false)
        _ = site.command(.accounts(.remove(juliet)))
        #expect(site.withheld == [])
    }
}

extension SessionsHarness {
    /// A connection that has said nothing yet.
    mutating func connect() -> ConnectionID {
        nextSlot += 1
        return ConnectionID(loop: 0, slot: nextSlot, generation: 0)
    }
}
