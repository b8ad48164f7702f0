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

@Suite("Accounts, logins, binding")
struct SessionsAccountTests {
    private let connection = ConnectionID(loop: 1, slot: 1, generation: 0)
    private let address = RemoteAddress("192.0.2.9")

    private func ask(
        _ site: inout SessionsHarness, _ name: String, _ mechanism: SASLMechanism = .scramSHA1, domain: JID? = nil,
        from other: RemoteAddress? = nil
    ) -> StoredCredentials? {
        let address = other ?? address
        let domain = domain ?? site.policy.name
        site.client(connection, .credentialsWanted(localpart: name, domain: domain, mechanism: mechanism, address: address))
        guard case .credentials(let credentials) = site.commands[connection]?.last else { return nil }
        return credentials
    }

    @Test("an unknown user gets a decoy: the same salt each time, the usual iterations, another salt for another name")
    func decoy() {
        var site = SessionsHarness()
        let first = ask(&site, "nobody")
        let second = ask(&site, "Nobody")
        #expect(first?.isDecoy == true)
        #expect(first?.salt == second?.salt)
        #expect(first?.salt.count == 16)
        #expect(first?.iterations == 10_000)
        #expect(first?.storedKey.count == 20)
        #expect(ask(&site, "somebody")?.salt != first?.salt)
        #expect(ask(&site, "nobody", .scramSHA256)?.storedKey.count == 32)
        #expect(ask(&site, "romeo")?.isDecoy == false)
        #expect(ask(&site, "no@body")?.isDecoy == true)
    }

    @Test("a client logs in, and makes an account, in the domain that its stream is for")
    func secondDomain() throws {
        var site = SessionsHarness()
        let verona = try JID("verona.example")
        site.policy.hosts.append(Host(verona))
        site.policy.client.allowsRegistration = true
        #expect(ask(&site, "romeo")?.isDecoy == false)
        let decoy = ask(&site, "romeo", domain: verona)
        #expect(decoy?.isDecoy == true, "nobody of that name is there")
        #expect(decoy?.account == (try JID("romeo@verona.example")))
        #expect(ask(&site, "nobody")?.salt != ask(&site, "nobody", domain: verona)?.salt, "as with two accounts")
        register(&site, "romeo", "secret", domain: verona)
        #expect(site.inboxes[connection]?.last?["type"] == "result")
        #expect(ask(&site, "romeo", domain: verona)?.isDecoy == false)
        #expect(site.site.accounts.count == 3)
        // What is tried against the one does not lock the other out.
        site.policy.limits.failedLoginsPerAccount = 1
        site.client(connection, .authenticationFailed(localpart: "romeo", domain: verona, address: address))
        #expect(ask(&site, "romeo", domain: verona) == nil)
        #expect(site.commands[connection]?.last == .refuseCredentials)
        #expect(ask(&site, "romeo")?.isDecoy == false)
    }

    @Test("wrong passwords from one address close an account to that address, for five minutes, and not to its owner")
    func failures() {
        var site = SessionsHarness()
        site.policy.limits.failedLoginsPerAccount = 3
        let stranger = RemoteAddress("198.51.100.1")
        for _ in 0..<3 { site.client(connection, .failure("Romeo", stranger)) }
        #expect(ask(&site, "romeo", from: stranger) == nil)
        #expect(site.commands[connection]?.last == .refuseCredentials)
        #expect(ask(&site, "juliet", from: stranger) != nil)
        #expect(ask(&site, "romeo") != nil, "the owner comes from elsewhere")
        let refusal = Diagnostic.loginRefused(localpart: "romeo", reason: "too many failed logins", stranger)
        #expect(site.diagnostics.contains(refusal), "the log says where it came from")
        site.pass(site.policy.limits.failedLoginWindow)
        #expect(ask(&site, "romeo", from: stranger)?.isDecoy == false)
    }

    @Test("wrong passwords for whichever accounts close an address")
    func failuresOfAnAddress() {
        var site = SessionsHarness()
        site.policy.limits.failedLoginsPerAddress = 3
        for name in ["a", "b", "c"] { site.client(connection, .failure(name, address)) }
        #expect(ask(&site, "juliet") == nil)
        #expect(site.commands[connection]?.last == .refuseCredentials)
    }

    @Test("guesses from many addresses close an account, except where its owner has logged in from")
    func guessesFromEverywhere() {
        var site = SessionsHarness()
        site.policy.limits.failedLoginsPerAccount = 3
        let credentials = ask(&site, "romeo")
        let romeo = SessionsHarness.account("romeo")
        let client = AuthenticatedClient(
            account: romeo, generation: credentials?.generation ?? 0, isSecure: true, address: address)
        site.client(connection, .authenticated(client))
        for number in 0..<3 * AccountLimits.addressesThatGuess {
            #expect(ask(&site, "romeo", from: RemoteAddress("203.0.113.1")) != nil, "after \(number)")
            site.client(connection, .failure("romeo", RemoteAddress("198.51.100.\(number)")))
        }
        #expect(ask(&site, "romeo", from: RemoteAddress("203.0.113.1")) == nil)
        #expect(ask(&site, "romeo") != nil)
    }

    @Test("ten thousand invented names make nobody forget what was tried at an account")
    func inventedNames() {
        var site = SessionsHarness()
        site.policy.limits.failedLoginsPerAccount = 3
        for number in 0..<3 * AccountLimits.addressesThatGuess {
            site.client(connection, .failure("romeo", RemoteAddress("198.51.100.\(number)")))
        }
        let stranger = RemoteAddress("203.0.113.1")
        #expect(ask(&site, "romeo", from: stranger) == nil)
        for number in 0..<10_100 {
            site.client(connection, .failure("invented\(number)", RemoteAddress("2001:db8:0:\(number / 50)::/64")))
        }
        #expect(ask(&site, "romeo", from: stranger) == nil)
        #expect(ask(&site, "romeo", from: RemoteAddress("198.51.100.1")) == nil)
    }

    @Test("what one address tries flushes nothing of another, and an account with many addresses nothing of another account")
    func failuresOfOthers() {
        let policy = SessionsHarness().policy
        var failures = LoginFailures()
        let (romeo, juliet) = (SessionsHarness.account("romeo"), SessionsHarness.account("juliet"))
        let home = RemoteAddress("192.0.2.1")
        func failed(_ account: JID, _ exists: Bool, _ address: RemoteAddress) {
            failures.failed(account: account, exists: exists, address: address, policy: policy, now: Instant(milliseconds: 0))
        }
        func isBlocked(_ account: JID, _ address: RemoteAddress) -> Bool {
            failures.isBlocked(account: account, address: address, policy: policy, now: Instant(milliseconds: 1))
        }
        failures.succeeded(account: romeo, address: home)
        for number in 0..<50_000 { failures.succeeded(account: juliet, address: RemoteAddress("j\(number)")) }
        for _ in 0..<policy.limits.failedLoginsPerAccount { failed(romeo, true, RemoteAddress("stranger")) }
        for number in 0..<50_000 { failed(SessionsHarness.account("x\(number)"), false, RemoteAddress("other")) }
        #expect(isBlocked(romeo, RemoteAddress("stranger")))
        for number in 0..<policy.limits.failedLoginsPerAccount * AccountLimits.addressesThatGuess {
            failed(romeo, true, RemoteAddress("guess\(number)"))
        }
        #expect(isBlocked(romeo, RemoteAddress("somewhere")))
        #expect(!isBlocked(romeo, home), "where the owner was before is remembered")
    }

    @Test("a name that nobody has is closed like an account that exists")
    func alikeForNobody() {
        var site = SessionsHarness()
        site.policy.limits.failedLoginsPerAccount = 2
        for name in ["romeo", "nobody"] {
            for number in 0..<2 * AccountLimits.addressesThatGuess {
                #expect(ask(&site, name, from: RemoteAddress("203.0.113.1")) != nil)
                site.client(connection, .failure(name, RemoteAddress("198.51.100.\(name)\(number)")))
            }
            #expect(ask(&site, name, from: RemoteAddress("203.0.113.1")) == nil)
        }
    }

    @Test("the table of failed logins is bounded")
    func failureTable() {
        let policy = SessionsHarness().policy
        var failures = LoginFailures()
        for number in 0..<(AccountLimits.loginFailureEntries + 100) {
            failures.failed(
                account: SessionsHarness.account("x\(number)"), exists: false, address: RemoteAddress(String(number)),
                policy: policy, now: Instant(milliseconds: 0))
        }
        #expect(failures.entries == 2 * AccountLimits.loginFailureEntries)
        failures.failed(
            account: nil, exists: false, address: RemoteAddress("x"), policy: policy,
            now: Instant(milliseconds: policy.limits.failedLoginWindow))
        #expect(failures.entries == 1 + AccountLimits.loginFailureEntries)
    }

    @Test("an exchange begun with older credentials is refused, also after the account was made anew")
    func generation() {
        var site = SessionsHarness()
        let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [2], serverKey: [3])
        let romeo = SessionsHarness.account("romeo")
        let commands: [Command] = [
            .accounts(.changePassword(romeo, PasswordKeys(sha1: keys, sha256: keys))), .accounts(.remove(romeo)),
            .accounts(.add(romeo, PasswordKeys(sha1: keys, sha256: keys))),
        ]
        for command in commands {
            let generation = ask(&site, "romeo")?.generation ?? 0
            site.now += 1
            _ = site.command(command)
            let client = AuthenticatedClient(account: romeo, generation: generation, isSecure: true, address: address)
            site.client(connection, .authenticated(client))
            #expect(site.commands[connection]?.last == .refuse(.notAuthorized))
        }
        #expect(site.site.accounts.count == 2)
    }

    @Test("a connection that has bound nothing is closed when the account has another password or another owner")
    func generationAtBinding() {
        let romeo = SessionsHarness.account("romeo")
        let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [2], serverKey: [3])
        let changed = Command.accounts(.changePassword(romeo, PasswordKeys(sha1: keys, sha256: keys)))
        let anew = [Command.accounts(.remove(romeo)), .accounts(.add(romeo, PasswordKeys(sha1: keys, sha256: keys)))]
        for commands in [[changed], anew] {
            var site = SessionsHarness()
            let client = SessionsHarness.Client(connection: site.authenticate("romeo"), jid: romeo)
            site.now += 1
            for command in commands { _ = site.command(command) }
            site.send(client, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'/></iq>")
            #expect(site.closed[client.connection]??.condition == .notAuthorized)
            #expect(site.sessions.sessionCount == 0)
        }
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        site.now += 1
        let client = SessionsHarness.Client(connection: site.authenticate("romeo"), jid: romeo)
        site.send(
            client,
            "<iq type='set' id='p'><query xmlns='jabber:iq:register'><username>romeo</username><password>new</password></query></iq>"
        )
        site.send(client, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'/></iq>")
        #expect(site.sessions.sessionCount == 1, "its own change does not end it")
    }

    @Test("RFC 6120 §7: resources are requested or given; the newer session wins a conflict; there is an end")
    func binding() {
        var site = SessionsHarness()
        site.policy.client.resourcesPerAccount = 2
        let first = site.bind("romeo", "orchard")
        #expect(first.jid.description == "romeo@pilsen.example/orchard")
        let given = site.bind("romeo", "")
        #expect((given.jid.resourcepart ?? "").count >= 16)
        let third = site.bind("romeo", "third")
        #expect(third.jid.isBare)
        let second = site.bind("romeo", "orchard")
        #expect(second.jid == first.jid)
        #expect(site.closed[first.connection] == .some(StreamError(.conflict)))
        #expect(site.sessions.sessionCount == 2)
    }

    @Test(
        "RFC 6120 §7.7.2.1: what is no resourcepart is made one that conforms, as like it as can be; the login is not refused",
        arguments: [
            ("Gajim \u{2764}\u{FE0F}", "Gajim \u{2764}"), ("\u{1F469}\u{200D}\u{1F4BB}", "\u{1F469}\u{1F4BB}"),
            ("a\u{200B}b", "ab"), ("a\tb\n", "ab"), ("l\u{B7}x", "lx"), (String(repeating: "x", count: 1024), nil),
            (String(repeating: "\u{E9}", count: 600), nil), ("\u{200B}", nil), ("\u{FE0F}\u{200D}", nil),
            (String(repeating: "\u{1F9D1}\u{200D}", count: 2000), nil),
        ])
    func nonconformingResource(wanted: String, expected: String?) {
        var site = SessionsHarness()
        let romeo = site.bind("romeo", wanted)
        let resource = romeo.jid.resourcepart ?? ""
        if let expected {
            #expect(resource == expected)
        } else {
            #expect((16...JID.maximumPartBytes).contains(resource.utf8.count))
            let scalars = Array(wanted.unicodeScalars)
            #expect(scalars.count < 100 || resource.unicodeScalars.first == scalars[0])
        }
        #expect(site.sessions.sessionCount == 1)
    }

    @Test("RFC 6120 §7.1: a stanza for somebody else before binding ends the stream with not-authorized")
    func unbound() {
        var site = SessionsHarness()
        let connection = site.authenticate("romeo")
        let romeo = SessionsHarness.Client(connection: connection, jid: SessionsHarness.account("romeo"))
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        #expect(site.closed[connection] == .some(StreamError(.notAuthorized)))
        #expect(site.waiting("juliet") == 0)
    }

    @Test("RFC 6121 appendix E: session establishment is answered and does nothing")
    func session() {
        var site = SessionsHarness()
        let romeo = site.bind("romeo", "orchard")
        site.send(romeo, "<iq type='set' id='s'><session xmlns='\(Namespaces.session)'/></iq>")
        #expect(site.take(romeo).map { $0["type"] } == ["result"])
    }

    @Test(
        "XEP-0030 §8: of somebody else's account a stranger learns what he learns of one that does not exist; a node is mirrored"
    )
    func foreignDisco() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        func ask(_ user: String, _ kind: String, _ node: String = "") -> Element? {
            let namespace = "http://jabber.org/protocol/disco#\(kind)"
            site.send(romeo, "<iq type='get' id='d' to='\(user)@pilsen.example'><query xmlns='\(namespace)'\(node)/></iq>")
            return site.take(romeo).first
        }
        for user in ["juliet", "nobody"] {
            for (node, mirrored) in [("", nil), (" node='x'", "x")] {
                let info = ask(user, "info", node)
                #expect(info?.condition == "service-unavailable")
                #expect(info?.first("query", Namespaces.discoInfo)?["node"] == mirrored)
                let items = ask(user, "items", node)
                #expect(items?["type"] == "result")
                #expect(items?.first("query", Namespaces.discoItems)?.elements == [])
                #expect(items?.first("query", Namespaces.discoItems)?["node"] == mirrored)
            }
        }
        site.subscribe("juliet", to: ["romeo@pilsen.example"])
        for user in ["juliet", "romeo"] {
            #expect(ask(user, "info")?.first("query", Namespaces.discoInfo)?.elements.isEmpty == false)
            #expect(ask(user, "items")?["type"] == "result")
            for (kind, namespace) in [("info", Namespaces.discoInfo), ("items", Namespaces.discoItems)] {
                let unknown = ask(user, kind, " node='x'")
                #expect(unknown?.condition == "item-not-found")
                #expect(unknown?.first("query", namespace)?["node"] == "x")
            }
        }
    }

    @Test("RFC 6121 §8.5.2.1.3: IQ to the bare JID is answered for the account, unknown requests with service-unavailable")
    func ownAccount() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<iq type='get' id='1'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        let info = site.take(romeo).first?.first("query", Namespaces.discoInfo)
        #expect(info?.first("identity", Namespaces.discoInfo)?["category"] == "account")
        site.send(romeo, "<iq type='get' id='2' to='romeo@pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        site.send(romeo, "<iq type='get' id='3'><x xmlns='y'/></iq>")
        site.send(romeo, "<iq type='set' id='4'><x xmlns='y'/></iq>")
        site.send(romeo, "<iq type='get' id='5'/>")
        site.send(romeo, "<iq type='strange' id='6'><x xmlns='y'/></iq>")
        #expect(
            site.takeAll(romeo).map(\.condition) == [
                nil, "service-unavailable", "service-unavailable", "bad-request", "bad-request",
            ])
        site.send(romeo, "<iq type='get' id='7' to='juliet@pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        site.send(romeo, "<iq type='result' id='8'/><iq type='error' id='9' to='pilsen.example'/>")
        #expect(site.take(romeo) == [])
    }

    @Test("RFC 6121 §8.5.3: IQ to a full JID is delivered, or answered with service-unavailable")
    func fullJID() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.bind("juliet", "balcony")
        site.send(romeo, "<iq type='get' id='1' to='juliet@pilsen.example/balcony'><x xmlns='y'/></iq>")
        #expect(site.take(juliet).map { $0["from"] } == ["romeo@pilsen.example/orchard"])
        site.send(juliet, "<iq type='result' id='1' to='romeo@pilsen.example/orchard'/>")
        #expect(site.take(romeo).map { $0["type"] } == ["result"])
        site.send(romeo, "<iq type='get' id='2' to='juliet@pilsen.example/gone'><x xmlns='y'/></iq>")
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
    }

    @Test("commands add, list and remove accounts; a removed one leaves nothing, and senders of its messages are told")
    func commands() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        _ = site.enable(juliet)
        site.send(romeo, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>")
        site.send(romeo, "<presence type='subscribe' to='juliet@pilsen.example'/>")
        site.send(juliet, "<presence type='subscribed' to='romeo@pilsen.example'/>")
        site.send(juliet, "<presence type='subscribe' to='romeo@pilsen.example'/>")
        site.send(romeo, "<presence type='subscribed' to='juliet@pilsen.example'/>")
        _ = site.take(romeo)
        site.send(romeo, chat("juliet@pilsen.example", "lost"))
        var answer: CommandAnswer?
        answer = site.command(.listUsers)
        #expect(
            answer
                == .users([
                    UserRow(account: "juliet@pilsen.example", sessions: 1, waiting: 1),
                    UserRow(account: "romeo@pilsen.example", sessions: 1, waiting: 0),
                ]))
        answer = site.command(.accounts(.remove(juliet.jid.bare)))
        #expect(answer == .done("juliet@pilsen.example was removed"))
        #expect(site.closed[juliet.connection] == .some(StreamError(.notAuthorized)))
        let told = site.take(romeo)
        #expect(Set(told.compactMap { $0["type"] }) == ["set", "unavailable", "unsubscribe", "unsubscribed", "error"])
        #expect(told.first { $0["type"] == "error" }?["id"] == "lost")
        answer = site.command(.accounts(.remove(juliet.jid.bare)))
        #expect(answer == .refused("juliet@pilsen.example does not exist"))
        site.logout(romeo)
        site.flush()
        #expect(site.store.count(.account) == 1)
        #expect(site.store.count(.mailbox) == 0)
        #expect(site.store.count(.clientSession) == 0)
        answer = site.command(.accounts(.add(SessionsHarness.account("romeo"), PasswordKeys(sha1: keys, sha256: keys))))
        #expect(answer == .refused("romeo@pilsen.example exists"))
        let stranger = JID(preparedLocalpart: "x", preparedDomainpart: "brno.example", preparedResourcepart: nil)
        answer = site.command(.accounts(.add(stranger, PasswordKeys(sha1: keys, sha256: keys))))
        guard case .refused = answer else {
            Issue.record("an account at a foreign domain was made")
            return
        }
    }

    private let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])

    @Test("XEP-0077 §3.3: people choose another password where accounts are not self-made too, unless that is off")
    func passwordChangeAlone() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = false
        let change =
            "<iq type='set' id='p'><query xmlns='jabber:iq:register'><username>romeo</username><password>new</password></query></iq>"
        let romeo = site.bind("romeo", "orchard")
        site.send(romeo, change)
        #expect(site.take(romeo).map { $0["type"] } == ["result"])
        site.policy.client.allowsPasswordChange = false
        site.send(romeo, change)
        #expect(site.take(romeo).map(\.condition) == ["not-allowed"])
        site.send(romeo, "<iq type='get' id='d' to='pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        let features = site.take(romeo).last?.first("query", Namespaces.discoInfo)?.all("feature", Namespaces.discoInfo) ?? []
        #expect(!features.isEmpty && !features.contains { $0["var"] == Namespaces.register })
    }

    @Test("XEP-0077: to make and to cancel accounts is off unless allowed")
    func registrationOff() {
        var site = SessionsHarness()
        register(&site, "mercutio", "secret")
        #expect(site.inboxes[connection]?.last?.condition == "not-allowed")
        let romeo = site.bind("romeo", "orchard")
        site.send(romeo, "<iq type='set' id='p' to='pilsen.example'><query xmlns='jabber:iq:register'><remove/></query></iq>")
        #expect(site.take(romeo).map(\.condition) == ["not-allowed"])
        #expect(site.site.accounts.count == 2)
    }

    private func register(_ site: inout SessionsHarness, _ name: String, _ password: String, domain: JID? = nil) {
        let query = Element(
            "query", Namespaces.register,
            elements: [
                Element("username", Namespaces.register, text: name), Element("password", Namespaces.register, text: password),
            ])
        let domain = domain ?? site.policy.name
        let stanza = Stanza(.iq, id: "r", type: "set", payloads: [query])
        site.client(connection, .registrationRequested(stanza, domain: domain, address: RemoteAddress("192.0.2.1")))
    }

    @Test("RFC 5802 §2.2: chosen passwords are prepared with SASLprep; one that cannot be is refused in words")
    func preparedPasswords() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        register(&site, "Mercutio", "pass\u{B2}")
        #expect(site.inboxes[connection]?.last?["type"] == "result")
        let credentials = ask(&site, "mercutio", .scramSHA256)
        let expected = SCRAMKeys(algorithm: .sha256, password: Array("pass2".utf8), salt: credentials?.salt ?? [])
        #expect(credentials?.storedKey == expected.storedKey)
        register(&site, "tybalt", "a\u{200E}b")
        let refusal = site.inboxes[connection]?.last
        #expect(refusal?.condition == "not-acceptable")
        let text = refusal?.first("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text
        #expect(text == "This password cannot be used: it has U+200E, which no password can have (RFC 4013)")
    }

    @Test("who proves keys of an earlier form has them replaced, and neither his sessions nor other logins notice")
    func renewedKeys() {
        var site = SessionsHarness()
        site.derivesKeysAtOnce = false
        let desk = site.bind("romeo", "desk")
        let before = ask(&site, "romeo", .scramSHA1)
        let romeo = SessionsHarness.account("romeo")
        let client = AuthenticatedClient(
            account: romeo, generation: before?.generation ?? 0, isSecure: true, address: RemoteAddress("192.0.2.1"),
            newPassword: Array("pass2".utf8))
        site.client(connection, .authenticated(client))
        #expect(site.commands[connection]?.last == .admit)
        site.deriveKeys()
        let after = ask(&site, "romeo", .scramSHA1)
        let expected = SCRAMKeys(algorithm: .sha1, password: Array("pass2".utf8), salt: after?.salt ?? [])
        #expect(after?.storedKey == expected.storedKey)
        #expect(after?.generation == before?.generation)
        #expect(site.closed[desk.connection] == nil)
        // Keys that come after another password was chosen are of no use.
        site.client(
            ConnectionID(loop: 2, slot: 1, generation: 0),
            .authenticated(
                AuthenticatedClient(
                    account: romeo, generation: before?.generation ?? 0, isSecure: true, address: RemoteAddress("192.0.2.1"),
                    newPassword: Array("old".utf8))))
        let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [2], serverKey: [3])
        site.now += 1
        _ = site.command(.accounts(.changePassword(romeo, PasswordKeys(sha1: keys, sha256: keys))))
        site.deriveKeys()
        #expect(ask(&site, "romeo")?.storedKey == [2])
    }

    @Test("XEP-0077: where allowed, accounts are made, get another password, and are cancelled by their owners")
    func registration() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        register(&site, "Mercutio", "secret")
        #expect(site.inboxes[connection]?.last?["type"] == "result")
        let credentials = ask(&site, "mercutio", .scramSHA256)
        let expected = SCRAMKeys(algorithm: .sha256, password: Array("secret".utf8), salt: credentials?.salt ?? [])
        #expect(credentials?.storedKey == expected.storedKey)
        register(&site, "mercutio", "other")
        #expect(site.inboxes[connection]?.last?.condition == "conflict")
        let mercutio = site.bind("mercutio", "street")
        site.send(
            mercutio,
            "<iq type='set' id='p'><query xmlns='jabber:iq:register'><username>mercutio</username><password>new</password></query></iq>"
        )
        #expect(site.take(mercutio).map { $0["type"] } == ["result"])
        #expect(ask(&site, "mercutio", .scramSHA256)?.storedKey != expected.storedKey)
        site.send(
            mercutio,
            "<iq type='set' id='p'><query xmlns='jabber:iq:register'><username>romeo</username><password>new</password></query></iq>"
        )
        #expect(site.take(mercutio).map(\.condition) == ["not-allowed"])
        site.send(
            mercutio, "<iq type='set' id='c' to='pilsen.example'><query xmlns='jabber:iq:register'><remove/></query></iq>")
        #expect(site.take(mercutio).map { $0["type"] } == ["result"])
        #expect(site.closed[mercutio.connection] == .some(StreamError(.notAuthorized)))
        #expect(site.site.accounts.count == 2)
        for number in 0..<site.policy.client.registrationsPerMinute { register(&site, "r\(number)", "x") }
        #expect(site.inboxes[connection]?.last?.condition == "resource-constraint")
    }

    private func changePassword(_ site: inout SessionsHarness, _ client: SessionsHarness.Client, _ password: String) {
        let name = client.jid.localpart ?? ""
        site.send(
            client,
            "<iq type='set' id='\(password)'><query xmlns='jabber:iq:register'><username>\(name)</username>"
                + "<password>\(password)</password></query></iq>")
    }

    private func matches(_ site: inout SessionsHarness, _ name: String, _ password: String) -> Bool {
        let stored = ask(&site, name, .scramSHA256)
        let keys = SCRAMKeys(algorithm: .sha256, password: Array(password.utf8), salt: stored?.salt ?? [])
        return stored?.storedKey == keys.storedKey
    }

    @Test("XEP-0077: keys are derived elsewhere, nothing is answered before, and what has changed meanwhile counts")
    func keysDerivedElsewhere() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        site.derivesKeysAtOnce = false
        register(&site, "mercutio", "first")
        register(&site, "mercutio", "second")
        #expect(site.inboxes[connection] == nil)
        #expect(site.commands[connection] == nil, "the stream waits")
        #expect(site.site.accounts.count == 2)
        site.deriveKeys()
        #expect(site.inboxes[connection]?.map { $0.condition } == [nil, "conflict"], "the name was taken meanwhile")
        #expect(site.commands[connection] == [.registrationHandled, .registrationHandled])
        #expect(matches(&site, "mercutio", "first"))

        // Who has gone meanwhile has no answer and no acknowledgement, and will ask again.
        var romeo = site.bind("romeo", "orchard")
        romeo.token = site.enable(romeo)
        changePassword(&site, romeo, "one")
        site.lose(romeo)
        site.deriveKeys()
        #expect(!matches(&site, "romeo", "one"))
        let again = site.resume(romeo, h: 0)
        #expect(site.take(again).first { $0.name == "resumed" }?["h"] == "0")
        changePassword(&site, again, "one")
        site.deriveKeys()
        #expect(site.take(again).map { $0["id"] } == ["one"])
        #expect(matches(&site, "romeo", "one"))

        // An account that has gone is not made again by its last wish.
        changePassword(&site, again, "two")
        _ = site.command(.accounts(.remove(SessionsHarness.account("romeo"))))
        site.deriveKeys()
        #expect(site.site.accounts.count == 2)
        #expect(site.site.accounts.awaitedKeys.isEmpty)
    }

    @Test("XEP-0198 §4: another password is counted when it is there, and not before")
    func passwordIsCounted() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        site.derivesKeysAtOnce = false
        let romeo = site.bind("romeo", "orchard")
        _ = site.enable(romeo)
        let request = "<r xmlns='urn:xmpp:sm:3'/>"
        changePassword(&site, romeo, "new")
        site.send(romeo, request)
        site.flush()
        #expect(site.takeAll(romeo).map { $0["h"] } == ["0"])
        // The process dies before the keys are there: nothing was promised, and nothing is done.
        site.crash()
        site.keysRequests = []
        #expect(!matches(&site, "romeo", "new"))
        // It dies when it has acknowledged: the password is on disk.
        let again = site.bind("romeo", "orchard")
        _ = site.enable(again)
        changePassword(&site, again, "new")
        site.deriveKeys()
        site.send(again, request)
        // The acknowledgement may wait for lazy writes, the password must not.
        var told = site.takeAll(again)
        if told.last?["h"] != "1" {
            site.flush()
            told = site.takeAll(again)
        }
        #expect(told.last?["h"] == "1")
        site.crash()
        #expect(matches(&site, "romeo", "new"))
    }

    @Test("XEP-0077: where too much waits, a password is refused with resource-constraint, and stays what it was")
    func keysRefused() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        site.policy.client.registrationsPerMinute = 3
        site.derivesKeysAtOnce = false
        register(&site, "mercutio", "secret")
        let romeo = site.bind("romeo", "orchard")
        let before = ask(&site, "romeo")
        changePassword(&site, romeo, "new")
        #expect(site.keysRequests.count == 2)
        for request in site.keysRequests { site.handle(.workDone(request.id, .refused)) }
        site.keysRequests = []
        #expect(site.inboxes[connection]?.map { $0.condition } == ["resource-constraint"])
        #expect(site.take(romeo).map { $0.condition } == ["resource-constraint"])
        #expect(ask(&site, "romeo") == before)
        #expect(site.site.accounts.count == 2)
        // What was refused does not use up the minute, and what is below the disk's reserve is refused too.
        register(&site, "mercutio", "secret")
        site.room = .reserve
        site.deriveKeys()
        #expect(site.inboxes[connection]?.last?.condition == "resource-constraint")
        #expect(site.site.accounts.count == 2)
        site.room = .ample
        for _ in 0..<4 { changePassword(&site, romeo, "new") }
        #expect(site.keysRequests.count == 3, "what strangers register is no part of what people change")
        #expect(site.take(romeo).map { $0.condition } == ["resource-constraint"])
    }

    @Test("XEP-0077: a connection that has bound nothing survives its own change of the password, and nobody else's")
    func unboundChange() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        site.derivesKeysAtOnce = false
        let bind = "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'/></iq>"
        let first = SessionsHarness.Client(connection: site.authenticate("romeo"), jid: SessionsHarness.account("romeo"))
        changePassword(&site, first, "one")
        site.now += 1
        site.deriveKeys()
        site.send(first, bind)
        #expect(site.take(first).map { $0["type"] } == ["result", "result"])
        // The operator is faster.
        let second = SessionsHarness.Client(connection: site.authenticate("romeo"), jid: SessionsHarness.account("romeo"))
        changePassword(&site, second, "two")
        site.now += 1
        let operators = PasswordKeys(sha1: keys, sha256: keys)
        _ = site.command(.accounts(.changePassword(SessionsHarness.account("romeo"), operators)))
        site.deriveKeys()
        #expect(site.closed[second.connection] == .some(StreamError(.notAuthorized)))
        #expect(ask(&site, "romeo")?.storedKey == keys.storedKey)
    }

    @Test("addresses of 3,071 bytes are stored everywhere, and survive a restart")
    func longAddresses() throws {
        let part = String(repeating: "x", count: 1023)
        let domain = String(repeating: String(repeating: "d", count: 62) + ".", count: 16) + String(repeating: "d", count: 15)
        let long = try JID(localpart: part, domainpart: domain, resourcepart: part)
        #expect(long.description.utf8.count == 3071)
        var site = SessionsHarness(users: ["romeo", part])
        var romeo = site.bind("romeo", part)
        romeo.token = site.enable(romeo)
        site.send(romeo, "<presence/><presence to='\(long)'/>")
        site.receive("<presence type='subscribe' from='\(long)' to='romeo@pilsen.example'/>")
        site.receive("<presence type='subscribe' from='a\(long.bare.description.dropFirst())' to='romeo@pilsen.example'/>")
        site.send(romeo, "<presence type='subscribed' to='\(long.bare)'/>")
        site.receive("<message from='\(long)' to='romeo@pilsen.example/\(part)' id='m'><body>hello</body></message>")
        site.send(romeo, chat("\(part)@pilsen.example", "to the long one"))
        site.flush()
        site.crash()
        let again = site.resume(romeo, h: 0)
        #expect(site.takeBodies(again) == ["hello"])
        #expect(site.waiting(part) == 1)
        #expect(site.store.count(.roster) == 2)
        #expect(site.store.count(.pendingSubscription) == 1)
        #expect(site.store.count(.directed) == 1)
        let other = site.bind(part, part)
        site.send(other, "<presence/>")
        #expect(site.takeBodies(other) == ["to the long one"])
    }

    @Test("ten thousand sessions are bound, written to and ended, and nothing is left")
    func many() {
        var site = SessionsHarness(users: (0..<1000).map { "u\($0)" })
        var clients: [SessionsHarness.Client] = []
        for number in 0..<10_000 { clients.append(site.bind("u\(number % 1000)", "r\(number / 1000)")) }
        #expect(site.sessions.sessionCount == 10_000)
        for (number, client) in clients.enumerated() {
            site.send(client, "<presence to='\(clients[(number + 1) % clients.count].jid)'/>")
        }
        #expect(clients.allSatisfy { site.inboxes[$0.connection]?.count == 1 })
        for client in clients { site.lose(client) }
        site.flush()
        #expect(site.sessions.sessionCount == 0)
        #expect(site.sessions.onlineAccountCount == 0)
        #expect(site.sessions.connectionCount == 0)
        #expect(site.store.count(.clientSession) == 0)
        #expect(site.store.count(.directed) == 0)
    }
}

extension ClientStreamEvent {
    /// A failed login in the first domain.
    fileprivate static func failure(_ localpart: String, _ address: RemoteAddress) -> ClientStreamEvent {
        .authenticationFailed(localpart: localpart, domain: SessionsHarness.account("romeo").domain, address: address)
    }
}
