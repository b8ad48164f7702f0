import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// Searches of people's archives, over the index and what is not there yet.
@Suite("XEP-0313: archives")
struct ArchiveTests {
    private static let romeo = "romeo@pilsen.example"
    private static let juliet = "juliet@pilsen.example"

    /// Romeo and Juliet are there and have written to each other, `count` times in turn.
    private func talk(_ count: Int, indexed: Int = 0) -> (
        harness: SessionsHarness, romeo: SessionsHarness.Client, juliet: SessionsHarness.Client
    ) {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        let juliet = harness.login("juliet", "balcony")
        for number in 0..<count {
            harness.pass(1000)
            harness.send(number % 2 == 0 ? romeo : juliet, chat(number % 2 == 0 ? Self.juliet : Self.romeo, "\(number)"))
            if number + 1 == indexed { harness.writeIndex() }
        }
        return (harness, romeo, juliet)
    }

    @Test("§4: what people have written to each other is in the archives of both, once, in its order", arguments: [0, 3, 6])
    func both(indexed: Int) {
        var (harness, romeo, juliet) = talk(6, indexed: indexed)
        let his = harness.search(romeo)
        let hers = harness.search(juliet, queryID: nil)
        #expect(his.bodies == ["0", "1", "2", "3", "4", "5"] && hers.bodies == his.bodies)
        #expect(his.ids == hers.ids && Set(his.ids).count == 6)
        #expect(his.messages[0].from == "romeo@pilsen.example/orchard" && his.messages[0].to == Self.juliet)
        #expect(his.isComplete && his.first == his.ids.first && his.last == his.ids.last)
        #expect(his.count == "6" && his.index == "0")
        #expect(his.messages.map(\.stamp) == his.messages.map(\.stamp).sorted() && his.messages[0].stamp.hasSuffix("Z"))
    }

    @Test("the log has one row for both archives, and a message that was read stands there no less")
    func oneRow() {
        var (harness, romeo, juliet) = talk(2)
        harness.answerPings(romeo)
        harness.answerPings(juliet)
        harness.passToFence()
        for client in [romeo, juliet] { harness.answerPings(client) }
        #expect(harness.waiting("romeo") == 0 && harness.waiting("juliet") == 0)
        #expect(harness.rows(.log) == 2 && harness.rows(.mailbox) == 0)
        #expect(harness.archived(romeo) == ["0", "1"])
        harness.writeIndex()
        #expect(harness.rows(.archive) == 4 && harness.rows(.archiveByPeer) == 4)
        #expect(harness.archived(romeo) == ["0", "1"])
    }

    @Test(
        "§2.1.4, XEP-0359: what is delivered names its archive id, live, from the mailbox and after a resumption; the sender gets none"
    )
    func stanzaID() {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        harness.send(romeo, chat(Self.juliet, "early"))
        let juliet = harness.login("juliet", "balcony")
        _ = harness.login("juliet", "chamber")
        harness.send(romeo, chat(Self.juliet, "live"))
        let ids = harness.search(juliet).ids
        #expect(ids.count == 2)
        var other = SessionsHarness(archives: true)
        let sender = other.login("romeo", "orchard")
        other.send(sender, chat(Self.juliet, "early"))
        let reader = other.bind("juliet", "balcony")
        other.send(reader, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        let token = other.take(reader).first { $0.name == "enabled" }?["id"] ?? ""
        other.send(reader, "<presence/>")
        other.send(sender, chat(Self.juliet, "live"))
        let messages = other.take(reader).filter { $0.name == "message" }
        #expect(messages.compactMap(\.body) == ["early", "live"])
        let named = messages.map { $0.all("stanza-id", Namespaces.stanzaID) }
        #expect(named.allSatisfy { $0.count == 1 && $0[0]["by"] == Self.juliet })
        let given = named.map { $0[0]["id"] ?? "" }
        #expect(other.search(sender).ids == given)
        #expect(messages[0].delay != nil)
        other.lose(reader)
        let again = other.resume(SessionsHarness.Client(connection: reader.connection, jid: reader.jid, token: token), h: 1)
        let resent = other.take(again).filter { $0.name == "message" }
        #expect(resent.map { $0.first("stanza-id", Namespaces.stanzaID)?["id"] } == given)
    }

    @Test("XEP-0359 §4: an id in the name of somebody here is taken away, one of a room's stays")
    func forged() {
        var harness = SessionsHarness(archives: true)
        let juliet = harness.login("juliet", "balcony")
        let ids = ["JULIET@pilsen.example", "romeo@pilsen.example", "room@conference.example"].map {
            "<stanza-id xmlns='urn:xmpp:sid:0' by='\($0)' id='forged'/>"
        }
        harness.receive(
            "<message from='tybalt@brno.example/x' to='\(Self.juliet)' type='chat'><body>b</body>\(ids.joined())</message>")
        let message = harness.take(juliet).first
        let found = message?.all("stanza-id", Namespaces.stanzaID) ?? []
        #expect(found.map { $0["by"] } == ["room@conference.example", Self.juliet])
        #expect(found.last?["id"] != "forged" && message?.body == "b")
        // Not archived, and taken away all the same.
        harness.receive(
            "<message from='tybalt@brno.example/x' to='\(Self.juliet)' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/>\(ids[0])</message>"
        )
        let state = harness.take(juliet).first
        #expect(state != nil && state?.first("stanza-id", Namespaces.stanzaID) == nil)
    }

    @Test("§4.3: paging forwards and backwards returns each message once while new ones come", arguments: [0, 20, 45])
    func paging(indexed: Int) {
        var (harness, romeo, juliet) = talk(45, indexed: indexed)
        let all = (0..<45).map(String.init)
        var forwards: [String] = []
        var after: String?
        for page in 0..<9 {
            let answer = harness.search(romeo, set: "<max>7</max>" + (after.map { "<after>\($0)</after>" } ?? ""))
            forwards += answer.bodies
            after = answer.last
            if answer.isComplete { break }
            #expect(answer.bodies.count == 7)
            if page < 3 { harness.send(juliet, chat(Self.romeo, "new \(page)")) }
        }
        #expect(forwards == all + ["new 0", "new 1", "new 2"])
        var backwards: [String] = []
        var before = ""
        for page in 0..<9 {
            let answer = harness.search(romeo, set: "<max>7</max><before>\(before)</before>")
            backwards = answer.bodies + backwards
            before = answer.first ?? ""
            if answer.isComplete { break }
            if page == 2 { harness.writeIndex() }
            harness.send(juliet, chat(Self.romeo, "late \(page)"))
        }
        #expect(backwards == forwards)
    }

    @Test(
        "§4.1.1: with finds either end, bare addresses with all resources, full ones alone, the own one what was said to oneself"
    )
    func with() {
        for isIndexed in [false, true] {
            var (harness, romeo, juliet) = talk(2)
            let chamber = harness.login("juliet", "chamber")
            harness.send(chamber, chat("romeo@pilsen.example/orchard", "chamber"))
            harness.send(romeo, chat("juliet@pilsen.example/chamber", "to chamber"))
            harness.receive("<message from='tybalt@brno.example/x' to='\(Self.romeo)' type='chat'><body>t</body></message>")
            harness.send(romeo, chat("tybalt@brno.example", "to t"))
            harness.send(romeo, chat(Self.romeo, "note"))
            _ = juliet
            if isIndexed { harness.writeIndex() }
            func with(_ address: String) -> [String] { harness.search(romeo, [("with", [address])]).bodies }
            #expect(with(Self.juliet) == ["0", "1", "chamber", "to chamber"])
            #expect(with("Juliet@pilsen.example/chamber") == ["chamber", "to chamber"])
            #expect(with("juliet@pilsen.example/balcony") == ["1"])
            #expect(with("tybalt@brno.example") == ["t", "to t"])
            #expect(with("tybalt@brno.example/x") == ["t"])
            #expect(with(Self.romeo) == ["note"])
            #expect(with("romeo@pilsen.example/orchard") == ["note"])
            #expect(with("nobody@brno.example") == [])
            #expect(harness.archived(romeo).count == 7)
        }
    }

    @Test("§4.1.2: start and end are part of what is found, whatever the clock did", arguments: [0, 4, 9])
    func time(indexed: Int) {
        var (harness, romeo, _) = talk(9, indexed: indexed)
        let stamps = harness.search(romeo).messages.map(\.stamp)
        func found(_ start: Int?, _ end: Int?, with: String? = nil) -> [String] {
            var fields: [(String, [String])] = []
            if let start { fields.append(("start", [stamps[start]])) }
            if let end { fields.append(("end", [stamps[end]])) }
            if let with { fields.append(("with", [with])) }
            return harness.search(romeo, fields).bodies
        }
        #expect(found(3, 5) == ["3", "4", "5"])
        #expect(found(7, nil) == ["7", "8"])
        #expect(found(nil, 1) == ["0", "1"])
        #expect(found(2, 6, with: Self.juliet) == ["2", "3", "4", "5", "6"])
        #expect(found(5, 3) == [])
        #expect(harness.search(romeo, [("start", ["2200-01-01T00:00:00Z"])]).isComplete)
        #expect(harness.search(romeo, [("end", ["1969-07-21T02:56:15Z"])]).bodies == [])
        #expect(harness.search(romeo, [("start", ["yesterday"])]).condition == "bad-request")
    }

    @Test("§4.1.4, §4.3.2: ids bound a search; one that is not in the archive is item-not-found", arguments: [false, true])
    func ids(isIndexed: Bool) {
        var (harness, romeo, juliet) = talk(8)
        if isIndexed { harness.writeIndex() }
        let ids = harness.search(romeo).ids
        func found(_ fields: [(String, [String])], set: String = "") -> [String] {
            harness.search(romeo, fields, set: set).bodies
        }
        #expect(found([("after-id", [ids[5]])]) == ["6", "7"])
        #expect(found([("before-id", [ids[2]])]) == ["0", "1"])
        #expect(found([("after-id", [ids[2]]), ("before-id", [ids[5]])]) == ["3", "4"])
        #expect(found([("after-id", [ids[5]]), ("before-id", [ids[2]])]) == [])
        #expect(found([("after-id", [ids[1]])], set: "<max>2</max><before/>") == ["6", "7"])
        #expect(found([("ids", [ids[6], ids[1], ids[6]])]) == ["1", "6"])
        #expect(found([("ids", [ids[6], ids[1], ids[3]])], set: "<max>2</max><before/>") == ["3", "6"])
        #expect(found([], set: "<max>3</max><after>\(ids[7])</after>") == [])
        harness.send(juliet, chat("tybalt@brno.example", "not his"))
        let hers = harness.search(juliet).ids.last ?? ""
        let wrong = String(ids[3].reversed())
        for id in [hers, wrong, "28482-98726-73623", "", String(repeating: "f", count: 32)] {
            for name in ["after-id", "before-id", "ids"] {
                #expect(harness.search(romeo, [(name, [id])]).condition == "item-not-found")
            }
            if !id.isEmpty {
                #expect(harness.search(romeo, set: "<after>\(id)</after>").condition == "item-not-found")
                #expect(harness.search(romeo, set: "<before>\(id)</before>").condition == "item-not-found")
            }
        }
    }

    @Test("XEP-0059: a page has its place and the number of all where that is known; max 0 only counts; index finds a place")
    func resultSet() {
        var (harness, romeo, _) = talk(10, indexed: 5)
        let last = harness.search(romeo, set: "<max>4</max><before/>")
        #expect(last.bodies == ["6", "7", "8", "9"] && last.index == "6" && last.count == "10" && !last.isComplete)
        let counted = harness.search(romeo, [("with", [Self.juliet])], set: "<max>0</max>")
        #expect(counted.bodies == [] && counted.count == "10" && counted.first == nil)
        #expect(harness.search(romeo, set: "<max>0</max>").count == "10")
        let third = harness.search(romeo, set: "<max>3</max><index>3</index>")
        #expect(third.bodies == ["3", "4", "5"] && third.index == "3")
        #expect(harness.search(romeo, set: "<max>3</max><index>10</index>").bodies == [])
        for set in ["<max>-1</max>", "<max>many</max>", "<index>x</index>", "<max>3</max><index>3</index><before/>"] {
            #expect(harness.search(romeo, set: set).condition == "bad-request")
        }
        let whole = harness.search(romeo, [("with", [Self.juliet])])
        #expect(whole.count == "10" && whole.index == "0")
        #expect(harness.search(romeo, [("with", ["nobody@brno.example"])]).set != nil)
    }

    @Test("§4.3.4: a flipped page is the same page the other way round")
    func flipped() {
        var (harness, romeo, _) = talk(6)
        let page = harness.search(romeo, set: "<max>3</max><before/>")
        let flipped = harness.search(romeo, set: "<max>3</max><before/>", more: "<flip-page/>")
        #expect(flipped.bodies == ["5", "4", "3"] && flipped.ids == page.ids.reversed())
        #expect(flipped.first == page.first && flipped.last == page.last)
    }

    @Test("§5: metadata are the ends of the archive, and nothing of an empty one")
    func metadata() {
        var harness = SessionsHarness(archives: true)
        let romeo = harness.login("romeo", "orchard")
        func metadata() -> Element? {
            harness.send(romeo, "<iq type='get' id='m'><metadata xmlns='urn:xmpp:mam:2'/></iq>")
            return harness.take(romeo).first { $0["id"] == "m" }?.first("metadata", Namespaces.archive)
        }
        #expect(metadata()?.elements == [])
        for body in ["a", "b", "c"] { harness.send(romeo, chat(Self.juliet, body)) }
        let found = harness.search(romeo)
        for _ in 0..<2 {
            let ends = metadata()
            #expect(ends?.first("start", Namespaces.archive)?["id"] == found.ids.first)
            #expect(ends?.first("end", Namespaces.archive)?["id"] == found.ids.last)
            #expect(ends?.first("end", Namespaces.archive)?["timestamp"] == found.messages.last?.stamp)
            harness.writeIndex()
        }
    }

    @Test("§4.1.6: the form names what can be looked for; an unknown field is feature-not-implemented")
    func form() {
        var (harness, romeo, _) = talk(1)
        harness.send(romeo, "<iq type='get' id='form1'><query xmlns='urn:xmpp:mam:2'/></iq>")
        let form = harness.take(romeo).last?.first("query", Namespaces.archive)?.first("x", Namespaces.dataForms)
        let fields = form?.all("field", Namespaces.dataForms) ?? []
        #expect(form?["type"] == "form" && fields.first?["var"] == "FORM_TYPE")
        #expect(
            Set(fields.compactMap { $0["var"] }).isSuperset(of: [
                "with", "start", "end", "before-id", "after-id", "ids", "include-groupchat", "{urn:xmpp:fulltext:0}fulltext",
            ]))
        #expect(
            fields.first { $0["var"] == "ids" }?.first("validate", Namespaces.validation)?.first("open", Namespaces.validation)
                != nil)
        #expect(!fields.contains { $0.first("required", Namespaces.dataForms) != nil })
        #expect(harness.search(romeo, [("{http://example.com/}mood", ["x"])]).condition == "feature-not-implemented")
        #expect(harness.search(romeo, [("include-groupchat", ["true"])]).bodies == ["0"])
        #expect(harness.search(romeo, more: "<x xmlns='jabber:x:data' type='submit'/>").condition == "bad-request")
    }

    @Test("words are looked for in bodies, in whatever case, as far as the limit of one search")
    func words() {
        var harness = SessionsHarness(archives: true)
        harness.policy.archive.searchedMessages = 300
        let romeo = harness.login("romeo", "orchard")
        for number in 0..<700 {
            harness.send(romeo, chat(Self.juliet, number % 350 == 349 ? "The Žluťoučký plan \(number)" : "\(number)"))
        }
        let field = "{urn:xmpp:fulltext:0}fulltext"
        var found: [String] = []
        var after = ""
        var pages = 0
        while pages < 10 {
            let answer = harness.search(
                romeo, [(field, ["žluťoučký PLAN"])], set: after.isEmpty ? "" : "<after>\(after)</after>")
            pages += 1
            found += answer.bodies
            after = answer.last ?? ""
            if answer.isComplete { break }
        }
        #expect(found == ["The Žluťoučký plan 349", "The Žluťoučký plan 699"])
        #expect(pages == 4)
        #expect(harness.search(romeo, [(field, [String(repeating: "a ", count: 17)])]).condition == "bad-request")
    }

    @Test("§8.1: nobody but its owner sees an archive, and nobody learns that there is one")
    func forbidden() {
        var (harness, romeo, _) = talk(2)
        for to in [Self.juliet, "nobody@pilsen.example"] {
            for payload in ["query", "metadata", "prefs"] {
                _ = harness.take(romeo)
                harness.send(romeo, "<iq type='get' id='x' to='\(to)'><\(payload) xmlns='urn:xmpp:mam:2'/></iq>")
                #expect(harness.take(romeo).map(\.condition) == ["forbidden"])
            }
        }
        harness.receive(
            "<iq type='set' id='x' from='tybalt@brno.example/x' to='\(Self.juliet)'><query xmlns='urn:xmpp:mam:2'/></iq>")
        #expect(harness.takeRemote().last?.type == "error")
    }

    @Test("§7: an account says what can be asked of its archive")
    func disco() {
        var (harness, romeo, _) = talk(0)
        harness.send(romeo, "<iq type='get' id='d' to='\(Self.romeo)'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        let info = harness.take(romeo).last?.first("query", Namespaces.discoInfo)
        let features = info?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
        let wanted = [
            "urn:xmpp:mam:2", "urn:xmpp:mam:2#extended", "urn:xmpp:mam:2#groupchat-field", "urn:xmpp:sid:0",
        ]
        #expect(Set(features).isSuperset(of: wanted))
    }

    @Test("after a crash what the index does not have is read from the log again, wherever the crash came", arguments: 0...6)
    func crash(slices: Int) {
        var (harness, romeo, _) = talk(0)
        for number in 0..<1200 {
            harness.send(romeo, chat(number % 3 == 0 ? Self.juliet : "p\(number % 7)@brno\(number % 2).example", "\(number)"))
        }
        harness.step { site, turn in
            site.archive.beginFlush()
            site.archive.workIfNeeded(turn)
        }
        for _ in 0..<slices { harness.pass(20) }
        harness.flush()
        let rows = harness.rows(.archive)
        #expect(slices == 0 ? rows == 0 : rows > 0)
        harness.crash()
        var client = harness.login("romeo", "orchard")
        var all: [String] = []
        var after = ""
        repeat {
            let answer = harness.search(client, set: after.isEmpty ? "" : "<after>\(after)</after>")
            all += answer.bodies
            after = answer.last ?? ""
            #expect(answer.count == "1200")
            if answer.isComplete { break }
        } while all.count < 2000
        #expect(all == (0..<1200).map(String.init))
        harness.writeIndex()
        client = harness.login("romeo", "again")
        #expect(harness.search(client, set: "<max>0</max>").count == "1200")
        #expect(harness.search(client, [("with", [Self.juliet])], set: "<max>0</max>").count == "400")
        #expect(harness.rows(.archive) == 1600 && harness.rows(.archiveByPeer) == 1600)
        let juliet = harness.login("juliet", "balcony")
        #expect(harness.search(juliet, set: "<max>0</max>").count == "400")
    }
}
