import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// Files that people of one office send to those of another, over a line that comes and goes.
@Suite("Files across an outage")
struct UploadLinksTests {
    /// Two offices with their disks, and a person in each.
    private struct Offices {
        var sites = TwoSites(here: ["juliet"], there: ["app"])
        var ours = TwinFiles()
        var theirs = TwinFiles()
        let juliet: SessionsHarness.Client
        let app: SessionsHarness.Client

        init() {
            sites.here.serveFiles(at: "pilsen.example", besides: "brno.example")
            sites.there.serveFiles(at: "brno.example", besides: "pilsen.example")
            juliet = sites.here.login("juliet", "balcony")
            app = sites.loginThere("app")
            exchange()
            _ = (sites.here.take(juliet), sites.there.take(app))
        }

        mutating func exchange() {
            for _ in 0..<100 {
                sites.here.work(&ours)
                sites.there.work(&theirs)
                let before = (sites.here.remote.count, sites.there.remote.count)
                sites.exchange()
                if before == (0, 0), sites.here.works.isEmpty, sites.there.works.isEmpty { return }
            }
            Issue.record("they do not stop")
        }

        /// Somebody here uploads a file; gives its address.
        mutating func upload(_ content: [UInt8], _ name: String = "a%20b.jpg") -> (UploadToken, String) {
            let plain = UploadName.decode(name)!
            let token = sites.here.slot(juliet, plain, size: content.count, type: "image/jpeg").token!
            #expect(sites.here.bring(content, plain, to: token, &ours) == .done)
            return (token, SessionsHarness.base("pilsen.example") + "\(token)/\(name)")
        }

        /// Juliet writes that; gives what the person there reads.
        mutating func say(_ xml: String) -> Element? {
            sites.here.send(juliet, "<message type='chat' to='app@brno.example' id='m'>\(xml)</message>")
            exchange()
            return sites.there.take(app).last { $0.name == "message" }
        }
    }

    private static let picture = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

    @Test("a file comes with the message that shows it, and the reader is shown the copy; the original stays")
    func plain() {
        var offices = Offices()
        let (token, url) = offices.upload(Self.picture)
        let message = offices.say("<body>look: \(url) !</body><x xmlns='jabber:x:oob'><url>\(url)</url></x>")
        let copy = SessionsHarness.base("brno.example") + "\(token)/a%20b.jpg"
        #expect(message?.first("body", Namespaces.client)?.text == "look: \(copy) !")
        #expect(message?.first("x", "jabber:x:oob")?.elements.first?.text == copy)
        #expect(offices.theirs.whole[token] == Self.picture)
        guard case .file(let file) = offices.sites.there.upload(.find(token)),
            case .file(let original) = offices.sites.here.upload(.find(token))
        else { return #expect(Bool(false)) }
        #expect(file.size == 300_000 && file.type == "image/jpeg" && file.name == "a b.jpg" && file.digest == original.digest)
        // One part at a time: larger and larger on a line that is quick.
        #expect(offices.ours.reads < 12)
        guard case .list(let rows, nil) = offices.sites.there.upload(.list(nil, after: nil)) else {
            return #expect(Bool(false))
        }
        #expect(rows.map(\.owner) == ["pilsen.example"] && rows.map(\.state) == ["stored"])
        // The same once more is not fetched once more; an answer that quotes it shows the original again.
        let reads = offices.ours.reads
        #expect(offices.say("<body>\(url)</body>")?.first("body", Namespaces.client)?.text == copy)
        #expect(offices.ours.reads == reads)
        offices.sites.there.send(
            offices.app, "<message type='chat' to='juliet@pilsen.example'><body>&gt; \(copy)</body></message>")
        offices.exchange()
        let back = offices.sites.here.take(offices.juliet).last { $0.name == "message" }
        #expect(back?.first("body", Namespaces.client)?.text == "> \(url)")
    }

    @Test("an encrypted link keeps its key, which no server sees; sources of XEP-0447 are shown anew too")
    func encryptedLink() {
        var offices = Offices()
        let (token, url) = offices.upload([1, 2, 3])
        let secret = "aesgcm" + url.dropFirst(5) + "#00ff"
        let copy = SessionsHarness.base("brno.example") + "\(token)/a%20b.jpg"
        let message = offices.say(
            """
            <body>\(secret)</body><file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><name>a b.jpg</name>\
            </file><sources><url-data xmlns='http://jabber.org/protocol/url-data' target='\(url)'/></sources></file-sharing>
            """)
        #expect(message?.first("body", Namespaces.client)?.text == "aesgcm" + copy.dropFirst(5) + "#00ff")
        let sharing = message?.first("file-sharing", "urn:xmpp:sfs:0")
        #expect(sharing?.first("file", "urn:xmpp:file:metadata:0")?.elements.first?.text == "a b.jpg")
        #expect(sharing?.first("sources", "urn:xmpp:sfs:0")?.elements.first?["target"] == copy)
        #expect(offices.theirs.whole[token] == [1, 2, 3])
        guard case .file(let file) = offices.sites.there.upload(.find(token)) else { return #expect(Bool(false)) }
        #expect(file.name == "a b.jpg")
    }

    @Test("where nobody but the reader sees the words, the office is told what their sender has just uploaded")
    func encryptedMessage() {
        var offices = Offices()
        let (token, url) = offices.upload([1, 2, 3])
        let message = offices.say("<encrypted xmlns='urn:xmpp:omemo:2'><payload>AAAA</payload></encrypted><body>OMEMO</body>")
        #expect(message?.first("encrypted", "urn:xmpp:omemo:2") != nil)
        #expect(offices.theirs.whole[token] == [1, 2, 3])
        // Once, and not of what lies longer back.
        #expect(offices.say("<encrypted xmlns='urn:xmpp:omemo:2'/>")?.first("file", Namespaces.files) == nil)
        let (other, _) = offices.upload([4])
        offices.sites.here.pass(CopyLimits.recentTime + 1)
        _ = offices.say("<encrypted xmlns='urn:xmpp:omemo:2'/>")
        #expect(offices.theirs.whole[other] == nil && url.contains("\(token)"))
        offices.sites.here.pass(UploadLimits.slotLifetime)
        #expect(!offices.sites.here.site.uploads.hasRecent)
    }

    @Test("a message that shows no file of an office stays as it is to the byte")
    func others() {
        var offices = Offices()
        let token = UploadToken(high: 1, low: 2)
        for text in [
            "https://upload.elsewhere.example/upload/\(token)/a", "https://upload.pilsen.example/upload/x/a",
            "https://me@upload.pilsen.example/upload/\(token)/a", "http://upload.pilsen.example/upload/\(token)/a",
            "https://upload.pilsen.example.evil.example/upload/\(token)/a", "ftp://x", "://", "a://b://c:///",
            "https://upload.pilsen.example/upload/\(token)", "https://upload.pilsen.example/\(token)/", "https://",
            "https://upload.pilsen.example/upload/\(token)/%ff",
        ] {
            #expect(offices.say("<body>\(text)</body>")?.first("body", Namespaces.client)?.text == text, "\(text)")
        }
        #expect(offices.sites.there.rows(.upload) == 0)
        // Of a server that is no office nothing is fetched.
        let url = SessionsHarness.base("pilsen.example") + "\(token)/a"
        offices.sites.there.policy.federation.knownPeers = []
        #expect(offices.say("<body>\(url)</body>")?.first("body", Namespaces.client)?.text == url)
        #expect(offices.sites.there.rows(.upload) == 0)
    }

    @Test("a file that is larger than copies may be stays where it is, and so says its address here")
    func large() {
        var offices = Offices()
        offices.sites.there.policy.uploads.copyBytesOfOffice = ["pilsen.example": 1000]
        let (token, url) = offices.upload([UInt8](repeating: 1, count: 1001))
        let message = offices.say("<body>\(url)</body>")
        #expect(message?.first("body", Namespaces.client)?.text.hasPrefix(SessionsHarness.base("brno.example")) == true)
        #expect(offices.sites.there.upload(.find(token)) == .elsewhere(url) && offices.theirs.whole[token] == nil)
        offices.sites.there.policy.uploads.copyBytesOfOffice = ["pilsen.example": 0]
        let (_, other) = offices.upload([1])
        #expect(offices.say("<body>\(other)</body>")?.first("body", Namespaces.client)?.text == other)
    }

    @Test("a line that breaks in the middle: what has come is kept, the rest comes when it is up again")
    func cut() {
        var offices = Offices()
        let (token, url) = offices.upload(Self.picture)
        offices.sites.here.send(offices.juliet, "<message type='chat' to='app@brno.example'><body>\(url)</body></message>")
        // The message crosses, then some parts, then nothing.
        for _ in 0..<4 {
            offices.sites.exchange()
            offices.sites.here.work(&offices.ours)
            offices.sites.there.work(&offices.theirs)
        }
        #expect(offices.sites.there.upload(.find(token)) == .elsewhere(url))
        let have = offices.theirs.coming[token]?.count ?? 0
        #expect(have > 0 && have < 300_000)
        let asked = offices.sites.there.takeRemote()
        #expect(asked.count == 1 && asked[0].payload("part", Namespaces.files)?["offset"] == "\(have)")
        offices.sites.there.step { _, turn in turn.bounce(asked[0], StanzaError(.remoteServerTimeout)) }
        offices.sites.there.pass(1000)
        #expect(offices.sites.there.takeRemote().isEmpty)
        offices.sites.there.link(.up(wantsRefresh: false), to: "pilsen.example")
        let again = offices.sites.there.remote.last { $0.kind == .iq }
        #expect(again?.payload("part", Namespaces.files)?["offset"] == "\(have)")
        offices.exchange()
        #expect(offices.theirs.whole[token] == Self.picture)
    }

    @Test("a question that nobody answers is asked again; after a start everything that is wanted is")
    func silence() {
        var offices = Offices()
        let (token, url) = offices.upload([1, 2, 3])
        offices.sites.here.send(offices.juliet, "<message type='chat' to='app@brno.example'><body>\(url)</body></message>")
        offices.sites.exchange()
        offices.sites.here.works = []
        offices.sites.there.pass(CopyLimits.patience)
        #expect(offices.sites.there.takeRemote().contains { $0.payload("part", Namespaces.files) != nil })
        offices.sites.there.crash()
        offices.sites.there.pass(1000)
        offices.exchange()
        #expect(offices.theirs.whole[token] == [1, 2, 3])
    }

    @Test("a file that comes otherwise than its office says is begun anew, and then left there; one that is gone is forgotten")
    func broken() {
        var offices = Offices()
        let (token, url) = offices.upload([1, 2, 3])
        offices.ours.isBroken = true
        _ = offices.say("<body>\(url)</body>")
        for _ in 0..<CopyLimits.attempts {
            offices.sites.there.pass(CopyLimits.retry)
            offices.exchange()
        }
        #expect(offices.ours.reads == CopyLimits.attempts && offices.theirs.whole.isEmpty)
        #expect(offices.sites.there.upload(.find(token)) == .elsewhere(url))
        let gone = UploadToken(high: 3, low: 4)
        _ = offices.say("<body>\(SessionsHarness.base("pilsen.example"))\(gone)/x</body>")
        #expect(offices.sites.there.upload(.find(gone)) == .nothing)
        #expect(offices.sites.there.rows(.upload) == 1)
    }

    @Test("parts are given to offices alone, and only in the name of the office itself")
    func strangers() {
        var offices = Offices()
        let (token, _) = offices.upload([1, 2, 3])
        let part = "<part xmlns='\(Namespaces.files)' token='\(token)' offset='0' count='3'/>"
        for from in ["elsewhere.example", "app@brno.example/x", "app@brno.example"] {
            offices.sites.here.receive("<iq type='get' id='p' from='\(from)' to='pilsen.example'>\(part)</iq>")
            let answer = offices.sites.here.takeRemote().last
            #expect(answer?.payload("error", Namespaces.client)?.elements.first?.name == "forbidden", "\(from)")
        }
        #expect(
            SessionsHarness.condition(offices.sites.here.ask(offices.juliet, "get", to: "pilsen.example", part)).0
                == "forbidden")
        #expect(offices.sites.here.works.isEmpty)
    }

    @Test("one message, and one office, has so much fetched and no more")
    func bounds() {
        var offices = Offices()
        let base = SessionsHarness.base("pilsen.example")
        let urls = (0..<20).map { "\(base)\(UploadToken(high: 9, low: UInt64($0)))/x" }
        let message = offices.sites.there.rows(.upload)
        offices.sites.here.send(
            offices.juliet,
            "<message type='chat' to='app@brno.example'><body>\(urls.joined(separator: " "))</body></message>")
        offices.sites.exchange()
        #expect(offices.sites.there.rows(.upload) - message <= CopyLimits.perMessage)
        let body = offices.sites.there.take(offices.app).last { $0.name == "message" }?.first("body", Namespaces.client)?.text
        #expect(body?.split(separator: " ").filter { $0.hasPrefix(base) }.count == 20 - CopyLimits.perMessage)
        offices.exchange()
        offices.sites.there.policy.uploads.copiedPerDay = 4
        let (first, one) = offices.upload([1, 2, 3])
        let (second, two) = offices.upload([4, 5, 6])
        _ = offices.say("<body>\(one) \(two)</body>")
        #expect(offices.theirs.whole[first] != nil && offices.sites.there.upload(.find(second)) == .elsewhere(two))
    }
}
