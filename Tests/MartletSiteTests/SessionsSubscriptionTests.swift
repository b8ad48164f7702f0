import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletSessions

/// The nine states of RFC 6121 appendix A.1 by their names there.
private enum Named: String, CaseIterable {
    case none, noneOut, noneIn, noneOutIn, to, toIn, from, fromOut, both

    var state: SubscriptionState {
        var flags: RosterRow.Flags = []
        switch self {
        case .none, .noneIn: break
        case .noneOut, .noneOutIn: flags = .pendingOut
        case .to, .toIn: flags = .to
        case .from: flags = .from
        case .fromOut: flags = [.from, .pendingOut]
        case .both: flags = [.to, .from]
        }
        return SubscriptionState(flags, pendingIn: self == .noneIn || self == .noneOutIn || self == .toIn)
    }
}

private struct Row: CustomStringConvertible, Sendable {
    var type: PresenceType
    var before: Named
    var passes: Bool
    var after: Named

    init(_ type: PresenceType, _ before: Named, _ passes: Bool, _ after: Named) {
        self.type = type
        self.before = before
        self.passes = passes
        self.after = after
    }

    var description: String { "\(type) in \(before)" }
}

@Suite("Subscriptions")
struct SessionsSubscriptionTests {
    private static let outbound: [Row] = [
        // A.2.1
        Row(.subscribe, .none, true, .noneOut), Row(.subscribe, .noneOut, true, .noneOut),
        Row(.subscribe, .noneIn, true, .noneOutIn), Row(.subscribe, .noneOutIn, true, .noneOutIn),
        Row(.subscribe, .to, true, .to), Row(.subscribe, .toIn, true, .toIn), Row(.subscribe, .from, true, .fromOut),
        Row(.subscribe, .fromOut, true, .fromOut), Row(.subscribe, .both, true, .both),
        // A.2.2
        Row(.unsubscribe, .none, true, .none), Row(.unsubscribe, .noneOut, true, .none),
        Row(.unsubscribe, .noneIn, true, .noneIn), Row(.unsubscribe, .noneOutIn, true, .noneIn),
        Row(.unsubscribe, .to, true, .none), Row(.unsubscribe, .toIn, true, .noneIn), Row(.unsubscribe, .from, true, .from),
        Row(.unsubscribe, .fromOut, true, .from), Row(.unsubscribe, .both, true, .from),
        // A.2.3
        Row(.subscribed, .none, false, .none), Row(.subscribed, .noneOut, false, .noneOut),
        Row(.subscribed, .noneIn, true, .from), Row(.subscribed, .noneOutIn, true, .fromOut),
        Row(.subscribed, .to, false, .to), Row(.subscribed, .toIn, true, .both), Row(.subscribed, .from, false, .from),
        Row(.subscribed, .fromOut, false, .fromOut), Row(.subscribed, .both, false, .both),
        // A.2.4
        Row(.unsubscribed, .none, false, .none), Row(.unsubscribed, .noneOut, false, .noneOut),
        Row(.unsubscribed, .noneIn, true, .none), Row(.unsubscribed, .noneOutIn, true, .noneOut),
        Row(.unsubscribed, .to, false, .to), Row(.unsubscribed, .toIn, true, .to), Row(.unsubscribed, .from, true, .none),
        Row(.unsubscribed, .fromOut, true, .noneOut), Row(.unsubscribed, .both, true, .to),
    ]

    private static let inbound: [Row] = [
        // A.3.1
        Row(.subscribe, .none, true, .noneIn), Row(.subscribe, .noneOut, true, .noneOutIn),
        Row(.subscribe, .noneIn, false, .noneIn), Row(.subscribe, .noneOutIn, false, .noneOutIn),
        Row(.subscribe, .to, true, .toIn), Row(.subscribe, .toIn, false, .toIn), Row(.subscribe, .from, false, .from),
        Row(.subscribe, .fromOut, false, .fromOut), Row(.subscribe, .both, false, .both),
        // A.3.2
        Row(.unsubscribe, .none, false, .none), Row(.unsubscribe, .noneOut, false, .noneOut),
        Row(.unsubscribe, .noneIn, true, .none), Row(.unsubscribe, .noneOutIn, true, .noneOut),
        Row(.unsubscribe, .to, false, .to), Row(.unsubscribe, .toIn, true, .to), Row(.unsubscribe, .from, true, .none),
        Row(.unsubscribe, .fromOut, true, .noneOut), Row(.unsubscribe, .both, true, .to),
        // A.3.3
        Row(.subscribed, .none, false, .none), Row(.subscribed, .noneOut, true, .to),
        Row(.subscribed, .noneIn, false, .noneIn), Row(.subscribed, .noneOutIn, true, .toIn),
        Row(.subscribed, .to, false, .to), Row(.subscribed, .toIn, false, .toIn), Row(.subscribed, .from, false, .from),
        Row(.subscribed, .fromOut, true, .both), Row(.subscribed, .both, false, .both),
        // A.3.4
        Row(.unsubscribed, .none, false, .none), Row(.unsubscribed, .noneOut, true, .none),
        Row(.unsubscribed, .noneIn, false, .noneIn), Row(.unsubscribed, .noneOutIn, true, .noneIn),
        Row(.unsubscribed, .to, true, .none), Row(.unsubscribed, .toIn, true, .noneIn),
        Row(.unsubscribed, .from, false, .from), Row(.unsubscribed, .fromOut, true, .from),
        Row(.unsubscribed, .both, true, .from),
    ]

    @Test("RFC 6121 §A.2: what a client sends changes the state and is routed as the tables say", arguments: outbound)
    private func sent(row: Row) {
        var state = row.before.state
        #expect(state.sent(row.type) == row.passes)
        // Pre-approval (§3.4) stands beside the nine states.
        state.isApproved = false
        #expect(state == row.after.state)
    }

    @Test("RFC 6121 §A.3: what a contact sends changes the state and is delivered as the tables say", arguments: inbound)
    private func received(row: Row) {
        var state = row.before.state
        let reception = state.received(row.type)
        #expect((reception == .deliver) == row.passes)
        #expect(state == row.after.state)
        if row.type == .subscribe, row.before.state.from { #expect(reception == .confirm) }
    }

    private func pushes(_ elements: [Element]) -> [Element] {
        elements.compactMap { $0.first("query", Namespaces.roster)?.first("item", Namespaces.roster) }
    }

    private func getRoster(_ site: inout SessionsHarness, _ client: SessionsHarness.Client) {
        site.send(client, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        _ = site.take(client)
    }

    @Test("RFC 6121 §3.1: asked and approved, both rosters say so, and presence flows")
    func handshake() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        getRoster(&site, romeo)
        getRoster(&site, juliet)
        site.send(romeo, "<presence type='subscribe' to='juliet@pilsen.example/balcony' id='s'/>")
        #expect(pushes(site.take(romeo)).map { $0["ask"] } == ["subscribe"])
        let asked = site.take(juliet)
        #expect(asked.map { $0["type"] } == ["subscribe"])
        #expect(asked.first?["from"] == "romeo@pilsen.example")
        #expect(asked.first?["to"] == "juliet@pilsen.example")
        site.send(juliet, "<presence type='subscribed' to='romeo@pilsen.example'/>")
        #expect(pushes(site.take(juliet)).map { $0["subscription"] } == ["from"])
        let got = site.take(romeo)
        #expect(pushes(got).map { $0["subscription"] } == ["to"])
        #expect(pushes(got).first?["ask"] == nil)
        let presence = got.filter { $0.name == "presence" }
        #expect(presence.map { $0["type"] } == ["subscribed", nil])
        #expect(presence.last?["from"] == "juliet@pilsen.example/balcony")
        site.send(juliet, "<presence><show>away</show></presence>")
        #expect(site.take(romeo).count == 1)
        site.send(juliet, "<presence type='unavailable'/>")
        #expect(site.take(romeo).map { $0["type"] } == ["unavailable"])
    }

    @Test("RFC 6121 §3.1.3: a request waits for somebody who is away, and comes at each login until it is answered")
    func stored() {
        var site = SessionsHarness()
        site.receive(
            "<presence type='subscribe' from='x@brno.example/a' to='juliet@pilsen.example' id='q'><status>me</status></presence>"
        )
        for _ in 0..<2 {
            let juliet = site.bind("juliet", "balcony")
            site.send(juliet, "<presence/>")
            let request = site.take(juliet).first { $0["type"] == "subscribe" }
            #expect(request?["from"] == "x@brno.example")
            #expect(request?.first("status", Namespaces.client)?.text == "me")
            site.logout(juliet)
            site.flush()
            site.crash()
        }
        let juliet = site.login("juliet", "balcony")
        site.send(juliet, "<presence type='unsubscribed' to='x@brno.example'/>")
        #expect(site.takeRemote().map { $0.type } == ["unsubscribed"])
        let again = site.bind("juliet", "chamber")
        site.send(again, "<presence/>")
        #expect(!site.take(again).contains { $0["type"] == "subscribe" })
        #expect(site.store.count(.pendingSubscription) == 0)
    }

    @Test("RFC 6121 §3.4: a pre-approved contact is let in without asking anybody")
    func preApproval() {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        getRoster(&site, juliet)
        site.send(juliet, "<presence type='subscribed' to='x@brno.example'/>")
        #expect(site.takeRemote() == [])
        #expect(pushes(site.take(juliet)).map { $0["approved"] } == ["true"])
        site.receive("<presence type='subscribe' from='x@brno.example' to='juliet@pilsen.example'/>")
        #expect(site.takeRemote().map { $0.type } == ["subscribed", nil])
        let got = site.take(juliet)
        #expect(pushes(got).map { $0["subscription"] } == ["from"])
        #expect(!got.contains { $0.name == "presence" })
        // §3.4.2: cancelled before it was used.
        site.send(
            juliet, "<presence type='subscribed' to='y@brno.example'/><presence type='unsubscribed' to='y@brno.example'/>")
        #expect(site.takeRemote() == [])
        site.receive("<presence type='subscribe' from='y@brno.example' to='juliet@pilsen.example'/>")
        #expect(site.takeRemote() == [])
    }

    @Test("RFC 6121 §3.2, §3.3: whoever loses the right to see the account sees it leave")
    func revoked() {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        for contact in ["x", "y"] {
            site.receive("<presence type='subscribe' from='\(contact)@brno.example' to='juliet@pilsen.example'/>")
            site.send(juliet, "<presence type='subscribed' to='\(contact)@brno.example'/>")
        }
        _ = site.takeRemote()
        site.send(juliet, "<presence type='unsubscribed' to='x@brno.example'/>")
        let revoked = site.takeRemote()
        #expect(revoked.map { $0.type } == ["unavailable", "unsubscribed"])
        #expect(revoked.first?.from?.description == "juliet@pilsen.example/balcony")
        site.receive("<presence type='unsubscribe' from='y@brno.example' to='juliet@pilsen.example'/>")
        #expect(site.takeRemote().map { $0.type } == ["unavailable"])
        site.send(juliet, "<presence><show>dnd</show></presence>")
        #expect(site.takeRemote() == [])
    }

    @Test("RFC 6121 §3.1.3: a contact that asks again is told again that it was approved")
    func confirmed() {
        var site = SessionsHarness()
        let juliet = site.login("juliet", "balcony")
        site.receive("<presence type='subscribe' from='x@brno.example' to='juliet@pilsen.example'/>")
        site.send(juliet, "<presence type='subscribed' to='x@brno.example'/>")
        _ = site.takeRemote()
        _ = site.take(juliet)
        site.receive("<presence type='subscribe' from='x@brno.example' to='juliet@pilsen.example'/>")
        #expect(site.takeRemote().map { $0.type } == ["subscribed"])
        #expect(site.take(juliet) == [])
    }

    @Test("an account cannot subscribe to itself, and unanswered requests are bounded")
    func bounds() {
        var site = SessionsHarness()
        site.policy.limits.pendingSubscriptions = 4
        let juliet = site.login("juliet", "balcony")
        site.send(juliet, "<presence type='subscribe' to='juliet@pilsen.example'/>")
        #expect(site.take(juliet) == [])
        for contact in ["a", "b", "c"] {
            site.receive("<presence type='subscribe' from='\(contact)@brno.example' to='juliet@pilsen.example'/>")
        }
        #expect(site.store.count(.pendingSubscription) == 2)
        #expect(site.takeRemote().map { $0.type } == ["error"])
    }

    @Test("RFC 6121 §3.1.2: a request to another domain is sent between bare JIDs")
    func bare() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<presence type='subscribe' to='x@brno.example/a'/>")
        let sent = site.takeRemote()
        #expect(sent.map { $0.from?.description } == ["romeo@pilsen.example"])
        #expect(sent.map { $0.to?.description } == ["x@brno.example"])
        site.receive("<presence type='subscribed' from='x@brno.example' to='romeo@pilsen.example'/>")
        site.receive("<presence from='x@brno.example/a' to='romeo@pilsen.example'/>")
        #expect(site.take(romeo).map { $0["from"] } == ["x@brno.example/a"])
    }

    /// Who was asked since the last look.
    private func asked(_ site: inout SessionsHarness) -> [String] {
        site.takeRemote().filter { $0.type == "subscribe" }.map { $0.to?.description ?? "" }
    }

    @Test(
        "RFC 6121 §3.1.2: a request that nobody answers is asked again, after an hour and then more and more rarely, until it is answered"
    )
    func askedAgain() {
        var site = SessionsHarness()
        site.link(.up(wantsRefresh: true))
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<presence type='subscribe' to='x@brno.example'/>")
        site.send(romeo, "<presence type='subscribe' to='y@brno.example'/>")
        site.send(romeo, "<presence type='subscribe' to='juliet@pilsen.example'/>")
        #expect(asked(&site) == ["x@brno.example", "y@brno.example"])
        let hour = SessionLimits.requestPause
        site.pass(hour - 1)
        #expect(asked(&site) == [])
        site.pass(10_000)
        #expect(asked(&site) == ["x@brno.example", "y@brno.example"])
        site.receive("<presence type='subscribed' from='x@brno.example' to='romeo@pilsen.example'/>")
        site.pass(2 * hour - 20_000)
        #expect(asked(&site) == [])
        site.pass(20_000)
        #expect(asked(&site) == ["y@brno.example"])
        var times = 0
        for _ in 0..<240 {
            site.pass(hour)
            times += asked(&site).count
        }
        // After 4, 8 and 16 hours, then each day.
        #expect((11...13).contains(times))
        site.receive("<presence type='unsubscribed' from='y@brno.example' to='romeo@pilsen.example'/>")
        site.pass(240 * hour)
        #expect(asked(&site) == [])
    }

    @Test("RFC 6121 §3.1.2: at recovery of a line requests are asked again at once, but not twice in an hour, and in slices")
    func askedAtRecovery() {
        let contacts = (0..<600).map { "c\($0)@brno.example" }
        var site = SessionsHarness()
        site.policy.limits.rosterItems = 10_000
        site.link(.up(wantsRefresh: true))
        let romeo = site.login("romeo", "orchard")
        for contact in contacts { site.send(romeo, "<presence type='subscribe' to='\(contact)'/>") }
        #expect(asked(&site).count == 600)
        site.cut()
        site.pass(10 * SessionLimits.requestPause)
        #expect(asked(&site) == [], "what waits need not be said twice")
        site.largestBatch = 0
        site.link(.up(wantsRefresh: true))
        site.pass(10_000)
        #expect(asked(&site).sorted() == contacts.sorted())
        #expect(site.largestBatch <= SessionLimits.presenceSlice + 2)
        site.cut()
        site.link(.up(wantsRefresh: true))
        site.pass(10_000)
        #expect(asked(&site) == [])
    }

    @Test("RFC 6121 §3.1.2: a round that is cut off is made again after the pause, whole")
    func askedAfterInterruption() {
        let contacts = (0..<600).map { "c\($0)@brno.example" }
        var site = SessionsHarness()
        site.policy.limits.rosterItems = 10_000
        site.link(.up(wantsRefresh: true))
        let romeo = site.login("romeo", "orchard")
        for contact in contacts { site.send(romeo, "<presence type='subscribe' to='\(contact)'/>") }
        site.pass(SessionLimits.requestPause - 1)
        _ = asked(&site)
        site.pass(SessionLimits.presencePause + 1)
        let first = asked(&site).count
        #expect(first > 0 && first < 600)
        site.cut()
        site.link(.up(wantsRefresh: true))
        site.pass(10_000)
        #expect(asked(&site) == [], "a line that flaps is no reason to ask all the time")
        site.pass(SessionLimits.requestPause)
        #expect(asked(&site).count == 600)
    }

    @Test("RFC 6121 §3.1.2: after a restart nobody is asked at once; a line that nobody uses is opened for it")
    func askedAfterRestart() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<presence type='subscribe' to='x@brno.example'/>")
        site.flush()
        // A row of an earlier version is not found by its domain.
        site.step { _, turn in
            guard let account = AddressTable.number(of: SessionsHarness.account("romeo"), in: turn.store) else { return }
            for (contact, _) in RosterTable.contacts(of: account, in: turn.store) {
                let domain = AddressTable.makeNumber(of: AddressTable.address(contact, in: turn.store).domain, in: turn.store)
                for pair in RosterTable.pairs(at: domain, in: turn.store) {
                    let index = [UInt64.max, domain.value, pair.account.value, pair.contact.value]
                    turn.store.delete(
                        .roster,
                        index.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) } })
                }
                #expect(RosterTable.pairs(at: domain, in: turn.store) == [])
            }
        }
        _ = asked(&site)
        site.crash()
        _ = site.login("romeo", "orchard")
        site.wantedLinks = []
        site.pass(SessionLimits.requestPause - 1)
        #expect(asked(&site) == [])
        site.pass(1)
        #expect(site.wantedLinks.map(\.peer.domainpart) == ["brno.example"])
        site.link(.up(wantsRefresh: true))
        site.pass(1000)
        #expect(asked(&site) == ["x@brno.example"])
    }

    @Test(
        "RFC 6121 §4.3.2, §3.3.3: a peer that does not know a subscription any more answers the probe, and the roster says so")
    func forgotten() {
        var site = SessionsHarness()
        site.subscribe("romeo", to: ["x@brno.example"])
        let romeo = site.login("romeo", "orchard")
        getRoster(&site, romeo)
        site.cut()
        _ = site.takeRemote()
        site.link(.up(wantsRefresh: true))
        #expect(site.takeRemote().map(\.type) == [nil, "probe"])
        site.receive("<presence type='unsubscribed' from='x@brno.example' to='romeo@pilsen.example'/>")
        let told = site.take(romeo)
        #expect(pushes(told).map { $0["subscription"] } == ["from"])
        #expect(told.contains { $0["type"] == "unsubscribed" })
        site.pass(48 * SessionLimits.requestPause)
        #expect(asked(&site) == [], "whoever took it back is not asked again by us")
    }
}
