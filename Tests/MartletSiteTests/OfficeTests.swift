import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSessions

@Suite("Offices as contacts")
struct OfficeTests {
    typealias Site = SessionsHarness

    private static func domain(_ name: String) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: name, preparedResourcepart: nil)
    }

    private func site(_ offices: [String] = ["brno.example", "zlin.example"]) -> Site {
        var site = Site()
        configure(&site, offices)
        return site
    }

    private func configure(_ site: inout Site, _ offices: [String]) {
        site.policy.federation.knownPeers = offices.map(Self.domain)
        site.policy.federation.officeNames[Self.domain("brno.example")] = "Brno"
        site.handle(.policyChanged(site.policy))
    }

    private func roster(_ site: inout Site, _ client: Site.Client, version: String = "") -> Element? {
        site.send(client, "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='\(version)'/></iq>")
        return site.take(client).first { $0["id"] == "r" }
    }

    /// A client that is available and interested.
    private func login(_ site: inout Site, _ user: String = "romeo", _ resource: String = "desk") -> Site.Client {
        let client = site.bind(user, resource)
        _ = roster(&site, client)
        site.send(client, "<presence/>")
        _ = site.take(client)
        return client
    }

    private func items(_ element: Element?) -> [Element] {
        element?.first("query", Namespaces.roster)?.elements ?? []
    }

    private func status(_ element: Element) -> String? { element.first("status", Namespaces.client)?.text }

    @Test("every roster has the offices, by name, in their group, and a version that changes with them")
    func roster() {
        var site = site()
        let romeo = site.bind("romeo", "desk")
        let all = roster(&site, romeo)
        #expect(items(all).map { $0["jid"] } == ["brno.example", "zlin.example"])
        #expect(items(all).map { $0["name"] } == ["Brno", "zlin.example"])
        #expect(items(all).map { $0["subscription"] } == ["to", "to"])
        #expect(items(all).map { $0.first("group", Namespaces.roster)?.text } == ["Offices", "Offices"])
        let version = all?.first("query", Namespaces.roster)?["ver"] ?? ""
        #expect(!version.isEmpty)
        #expect(items(roster(&site, romeo, version: version)) == [])
        configure(&site, ["brno.example"])
        #expect(items(roster(&site, romeo, version: version)).count == 1)
        site.policy.federation.officesGroup = ""
        site.handle(.policyChanged(site.policy))
        let none = roster(&site, romeo, version: version)
        #expect(none?.first("query", Namespaces.roster) != nil)
        #expect(items(none) == [])
    }

    @Test("RFC 6121 §2.1.6: a change of the list is pushed, one item each, the last with the version of the next roster")
    func pushes() {
        var site = site()
        let romeo = login(&site)
        let juliet = site.login("juliet", "uninterested")
        configure(&site, ["brno.example", "praha.example"])
        let pushed = site.take(romeo).filter { $0.name == "iq" }
        #expect(pushed.map { items($0).map { $0["jid"] } } == [["zlin.example"], ["praha.example"]])
        #expect(pushed.map { items($0).first?["subscription"] } == ["remove", "to"])
        let versions = pushed.map { $0.first("query", Namespaces.roster)?["ver"] }
        #expect(versions.first == .some(nil))
        #expect(versions.last == roster(&site, romeo)?.first("query", Namespaces.roster)?["ver"])
        #expect(site.take(juliet) == [])
        configure(&site, ["brno.example", "praha.example"])
        #expect(site.take(romeo).filter { $0.name == "iq" } == [])
    }

    @Test("pushes to many sessions take slices")
    func pushesInSlices() {
        let users = (0..<200).map { "u\($0)" }
        var site = Site(users: users)
        let clients = users.map { login(&site, $0) }
        site.largestBatch = 0
        configure(&site, ["brno.example", "zlin.example"])
        site.pass(1000)
        #expect(site.largestBatch <= SessionLimits.presenceSlice + 2)
        for client in clients {
            #expect(site.take(client).filter { $0.name == "iq" }.count == 2)
        }
    }

    @Test("nobody changes or removes an office: not-allowed, and the item as it is")
    func fixed() {
        var site = site()
        let romeo = login(&site)
        for item in ["name='Mine'", "subscription='remove'"] {
            site.send(
                romeo,
                "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='brno.example' \(item)/></query></iq>")
            let answers = site.take(romeo)
            #expect(answers.first { $0["id"] == "s" }?.condition == "not-allowed")
            #expect(answers.filter { $0["id"] != "s" }.flatMap { items($0) }.map { $0["name"] } == ["Brno"])
        }
        site.send(romeo, "<presence type='subscribe' to='brno.example'/>")
        #expect(site.takeRemote() == [])
        #expect(items(roster(&site, romeo)).count == 2)
    }

    @Test("an office that somebody has as a contact stands there once, as the own contact, until that goes")
    func ownContact() {
        var site = Site()
        let romeo = login(&site)
        site.send(
            romeo, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='brno.example' name='Mine'/></query></iq>")
        configure(&site, ["brno.example"])
        site.pass(1000)
        #expect(site.take(romeo).filter { $0.name == "presence" } == [])
        #expect(items(roster(&site, romeo)).map { $0["name"] } == ["Mine"])
        site.send(
            romeo,
            "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='brno.example' subscription='remove'/></query></iq>"
        )
        #expect(site.take(romeo).flatMap { items($0) }.map { $0["name"] } == ["Brno"])
        #expect(items(roster(&site, romeo)).map { $0["name"] } == ["Brno"])
    }

    @Test("an office is available while its link is, away with the reason and the number of the own messages when it is cut")
    func presence() {
        var site = site()
        site.link(.up(wantsRefresh: true))
        site.link(.up(wantsRefresh: true), to: "zlin.example")
        let romeo = login(&site)
        site.pass(OfficeLimits.delay)
        let first = site.take(romeo)
        #expect(first.map { $0["from"] } == ["brno.example/office", "zlin.example/office"])
        #expect(
            first.allSatisfy { $0["type"] == nil && $0.first("show", Namespaces.client) == nil && status($0) == "reachable" })
        site.link(.failing)
        site.pass(site.policy.federation.presenceGrace - 1)
        #expect(site.take(romeo) == [])
        site.pass(1 + OfficeLimits.delay)
        var told = site.take(romeo)
        #expect(told.map { $0["from"] } == ["brno.example/office"])
        #expect(told.first?.first("show", Namespaces.client)?.text == "away")
        #expect(told.map(status) == ["cut off since 22:13"])
        site.waitingElsewhere[romeo.jid.bare] = 3
        site.link(.counted(nil))
        site.pass(OfficeLimits.pause + 1000)
        #expect(site.take(romeo).map(status) == ["cut off since 22:13, 3 waiting"])
        let phone = site.bind("romeo", "phone")
        site.send(phone, "<presence/>")
        _ = roster(&site, phone)
        site.pass(OfficeLimits.delay)
        #expect(
            site.take(phone).filter { $0["from"] == "brno.example/office" }.map(status) == [
                "cut off since 22:13, 3 waiting"
            ])
        _ = site.take(romeo)
        site.pass(OfficeLimits.pause)
        site.link(.up(wantsRefresh: true))
        site.pass(OfficeLimits.delay)
        told = site.take(romeo)
        #expect(told.map { $0["from"] } == ["brno.example/office"])
        #expect(told.first?["type"] == nil)
        #expect(told.first?.elements.count == 1 && told.first.flatMap(status) == "reachable")
    }

    @Test("an office says that a store went back in time; what the server of a stranger does about its own costs nothing")
    func healed() {
        var site = site()
        for peer in ["brno.example", "zlin.example", "evil.example"] { site.link(.up(wantsRefresh: true), to: peer) }
        let romeo = login(&site)
        site.pass(OfficeLimits.delay)
        _ = site.take(romeo)
        site.link(.healed(ofPeer: true))
        site.pass(OfficeLimits.delay)
        let told = site.take(romeo)
        #expect(told.map { $0["from"] } == ["brno.example/office"])
        #expect(told.map(status) == [OfficeLimits.peerWentBack])
        #expect(told.first?.first("show", Namespaces.client) == nil, "it is there")
        let timers = site.timerCount
        site.link(.healed(ofPeer: true), to: "evil.example")
        #expect(site.timerCount == timers, "nobody is looked at for it")
    }

    @Test(
        "an office that was not reached since the start is not available, and says so, until its link is up; one that never is, never"
    )
    func unreached() {
        var site = site()
        let words = "not reached yet"
        let romeo = login(&site)
        site.pass(OfficeLimits.delay)
        var told = site.take(romeo)
        #expect(told.map { $0["from"] } == ["brno.example/office", "zlin.example/office"])
        #expect(told.map { $0.first("show", Namespaces.client)?.text } == ["away", "away"])
        #expect(told.map(status) == [words, words])
        site.link(.up(wantsRefresh: true))
        site.link(.failing, to: "zlin.example")
        site.pass(OfficeLimits.delay)
        told = site.take(romeo)
        #expect(told.map { $0["from"] } == ["brno.example/office"])
        #expect(told.first?.elements.count == 1 && told.first.flatMap(status) == "reachable")
        site.pass(3_600_000)
        #expect(site.take(romeo) == [])
        // The process has no memory of the line of the one before.
        site.cut()
        site.crash()
        let juliet = login(&site, "juliet")
        site.link(.failing)
        site.pass(site.policy.federation.presenceGrace + OfficeLimits.pause)
        #expect(site.take(juliet).map(status) == [words, words])
    }

    @Test("a client that resumes after a restart is shown the offices as they are then")
    func resumed() {
        var site = site(["brno.example"])
        site.link(.up(wantsRefresh: true))
        var romeo = site.bind("romeo", "desk")
        romeo.token = site.enable(romeo)
        _ = roster(&site, romeo)
        site.send(romeo, "<presence/>")
        site.pass(OfficeLimits.delay)
        #expect(site.take(romeo).filter { $0["from"] == "brno.example/office" }.map(status) == ["reachable"])
        site.flush()
        site.crash()
        let resumed = site.resume(romeo, h: 4)
        site.pass(OfficeLimits.delay)
        let told = site.take(resumed).filter { $0["from"] == "brno.example/office" }
        #expect(told.map(status) == ["not reached yet"])
        site.link(.up(wantsRefresh: true))
        site.pass(OfficeLimits.delay)
        #expect(site.take(resumed).filter { $0["from"] == "brno.example/office" }.map(status) == ["reachable"])
    }

    private func write(_ site: inout Site, _ client: Site.Client, _ to: String, _ content: String, type: String = "chat")
        -> [Element]
    {
        site.send(client, "<message to='\(to)' type='\(type)' id='w'>\(content)</message>")
        return site.take(client)
    }

    @Test(
        "who writes to an office is answered by its contact, how the line is and how many of his messages wait, and nothing leaves"
    )
    func answers() {
        var site = site()
        site.link(.up(wantsRefresh: true))
        let romeo = login(&site)
        site.pass(OfficeLimits.delay)
        _ = (site.take(romeo), site.takeRemote())
        let body = "<body>hello?</body><thread>t</thread>"
        let first = write(&site, romeo, "brno.example", body)
        #expect(first.map { $0["from"] } == ["brno.example/office"])
        #expect(first.map { $0["type"] } == ["chat"])
        #expect(first.first?.first("thread", Namespaces.client)?.text == "t")
        #expect(first.first?.body?.hasPrefix("Brno is reachable. This contact shows the line") == true)
        site.waitingElsewhere[romeo.jid.bare] = 3
        site.cut()
        _ = site.take(romeo)
        let second = write(&site, romeo, "brno.example/office", body, type: "normal")
        #expect(second.first?.body?.hasPrefix("Brno is cut off since 22:13, 3 of your messages waiting. This") == true)
        let third = write(&site, romeo, "zlin.example", body)
        let words = "zlin.example was not reached since the server was started, 3 of your messages waiting. "
        #expect(third.first?.body?.hasPrefix(words) == true)
        #expect(site.takeRemote() == [])
        #expect(site.waiting("romeo") == 0)
    }

    @Test("an office answers once in ten seconds; errors, receipts and chat states not at all; requests to it are refused here")
    func restraint() {
        var site = site()
        let romeo = login(&site)
        site.pass(OfficeLimits.delay)
        _ = (site.take(romeo), site.takeRemote())
        #expect(write(&site, romeo, "brno.example", "<body>1</body>").count == 1)
        for _ in 0..<9 {
            site.pass(OfficeLimits.answerPause / 10)
            #expect(write(&site, romeo, "brno.example/office", "<body>2</body>") == [])
        }
        site.pass(OfficeLimits.answerPause / 10)
        #expect(write(&site, romeo, "brno.example", "<body>3</body>").count == 1)
        site.pass(OfficeLimits.answerPause)
        for quiet in [
            "<received xmlns='urn:xmpp:receipts' id='x'/>", "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        ] {
            #expect(write(&site, romeo, "brno.example/office", quiet) == [])
        }
        #expect(write(&site, romeo, "brno.example/office", "<body>x</body><error type='cancel'/>", type: "error") == [])
        site.send(
            romeo, "<iq type='get' id='i' to='brno.example/office'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        #expect(site.takeRemote() == [])
        // Everything else is for the server there, and so is what somebody writes to an address of his own roster.
        site.send(romeo, "<iq type='get' id='i' to='brno.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        #expect(write(&site, romeo, "bob@brno.example", "<body>4</body>") == [])
        #expect(write(&site, romeo, "brno.example/announce", "<body>5</body>") == [])
        site.subscribe("romeo", to: ["brno.example"])
        #expect(write(&site, romeo, "brno.example", "<body>6</body>") == [])
        #expect(site.takeRemote().count == 4)
    }

    @Test("a session is told of an office once in ten seconds at most, and of the last state in the end")
    func rateLimit() {
        var site = site(["brno.example"])
        site.link(.up(wantsRefresh: true))
        let romeo = login(&site)
        site.cut()
        site.pass(OfficeLimits.pause)
        _ = site.take(romeo)
        for count in 1...100 {
            site.waitingElsewhere[romeo.jid.bare] = count
            site.link(.counted(romeo.jid.bare))
            site.pass(100)
        }
        site.pass(OfficeLimits.pause + 1000)
        let told = site.take(romeo)
        #expect(told.count <= 3)
        #expect(told.last.flatMap(status) == "cut off since 22:13, 100 waiting")
    }

    @Test("what waits is counted for somebody who can be told, not for each message")
    func rareCounts() {
        var site = site()
        site.link(.up(wantsRefresh: true))
        site.link(.up(wantsRefresh: true), to: "zlin.example")
        let romeo = login(&site)
        site.cut()
        site.pass(OfficeLimits.pause)
        site.officeCounts = 0
        for count in 1...100 {
            site.waitingElsewhere[romeo.jid.bare] = count
            site.link(.counted(romeo.jid.bare))
            site.pass(100)
        }
        site.pass(OfficeLimits.pause + 1000)
        #expect(site.take(romeo).last.flatMap(status) == "cut off since 22:13, 100 waiting")
        #expect(site.officeCounts <= 3)
        site.officeCounts = 0
        site.pass(10 * OfficeLimits.pause)
        #expect(site.officeCounts == 0)
    }

    @Test("after a restart with another list a resumed client is told what changed")
    func restart() {
        var site = site()
        var romeo = site.bind("romeo", "desk")
        romeo.token = site.enable(romeo)
        _ = roster(&site, romeo)
        site.send(romeo, "<presence/>")
        site.flush()
        site.policy.federation.knownPeers = [Self.domain("brno.example")]
        site.crash()
        let resumed = site.resume(romeo, h: 2)
        let pushed = site.take(resumed).filter { $0.name == "iq" }.flatMap { items($0) }
        #expect(pushed.filter { $0["subscription"] == "remove" }.map { $0["jid"] } == ["zlin.example"])
    }
}
