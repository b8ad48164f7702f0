import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSite

/// What people's clients and other offices need, as the site reckons it, against what they may cause: the table of
/// `Docs/decisions/0009-karma.md`.
@Suite struct KarmaNeedsTests {
    /// What the loops add to a login: connection, handshake, exchange and its reads.
    private let login = WorkPrice.connection + 10 * WorkPrice.read + 4 * WorkPrice.kibibyteRead

    /// What a party has caused since it had caused nothing, microseconds; `stanzas` of so many bytes were read for it.
    private func cost(_ name: String, _ site: inout SiteHarness, stanzas: Int, bytes: Int) -> Int64 {
        site.handle(.command(CommandID(99), .karma))
        var work: Int64 = 0
        for case .answer(CommandID(99), .karma(let report)) in site.takeEffects() {
            work = report.worst.first { $0.name == name }.map { $0.count.work + Int64(stanzas) * WorkPrice.event } ?? 0
        }
        return work + Int64(stanzas) * WorkPrice.read + Int64(stanzas * bytes) * WorkPrice.kibibyteRead / 1024
    }

    /// So long that everybody has paid.
    private func rest(_ site: inout SiteHarness) {
        site.pass(30_000)
        _ = site.takeEffects()
    }

    private func check(_ what: String, _ cost: Int64, of budget: WorkBudget, atLeast times: Int64) {
        print("karma: \(what): \((cost + 500) / 1000) ms of \(budget.burst / 1000)")
        #expect(cost > 0, "\(what)")
        #expect(cost * times <= budget.burst, "\(what)")
    }

    private let person = KarmaPolicy().person

    /// Everybody's bucket fills so slowly that nothing is forgotten of what was caused.
    private var policy: SitePolicy {
        var policy = SiteHarness.policy
        policy.karma.person = WorkBudget(perSecond: 1, burst: 100_000_000, longestRest: 0)
        policy.karma.office = policy.karma.person
        return policy
    }

    /// What a party has caused between two looks, microseconds.
    private func cost(
        _ name: String, _ site: inout SiteHarness, stanzas: Int, bytes: Int, _ body: (inout SiteHarness) -> Void
    ) -> Int64 {
        let before = cost(name, &site, stanzas: 0, bytes: 0)
        body(&site)
        return cost(name, &site, stanzas: stanzas, bytes: bytes) - before
    }

    @Test(
        "a login with a roster of so many contacts takes a small part of what a person may cause at once",
        arguments: [300, 5000])
    func roster(count: Int) {
        var site = SiteHarness(policy: policy)
        let alice = site.login("alice")
        for number in 0..<count {
            site.send(
                "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='contact\(number)@elsewhere.example' "
                    + "name='Contact \(number)'><group>Friends</group></item></query></iq>", on: alice)
        }
        rest(&site)
        let cost = cost("alice@pilsen.example", &site, stanzas: 5, bytes: 200) {
            _ = $0.login("alice")
            rest(&$0)
        }
        check("login, roster of \(count)", login + cost, of: person, atLeast: 20)
    }

    @Test("presence to and from 300 contacts who are there, and 100 messages that waited, take a small part")
    func presence() {
        let contacts = (0..<300).map { "contact\($0)" }
        var site = SiteHarness(users: ["alice", "carol"] + contacts, policy: policy)
        let alice = site.login("alice")
        for contact in contacts {
            let other = site.login(contact)
            site.send("<presence type='subscribe' to='\(contact)@pilsen.example'/>", on: alice)
            site.send("<presence type='subscribed' to='alice@pilsen.example'/>", on: other)
            site.send("<presence type='subscribe' to='alice@pilsen.example'/>", on: other)
            site.send("<presence type='subscribed' to='\(contact)@pilsen.example'/>", on: alice)
        }
        let carol = site.login("carol")
        site.handle(.client(alice, .streamEnded))
        site.handle(.client(alice, .closed("")))
        for number in 0..<100 {
            site.send("<message to='alice@pilsen.example' id='m\(number)'><body>\(words)</body></message>", on: carol)
        }
        rest(&site)
        let cost = cost("alice@pilsen.example", &site, stanzas: 5, bytes: 200) {
            _ = $0.login("alice")
            rest(&$0)
        }
        check("login, 300 contacts there, 100 messages", login + cost, of: person, atLeast: 20)
    }

    @Test("two hundred messages at once take a small part, and so does a thousand to another office")
    func burst() {
        var site = SiteHarness(policy: policy)
        let alice = site.login("alice")
        _ = site.login("carol")
        rest(&site)
        let here = cost("alice@pilsen.example", &site, stanzas: 200, bytes: 250) { site in
            for number in 0..<200 {
                site.send("<message to='carol@pilsen.example' id='m\(number)'><body>\(words)</body></message>", on: alice)
            }
        }
        check("200 messages at once", here, of: person, atLeast: 50)
        rest(&site)
        let elsewhere = cost("alice@pilsen.example", &site, stanzas: 1000, bytes: 250) { site in
            for number in 0..<1000 {
                site.send("<message to='x@brno.example' id='n\(number)'><body>\(words)</body></message>", on: alice)
            }
        }
        check("1,000 messages to an office", elsewhere, of: person, atLeast: 15)
    }

    @Test("a queue of ten thousand that another office sends after an outage takes a small part of what it may cause at once")
    func drain() throws {
        var site = SiteHarness(policy: policy)
        let stream = ConnectionID(loop: 0, slot: 900, generation: 0)
        site.handle(.server(stream, .peerVerified(DomainPair(local: SiteHarness.domain, peer: SiteHarness.peer), .certificate)))
        for number in 0..<10_000 {
            let xml = "<message from='x@brno.example' to='alice@pilsen.example' id='\(number)'><body>\(words)</body></message>"
            let stanza = try Stanza(
                parsing: Array(xml.utf8), contentNamespace: Namespaces.server, context: NamespaceContext(Namespaces.server))
            site.handle(.server(stream, .stanza(stanza)))
        }
        check(
            "10,000 entries from an office", cost("brno.example", &site, stanzas: 10_000, bytes: 450), of: KarmaPolicy().office,
            atLeast: 20)
    }

    private var words: String { "Could you send me the figures for the meeting on Thursday? The train leaves at seven." }
}
