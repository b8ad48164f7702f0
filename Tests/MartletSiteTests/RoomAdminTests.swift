import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// The use cases of moderators, admins and owners with other people, by the examples of XEP-0045 §8, §9 and §10.3 to §10.8.
@Suite("XEP-0045 §8, §9: roles and affiliations")
struct RoomAdminTests {
    private static let admin = "xmlns='http://jabber.org/protocol/muc#admin'"

    private func change(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ items: String) -> String {
        let answer = harness.ask(client, "set", to: SessionsHarness.coven, "<query \(Self.admin)>\(items)</query>")
        return answer.condition ?? answer["type"] ?? ""
    }

    private func list(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ item: String) -> [String] {
        let answer = harness.ask(client, "get", to: SessionsHarness.coven, "<query \(Self.admin)><item \(item)/></query>")
        if let condition = answer.condition { return [condition] }
        return answer.first("query", Namespaces.roomAdmin)?.all("item", Namespaces.roomAdmin).map {
            [$0["jid"], $0["nick"]].compactMap(\.self).joined(separator: " ")
        } ?? []
    }

    @Test("§8.2: a moderator sends somebody out, with status 307, who has done it and why; he may come back")
    func kick() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let (wicca, hag) = (harness.guest("wiccarocks", "secondwitch"), harness.guest("hag66", "thirdwitch"))
        _ = (harness.take(crone), harness.take(wicca))
        #expect(change(&harness, hag, "<item nick='secondwitch' role='none'/>") == "forbidden")
        #expect(change(&harness, crone, "<item nick='pistol' role='none'/>") == "item-not-found")
        #expect(change(&harness, crone, "<item nick='thirdwitch' role='none'><reason>Avaunt!</reason></item>") == "result")
        let told = harness.take(hag)
        #expect(told.compactMap(\.inRoom) == ["thirdwitch gone none/none hag66@pilsen.example/pda 110,307"])
        let item = told.first?.first("x", Namespaces.roomUser)?.first("item", Namespaces.roomUser)
        #expect(item?.first("reason", Namespaces.roomUser)?.text == "Avaunt!")
        #expect(item?.first("actor", Namespaces.roomUser)?["nick"] == "firstwitch")
        #expect(harness.seen(wicca) == ["thirdwitch gone none/none 307"])
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag).last == "room # ")
    }

    @Test("§8.2: nobody sends out who is more to the room than himself")
    func kickAbove() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let (wicca, hag) = (harness.guest("wiccarocks", "secondwitch"), harness.guest("hag66", "thirdwitch"))
        #expect(change(&harness, crone, "<item nick='secondwitch' role='moderator'/>") == "result")
        #expect(change(&harness, crone, "<item affiliation='member' jid='hag66@pilsen.example'/>") == "result")
        #expect(change(&harness, wicca, "<item nick='firstwitch' role='none'/>") == "not-allowed")
        #expect(change(&harness, wicca, "<item nick='thirdwitch' role='none'/>") == "not-allowed")
        #expect(change(&harness, wicca, "<item nick='thirdwitch' role='visitor'/>") == "not-allowed")
        #expect(change(&harness, wicca, "<item nick='thirdwitch' role='moderator'/>") == "forbidden")
        #expect(change(&harness, crone, "<item nick='firstwitch' role='participant'/>") == "not-allowed")
        #expect(change(&harness, wicca, "<item affiliation='outcast' jid='hag66@pilsen.example'/>") == "forbidden")
        _ = hag
    }

    @Test("§8.3, §8.4, §9.6, §9.7: voice and the role of a moderator are given and taken")
    func voice() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.configure { $0.flags.insert(.isModerated) }
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        harness.say(hag, "may I?")
        #expect(harness.seen(hag) == ["room error forbidden"])
        #expect(change(&harness, crone, "<item nick='thirdwitch' role='participant'/>") == "result")
        #expect(harness.seen(hag) == ["thirdwitch none/participant hag66@pilsen.example/pda 110"])
        harness.say(hag, "I may")
        #expect(harness.seen(hag) == ["thirdwitch: I may"])
        #expect(change(&harness, crone, "<item nick='thirdwitch' role='moderator'/>") == "result")
        #expect(
            list(&harness, crone, "role='moderator'") == [
                "crone1@pilsen.example/desktop firstwitch", "hag66@pilsen.example/pda thirdwitch",
            ])
        #expect(change(&harness, crone, "<item nick='thirdwitch' role='visitor'/>") == "result")
        #expect(
            harness.seen(hag).suffix(2) == [
                "thirdwitch none/moderator hag66@pilsen.example/pda 110",
                "thirdwitch none/visitor hag66@pilsen.example/pda 110",
            ])
        #expect(list(&harness, hag, "role='participant'") == ["forbidden"])
    }

    @Test("§9.1: an admin bans somebody, who leaves with status 301 and does not come back until he may")
    func ban() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let (wicca, hag) = (harness.guest("wiccarocks", "secondwitch"), harness.guest("hag66", "thirdwitch"))
        _ = (harness.take(crone), harness.take(wicca))
        let ban = "<item affiliation='outcast' jid='hag66@pilsen.example'><reason>Treason</reason></item>"
        #expect(change(&harness, crone, ban) == "result")
        #expect(harness.seen(hag) == ["thirdwitch gone outcast/none hag66@pilsen.example/pda 110,301"])
        #expect(harness.seen(wicca) == ["thirdwitch gone outcast/none 301"])
        #expect(list(&harness, crone, "affiliation='outcast'") == ["hag66@pilsen.example"])
        #expect(list(&harness, wicca, "affiliation='outcast'") == ["forbidden"])
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag) == ["thirdwitch error forbidden"])
        #expect(change(&harness, crone, "<item affiliation='none' jid='hag66@pilsen.example'/>") == "result")
        harness.enter(hag, "thirdwitch")
        #expect(harness.seen(hag).last == "room # ")
        // A whole domain, but for whom somebody has said something else.
        #expect(change(&harness, crone, "<item affiliation='member' jid='wiccarocks@pilsen.example'/>") == "result")
        _ = (harness.take(hag), harness.take(wicca))
        #expect(change(&harness, crone, "<item affiliation='outcast' jid='pilsen.example'/>") == "result")
        #expect(harness.seen(hag) == ["thirdwitch gone outcast/none hag66@pilsen.example/pda 110,301"])
        #expect(harness.seen(wicca) == ["thirdwitch gone outcast/none 301"])
        #expect(change(&harness, crone, "<item affiliation='owner' jid='pilsen.example'/>") == "not-allowed")
    }

    @Test("§5.2.1: what admins may not do to admins and owners, and nobody to himself")
    func privileges() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let (wicca, hag) = (harness.guest("wiccarocks", "secondwitch"), harness.guest("hag66", "thirdwitch"))
        #expect(change(&harness, crone, "<item affiliation='admin' jid='wiccarocks@pilsen.example'/>") == "result")
        #expect(harness.seen(wicca).last == "secondwitch admin/moderator wiccarocks@pilsen.example/pda 110")
        #expect(change(&harness, wicca, "<item affiliation='outcast' jid='crone1@pilsen.example'/>") == "not-allowed")
        #expect(change(&harness, wicca, "<item affiliation='none' jid='wiccarocks@pilsen.example'/>") == "not-allowed")
        #expect(change(&harness, wicca, "<item affiliation='admin' jid='hag66@pilsen.example'/>") == "forbidden")
        #expect(change(&harness, wicca, "<item affiliation='owner' jid='hag66@pilsen.example'/>") == "forbidden")
        #expect(change(&harness, wicca, "<item affiliation='member' jid='hag66@pilsen.example'/>") == "result")
        #expect(change(&harness, wicca, "<item affiliation='outcast' jid='hag66@pilsen.example'/>") == "result")
        #expect(change(&harness, wicca, "<item affiliation='none' jid='@'/>") == "jid-malformed")
        #expect(change(&harness, crone, "<item affiliation='outcast' jid='crone1@pilsen.example'/>") == "conflict")
        // §10.4: the last owner stays one.
        #expect(change(&harness, crone, "<item affiliation='admin' jid='crone1@pilsen.example'/>") == "conflict")
        #expect(change(&harness, crone, "<item affiliation='owner' jid='wiccarocks@pilsen.example'/>") == "result")
        #expect(change(&harness, crone, "<item affiliation='none' jid='crone1@pilsen.example'/>") == "result")
        #expect(harness.seen(crone).last == "firstwitch none/participant crone1@pilsen.example/desktop 110")
        #expect(list(&harness, wicca, "affiliation='owner'") == ["wiccarocks@pilsen.example"])
        _ = hag
        #expect(harness.findings() == [])
    }

    @Test("§9.3, §9.4: members come and go: in a members-only room who is none any more leaves with status 321")
    func members() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.configure { $0.flags.insert(.isMembersOnly) }
        _ = harness.take(crone)
        #expect(
            change(&harness, crone, "<item affiliation='member' jid='hag66@pilsen.example' nick='thirdwitch'/>") == "result")
        // Who may see addresses hears of it though she is not there.
        #expect(harness.seen(crone).map { $0.prefix(6) } == ["room x"])
        let hag = harness.guest("hag66", "thirdwitch")
        _ = harness.take(crone)
        #expect(change(&harness, crone, "<item affiliation='none' jid='hag66@pilsen.example'/>") == "result")
        #expect(harness.seen(hag) == ["thirdwitch gone none/none hag66@pilsen.example/pda 110,321"])
        #expect(harness.seen(crone) == ["thirdwitch gone none/none hag66@pilsen.example/pda 321"])
    }

    @Test("§9.2, §9.5: several items are done together or not at all, and not more than a bound")
    func several() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        let two = "<item affiliation='member' jid='a@pilsen.example'/><item affiliation='outcast' jid='b@pilsen.example'/>"
        #expect(change(&harness, crone, two) == "result")
        #expect(list(&harness, crone, "affiliation='member'") == ["a@pilsen.example"])
        let broken = "<item affiliation='none' jid='a@pilsen.example'/><item affiliation='lord' jid='b@pilsen.example'/>"
        #expect(change(&harness, crone, broken) == "bad-request")
        #expect(list(&harness, crone, "affiliation='member'") == ["a@pilsen.example"])
        let twice = "<item affiliation='none' jid='a@pilsen.example'/><item affiliation='admin' jid='a@pilsen.example'/>"
        #expect(change(&harness, crone, twice) == "bad-request")
        let many = (0..<RoomLimits.deeds + 1).map { "<item affiliation='member' jid='m\($0)@pilsen.example'/>" }.joined()
        #expect(change(&harness, crone, many) == "policy-violation")
        let long =
            "<item affiliation='none' jid='a@pilsen.example'><reason>\(String(repeating: "r", count: 1025))</reason></item>"
        #expect(change(&harness, crone, long) == "not-acceptable")
        #expect(change(&harness, crone, "") == "bad-request")
        harness.policy.rooms.affiliations = 4
        #expect(change(&harness, crone, "<item affiliation='member' jid='c@pilsen.example'/>") == "result")
        #expect(change(&harness, crone, "<item affiliation='member' jid='d@pilsen.example'/>") == "resource-constraint")
        #expect(change(&harness, crone, "<item affiliation='none' jid='c@pilsen.example'/>") == "result")
        #expect(change(&harness, crone, "<item affiliation='member' jid='d@pilsen.example'/>") == "result")
        #expect(harness.findings() == [])
    }

    @Test("§9.5: a list that is too long for one answer says where it goes on")
    func longList() throws {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        for part in 0..<20 {
            let items = (0..<100).map {
                "<item affiliation='outcast' jid='m\(part)x\($0)@pilsen.example'><reason>\(String(repeating: "r", count: 40))</reason></item>"
            }
            #expect(change(&harness, crone, items.joined()) == "result")
        }
        var (found, after): (Set<String>, String?) = ([], nil)
        var pages = 0
        repeat {
            let set = after.map { "<set xmlns='http://jabber.org/protocol/rsm'><after>\($0)</after></set>" } ?? ""
            let answer = harness.ask(
                crone, "get", to: SessionsHarness.coven, "<query \(Self.admin)><item affiliation='outcast'/>\(set)</query>")
            let query = try #require(answer.first("query", Namespaces.roomAdmin))
            #expect(query.serialized(within: "").count < 2 * RoomLimits.listBytes)
            found.formUnion(query.all("item", Namespaces.roomAdmin).compactMap { $0["jid"] })
            after = query.first("set", Namespaces.resultSet)?.first("last", Namespaces.resultSet)?.text
            pages += 1
        } while after != nil && pages < 20
        #expect(found.count == 2000 && pages > 1)
    }

    @Test("§7.11: members read the list of members where nobody's address is hidden")
    func memberList() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        harness.affiliate("hag66@pilsen.example", .member)
        let hag = harness.guest("hag66", "thirdwitch")
        #expect(list(&harness, hag, "affiliation='member'") == ["forbidden"])
        harness.configure { $0.whois = .anyone }
        #expect(list(&harness, hag, "affiliation='member'") == ["hag66@pilsen.example"])
        #expect(list(&harness, hag, "affiliation='outcast'") == ["forbidden"])
        #expect(list(&harness, hag, "affiliation='none'") == ["bad-request"])
        #expect(list(&harness, crone, "affiliation='owner'") == ["crone1@pilsen.example"])
    }
}
