import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSite

/// XEP-9999, which nobody has written: what a new service touches.
private enum Pretend {
    static let declaration = ServiceDeclaration(
        "Pretend", features: [.init("urn:example:pretend", of: [.account, .host(.rooms)])],
        requests: [.init("pretend", "urn:example:pretend", [.get], to: [.ownAccount, .host], at: [.rooms])])

    static func answer(_ request: Request) -> Answer {
        request.payload["fail"] == nil
            ? .result(Element("pretend", "urn:example:pretend"))
            : .error(StanzaError(.notAcceptable), Element("too-hard", "urn:example:pretend"))
    }
}

@Suite("The bus")
struct BusTests {
    private static func domain(_ name: String) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: name, preparedResourcepart: nil)
    }

    /// A site with two people's domains and rooms, and one service more than all sites have.
    private func harness() -> SessionsHarness {
        SessionsHarness(
            hosts: [
                Host(SessionsHarness.domain), Host(Self.domain("lab.example")), Host(Self.domain("rooms.example"), .rooms),
            ],
            services: [SiteService(Pretend.declaration) { request, _, _ in Pretend.answer(request) }])
    }

    private func get(_ to: String?, _ payload: String) -> String {
        "<iq type='get' id='q'\(to.map { " to='\($0)'" } ?? "")>\(payload)</iq>"
    }

    private func features(_ element: Element?) -> [String] {
        element?.first("query", Namespaces.discoInfo)?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
    }

    // Services

    @Test(
        "a new service is one file and one line: it answers where it says, and service discovery shows it there and nowhere else"
    )
    func pretend() {
        var site = harness()
        let romeo = site.login("romeo", "desk")
        let pretend = "<pretend xmlns='urn:example:pretend'/>"
        for to in [nil, "romeo@pilsen.example", "rooms.example"] {
            site.send(romeo, get(to, pretend))
            #expect(site.take(romeo).map { $0["type"] } == ["result"], "\(to ?? "the own account")")
        }
        for to in ["pilsen.example", "lab.example", "juliet@pilsen.example", "rooms.example/x", "a@rooms.example"] {
            site.send(romeo, get(to, pretend))
            #expect(site.take(romeo).map(\.condition) == ["service-unavailable"], "\(to)")
        }
        site.send(romeo, get("rooms.example", "<pretend xmlns='urn:example:pretend' fail='1'/>"))
        let failed = site.take(romeo).first
        #expect(failed?.condition == "not-acceptable")
        #expect(failed?.first("error", Namespaces.client)?.first("too-hard", "urn:example:pretend") != nil)
        let disco = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        for (to, isThere) in [(nil, true), ("rooms.example", true), ("pilsen.example", false)] {
            site.send(romeo, get(to, disco))
            #expect(features(site.take(romeo).first).contains("urn:example:pretend") == isThere)
        }
    }

    @Test("no two services of a site answer the same request, and every feature is declared once")
    func declarations() {
        var patterns: [String] = []
        for pattern in SiteService.all.flatMap(\.declaration.requests) {
            for type in pattern.types {
                for bit in 0..<8 where pattern.scopes.contains(RequestScope(rawValue: 1 << UInt8(bit))) {
                    patterns.append("\(pattern.namespace) \(pattern.element) \(type) \(bit)")
                }
            }
        }
        #expect(Set(patterns).count == patterns.count)
        for subject in [ServiceDeclaration.Subject.account] + ServiceDeclaration.Subject.everyHost {
            let names = SiteService.all.flatMap(\.declaration.features).filter { $0.subjects.contains(subject) }.map(\.name)
            #expect(Set(names).count == names.count)
        }
        #expect(Set(SiteService.all.map(\.declaration.name)).count == SiteService.all.count)
    }

    // Hosts

    @Test("a site serves several domains, each with its kind: accounts at each of the people's, none elsewhere")
    func hosts() throws {
        var site = harness()
        let anna = try JID("anna@lab.example")
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        #expect(site.command(.accounts(.add(anna, PasswordKeys(sha1: keys, sha256: keys)))) == .done("\(anna) was added"))
        let room = try JID("anna@rooms.example")
        guard case .refused = site.command(.accounts(.add(room, PasswordKeys(sha1: keys, sha256: keys)))) else {
            Issue.record("an account among rooms")
            return
        }
        let romeo = site.login("romeo", "desk")
        site.send(romeo, chat("anna@lab.example", "hello"))
        #expect(site.waiting(anna) == 1)
        #expect(site.takeRemote() == [])
        for (to, identity) in [
            ("pilsen.example", ["server", "im"]), ("lab.example", ["server", "im"]), ("rooms.example", ["conference", "text"]),
        ] {
            site.send(romeo, get(to, "<query xmlns='http://jabber.org/protocol/disco#info'/>"))
            let answer = site.take(romeo).first?.first("query", Namespaces.discoInfo)?.first("identity", Namespaces.discoInfo)
            #expect([answer?["category"], answer?["type"]] == identity.map(Optional.some))
        }
        site.send(romeo, get("pilsen.example", "<query xmlns='http://jabber.org/protocol/disco#items'/>"))
        let items = site.take(romeo).first?.first("query", Namespaces.discoItems)?.elements
        #expect(items?.map { $0["jid"] } == ["rooms.example"])
        site.send(romeo, "<presence to='x@rooms.example' type='subscribe'/>" + chat("x@rooms.example", "to nobody"))
        #expect(site.take(romeo).last?.condition == "item-not-found")
    }

    @Test("each people's domain has its own link to each office")
    func linksOfEveryDomain() {
        var policy = SitePolicy(hosts: [
            Host(SessionsHarness.domain), Host(Self.domain("lab.example")), Host(Self.domain("rooms.example"), .rooms),
        ])
        policy.federation.knownPeers = [Self.domain("brno.example")]
        let turn = Turn(
            now: Instant(milliseconds: 0), wall: WallTime(milliseconds: 1_700_000_000_000), random: RandomStream(seed: 1),
            store: MemoryStore().begin(), policy: policy)
        var site = Site(policy: policy)
        site.boot(turn)
        var dialled: [String] = []
        for case .dial(let request) in turn.effects { dialled.append(request.pair.local.description) }
        #expect(dialled == ["pilsen.example", "lab.example"])
    }

    @Test(
        "the owner of an address is the most specific that there is",
        arguments: [
            ("a@pilsen.example/x", Owner.session), ("a@pilsen.example", .account),
            ("pilsen.example", .host(Host(SessionsHarness.domain))), ("pilsen.example/x", .host(Host(SessionsHarness.domain))),
            ("a@rooms.example/x", .host(Host(BusTests.domain("rooms.example"), .rooms))), ("a@brno.example", .peer),
            ("sub.pilsen.example", .peer),
        ])
    func owners(address: String, owner: Owner) throws {
        #expect(harness().policy.owner(of: try JID(address)) == owner)
    }

    // The order of a client's requests to its own account and of what they cause

    @Test("a roster set: every push leaves before the result, which leaves before what the client sent next is answered")
    func rosterOrder() {
        var site = harness()
        let romeo = site.login("romeo", "desk")
        site.send(romeo, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        _ = site.take(romeo)
        site.send(
            romeo,
            "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='a@x.example'/></query></iq>"
                + "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        #expect(site.takeAll(romeo).map { $0["type"] } == ["set", "result", "result"])
    }

    @Test("a request to the own account is counted for stream management like any other stanza, with its answer")
    func counting() {
        var site = harness()
        let romeo = site.bind("romeo", "desk")
        _ = site.enable(romeo)
        site.send(
            romeo,
            "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>" + "<iq type='get' id='p'><x xmlns='y'/></iq>"
                + "<r xmlns='urn:xmpp:sm:3'/>")
        site.flush()
        #expect(site.takeAll(romeo).first { $0.name == "a" }?["h"] == "2")
        #expect(site.closed[romeo.connection] == nil)
        site.acknowledge(romeo, 2)
        #expect(site.closed[romeo.connection] == nil, "both answers were counted")
        site.acknowledge(romeo, 3)
        #expect(site.closed[romeo.connection] != nil)
    }

    @Test("an account that its owner removes: the answer leaves before the stream is closed, and nothing of it is left")
    func removal() {
        var site = harness()
        site.policy.client.allowsRegistration = true
        let romeo = site.login("romeo", "desk")
        site.send(romeo, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        site.send(romeo, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='a@x.example'/></query></iq>")
        _ = site.takeAll(romeo)
        site.send(romeo, "<iq type='set' id='d'><query xmlns='jabber:iq:register'><remove/></query></iq>")
        #expect(site.takeAll(romeo).last?["id"] == "d")
        #expect(site.closed[romeo.connection] == .some(StreamError(.notAuthorized)))
        #expect(site.store.count(.roster) == 0)
        #expect(site.store.count(.account) == 1)
    }

    @Test("RFC 6120 §8.1.2.1: the answer to a request without addressee has no sender, to one with the account it has that")
    func sendersOfAnswers() {
        var site = harness()
        let romeo = site.login("romeo", "desk")
        site.send(romeo, get(nil, "<ping xmlns='urn:xmpp:ping'/>"))
        #expect(site.take(romeo).map { $0["from"] } == [nil])
        site.send(romeo, get("romeo@pilsen.example", "<ping xmlns='urn:xmpp:ping'/>"))
        #expect(site.take(romeo).map { $0["from"] } == ["romeo@pilsen.example"])
    }

    @Test("a client's answer goes to whoever asked, a domain among them; to our own domains and accounts it goes nowhere")
    func answersOfClients() {
        var site = harness()
        let romeo = site.login("romeo", "desk")
        for to in ["brno.example", "a@brno.example/x", "pilsen.example", "romeo@pilsen.example", "juliet@pilsen.example"] {
            site.send(romeo, "<iq type='result' id='1' to='\(to)'/><iq type='error' id='2' to='\(to)'/>")
        }
        #expect(
            site.takeRemote().compactMap { $0.to?.description } == [
                "brno.example", "brno.example", "a@brno.example/x", "a@brno.example/x",
            ])
        #expect(site.take(romeo) == [])
    }

    // Interceptors

    @Test("the configuration says which rules are in force; the operator sees which would act and what they have stopped")
    func interceptors() {
        var site = harness()
        var romeo = site.bind("romeo", "desk")
        romeo.token = site.enable(romeo)
        let message =
            "<message to='juliet@pilsen.example' id='m'><body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='m'/></message>"
        site.send(romeo, message + message)
        #expect(site.waiting("juliet") == 1)
        guard case .explanation(let lines) = site.command(.explain(from: romeo.jid, to: SessionsHarness.account("juliet")))
        else {
            Issue.record("no explanation")
            return
        }
        #expect(lines.contains("from client: repeated-messages looks at it (has stopped 1 since the start)"))
        #expect(lines.last?.hasPrefix("juliet@pilsen.example has an account here and 0 sessions: they get it") == true)
        site.policy.interceptors = []
        site.handle(.policyChanged(site.policy))
        site.send(romeo, message)
        #expect(site.waiting("juliet") == 2)
    }

    @Test("what is said of a stanza's way is true: no account, another resource, a blocked domain, federation off")
    func explanations() throws {
        var site = harness()
        let romeo = site.login("romeo", "desk")
        func last(_ from: String, _ to: String) throws -> String {
            guard case .explanation(let lines) = site.command(.explain(from: try JID(from), to: try JID(to))) else { return "" }
            return lines.last ?? ""
        }
        #expect(
            try last("a@x.example", "nobody@pilsen.example")
                == "nobody@pilsen.example has no account here: the sender gets an error")
        #expect(
            try last("a@x.example", "\(romeo.jid)").hasPrefix(
                "romeo@pilsen.example has an account here and 1 session: the one of"))
        #expect(try last("\(romeo.jid)", "rooms.example").hasSuffix("is a host of this site (rooms): services answer for it"))
        #expect(try last("\(romeo.jid)", "bob@brno.example").hasSuffix("it goes over the link to brno.example"))
        site.policy.federation.blockedPeers = [Self.domain("brno.example")]
        #expect(
            try last("\(romeo.jid)", "bob@brno.example")
                == "brno.example is blocked (federation.blocked_domains): the sender gets an error")
        #expect(
            try last("bob@brno.example", "\(romeo.jid)")
                == "brno.example is blocked (federation.blocked_domains): nothing of it is let in")
        site.policy.federation.isEnabled = false
        #expect(try last("\(romeo.jid)", "a@x.example").contains("federation.enabled"))
    }
}
