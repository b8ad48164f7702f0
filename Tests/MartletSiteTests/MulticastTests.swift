import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

@Suite("XEP-0033: Extended Stanza Addressing")
struct MulticastTests {
    private static let namespace = "http://jabber.org/protocol/address"

    private static func addresses(_ list: [(type: String, jid: String)]) -> String {
        let inside = list.map { "<address type='\($0.type)' jid='\($0.jid)'/>" }.joined()
        return "<addresses xmlns='\(namespace)'>\(inside)</addresses>"
    }

    /// What one addressee is shown: type and JID, with a star where it says that it was delivered.
    private static func shown(_ addresses: Element?) -> [String] {
        addresses?.elements.map { "\($0["type"] ?? "") \($0["jid"] ?? "")\($0["delivered"] == "true" ? "*" : "")" } ?? []
    }

    private func shown(_ message: Element?) -> [String] { Self.shown(message?.first("addresses", Self.namespace)) }
    private func shown(_ message: Stanza?) -> [String] { Self.shown(message?.payload("addresses", Self.namespace)) }

    /// The example of §8, with our domain for header1.org, another that has the feature and one that has not.
    private static let flow: [(type: String, jid: String)] = ["pilsen.example", "header2.example", "noheader.example"].flatMap {
        domain in ["to", "cc", "bcc"].map { ($0, "\($0)@\(domain)") }
    }
    private static let seen =
        ["pilsen.example", "header2.example", "noheader.example"].flatMap { domain in
            ["to", "cc"].map { "\($0) \($0)@\(domain)*" }
        }

    private func begin() -> (SessionsHarness, SessionsHarness.Client) {
        var harness = SessionsHarness(users: ["a", "to", "cc", "bcc"])
        // An office, whose contact answers what is said to its bare address.
        harness.policy.federation.knownPeers = [
            JID(preparedLocalpart: nil, preparedDomainpart: "header2.example", preparedResourcepart: nil)
        ]
        let sender = harness.login("a", "work")
        return (harness, sender)
    }

    /// Says whether another server has the feature.
    private func learn(_ harness: inout SessionsHarness) {
        for question in harness.takeRemote() where question.kind == .iq {
            guard let to = question.to?.description, let id = question.id else { continue }
            let feature = to == "header2.example" ? "<feature var='\(Self.namespace)'/>" : ""
            harness.receive(
                "<iq type='result' id='\(id)' from='\(to)' to='pilsen.example'><query xmlns='\(Namespaces.discoInfo)'>\(feature)</query></iq>"
            )
        }
    }

    @Test(
        "§2, §8: the domain has the feature; each addressee gets the message, nobody sees who gets it blindly, and a server that can has one"
    )
    func whole() {
        var (harness, sender) = begin()
        harness.send(sender, "<iq type='get' id='d' to='pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        #expect(harness.take(sender).last?.elements.first?.elements.contains { $0["var"] == Self.namespace } == true)
        let clients = ["to", "cc", "bcc"].map { harness.login($0, "r") }
        let message =
            "<message to='pilsen.example' id='m' type='chat'>\(Self.addresses(Self.flow))<body>Hello, World!</body></message>"
        // Nothing is known of the others: each address has one of its own, and they are asked.
        harness.send(sender, message)
        let first = harness.remote.filter { $0.kind == .message }
        #expect(first.count == 6)
        learn(&harness)
        for client in clients {
            let got = harness.take(client).last
            #expect(got?.body == "Hello, World!" && got?["from"] == sender.jid.description && got?["id"] == "m")
            let name = client.jid.localpart ?? ""
            let own = name == "bcc" ? ["bcc bcc@pilsen.example"] : []
            #expect(shown(got).sorted() == (Self.seen + own).sorted(), "\(name)")
        }
        harness.send(sender, message)
        let second = harness.takeRemote()
        #expect(
            second.map { $0.to?.description } == [
                "header2.example", "to@noheader.example", "cc@noheader.example", "bcc@noheader.example",
            ])
        #expect(
            shown(second.first) == [
                "to to@pilsen.example*", "cc cc@pilsen.example*", "to to@header2.example", "cc cc@header2.example",
                "bcc bcc@header2.example", "to to@noheader.example*", "cc cc@noheader.example*",
            ])
        #expect(shown(second[1]) == Self.seen)
        #expect(shown(second[3]) == Self.seen + ["bcc bcc@noheader.example"])
        #expect(second.allSatisfy { $0.from == sender.jid })
        #expect(clients.allSatisfy { harness.takeBodies($0) == ["Hello, World!"] })
        #expect(harness.take(sender).isEmpty)
    }

    @Test("what another server hands over for our people is brought to them, once; nothing is passed on to others")
    func handedOver() {
        var (harness, _) = begin()
        let clients = ["to", "cc", "bcc"].map { harness.login($0, "r") }
        func receive(_ more: String) {
            harness.receive(
                "<message to='pilsen.example' from='x@header1.example/work' id='m'><addresses xmlns='\(Self.namespace)'>"
                    + "<address type='to' jid='to@header1.example' delivered='true'/><address type='to' jid='to@pilsen.example'/>"
                    + "<address type='cc' jid='cc@pilsen.example'/><address type='bcc' jid='bcc@pilsen.example'/>\(more)</addresses>"
                    + "<body>Hello</body></message>")
        }
        receive("")
        let seen = ["to to@header1.example*", "to to@pilsen.example*", "cc cc@pilsen.example*"]
        for client in clients {
            let got = harness.take(client)
            #expect(got.map(\.body) == ["Hello"])
            #expect(shown(got.last) == seen + (client.jid.localpart == "bcc" ? ["bcc bcc@pilsen.example"] : []))
        }
        #expect(harness.takeRemote().isEmpty)
        receive("<address type='to' jid='victim@third.example'/>")
        let answers = harness.takeRemote()
        #expect(answers.map { $0.payload("error", Namespaces.client)?.elements.first?.name } == ["forbidden"])
        #expect(answers.first?.to?.description == "x@header1.example/work")
        #expect(clients.allSatisfy { harness.take($0).isEmpty })
    }

    @Test(
        "§11: too many, addresses that are none, and what has no type come back, and then nobody has it; 0 in the limits turns it off"
    )
    func refusals() {
        var (harness, sender) = begin()
        let to = harness.login("to", "r")
        func answer(_ inside: String) -> String? {
            harness.send(
                sender,
                "<message to='pilsen.example' id='m'><addresses xmlns='\(Self.namespace)'><address type='to' jid='to@pilsen.example'/>\(inside)</addresses><body>b</body></message>"
            )
            return harness.take(sender).last?.condition
        }
        let many = (0..<50).map { "<address type='cc' jid='u\($0)@x.example'/>" }.joined()
        #expect(answer(many) == "not-acceptable")
        #expect(answer(String(repeating: "<address type='replyto' jid='a@b.example'/>", count: 100)) == "not-acceptable")
        #expect(answer("<address type='to' uri='sip:a@b.example'/>") == "jid-malformed")
        #expect(answer("<address type='cc' jid='@@'/>") == "jid-malformed")
        #expect(answer("<address type='cc' desc='nobody'/>") == "bad-request")
        #expect(answer("<address jid='a@b.example'/>") == "bad-request")
        #expect(answer("<address type='friend' jid='a@b.example'/>") == "bad-request")
        #expect(harness.takeRemote().isEmpty && harness.take(to).isEmpty)
        // Delivered to already, or nobody: there is nobody of that name.
        harness.send(
            sender,
            "<message to='pilsen.example' id='m'><addresses xmlns='\(Self.namespace)'><address type='to' jid='to@pilsen.example' delivered='true'/></addresses><body>b</body></message>"
        )
        #expect(harness.take(sender).last?.condition == "service-unavailable" && harness.take(to).isEmpty)
        // An error is never passed on, nor answered.
        harness.receive(
            "<message type='error' to='pilsen.example' from='x@h.example'>\(Self.addresses([("to", "to@pilsen.example")]))<error/></message>"
        )
        #expect(harness.take(to).isEmpty && harness.takeRemote().isEmpty)
        harness.policy.limits.multicastAddresses = 0
        #expect(answer("") == "service-unavailable")
        harness.send(sender, "<iq type='get' id='d' to='pilsen.example'><query xmlns='\(Namespaces.discoInfo)'/></iq>")
        #expect(harness.take(sender).last?.elements.first?.elements.contains { $0["var"] == Self.namespace } == false)
    }

    @Test("who is blocked is written to by this way neither; and does not get through himself")
    func blocked() {
        var (harness, sender) = begin()
        let to = harness.login("to", "r")
        harness.send(
            sender, "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='cc@pilsen.example'/></block></iq>")
        harness.send(to, "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='bcc@pilsen.example'/></block></iq>")
        _ = (harness.take(sender), harness.take(to))
        let message =
            "<message to='pilsen.example' id='m' type='chat'>\(Self.addresses([("to", "to@pilsen.example"), ("cc", "cc@pilsen.example")]))<body>b</body></message>"
        harness.send(sender, message)
        let refused = harness.take(sender).last
        #expect(refused?.condition == "not-acceptable" && harness.take(to).isEmpty)
        #expect(refused?.first("error", Namespaces.client)?.first("blocked", Namespaces.blockingErrors) != nil)
        let bcc = harness.login("bcc", "r")
        harness.send(bcc, message)
        #expect(harness.take(bcc).last?.condition == "service-unavailable")
        #expect(harness.take(to).isEmpty && harness.waiting("cc") == 1)
    }

    @Test("§5.1: who was sent presence this way hears of its end")
    func presence() {
        var (harness, sender) = begin()
        let to = harness.login("to", "r")
        let both = [("to", "to@pilsen.example/r"), ("to", "x@far.example/y")]
        harness.send(
            sender,
            "<presence to='pilsen.example'><show>away</show>\(Self.addresses(both.map { (type: $0.0, jid: $0.1) }))</presence>")
        #expect(harness.take(to).map { $0["from"] } == [sender.jid.description])
        #expect(harness.takeRemote().filter { $0.kind == .presence }.map { $0.to?.description } == ["x@far.example/y"])
        harness.logout(sender)
        #expect(harness.take(to).map { $0["type"] } == ["unavailable"])
        let gone = harness.takeRemote().filter { $0.to?.description == "x@far.example/y" }
        #expect(gone.map(\.type) == ["unavailable"])
    }

    @Test("a large message goes out in slices, to each once, also when the server dies in between; few of one party wait")
    func slices() {
        var (harness, sender) = begin()
        let everybody = (0..<50).map { (type: "to", jid: "u\($0)@far\($0 % 2).example") }
        let body = String(repeating: "x", count: 100_000)
        let message = "<message to='pilsen.example' id='m'>\(Self.addresses(everybody))<body>\(body)</body></message>"
        harness.send(sender, message)
        #expect(harness.takeRemote().filter { $0.kind == .message }.isEmpty)
        harness.pass(6)
        let first = harness.takeRemote().filter { $0.kind == .message }
        #expect(first.count == 3)
        harness.crash()
        harness.pass(1000)
        let rest = harness.takeRemote().filter { $0.kind == .message }
        #expect(
            Set((first + rest).compactMap { $0.to?.description }) == Set(everybody.map(\.jid)) && first.count + rest.count == 50
        )
        #expect(rest.allSatisfy { $0.from == sender.jid && shown($0).count == 50 })
        #expect(harness.read { MulticastTable.all(in: $0).isEmpty })
        let again = harness.login("a", "home")
        for _ in 0..<5 { harness.send(again, message) }
        #expect(harness.take(again).compactMap(\.condition) == ["resource-constraint"])
        harness.room = .reserve
        harness.send(again, message)
        #expect(harness.take(again).last?.condition == "resource-constraint")
    }
}
