import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Who exists is nobody's business: what a stranger gets back does not depend on whether there is such an account, nor on whether its
/// owner is there (RFC 6121 §8.5, §13.2; XEP-0030 §8).
@Suite("Who exists is nobody's business")
struct ExistenceTests {
    /// Accounts as strangers can find them.
    enum Account: String, CaseIterable {
        case online = "carol"
        case offline = "david"
        case none = "erwin"
    }

    /// What is sent, with the account's address as `@@`.
    private static let body = "<body>hello</body>"
    private static let kinds: [String] = {
        var kinds: [String] = []
        for payload in [
            "<query xmlns='jabber:iq:roster'/>", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>",
            "<query xmlns='http://jabber.org/protocol/disco#items'/>",
            "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>",
            "<command xmlns='http://jabber.org/protocol/commands' node='n'/>", "<ping xmlns='urn:xmpp:ping'/>",
            "<query xmlns='jabber:iq:version'/>", "<time xmlns='urn:xmpp:time'/>", "<query xmlns='jabber:iq:register'/>",
            "<query xmlns='jabber:iq:last'/>", "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/></pubsub>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item><x xmlns='x'/></item></publish></pubsub>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='n' jid='j'/></pubsub>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><affiliations/></pubsub>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions/></pubsub>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><default/></pubsub>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='n'/></pubsub>",
            "<vCard xmlns='vcard-temp'/>", "<x xmlns='urn:unknown'/>", "",
            "<a xmlns='urn:a'/><b xmlns='urn:b'/>",
        ] {
            for type in ["get", "set"] { kinds += ["<iq to='@@' id='i' type='\(type)'>\(payload)</iq>"] }
        }
        kinds += [
            "<iq to='@@' id='i' type='result'/>", "<iq to='@@' id='i' type='error'/>", "<iq to='@@' id='i' type='what'/>",
        ]
        for type in ["normal", "chat", "headline", "groupchat", "error", "what"] {
            for content in [
                "", "<active xmlns='http://jabber.org/protocol/chatstates'/>", "<thread>t</thread>", "<x xmlns='urn:x'/>",
                "<x xmlns='urn:x'/><no-store xmlns='urn:xmpp:hints'/>", "<received xmlns='urn:xmpp:receipts' id='r'/>",
                "<store xmlns='urn:xmpp:hints'/>", "<subject>s</subject>",
            ] {
                kinds.append("<message to='@@' id='m' type='\(type)'>\(content)</message>")
            }
            if !spoken.contains(type) { kinds.append("<message to='@@' id='m' type='\(type)'>\(body)</message>") }
        }
        for type in ["probe", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "unavailable", "error", "what"] {
            kinds.append("<presence to='@@' id='p' type='\(type)'/>")
        }
        kinds.append("<presence to='@@' id='p'/>")
        return kinds
    }()
    /// A message that somebody has written must not vanish without a word: to nobody it comes back, and an account keeps it.
    private static let spoken = ["normal", "chat", "what"]

    /// What the asker gets for `kind`, with the account's name taken out.
    private func answers(to kind: String, _ address: String, _ account: Account, isRemote: Bool) throws -> [String] {
        var harness = SiteHarness(users: ["alice", "carol", "david"])
        _ = harness.login("carol")
        let text = kind.replacing("@@", with: "\(account.rawValue)@pilsen.example\(address)")
        let answers: [Element]
        if isRemote {
            let (theirs, ours) = harness.connectPeer()
            harness.send(text, from: "mallory@brno.example/desk", on: theirs)
            harness.pass(3_000)
            answers = harness.take(ours) + harness.take(theirs)
        } else {
            let alice = harness.login("alice")
            harness.handle(.client(alice, .nonza(Element("enable", Namespaces.streamManagement))))
            _ = harness.take(alice)
            harness.send(text, on: alice)
            harness.handle(.client(alice, .nonza(Element("r", Namespaces.streamManagement))))
            harness.pass(3_000)
            answers = harness.take(alice)
        }
        // What was kept is acknowledged at once, what was not with the next commit: some of it a tenth of a second later.
        return answers.compactMap { element in
            // What our own side asks for proof says nothing.
            if element.is("r", Namespaces.streamManagement) || element["id"]?.hasPrefix("fence-") == true { return nil }
            return String(decoding: element.serialized(within: Namespaces.client), as: UTF8.self)
                .replacing(account.rawValue, with: "somebody")
        }.sorted()
    }

    @Test(
        "Whatever a stranger sends, the answer is the same for an account that is there, one that is away, and none",
        arguments: [false, true])
    func table(isRemote: Bool) throws {
        var answered = 0
        for kind in Self.kinds {
            for address in ["", "/nowhere"] {
                let none = try answers(to: kind, address, .none, isRemote: isRemote)
                if none.count > (isRemote ? 0 : 1) { answered += 1 }
                for account in [Account.online, .offline] {
                    let some = try answers(to: kind, address, account, isRemote: isRemote)
                    #expect(some == none, "\(account) \(address) \(kind)")
                }
            }
        }
        // It would be no table if nothing were ever answered.
        #expect(answered > 40)
    }

    @Test("What somebody has written to nobody comes back; and to whoever sees the presence of an account nothing is hidden")
    func spoken() throws {
        for type in Self.spoken {
            let kind = "<message to='@@' id='m' type='\(type)'>\(Self.body)</message>"
            for isRemote in [false, true] {
                let back = try answers(to: kind, "", .none, isRemote: isRemote)
                #expect(back.contains { $0.contains("service-unavailable") })
                for account in [Account.online, .offline] {
                    let some = try answers(to: kind, "", account, isRemote: isRemote)
                    #expect(!some.contains { $0.contains("error") })
                }
            }
        }
    }
}
