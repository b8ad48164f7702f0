import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSite

@Suite("XEP-0133: Service Administration")
struct AdministrationTests {
    static let admin = "http://jabber.org/protocol/admin#"

    static func site(users: [String] = ["bard", "juliet", "romeo"]) -> (SessionsHarness, SessionsHarness.Client) {
        var harness = SessionsHarness(users: users)
        harness.policy.admin.accounts = [SessionsHarness.account("bard")]
        harness.policy.federation.knownPeers = [
            JID(preparedLocalpart: nil, preparedDomainpart: "brno.example", preparedResourcepart: nil)
        ]
        let bard = harness.login("bard", "globe")
        _ = harness.take(bard)
        return (harness, bard)
    }

    private func disco(
        _ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ kind: String, _ node: String
    ) -> Element? {
        harness.send(
            client,
            "<iq type='get' id='d' to='pilsen.example'><query xmlns='http://jabber.org/protocol/disco#\(kind)' node='\(node)'/></iq>"
        )
        return harness.take(client).last { $0["id"] == "d" }
    }

    @Test("only administrators learn that there is anything: disco and commands say to everybody else what they say of nothing")
    func hidden() {
        var (harness, bard) = Self.site()
        let juliet = harness.login("juliet", "balcony")
        let items =
            disco(&harness, bard, "items", Namespaces.commands)?.elements.first?.elements.compactMap { $0["node"] } ?? []
        #expect(items.count == 21 && items.contains(Self.admin + "add-user") && items.contains("urn:martlet:queue"))
        #expect(Set(items).count == items.count)
        let seen = disco(&harness, juliet, "items", Namespaces.commands)?.elements.first?.elements.compactMap { $0["node"] }
        #expect(seen == ["urn:martlet:queue"])
        for node in items where node != "urn:martlet:queue" {
            #expect(disco(&harness, bard, "info", node)?.elements.first?.elements.first?["type"] == "command-node")
            let hidden = disco(&harness, juliet, "info", node)
            let nothing = disco(&harness, juliet, "info", "nothing")
            #expect(hidden?.condition == "item-not-found" && hidden?.elements.last == nothing?.elements.last)
            #expect(harness.execute(juliet, node)?.condition == "item-not-found")
            let stanza = "<iq type='set' id='x' from='bard@pilsen.example/globe' to='pilsen.example'>"
            #expect(harness.execute(juliet, node, session: "s")?.condition == "item-not-found", "\(stanza)")
        }
        // Somebody elsewhere, whatever he is called.
        harness.policy.admin.accounts.append(
            JID(preparedLocalpart: "bard", preparedDomainpart: "brno.example", preparedResourcepart: nil))
        harness.receive(
            "<iq type='set' id='r' from='bard@brno.example/g' to='pilsen.example'><command xmlns='\(Namespaces.commands)' node='\(Self.admin)add-user'/></iq>"
        )
        #expect(harness.takeRemote().map { $0.payload("error", Namespaces.client)?.elements.first?.name } == ["item-not-found"])
        harness.policy.admin.accounts = []
        #expect(harness.execute(bard, Self.admin + "add-user")?.condition == "item-not-found")
        #expect(disco(&harness, bard, "items", Namespaces.commands)?.elements.first?.elements.count == 1)
    }

    @Test(
        "§4.1, §4.7: an account is made and its password changed, with keys that are derived elsewhere; what cannot be is said so"
    )
    func passwords() {
        var (harness, bard) = Self.site()
        harness.derivesKeysAtOnce = false
        let form = harness.execute(bard, Self.admin + "add-user")
        #expect(form?.command?["status"] == "executing")
        let fields = form?.command?.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        #expect(fields?.values("FORM_TYPE") == ["http://jabber.org/protocol/admin"])
        #expect(fields?.fields.map(\.name) == ["FORM_TYPE", "accountjid", "password", "password-verify"])
        let session = form?.command?["sessionid"] ?? ""
        func submit(_ account: String, _ password: String, _ again: String? = nil, node: String = "add-user") -> Element? {
            harness.execute(
                bard, Self.admin + node, session: session,
                [("accountjid", [account]), ("password", [password])] + (again.map { [("password-verify", [$0])] } ?? []))
        }
        #expect(submit("nurse@pilsen.example", "R0m30", "other")?.condition == "not-acceptable")
        #expect(submit("nurse@pilsen.example/x", "R0m30")?.condition == "jid-malformed")
        #expect(submit("pilsen.example", "R0m30")?.condition == "jid-malformed")
        #expect(submit("nurse@pilsen.example", "\u{0}")?.condition != nil)
        #expect(submit("nurse@pilsen.example", "")?.elements.last?.elements.last?.name == "bad-payload")
        #expect(harness.keysRequests.isEmpty)
        #expect(submit("nurse@pilsen.example", "R0m30", "R0m30") == nil)
        #expect(harness.keysRequests.count == 1)
        #expect(harness.read { AccountTable.number(of: SessionsHarness.account("nurse"), in: $0) } == nil)
        harness.deriveKeys()
        harness.pass(10)
        let made = harness.take(bard).last
        #expect(made?.command?["status"] == "completed" && made?.command?["sessionid"] == session)
        let nurse = harness.bind("nurse", "room")
        #expect(nurse.jid.resourcepart == "room")
        for (account, node, condition) in [
            ("nurse@pilsen.example", "add-user", "conflict"), ("x@elsewhere.example", "add-user", "not-allowed"),
            ("nobody@pilsen.example", "change-user-password", "item-not-found"),
        ] {
            _ = submit(account, "R0m30", node: node)
            harness.deriveKeys()
            harness.pass(10)
            #expect(harness.take(bard).last?.condition == condition, "\(account)")
        }
        let number = harness.number("nurse")
        let generation = harness.read { AccountTable.row(number, in: $0)?.generation }
        _ = submit("nurse@pilsen.example", "V3r0n4", node: "change-user-password")
        harness.deriveKeys()
        harness.pass(10)
        #expect(harness.take(bard).last?.command?["status"] == "completed")
        #expect(harness.read { AccountTable.row(number, in: $0)?.generation } != generation)
        // What the machine has no time for is said, and nothing is left of it.
        _ = submit("late@pilsen.example", "R0m30")
        for request in harness.keysRequests { harness.handle(.workDone(request.id, .refused)) }
        harness.keysRequests = []
        #expect(harness.take(bard).last?.condition == "resource-constraint")
        #expect(harness.site.administration.awaiting.isEmpty && harness.site.administration.orders.isEmpty)
    }

    @Test(
        "§4.3, §4.4: who is disabled loses his sessions, cannot log in, keeps everything, and can again when he is enabled, also over a start"
    )
    func disable() {
        var (harness, bard) = Self.site()
        let juliet = harness.loginResumable("juliet", "balcony")
        let half = harness.authenticate("juliet")
        #expect(harness.order(bard, "disable-user", ["juliet@pilsen.example"])?.command?["status"] == "completed")
        #expect(harness.closed[juliet.connection] ?? nil == StreamError(.notAuthorized, text: "This account was disabled"))
        harness.send(bard, chat("juliet@pilsen.example", "later"))
        // Whoever had logged in and bound nothing, and whoever logs in now with the right password.
        let bound = SessionsHarness.Client(connection: half, jid: juliet.jid)
        harness.send(bound, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'/></iq>")
        #expect(harness.closed[half] != nil)
        for _ in 0..<2 {
            let again = harness.authenticate("juliet")
            #expect(harness.commands[again]?.last == .refuse(.accountDisabled))
            harness.crash()
        }
        bard = harness.login("bard", "globe")
        #expect(harness.order(bard, "disable-user", ["juliet@pilsen.example"])?.condition == "conflict")
        #expect(harness.execute(bard, Self.admin + "get-disabled-users-num")?.values("disabledusersnum") == ["1"])
        #expect(harness.order(bard, "reenable-user", ["juliet@pilsen.example"])?.command?["status"] == "completed")
        #expect(harness.order(bard, "reenable-user", ["juliet@pilsen.example"])?.condition == "conflict")
        #expect(harness.takeBodies(harness.login2("juliet", "balcony")) == ["later"])
        #expect(harness.execute(bard, Self.admin + "get-disabled-users-num")?.values("disabledusersnum") == ["0"])
        // With the account it is forgotten.
        _ = harness.order(bard, "disable-user", ["juliet@pilsen.example"])
        _ = harness.order(bard, "delete-user", ["juliet@pilsen.example"])
        harness.pass(1000)
        #expect(harness.read { DisabledTable.all(in: $0).isEmpty })
    }

    @Test(
        "§4.2, §4.5: accounts go, sessions end; many at a time, each in a turn of its own, with words for what could not be done"
    )
    func many() {
        var (harness, bard) = Self.site(users: ["bard", "juliet"] + (0..<60).map { "extra\($0)" })
        let balcony = harness.login("juliet", "balcony")
        let chamber = harness.login("juliet", "chamber")
        let ended = harness.order(bard, "end-user-session", ["juliet@pilsen.example/balcony"])
        #expect(ended?.note == "1 session of juliet@pilsen.example/balcony ended.")
        #expect(harness.closed[balcony.connection] != nil && harness.closed[chamber.connection] == nil)
        #expect(
            harness.order(bard, "end-user-session", ["juliet@pilsen.example"])?.note
                == "1 session of juliet@pilsen.example ended.")
        #expect(harness.closed[chamber.connection] != nil)
        #expect(harness.order(bard, "delete-user", ["nobody@pilsen.example"])?.condition == "item-not-found")
        let accounts = (0..<60).map { "extra\($0)@pilsen.example" }
        let done = harness.order(bard, "delete-user", accounts + ["nobody@pilsen.example"])
        #expect(done?.note == "Done: 60 of 61.\nnobody@pilsen.example does not exist.")
        #expect(done?.command?.first("note", Namespaces.commands)?["type"] == "warn")
        #expect(harness.execute(bard, Self.admin + "get-registered-users-num")?.values("registeredusersnum") == ["2"])
        #expect(harness.order(bard, "delete-user", ["bard@pilsen.example"])?.condition == "not-allowed")
        #expect(harness.order(bard, "delete-user", (0..<101).map { "x\($0)@pilsen.example" })?.condition == "not-acceptable")
        #expect(harness.order(bard, "delete-user", ["@@"])?.condition == "jid-malformed")
        #expect(harness.order(bard, "delete-user", [])?.elements.last?.elements.last?.name == "bad-payload")
    }

    @Test("orders that wait are bounded, and so is what one may say")
    func bounds() {
        var (harness, bard) = Self.site()
        harness.derivesKeysAtOnce = false
        var refused = 0
        for number in 0..<40 {
            let answer = harness.execute(
                bard, Self.admin + "add-user", session: "s",
                [("accountjid", ["n\(number)@pilsen.example"]), ("password", ["R0m30"])])
            if answer?.condition == "resource-constraint" { refused += 1 }
        }
        #expect(refused == 8)
        let long = String(repeating: "x", count: 9000)
        #expect(
            harness.execute(bard, Self.admin + "announce", session: "s", [("announcement", [long])])?.condition
                == "not-acceptable")
        let name = String(repeating: "s", count: 129)
        let answer = harness.execute(bard, Self.admin + "announce", session: name, [("announcement", ["x"])])
        #expect(answer?.elements.last?.elements.last?.name == "bad-sessionid")
    }

    @Test("§4.13 to §4.20: numbers and lists; a list that is longer than a page goes on from the name of its session")
    func lists() {
        var (harness, bard) = Self.site(users: ["bard"] + (0..<70).map { "a\($0)" })
        for number in 0..<30 { _ = harness.login("a\(number)", "r") }
        for (node, field, count) in [
            ("get-registered-users-num", "registeredusersnum", "71"), ("get-online-users-num", "onlineusersnum", "31"),
        ] { #expect(harness.execute(bard, Self.admin + node)?.values(field) == [count]) }
        for (node, field, pages) in [
            ("get-registered-users-list", "registereduserjids", [25, 25, 21]),
            ("get-online-users-list", "onlineuserjids", [25, 6]),
        ] {
            let form = harness.execute(bard, Self.admin + node)
            #expect(form?.command?["status"] == "executing")
            var answer = harness.execute(bard, Self.admin + node, session: "s", [("max_items", ["25"])])
            var found: [String] = []
            for (index, size) in pages.enumerated() {
                let page = answer?.values(field) ?? []
                #expect(page.count == size)
                found += page
                #expect(answer?.command?["status"] == (index == pages.count - 1 ? "completed" : "executing"))
                let session = answer?.command?["sessionid"] ?? ""
                if index < pages.count - 1 {
                    #expect(answer?.command?.first("actions", Namespaces.commands)?["execute"] == "next")
                    answer = harness.execute(bard, Self.admin + node, session: session, action: "next")
                }
            }
            #expect(Set(found).count == pages.reduce(0, +))
            let whole = harness.execute(bard, Self.admin + node, session: "s", [("max_items", ["none"])])
            #expect(whole?.command?["status"] == "completed" && whole?.values(field).count == pages.reduce(0, +))
            #expect(
                harness.execute(bard, Self.admin + node, session: "s~25~25", action: "complete")?.command?["status"]
                    == "completed")
        }
        for cursor in ["s~x~25", "s~0~100000", "s~0~0", "s~0~25~9"] {
            let answer = harness.execute(bard, Self.admin + "get-registered-users-list", session: cursor, action: "next")
            #expect(answer?.elements.last?.elements.last?.name == "bad-payload", "\(cursor)")
        }
        let answer = harness.execute(bard, Self.admin + "get-online-users-list", session: "s~\(UInt64.max)~25", action: "next")
        #expect(answer?.command?["status"] == "completed")
    }

    @Test("§4.10: about an account, and about the site")
    func statistics() {
        var (harness, bard) = Self.site()
        _ = harness.login("juliet", "balcony")
        harness.send(bard, chat("romeo@pilsen.example", "wait"))
        let juliet = harness.execute(bard, Self.admin + "user-stats", session: "s", [("accountjid", ["juliet@pilsen.example"])])
        #expect(juliet?.values("onlineresources") == ["balcony"])
        let romeo = harness.execute(bard, Self.admin + "user-stats", session: "s", [("accountjid", ["romeo@pilsen.example"])])
        #expect(romeo?.values("urn:martlet:waiting") == ["1"] && romeo?.values("urn:martlet:disabled") == ["no"])
        let nobody = harness.execute(bard, Self.admin + "user-stats", session: "s", [("accountjid", ["x@pilsen.example"])])
        #expect(nobody?.condition == "item-not-found")
        #expect(harness.execute(bard, "urn:martlet:status")?.values("onlineusersnum") == ["2"])
    }

    @Test("XEP-0050 §4: what makes no sense is refused with the condition that says why")
    func refusals() {
        var (harness, bard) = Self.site()
        func own(_ answer: Element?) -> String? {
            answer?.first("error", Namespaces.client)?.elements.last { $0.namespace == Namespaces.commands }?.name
        }
        let node = Self.admin + "announce"
        #expect(own(harness.execute(bard, node, action: "next")) == "bad-action")
        #expect(own(harness.execute(bard, node, session: "s", action: "prev")) == "bad-action")
        #expect(own(harness.execute(bard, node, session: "s", action: "dance")) == "malformed-action")
        #expect(own(harness.execute(bard, node, session: "s")) == "bad-payload")
        #expect(own(harness.execute(bard, node, session: "s", [("announcement", [" "])])) == "bad-payload")
        #expect(
            own(harness.execute(bard, node, session: "s", [("FORM_TYPE", ["other"]), ("announcement", ["x"])])) == "bad-payload"
        )
        #expect(harness.execute(bard, node, session: "s", action: "cancel")?.command?["status"] == "canceled")
    }
}

extension SessionsHarness {
    /// A command of the domain, and its answer if there is one at once.
    mutating func execute(
        _ client: Client, _ node: String, session: String? = nil, action: String? = nil, _ fields: [(String, [String])]? = nil
    ) -> Element? {
        var command = Element("command", Namespaces.commands, [("node", node)])
        command["sessionid"] = session
        command["action"] = action
        if let fields {
            var form = DataForm(.submit)
            form.fields = fields.map { DataForm.Field($0.0, values: $0.1) }
            command.append(form.element)
        }
        let text = String(decoding: command.serialized(within: Namespaces.client), as: UTF8.self)
        send(client, "<iq type='set' id='c' to='pilsen.example'>\(text)</iq>")
        return take(client).last { $0["id"] == "c" }
    }

    /// Looks into the store.
    mutating func read<Result>(_ body: (any KeyValueTransaction) -> Result) -> Result {
        var result: Result?
        step { _, turn in result = body(turn.store) }
        return result!
    }

    /// An order about accounts, and its answer when it is done.
    mutating func order(_ client: Client, _ name: String, _ accounts: [String]) -> Element? {
        let node = AdministrationTests.admin + name
        if let answer = execute(client, node, session: "s", [("accountjids", accounts)]) { return answer }
        pass(1000)
        return take(client).last { $0["id"] == "c" }
    }

    /// A client that is available, with what it got unread.
    mutating func login2(_ user: String, _ resource: String) -> Client {
        let client = bind(user, resource)
        send(client, "<presence/>")
        return client
    }
}

extension Element {
    /// The command in an answer.
    var command: Element? { first("command", Namespaces.commands) }
    /// The words of a command.
    var note: String? { command?.first("note", Namespaces.commands)?.text }

    /// The values of a field of a command's form.
    func values(_ field: String) -> [String] {
        command?.first("x", Namespaces.dataForms).flatMap(DataForm.init)?.values(field) ?? []
    }
}
