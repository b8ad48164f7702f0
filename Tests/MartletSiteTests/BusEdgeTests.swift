import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation
@testable import MartletServices
@testable import MartletSessions
@testable import MartletSite

/// Where the bus could be got at from the side: requests before a resource is bound, rules and domains that a reload changes, and
/// several domains of one site.
@Suite("The bus at its edges")
struct BusEdgeTests {
    private static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "lab.example", preparedResourcepart: nil)

    @Test("RFC 6120 §8.2.3: a request without payload, or with two, is answered before a resource is bound too")
    func unboundWithoutPayload() {
        for to in ["", " to='pilsen.example'", " to='romeo@pilsen.example'"] {
            for payloads in ["", "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>"] {
                var site = SessionsHarness()
                let connection = site.authenticate("romeo")
                let romeo = SessionsHarness.Client(connection: connection, jid: SessionsHarness.account("romeo"))
                site.send(romeo, "<iq type='get' id='q'\(to)>\(payloads)</iq>")
                #expect(site.take(romeo).map { $0["type"] } == ["error"], "to:\(to) payloads:\(payloads)")
            }
        }
    }

    @Test("RFC 6120 §8.2.3: the error for such a request goes to no other session of the account")
    func unboundErrorGoesElsewhere() {
        var site = SessionsHarness()
        let desk = site.login("romeo", "desk")
        _ = site.take(desk)
        let connection = site.authenticate("romeo")
        let romeo = SessionsHarness.Client(connection: connection, jid: SessionsHarness.account("romeo"))
        site.send(romeo, "<iq type='get' id='q' from='romeo@pilsen.example/desk'/>")
        #expect(site.take(desk).isEmpty)
        #expect(site.take(romeo).map { $0["type"] } == ["error"])
    }

    @Test("session establishment before binding is answered as before")
    func sessionBeforeBinding() {
        var site = SessionsHarness()
        let connection = site.authenticate("romeo")
        let romeo = SessionsHarness.Client(connection: connection, jid: SessionsHarness.account("romeo"))
        site.send(romeo, "<iq type='set' id='s'><session xmlns='\(Namespaces.session)'/></iq>")
        #expect(site.take(romeo).map { $0["type"] } == ["result"])
    }

    @Test("an account's own requests are those of its sessions and logins, whatever a peer writes into from")
    func ownAccountIsProven() {
        var site = SessionsHarness()
        site.policy.client.allowsRegistration = true
        let pair = DomainPair(local: SessionsHarness.domain, peer: SessionsHarness.domain)
        let request = Stanza(
            .iq, from: SessionsHarness.account("juliet"), to: SessionsHarness.account("juliet"), id: "x", type: "set",
            payloads: [
                Element("query", Namespaces.register, elements: [Element("remove", Namespaces.register)])
            ])
        site.step { $1.admit(request, from: .peer(ConnectionID(loop: 0, slot: 99, generation: 0), pair)) }
        site.step { site, turn in
            #expect(AccountTable.number(of: SessionsHarness.account("juliet"), in: turn.store) != nil, "juliet was removed")
        }
    }

    @Test("RFC 5802 §5.1: the salt of an account that does not exist outlives an upgrade, as that of one that does")
    func decoySalt() {
        var site = SessionsHarness()
        _ = site.authenticate("nobody")
        var expected: [UInt8] = []
        site.step { _, turn in
            let secret = MetaTable.bytes(.secret, in: turn.store) ?? []
            // As all versions before schema 2 made it.
            expected = Array(HMAC.authenticate(.sha256, key: secret, "sha256:nobody".utf8).prefix(16))
        }
        var salts: [[UInt8]] = []
        for commands in site.commands.values {
            for case .credentials(let decoy) in commands { salts.append(decoy.salt) }
        }
        #expect(salts == [expected])
    }

    @Test("who had a stream for a domain that is ours now does not speak for its accounts any more")
    func takenOver() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "desk")
        let connection = ConnectionID(loop: 7, slot: 7, generation: 7)
        site.handle(
            .server(connection, .peerVerified(DomainPair(local: SessionsHarness.domain, peer: Self.domain), .certificate)))
        site.policy.hosts.append(Host(Self.domain))
        site.handle(.policyChanged(site.policy))
        let dora = JID(preparedLocalpart: "dora", preparedDomainpart: "lab.example", preparedResourcepart: nil)
        let message = Stanza(
            .message, from: dora, to: SessionsHarness.account("romeo"), id: "m", type: "chat",
            payloads: [Element("body", Namespaces.client, text: "I am dora")])
        site.handle(.server(connection, .stanza(message)))
        #expect(site.takeBodies(romeo).isEmpty)
    }

    @Test("a cut of one domain's line says nothing to people of another of our domains")
    func absenteesOfAnotherDomain() {
        var site = SessionsHarness(hosts: [Host(SessionsHarness.domain), Host(Self.domain)])
        let dora = JID(preparedLocalpart: "dora", preparedDomainpart: "lab.example", preparedResourcepart: nil)
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        _ = site.command(.accounts(.add(dora, PasswordKeys(sha1: keys, sha256: keys))))
        func login(_ slot: UInt32) -> ConnectionID {
            let connection = ConnectionID(loop: 3, slot: slot, generation: 0)
            site.client(
                connection,
                .credentialsWanted(
                    localpart: "dora", domain: Self.domain, mechanism: .scramSHA256, address: RemoteAddress("192.0.2.1")))
            guard case .credentials(let credentials) = site.commands[connection]?.last else { return connection }
            site.client(
                connection,
                .authenticated(
                    AuthenticatedClient(
                        account: dora, generation: credentials.generation, isSecure: true, address: RemoteAddress("192.0.2.1")))
            )
            return connection
        }
        var client = SessionsHarness.Client(connection: login(1), jid: dora)
        site.send(client, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>")
        client.jid = (try? dora.with(resourcepart: "desk")) ?? dora
        _ = site.take(client)
        client.token = site.enable(client)
        site.step { _, turn in
            guard let account = AddressTable.number(of: dora, in: turn.store), let bob = try? JID("bob@brno.example") else {
                return
            }
            var row = RosterRow()
            row.flags = [.to, .from]
            let number = AddressTable.makeNumber(of: bob, in: turn.store)
            RosterTable.put(
                account, number, domain: AddressTable.makeNumber(of: bob.domain, in: turn.store), row, in: turn.store)
        }
        site.send(client, "<presence/>")
        site.pass(1000)
        site.crash()
        let again = SessionsHarness.Client(connection: login(2), jid: client.jid, token: client.token)
        site.send(again, "<resume xmlns='urn:xmpp:sm:3' previd='\(client.token)' h='1'/>")
        #expect(site.takeAll(again).contains { $0.name == "resumed" })
        let brno = JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)
        site.step { _, turn in
            turn.notify(.linkChanged(LinkChange(DomainPair(local: Self.domain, peer: brno), .up(wantsRefresh: false))))
        }
        // The line of pilsen.example, not that of lab.example.
        site.cut("brno.example")
        site.pass(5000)
        #expect(site.take(again).filter { $0["from"] == "bob@brno.example" }.isEmpty)
    }

    @Test("a message that came back with an error while the rule was off is taken over when it is sent again")
    func failedWhileOff() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "desk")
        let message =
            "<message to='bob@brno.example' type='chat' id='m1'><body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='m1'/></message>"
        site.send(romeo, message)
        #expect(site.takeRemote().count == 1)
        site.policy.interceptors = []
        site.handle(.policyChanged(site.policy))
        site.receive(
            "<message from='bob@brno.example' to='romeo@pilsen.example/desk' type='error' id='m1'><error type='cancel'/></message>"
        )
        _ = site.take(romeo)
        site.policy.interceptors = [.repeatedMessages]
        site.handle(.policyChanged(site.policy))
        site.send(romeo, message)
        #expect(site.takeRemote().count == 1, "taken over, acknowledged, and gone")
    }

    @Test("people of a domain that is ours now are unavailable once the line to its old server is gone")
    func ghostsOfTakenOver() {
        var site = SessionsHarness()
        site.site.standIn = nil
        site.subscribe("romeo", to: ["dora@lab.example"])
        let romeo = site.login("romeo", "desk")
        site.link(.up(wantsRefresh: true), to: "lab.example")
        site.receive("<presence from='dora@lab.example/x' to='romeo@pilsen.example'/>")
        #expect(site.take(romeo).contains { $0["from"] == "dora@lab.example/x" })
        site.policy.hosts.append(Host(Self.domain))
        site.handle(.policyChanged(site.policy))
        site.link(.lost, to: "lab.example")
        site.pass(600_000)
        #expect(site.take(romeo).contains { $0["from"] == "dora@lab.example/x" && $0["type"] == "unavailable" })
    }

    @Test("what waits for a peer goes into a bundle from each of our domains, which is named where there are several")
    func bundleOfSeveralDomains() throws {
        typealias Harness = FederationHarness
        var harness = Harness()
        harness.policy = SitePolicy(domains: [Harness.local, Self.domain])
        harness.policy.federation.knownPeers = [Harness.peer]
        let dora = try JID("dora@lab.example")
        func exported(_ local: JID?) -> CommandAnswer {
            var answer = CommandAnswer.refused("")
            harness.step { answer = $0.exportPart(Harness.peer, from: local, after: nil, $1) }
            return answer
        }
        harness.acceptMessage("from pilsen")
        guard case .bundle(let only) = exported(nil) else {
            Issue.record("one link, and no bundle")
            return
        }
        #expect(only.origin == "pilsen.example")
        harness.accept(Harness.message("from the lab", from: dora))
        #expect(
            exported(nil)
                == .refused("several domains have a link to brno.example: say which with --from (lab.example, pilsen.example)"))
        guard case .bundle(let lab) = exported(Self.domain) else {
            Issue.record("no bundle of the second domain")
            return
        }
        #expect((lab.origin, lab.stanzas) == ("lab.example", 1))
        #expect(exported(try JID("x.example")) == .refused("there is no link from x.example to brno.example"))
    }

    @Test("a reload that blocks a server ends the streams that it has opened, and takes nothing from them any more")
    func blockedByReload() {
        var harness = FederationHarness()
        let connection = harness.newConnection()
        harness.receive(.peerVerified(FederationHarness.outgoing, .certificate), on: connection)
        harness.receive(
            .stanza(FederationHarness.message("1", from: FederationHarness.bob, to: FederationHarness.alice)), on: connection)
        #expect(harness.routed.map(\.id) == ["1"])
        harness.policy.federation.blockedPeers = [FederationHarness.peer]
        harness.step { $0.policyChanged($1) }
        #expect(harness.effects.contains(.stream(connection, .close(StreamError(.policyViolation)))))
        harness.receive(
            .stanza(FederationHarness.message("2", from: FederationHarness.bob, to: FederationHarness.alice)), on: connection)
        #expect(harness.routed.map(\.id) == ["1"])
    }
}
