import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSite

/// Who pays for what, and what follows.
@Suite struct KarmaTests {
    private let anna = Party.account(AddressNumber(1))
    private let policy = KarmaPolicy()
    private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    private func charge(_ karma: inout Karma, _ party: Party, _ work: Int64, at now: Instant) -> Int64 {
        if !karma.knows(party) { karma.add(party, .person, at: now) }
        return karma.charge(party, work, WorkCount(), policy, at: now) ?? 0
    }

    @Test("who is in debt rests until it is paid, and others do not")
    func debt() {
        var karma = Karma()
        let bob = Party.account(AddressNumber(2))
        let rests = [
            charge(&karma, anna, policy.person.burst, at: at(0)), charge(&karma, anna, 250_000, at: at(0)),
            charge(&karma, bob, 1000, at: at(0)), charge(&karma, anna, 250, at: at(1000)),
            charge(&karma, anna, 1_000_000_000, at: at(1000)),
        ]
        #expect(rests == [0, 1000, 0, 0, policy.person.longestRest])
    }

    @Test("a stranger that has become known meanwhile does not rest for what it did as a stranger")
    func promoted() {
        var karma = Karma()
        let peer = Party.peer(SiteHarness.peer)
        karma.add(peer, .stranger, at: at(0))
        let rest = karma.charge(peer, 3_000_000, WorkCount(), policy, at: at(0)) ?? 0
        #expect(rest > 0)
        let asStranger = karma.rests(peer, milliseconds: rest, as: .office)
        let asOffice = karma.rests(peer, milliseconds: rest, as: .office)
        #expect(!asStranger && asOffice)
        #expect(karma.classes(policy, at: at(0)).first { $0.name == "office" }?.rests == 1)
    }

    @Test("ten thousand names do not flush the one in debt, and take no more room than others before")
    func bounded() {
        var karma = Karma(limit: 64)
        let first = charge(&karma, anna, policy.person.burst * 2, at: at(0))
        #expect(first > 0)
        for number in 10..<10_010 {
            _ = charge(&karma, .account(AddressNumber(UInt64(number))), 100, at: at(Int64(number) / 100))
        }
        #expect(karma.count == 64)
        #expect(karma.knows(anna))
        let rest = charge(&karma, anna, 1, at: at(101))
        #expect(rest > 0)
    }

    // MARK: the whole site

    private func rests(_ effects: [Effect]) -> [ConnectionID] {
        effects.compactMap { if case .stream(let connection, .rest) = $0 { connection } else { nil } }
    }

    /// A site where a person may cause a thousandth of a second at once.
    private func strict() -> SiteHarness {
        var site = SiteHarness()
        var policy = SiteHarness.policy
        policy.karma.person.burst = 1000
        site.handle(.policyChanged(policy))
        return site
    }

    private func ask(_ site: inout SiteHarness) -> KarmaReport? {
        site.handle(.command(CommandID(99), .karma))
        for case .answer(CommandID(99), .karma(let report)) in site.takeEffects() { return report }
        return nil
    }

    @Test(
        "who asks for too much is told to rest, on the connection that asked, and is handled all the same; a bystander is not slowed"
    )
    func rest() throws {
        var site = strict()
        let alice = site.login("alice")
        let carol = site.login("carol")
        site.pass(60_000)
        _ = site.takeEffects()
        var handled = 0
        for number in 0..<300 {
            site.send("<iq type='get' id='d\(number)'><query xmlns='jabber:iq:roster'/></iq>", on: alice)
            handled += site.take(alice).count { $0["type"] == "result" }
        }
        site.send("<iq type='get' id='p' to='pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>", on: carol)
        #expect(handled == 300)
        let effects = site.takeEffects()
        let resting = rests(effects)
        #expect(resting.count > 10)
        #expect(resting.allSatisfy { $0 == alice })
        let notes = effects.filter { if case .note(.partyRests) = $0 { true } else { false } }
        #expect(notes.count == 1)
        let found = ask(&site)
        let row = try #require(found?.worst.first)
        #expect(row.name == "alice@pilsen.example")
        #expect(row.count.rows >= 300)
        #expect(row.count.deliveries >= 300)
        // What she owed is forgotten when it is paid.
        site.pass(60_000)
        let later = ask(&site)
        #expect(later?.worst.isEmpty == true)
    }

    @Test("what others send is theirs: who acknowledges a thousand messages pays nearly nothing, who sent them pays for all")
    func settled() throws {
        var site = SiteHarness()
        let (alice, carol) = (site.login("alice"), site.login("carol"))
        site.send("<enable xmlns='urn:xmpp:sm:3'/>", on: carol)
        site.pass(60_000)
        for number in 0..<1000 {
            site.send("<message to='carol@pilsen.example' id='m\(number)' type='chat'><body>hello</body></message>", on: alice)
            if number % 20 == 19 { site.sendNonza("<a xmlns='urn:xmpp:sm:3' h='\(number + 1)'/>", on: carol) }
        }
        let found = ask(&site)
        let report = try #require(found)
        let sender = try #require(report.worst.first)
        #expect(sender.name == "alice@pilsen.example")
        #expect(sender.count.deliveries >= 1000)
        let others = report.worst.dropFirst().reduce(0) { $0 + $1.work }
        #expect(others * 20 < sender.work)
    }

    @Test("a server pays by its domain, an office never rests for a queue of ten thousand")
    func office() throws {
        var site = SiteHarness()
        let stream = ConnectionID(loop: 0, slot: 900, generation: 0)
        let pair = DomainPair(local: SiteHarness.domain, peer: SiteHarness.peer)
        site.handle(.server(stream, .peerVerified(pair, .certificate)))
        _ = site.takeEffects()
        for number in 0..<10_000 {
            let xml =
                "<message from='x@brno.example' to='alice@pilsen.example' id='\(number)'><body>hello</body></message>"
            let stanza = try Stanza(
                parsing: Array(xml.utf8), contentNamespace: Namespaces.server, context: NamespaceContext(Namespaces.server))
            site.handle(.server(stream, .stanza(stanza)))
        }
        #expect(rests(site.takeEffects()).isEmpty)
        let found = ask(&site)
        let row = try #require(found?.worst.first)
        #expect(row.name == "brno.example" && row.standing == "office")
        #expect(row.count.rows >= 10_000)
    }

    @Test("when the server stops nobody rests: the last words of a client are heard")
    func stopping() {
        var site = strict()
        let alice = site.login("alice")
        site.handle(.shutdownRequested)
        _ = site.takeEffects()
        for number in 0..<100 { site.send("<iq type='get' id='d\(number)'><query xmlns='jabber:iq:roster'/></iq>", on: alice) }
        #expect(rests(site.takeEffects()).isEmpty)
    }
}
