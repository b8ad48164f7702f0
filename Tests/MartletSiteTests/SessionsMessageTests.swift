import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas

@testable import MartletSessions

@Suite("Messages to accounts")
struct SessionsMessageTests {
    @Test("RFC 6121 §8.5.3.1: a message to a full JID goes to that resource only, with the sender's full JID")
    func fullJID() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony")
        let chamber = site.login("juliet", "chamber")
        _ = site.take(balcony)
        site.send(romeo, chat("juliet@pilsen.example/balcony", "hello"))
        let got = site.take(balcony)
        #expect(got.map(\.body) == ["hello"])
        #expect(got.first?["from"] == "romeo@pilsen.example/orchard")
        #expect(got.first?["to"] == "juliet@pilsen.example/balcony")
        #expect(got.first?.delay == nil)
        #expect(site.takeBodies(chamber) == [])
    }

    @Test("RFC 6121 §8.5.2.1.1: a message to the bare JID reaches every available resource without negative priority")
    func bareJID() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony", priority: 5)
        let chamber = site.login("juliet", "chamber")
        let silent = site.login("juliet", "silent", priority: -1)
        let bound = site.bind("juliet", "bound")
        for type in ["chat", "normal", "headline", "strange"] {
            site.send(romeo, chat("juliet@pilsen.example", type, type: type))
            #expect(site.takeBodies(balcony) == [type])
            #expect(site.takeBodies(chamber) == [type])
            #expect(site.takeBodies(silent) == [])
            #expect(site.takeBodies(bound) == [])
        }
    }

    @Test("RFC 6121 §8.5.1: a message to an unknown user is answered with service-unavailable, an error is not answered")
    func unknownUser() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, chat("nobody@pilsen.example", "x"))
        let answer = site.take(romeo).first
        #expect(answer?.condition == "service-unavailable")
        #expect(answer?["id"] == "x")
        #expect(answer?["from"] == "nobody@pilsen.example")
        site.send(romeo, chat("nobody@pilsen.example", "x", type: "error"))
        #expect(site.take(romeo) == [])
        site.send(romeo, "<iq type='get' id='1' to='nobody@pilsen.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        site.send(romeo, "<presence to='nobody@pilsen.example'/>")
        #expect(site.take(romeo) == [])
    }

    @Test("RFC 6121 §8.5.3.2.1: chat and normal messages to a resource that is gone count as sent to the bare JID")
    func goneResource() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example/gone", "chat"))
        site.send(romeo, chat("juliet@pilsen.example/gone", "normal", type: "normal"))
        site.send(romeo, chat("juliet@pilsen.example/gone", "headline", type: "headline"))
        site.send(romeo, chat("juliet@pilsen.example/gone", "error", type: "error"))
        #expect(site.takeBodies(balcony) == ["chat", "normal"])
        #expect(site.take(romeo) == [])
        site.send(romeo, chat("juliet@pilsen.example/gone", "groupchat", type: "groupchat"))
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        #expect(site.takeBodies(balcony) == [])
    }

    @Test("RFC 6121 §8.5.2.1.1: groupchat to the bare JID is refused, errors of clients to it vanish")
    func bareTypes() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "groupchat", type: "groupchat"))
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        site.send(romeo, chat("juliet@pilsen.example", "error", type: "error"))
        #expect(site.take(romeo) == [])
        #expect(site.takeBodies(balcony) == [])
    }

    @Test("relay protocol §5: a bounce to the bare JID is stored like a message")
    func bounce() {
        var site = SessionsHarness()
        site.receive(
            "<message from='x@brno.example' to='juliet@pilsen.example' type='error' id='m'><error type='wait'>"
                + "<remote-server-timeout xmlns='\(Namespaces.stanzaErrors)'/></error></message>")
        #expect(site.waiting("juliet") == 1)
        let juliet = site.login("juliet", "balcony")
        #expect(site.take(juliet).isEmpty)  // read by login
        #expect(site.waiting("juliet") == 1)
    }

    @Test(
        "XEP-0160: messages for somebody who is away come in order, with the time at which they were accepted, then live ones")
    func offline() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for body in ["1", "2", "3"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        #expect(site.waiting("juliet") == 3)
        let juliet = site.bind("juliet", "balcony")
        #expect(site.take(juliet) == [])
        site.send(juliet, "<presence><priority>-1</priority></presence>")
        #expect(site.takeBodies(juliet) == [])
        site.send(juliet, "<presence/>")
        site.send(romeo, chat("juliet@pilsen.example", "4"))
        let got = site.take(juliet).filter { $0.name == "message" }
        #expect(got.map(\.body) == ["1", "2", "3", "4"])
        #expect(got.map { $0.delay?["from"] } == ["pilsen.example", "pilsen.example", "pilsen.example", nil])
        #expect(got[0].delay?["stamp"] == "2023-11-14T22:13:21.000Z")
    }

    @Test("relay protocol §7.2: without stream management the answer to a ping acknowledges what was sent before it")
    func fence() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.answerPings(juliet)
        #expect(site.waiting("juliet") == 0, "asked with the first message after a pause")
        for body in ["2", "3"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        #expect(site.takeBodies(juliet) == ["2", "3"])
        site.passToFence()
        #expect(site.inboxes[juliet.connection]?.count == 1, "one question for both")
        site.send(romeo, chat("juliet@pilsen.example", "4"))
        #expect(site.waiting("juliet") == 3)
        site.answerPings(juliet)
        #expect(site.waiting("juliet") == 1)
        site.passToFence()
        site.answerPings(juliet)
        site.flush()
        #expect(site.waiting("juliet") == 0)
        #expect(site.store.count(.log) == 0)
        #expect(site.store.count(.mailbox) == 0)
    }

    @Test("relay protocol §7.2: a client that answers no ping is believed after a while")
    func believed() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.pass(site.policy.client.fenceTimeout - 1)
        #expect(site.waiting("juliet") == 1)
        #expect(site.takeAll(juliet).filter { $0.name == "iq" }.count == 1)
        site.pass(1)
        #expect(site.waiting("juliet") == 0)
    }

    @Test("a message that was sent into a dead socket is offline again, and comes with its time of acceptance")
    func deadSocket() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        site.lose(juliet)
        #expect(site.waiting("juliet") == 1)
        let again = site.bind("juliet", "chamber")
        site.send(again, "<presence/>")
        let got = site.take(again).filter { $0.name == "message" }
        #expect(got.map(\.body) == ["1"])
        #expect(got.first?.delay != nil)
    }

    @Test("a message that only the ended session had goes to the sessions that are left")
    func redelivery() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony")
        let chamber = site.login("juliet", "chamber")
        site.send(romeo, chat("juliet@pilsen.example/balcony", "only"))
        site.send(romeo, chat("juliet@pilsen.example", "both"))
        #expect(site.takeBodies(chamber) == ["both"])
        site.lose(balcony)
        #expect(site.takeBodies(chamber) == ["only"])
    }

    @Test("the first session that acknowledges removes a message from the mailbox")
    func firstAcknowledges() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony")
        let chamber = site.login("juliet", "chamber")
        site.send(romeo, chat("juliet@pilsen.example", "both"))
        site.passToFence()
        site.answerPings(chamber)
        #expect(site.waiting("juliet") == 0)
        site.lose(balcony)
        #expect(site.takeBodies(chamber) == [])
        site.flush()
        #expect(site.store.count(.log) == 0)
    }

    @Test("XEP-0085 §5.5, XEP-0334: chat states alone are never stored, no-store messages are refused when nobody is there")
    func notStored() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let typing = "<message to='juliet@pilsen.example' type='chat'><composing xmlns='\(Namespaces.chatStates)'/></message>"
        let secret =
            "<message to='juliet@pilsen.example' type='chat' id='s'><body>s</body><no-store xmlns='\(Namespaces.hints)'/></message>"
        site.send(romeo, typing)
        #expect(site.take(romeo) == [])
        site.send(romeo, secret)
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        let juliet = site.login("juliet", "balcony")
        let binding = site.bindingSteps
        site.send(romeo, typing)
        site.send(romeo, secret)
        #expect(site.take(juliet).count == 2)
        #expect(site.bindingSteps == binding)
        #expect(site.store.count(.log) == 0)
    }

    @Test("RFC 6121 §8.5.2.2.1: a full mailbox answers service-unavailable; below the disk's reserve it is resource-constraint")
    func limits() {
        var site = SessionsHarness()
        // One sender gets half of it.
        site.policy.limits.mailboxMessages = 4
        let romeo = site.login("romeo", "orchard")
        for body in ["1", "2", "3"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        #expect(site.take(romeo).map(\.condition) == ["service-unavailable"])
        #expect(site.waiting("juliet") == 2)
        site.room = .reserve
        site.send(romeo, chat("romeo@pilsen.example/orchard", "4"))
        #expect(site.takeBodies(romeo) == ["4"], "nothing need be written for it")
        site.send(romeo, chat("juliet@pilsen.example", "5"))
        #expect(site.take(romeo).map(\.condition) == ["resource-constraint"])
    }

    @Test(
        "below the disk's reserve who is here can be talked to, who is away or elsewhere cannot; below the floor nobody whom we owe something"
    )
    func reserve() {
        var site = SessionsHarness(users: ["romeo", "juliet", "tybalt"])
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        let tybalt = site.loginResumable("tybalt", "street")
        site.lose(tybalt)
        site.room = .reserve
        for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        #expect(site.takeBodies(juliet) == ["1", "2"])
        #expect(site.take(romeo) == [])
        // As always: nothing is lost if she goes before she has them, and nothing stays when she has.
        #expect(site.waiting("juliet") == 2)
        site.acknowledge(juliet, 3)
        site.flush()
        #expect(site.waiting("juliet") == 0)
        #expect(site.store.count(.log) == 0)
        for to in ["tybalt@pilsen.example", "tybalt@pilsen.example/street", "bob@brno.example"] {
            site.send(romeo, chat(to, "3"))
            #expect(site.take(romeo).map(\.condition) == ["resource-constraint"], "\(to)")
        }
        site.receive("<message from='bob@brno.example/a' to='juliet@pilsen.example' type='chat'><body>4</body></message>")
        #expect(site.takeBodies(juliet) == [])
        site.room = .none
        site.send(romeo, chat("juliet@pilsen.example", "5"))
        #expect(site.take(romeo).map(\.condition) == ["resource-constraint"])
        #expect(site.takeBodies(juliet) == [])
        site.room = .ample
        site.send(romeo, chat("juliet@pilsen.example", "5"))
        #expect(site.takeBodies(juliet) == ["5"])
    }

    @Test("the room of a disk by what is free: the reserve and the floor are still ample and reserve")
    func room() {
        let limits = LimitsPolicy()
        let rooms = [limits.diskReserve, limits.diskReserve - 1, limits.diskFloor, limits.diskFloor - 1].map {
            DiskRoom(freeBytes: $0, limits)
        }
        #expect(rooms == [.ample, .reserve, .reserve, .none])
    }

    @Test("RFC 6120 §10.3.1: a message without an addressee goes to the account itself")
    func own() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        site.send(romeo, "<message id='n'><body>note</body></message>")
        #expect(site.takeBodies(romeo) == ["note"])
    }

    @Test("RFC 6120 §8.1.2.1: another's address in from ends the stream with invalid-from, one's own is accepted")
    func wrongFrom() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, "<message from='romeo@pilsen.example' to='juliet@pilsen.example'><body>1</body></message>")
        site.send(romeo, "<message from='romeo@pilsen.example/orchard' to='juliet@pilsen.example'><body>2</body></message>")
        let got = site.take(juliet)
        #expect(got.map { $0["from"] } == ["romeo@pilsen.example/orchard", "romeo@pilsen.example/orchard"])
        site.send(romeo, "<message from='juliet@pilsen.example' to='juliet@pilsen.example'><body>3</body></message>")
        #expect(site.closed[romeo.connection] == .some(StreamError(.invalidFrom)))
        #expect(site.takeBodies(juliet) == [])
    }

    @Test("a large mailbox is sent in windows, in order, and nothing that comes meanwhile overtakes it")
    func largeMailbox() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        for number in 0..<450 { site.send(romeo, chat("juliet@pilsen.example", String(number))) }
        let juliet = site.bind("juliet", "balcony")
        site.send(juliet, "<presence/>")
        site.send(romeo, chat("juliet@pilsen.example", "450"))
        var bodies: [String] = []
        for _ in 0..<8 {
            let got = site.takeAll(juliet)
            #expect(got.filter { $0.name == "message" }.count <= 201)
            bodies += got.compactMap(\.body)
            for ping in got where ping.first("ping", Namespaces.ping) != nil {
                site.send(juliet, "<iq type='result' id='\(ping["id"] ?? "")' to='pilsen.example'/>")
            }
            site.passToFence()
        }
        #expect(bodies == (0...450).map(String.init))
        #expect(site.waiting("juliet") == 0)
    }

    @Test(
        "RFC 6121 §8.5.3.1: a message to a full JID that is bound reaches it at once, whatever waits for the account",
        arguments: [nil, -1])
    func fullJIDThatTakesNoOthers(priority: Int?) {
        var site = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        let romeo = site.login("romeo", "orchard")
        let nurse = site.login("nurse", "chamber")
        for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        let juliet = site.bind("juliet", "balcony")
        if let priority { site.send(juliet, "<presence><priority>\(priority)</priority></presence>") }
        site.send(romeo, chat("juliet@pilsen.example/balcony", "3"))
        site.send(nurse, chat("juliet@pilsen.example/balcony", "from the nurse"))
        #expect(site.takeBodies(juliet) == ["3", "from the nurse"])
        site.send(juliet, "<presence/>")
        #expect(site.takeBodies(juliet) == ["1", "2"])
        site.send(romeo, chat("juliet@pilsen.example/balcony", "4"))
        #expect(site.takeBodies(juliet) == ["4"])
    }

    @Test("order per pair: what waits for the same full JID goes to it first")
    func orderAtLogin() {
        for isResumable in [false, true] {
            var site = SessionsHarness(users: ["romeo", "juliet"])
            let romeo = site.login("romeo", "orchard")
            for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example/balcony", body)) }
            site.send(romeo, chat("juliet@pilsen.example/chamber", "for another"))
            site.send(romeo, chat("juliet@pilsen.example", "for all"))
            let juliet = site.bind("juliet", "balcony")
            if isResumable { _ = site.enable(juliet) }
            #expect(site.takeBodies(juliet) == [])
            for body in ["3", "4"] { site.send(romeo, chat("juliet@pilsen.example/balcony", body)) }
            #expect(site.takeBodies(juliet) == ["1", "2", "3", "4"])
            site.send(juliet, "<presence/>")
            #expect(site.takeBodies(juliet) == ["for another", "for all"])
            if isResumable {
                site.acknowledge(juliet, 7)
            } else {
                // She answers no ping.
                site.pass(3 * (site.policy.client.fenceTimeout + site.policy.client.fenceDelay))
            }
            site.flush()
            #expect(site.waiting("juliet") == 0)
            #expect(site.store.count(.log) == 0)
        }
    }

    @Test("what was promised to nobody waits for no commit: neither end has stream management, and somebody is there")
    func unpromised() {
        var site = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        let romeo = site.login("romeo", "orchard")
        let nurse = site.login("nurse", "chamber")
        let juliet = site.login("juliet", "balcony")
        _ = site.enable(nurse)
        /// Whether a message was on disk before it went on.
        func isOnDiskFirst(_ from: SessionsHarness.Client, _ body: String) -> Bool {
            let before = site.bindingSteps
            site.send(from, chat("juliet@pilsen.example", body))
            return site.bindingSteps > before
        }
        #expect(!isOnDiskFirst(romeo, "1"))
        #expect(site.takeBodies(juliet) == ["1"])
        #expect(site.waiting("juliet") == 0, "it need not be written at all")
        // Its reader goes without a word: now it is needed.
        site.lose(juliet)
        site.flush()
        site.crash()
        let again = site.bind("juliet", "balcony")
        site.send(again, "<presence/>")
        #expect(site.takeBodies(again) == ["1"])
        site.answerPings(again)

        let romeoAgain = site.login("romeo", "orchard")
        let nurseAgain = site.login("nurse", "chamber")
        _ = site.enable(nurseAgain)
        #expect(isOnDiskFirst(nurseAgain, "2"), "its sender gets an acknowledgement")
        let chamber = site.loginResumable("juliet", "chamber")
        #expect(isOnDiskFirst(romeoAgain, "3"), "a count of what was sent to a resumable session survives")
        site.logout(chamber)
        site.logout(again)
        #expect(isOnDiskFirst(romeoAgain, "4"), "nobody has it yet")
    }

    @Test("what only a session has keeps its place: it is written before a later message is, and when stream management begins")
    func keptOrder() {
        var site = SessionsHarness(users: ["romeo", "juliet", "nurse"])
        let romeo = site.login("romeo", "orchard")
        let nurse = site.loginResumable("nurse", "chamber")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        #expect(site.waiting("juliet") == 0)
        site.send(nurse, chat("juliet@pilsen.example", "2"))
        #expect(site.waiting("juliet") == 2)
        site.send(romeo, chat("juliet@pilsen.example", "3"))
        #expect(site.takeBodies(juliet) == ["1", "2", "3"])
        site.lose(juliet)
        #expect(site.waiting("juliet") == 3)
        let again = site.login("juliet", "balcony")
        #expect(site.takeBodies(again).isEmpty, "login took them")
        site.lose(again)
        let third = site.bind("juliet", "balcony")
        site.send(third, "<presence/>")
        #expect(site.takeBodies(third) == ["1", "2", "3"])
        site.answerPings(third)

        let fourth = site.login("juliet", "garden")
        site.send(romeo, chat("juliet@pilsen.example/garden", "5"))
        #expect(site.waiting("juliet") == 3, "the other device has not proven its messages")
        _ = site.enable(fourth)
        #expect(site.waiting("juliet") == 4)
    }

    @Test("what TCP has brought to a client that closes its stream in good order does not come again; the rest does")
    func arrived() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        guard case .mark(let first) = site.commands[juliet.connection]?.last else {
            Issue.record("no place was named behind the message")
            return
        }
        site.send(romeo, chat("juliet@pilsen.example", "2"))
        site.client(juliet.connection, .arrived(first))
        site.logout(juliet)
        let again = site.bind("juliet", "balcony")
        site.send(again, "<presence/>")
        #expect(site.takeBodies(again) == ["2"])
        // A place that does not exist yet proves nothing.
        site.send(romeo, chat("juliet@pilsen.example", "3"))
        site.client(again.connection, .arrived(1000))
        site.logout(again)
        #expect(site.waiting("juliet") == 2)
    }

    @Test("what is sent again after a resumption names its place like everything else: TCP's word counts for it too")
    func arrivedAfterResumption() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        site.lose(juliet)
        site.send(romeo, chat("juliet@pilsen.example", "3"))
        let again = site.resume(juliet, h: 1)
        #expect(site.takeBodies(again) == ["1", "2", "3"])
        var marks: [UInt64] = []
        for case .mark(let place) in site.commands[again.connection] ?? [] { marks.append(place) }
        #expect(marks.count == 3)
        #expect(marks == marks.sorted())
        site.client(again.connection, .arrived(marks[1]))
        site.logout(again)
        site.flush()
        let third = site.bind("juliet", "balcony")
        site.send(third, "<presence/>")
        #expect(site.takeBodies(third) == ["3"])
    }

    @Test("a place that was named before stream management was enabled proves nothing of what is counted since")
    func arrivedBeforeEnabling() {
        var site = SessionsHarness(users: ["romeo", "juliet"])
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        for body in ["1", "2"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        guard case .mark(let old) = site.commands[juliet.connection]?.last else {
            Issue.record("no place was named behind the message")
            return
        }
        _ = site.enable(juliet)
        // Both are on their way to the loop when the client's closing tag is read there.
        for body in ["3", "4"] { site.send(romeo, chat("juliet@pilsen.example", body)) }
        site.client(juliet.connection, .arrived(old))
        site.logout(juliet)
        #expect(site.waiting("juliet") == 4)
        let again = site.bind("juliet", "balcony")
        site.send(again, "<presence/>")
        #expect(site.takeBodies(again) == ["1", "2", "3", "4"])
    }

    @Test("whom the server has sent away resumes by its own count, whatever TCP has brought")
    func arrivedWhileLeaving() {
        var site = SessionsHarness()
        let romeo = site.loginResumable("romeo", "orchard")
        let juliet = site.loginResumable("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        guard case .mark(let mark) = site.commands[juliet.connection]?.last else {
            Issue.record("no place was named behind the message")
            return
        }
        site.handle(.shutdownRequested)
        site.pass(SessionLimits.farewellTime)
        site.client(juliet.connection, .arrived(mark))
        site.logout(juliet)
        let again = site.resume(juliet, h: 1)
        #expect(site.takeBodies(again) == ["1"])
    }

    @Test("what is kept is bounded: a reader who answers nothing costs disk, not memory")
    func keptBytes() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        _ = site.login("juliet", "balcony")
        let long = String(repeating: "x", count: SessionLimits.keptBytes / 4)
        for _ in 0..<3 { site.send(romeo, chat("juliet@pilsen.example", long)) }
        #expect(site.waiting("juliet") == 0)
        site.send(romeo, chat("juliet@pilsen.example", long))
        #expect(site.waiting("juliet") == 4)
    }

    @Test("order is kept whichever of an account's sessions has a message alone, and whichever goes first")
    func keptBySeveral() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let balcony = site.login("juliet", "balcony")
        let garden = site.bind("juliet", "garden")
        site.send(romeo, chat("juliet@pilsen.example/garden", "1"))
        site.send(romeo, chat("juliet@pilsen.example/balcony", "2"))
        site.send(romeo, chat("juliet@pilsen.example/garden", "3"))
        site.lose(balcony)
        site.send(romeo, chat("juliet@pilsen.example", "4"))
        site.lose(garden)
        let again = site.bind("juliet", "tower")
        site.send(again, "<presence/>")
        #expect(site.takeBodies(again) == ["1", "2", "3", "4"])
    }

    @Test("a message that only a session has goes back to its sender when the account is removed")
    func keptOfRemoved() {
        var site = SessionsHarness()
        let romeo = site.login("romeo", "orchard")
        let juliet = site.login("juliet", "balcony")
        site.send(romeo, chat("juliet@pilsen.example", "1"))
        _ = site.command(.accounts(.remove(juliet.jid.bare)))
        #expect(site.take(romeo).map(\.condition).contains("service-unavailable"))
        site.flush()
        #expect(site.store.count(.log) == 0)
    }
}
