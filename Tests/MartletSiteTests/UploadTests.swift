import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// Files that people send one another: who gets an address, and what becomes of a file.
@Suite("XEP-0363: uploads")
struct UploadTests {
    private func office() -> (SessionsHarness, SessionsHarness.Client) {
        var office = SessionsHarness()
        office.serveFiles()
        let juliet = office.login("juliet", "balcony")
        return (office, juliet)
    }

    @Test("§3: the host stands among the items of the domain and says what it is and how large a file may be")
    func disco() {
        var (office, juliet) = office()
        let items = office.ask(juliet, "get", to: "pilsen.example", "<query xmlns='\(Namespaces.discoItems)'/>")
        #expect(items.elements.first?.elements.map { $0["jid"] } == ["upload.pilsen.example"])
        let info = office.ask(juliet, "get", to: "upload.pilsen.example", "<query xmlns='\(Namespaces.discoInfo)'/>")
        let query = info.elements.first
        let identity = query?.first("identity", Namespaces.discoInfo)
        #expect(identity?["category"] == "store" && identity?["type"] == "file")
        let features = query?.all("feature", Namespaces.discoInfo).compactMap { $0["var"] } ?? []
        #expect(features.contains(Namespaces.upload) && features.contains("urn:xmpp:http:upload:purpose:0#ephemeral"))
        let form = query?.first("x", Namespaces.dataForms).flatMap { DataForm($0) }
        #expect(form?.values("FORM_TYPE") == [Namespaces.upload] && form?.values("max-file-size") == ["104857600"])
    }

    @Test("§4: an address that nobody guesses, in which the name is intact and escaped")
    func slot() {
        var (office, juliet) = office()
        let (token, answer) = office.slot(juliet, "très cool.jpg", size: 23456, type: "image/jpeg")
        let slot = answer.elements.first
        #expect(slot?.is("slot", Namespaces.upload) == true && token != nil)
        let urls = slot?.elements.map { $0["url"] ?? "" } ?? []
        #expect(slot?.elements.map(\.name) == ["put", "get"])
        #expect(urls == Array(repeating: SessionsHarness.base("pilsen.example") + "\(token!)/tr%C3%A8s%20cool.jpg", count: 2))
        #expect(office.slot(juliet).token != token)
    }

    @Test("§4: what is no request, no name, no size or no media type is refused, and what leads elsewhere is no part of a name")
    func malformed() {
        var (office, juliet) = office()
        for request in [
            "filename='a'", "size='1'", "filename='a' size='0'", "filename='a' size='-1'", "filename='a' size='1.5'",
            "filename='a' size='99999999999999999999'", "filename='' size='1'", "filename='..' size='1'",
            "filename='.' size='1'", "filename='a' size='1' content-type='x'", "filename='a' size='1' content-type='a/b/c'",
            "filename='a' size='1' content-type='a/&#10;b'", "filename='\(String(repeating: "x", count: 5000))' size='1'",
        ] {
            let answer = office.ask(
                juliet, "get", to: "upload.pilsen.example", "<request xmlns='\(Namespaces.upload)' \(request)/>")
            #expect(SessionsHarness.condition(answer).0 == "bad-request", "\(request)")
        }
        #expect(UploadName.prepare("../../etc/passwd") == ".._.._etc_passwd")
        #expect(UploadName.prepare("a\r\nX-Evil: 1") == "a__X-Evil: 1")
        #expect(UploadName.prepare("cod\u{202E}gpj.exe") == "cod_gpj.exe")
        #expect(UploadName.prepare(String(repeating: "é", count: 200) + ".jpeg")?.hasSuffix("é.jpeg") == true)
        #expect(UploadName.prepare(String(repeating: "é", count: 200) + ".jpeg")!.utf8.count <= 255)
        #expect(UploadName.decode(UploadName.encode("a b/ü\"")) == "a b/ü\"")
        #expect(UploadName.decode("%zz") == nil && UploadName.decode("%f") == nil && UploadName.decode("%ff") == nil)
        #expect(UploadToken("0123456789abcdef0123456789ABCDEF") == nil && UploadToken("../../../../../../../../../../e") == nil)
    }

    @Test("§6: a file that is too large, of a type that is not taken, of a stranger")
    func refusals() {
        var (office, juliet) = office()
        office.policy.uploads.fileBytes = 20000
        office.policy.uploads.refusedTypes = ["video/*", "application/zip"]
        let large = SessionsHarness.condition(office.slot(juliet, size: 20001).answer)
        #expect(large.0 == "not-acceptable" && large.1?.name == "file-too-large")
        #expect(large.1?.first("max-file-size", Namespaces.upload)?.text == "20000")
        #expect(office.slot(juliet, size: 20000).token != nil)
        #expect(SessionsHarness.condition(office.slot(juliet, type: "video/mp4").answer).0 == "not-acceptable")
        #expect(SessionsHarness.condition(office.slot(juliet, type: "Application/ZIP; a=b").answer).0 == "not-acceptable")
        #expect(office.slot(juliet, type: "image/png").token != nil)
        office.receive(
            """
            <iq from='a@brno.example/x' to='upload.pilsen.example' type='get' id='s'>\
            <request xmlns='\(Namespaces.upload)' filename='a' size='1'/></iq>
            """)
        let stranger = office.takeRemote().compactMap { $0.payload("error", Namespaces.client)?.elements.first?.name }
        #expect(stranger == ["forbidden"])
    }

    @Test("§6: an account has so many files and bytes, and the site; whoever has to wait hears until when")
    func quotas() {
        var (office, juliet) = office()
        var files = TwinFiles()
        office.policy.uploads.bytesPerAccount = 100
        let (token, _) = office.slot(juliet, size: 60)
        #expect(SessionsHarness.condition(office.slot(juliet, size: 41).answer).0 == "resource-constraint")
        #expect(office.bring([UInt8](repeating: 7, count: 60), "a.jpg", to: token!, &files) == .done)
        let full = SessionsHarness.condition(office.slot(juliet, size: 41).answer)
        #expect(full.0 == "resource-constraint" && full.1?["stamp"]?.hasPrefix("2024-02-12T") == true)
        #expect(office.slot(juliet, size: 40).token != nil)
        office.policy.uploads.bytesPerAccount = 1 << 20
        office.policy.uploads.bytesPerSite = 150
        #expect(SessionsHarness.condition(office.slot(juliet, size: 51).answer).0 == "resource-constraint")
        #expect(office.slot(juliet, size: 50).token != nil)
        office.policy.uploads.bytesPerSite = 1 << 30
        // What is announced counts like what is there: the last byte above the reserve is given once.
        office.room = StoreRoom(.init(freeBytes: office.policy.limits.diskReserve + 100_000), office.policy.limits)
        #expect(office.slot(juliet, size: 90_000).token != nil)
        #expect(SessionsHarness.condition(office.slot(juliet, size: 90_000).answer).0 == "resource-constraint")
    }

    @Test("addresses that nobody uses cost nothing for long, and one account has no more than its part of them")
    func slots() {
        var (office, juliet) = office()
        var token: UploadToken?
        for _ in 0..<UploadLimits.slotsPerAccount { token = office.slot(juliet).token }
        let writes = office.rows(.upload)
        let more = SessionsHarness.condition(office.slot(juliet).answer)
        #expect(more.0 == "resource-constraint" && more.1?.name == "retry")
        #expect(office.rows(.upload) == writes)
        let romeo = office.login("romeo", "orchard")
        #expect(office.slot(romeo).token != nil)
        office.pass(UploadLimits.slotLifetime * 5 / 4)
        #expect(office.site.uploads.slots.isEmpty && office.site.uploads.slotOrder.isEmpty)
        #expect(office.site.uploads.slotsOf.isEmpty && office.site.uploads.expected == 0)
        #expect(office.slot(juliet).token != nil)
        #expect(office.upload(.begin(token!, name: "a.jpg", length: 10, type: nil)) == .refused(.unknown))
    }

    @Test("§7: a file comes once, as it was announced; who breaks off may come again")
    func coming() {
        var (office, juliet) = office()
        var files = TwinFiles()
        let token = office.slot(juliet, size: 10, type: "image/jpeg").token!
        func begin(_ name: String = "a.jpg", _ length: UInt64 = 10, _ type: String? = "image/jpeg") -> UploadAnswer? {
            office.upload(.begin(token, name: name, length: length, type: type))
        }
        #expect(begin("b.jpg") == .refused(.different) && begin("a.jpg", 11) == .refused(.different))
        #expect(begin("a.jpg", 10, "text/html") == .refused(.different))
        #expect(office.upload(.find(token)) == .nothing)
        guard case .welcome(let file, owner: SessionsHarness.account("juliet")) = begin() else { return #expect(Bool(false)) }
        #expect(file.token == token && file.size == 10)
        #expect(begin() == .refused(.taken))
        #expect(office.upload(.abandoned(token)) == .done)
        #expect(office.upload(.finished(token, digest: [1])) == .refused(.unknown))
        #expect(office.bring([UInt8](repeating: 1, count: 10), "a.jpg", to: token, &files) == .done)
        #expect(begin() == .refused(.taken))
        guard case .file(let found) = office.upload(.find(token)) else { return #expect(Bool(false)) }
        #expect(found.type == "image/jpeg" && found.name == "a.jpg" && found.digest.count == 32)
        // What was answered is there after a crash; what was announced is not.
        let other = office.slot(juliet).token!
        office.crash()
        #expect(office.upload(.find(token)) == .file(found))
        #expect(office.upload(.begin(other, name: "a.jpg", length: 10, type: nil)) == .refused(.unknown))
        #expect(office.upload(.unknown([token, other])) == .unknown([other]))
        #expect(office.upload(.kept(after: 0)) == .kept([token], next: nil))
        #expect(office.upload(.missing(token)) == .done)
        #expect(office.upload(.find(token)) == .nothing)
    }

    @Test("what is too old goes, on the day that its sender has said or with its time; the file behind its row")
    func retention() {
        var (office, juliet) = office()
        var files = TwinFiles()
        office.policy.uploads.retention = 7_200_000
        let end = "<ephemeral xmlns='\(Namespaces.uploadPurpose)' expire-before='2023-11-14T22:20:00Z'/>"
        let short = office.slot(juliet, "s", end).token!
        let long = office.slot(juliet, "l").token!
        for (token, name) in [(short, "s"), (long, "l")] {
            #expect(office.bring([UInt8](repeating: 1, count: 10), name, to: token, &files) == .done)
        }
        let past = "<ephemeral xmlns='\(Namespaces.uploadPurpose)' expire-before='2023-11-14T22:00:00Z'/>"
        #expect(SessionsHarness.condition(office.slot(juliet, "s", past).answer).0 == "bad-request")
        office.pass(420_000)
        #expect(office.upload(.find(short)) == .nothing)
        #expect(office.upload(.find(long)) != .nothing)
        office.pass(UploadLimits.sweepPause)
        #expect(office.works.map(\.work) == [.removeFiles([short])])
        // A disk that is busy is asked again.
        let id = office.works.removeFirst().id
        office.handle(.workDone(id, .refused))
        office.pass(1000)
        #expect(office.works.map(\.work) == [.removeFiles([short])])
        office.work(&files)
        #expect(files.whole[short] == nil && files.whole[long] != nil)
        office.pass(2 * UploadLimits.sweepPause)
        office.work(&files)
        #expect(files.whole.isEmpty && office.rows(.upload) == 0 && office.rows(.uploadUse) == 0)
        #expect(office.rows(.uploadByToken) == 0 && office.rows(.uploadOfOwner) == 0)
    }

    @Test("an account that is removed has no files from that moment on; they go in slices, also over a crash")
    func removal() {
        var (office, juliet) = office()
        var files = TwinFiles()
        var tokens: [UploadToken] = []
        for _ in 0..<300 {
            let token = office.slot(juliet).token!
            tokens.append(token)
            #expect(office.bring([UInt8](repeating: 1, count: 10), "a.jpg", to: token, &files) == .done)
        }
        let romeo = office.login("romeo", "orchard")
        let other = office.slot(romeo).token!
        #expect(office.bring([UInt8](repeating: 2, count: 10), "a.jpg", to: other, &files) == .done)
        let open = office.slot(juliet).token!
        _ = office.command(.accounts(.remove(SessionsHarness.account("juliet"))))
        #expect(office.upload(.find(tokens[0])) == .nothing && office.upload(.find(tokens[299])) == .nothing)
        #expect(office.upload(.begin(open, name: "a.jpg", length: 10, type: nil)) == .refused(.unknown))
        #expect(office.rows(.upload) == 301)
        office.pass(UploadLimits.pause)
        #expect(office.rows(.upload) == 301 - UploadLimits.slice)
        office.crash()
        office.pass(2000)
        #expect(office.rows(.upload) == 1 && office.rows(.uploadUse) == 2)
        office.work(&files)
        var use = UploadUse()
        office.step { _, turn in use = UploadTable.use(of: UploadTable.site, in: turn.store) }
        #expect(use.files == 1 && use.bytes == 10)
        #expect(office.upload(.find(other)) != .nothing)
    }

    @Test("an operator lists files and takes them away, one or all of somebody")
    func desk() {
        var (office, juliet) = office()
        var files = TwinFiles()
        var tokens: [UploadToken] = []
        for number in 0..<130 {
            let token = office.slot(juliet, "\(number)").token!
            tokens.append(token)
            #expect(office.bring([UInt8](repeating: 1, count: 10), "\(number)", to: token, &files) == .done)
        }
        guard case .list(let first, let next?) = office.upload(.list(nil, after: nil)),
            case .list(let rest, nil) = office.upload(.list(SessionsHarness.account("juliet"), after: next))
        else { return #expect(Bool(false)) }
        #expect((first + rest).map(\.name) == (0..<130).map { "\($0)" })
        #expect(first[0].owner == "juliet@pilsen.example" && first[0].size == 10 && first[0].state == "stored")
        guard case .done = office.command(.uploads(.purgeFile(tokens[3]))),
            case .refused = office.command(.uploads(.purgeFile(tokens[3]))),
            case .refused = office.command(.uploads(.purge(SessionsHarness.account("nobody"))))
        else { return #expect(Bool(false)) }
        #expect(office.upload(.find(tokens[3])) == .nothing && office.upload(.find(tokens[4])) != .nothing)
        #expect(
            office.command(.uploads(.purge(SessionsHarness.account("juliet"))))
                == .done("129 files of juliet@pilsen.example will not be shown any more and go from the disk"))
        office.pass(2000)
        office.work(&files)
        #expect(files.whole.isEmpty && office.rows(.upload) == 0)
        // It is about what was there.
        let token = office.slot(juliet).token!
        #expect(office.bring([UInt8](repeating: 1, count: 10), "a.jpg", to: token, &files) == .done)
        #expect(office.upload(.find(token)) != .nothing)
    }
}
