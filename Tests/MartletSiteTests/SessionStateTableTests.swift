import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

/// Juliet's client `desk`, Romeo who writes to her, and what became of it.
struct SessionSubject {
    var harness = SessionsHarness()
    /// Her client, on the connection it used last.
    var client: SessionsHarness.Client
    var romeo: SessionsHarness.Client
    /// Another connection of hers, once there is one.
    var other: SessionsHarness.Client?
    private var seenClosed: Set<String> = []
    private var diagnosticsSeen = 0

    init() {
        romeo = harness.bind("romeo", "phone")
        client = SessionsHarness.Client(
            connection: ConnectionID(loop: 7, slot: 7, generation: 7),
            jid: JID(
                preparedLocalpart: "juliet", preparedDomainpart: SessionsHarness.domain.domainpart,
                preparedResourcepart: "desk"))
    }

    var hasConnection: Bool { harness.sessions.connections[client.connection] != nil }

    private var id: SessionID? {
        harness.sessions.online.place(of: client.jid.bare).flatMap { harness.sessions.session(of: client.jid, at: $0) }
    }

    /// The state of the session, what its client has in hand, and what the mailbox has.
    var state: String {
        var words: [String] = []
        if let id {
            let session = harness.sessions.sessions[id]
            words.append(session.connection == nil ? "detached" : session.farewell == .said ? "closing" : "bound")
            if session.isAvailable { words.append("available") }
            if let management = session.management {
                words.append(management.isResumable ? "resumable" : "managed")
                words.append("h=\(management.handled)")
            }
            let messages = session.outbox.sent.count { $0.content.isMessage }
            let waiting = session.outbox.waiting.count { $0.content.logSequence != nil }
            if messages > 0 { words.append("\(messages) unacknowledged") }
            if waiting > 0 { words.append("\(waiting) to be sent") }
        } else if case .authenticated = harness.sessions.connections[client.connection] {
            words.append("logged in")
        } else {
            words.append("absent")
        }
        let waiting = harness.waiting("juliet")
        if waiting > 0 { words.append("mailbox \(waiting)") }
        return words.joined(separator: ", ")
    }

    /// What was let out since the last look.
    mutating func takeDeeds() -> [String] {
        harness.flush()
        var deeds = said("", client)
        if let other { deeds += said(" there", other) }
        deeds += said(" to Romeo", romeo)
        for (name, connection) in [("the stream", client.connection), ("the other stream", other?.connection)] {
            guard let connection, let error = harness.closed[connection],
                seenClosed.insert(connection.description).inserted
            else { continue }
            deeds.append("closes \(name)" + (error.map { ": \($0.condition.rawValue)" } ?? ""))
        }
        return deeds
    }

    private mutating func said(_ whom: String, _ client: SessionsHarness.Client) -> [String] {
        harness.takeAll(client).map { element in
            var name = element.name
            if name == "iq", element.first("ping", Namespaces.ping) != nil { name = "ping" }
            if name == "iq" || name == "presence", let type = element["type"] { name += " \(type)" }
            if name == "message" { name += " " + (element["type"] == "error" ? "error" : element.body ?? "") }
            if let h = element["h"] { name += " h=\(h)" }
            if let condition = element.condition { name += " " + condition }
            if name == "failed" || element.name == "failed" { name += " " + (element.elements.first?.name ?? "") }
            return "sends\(whom) \(name)"
        }
    }

    // States

    static func loggedIn() -> SessionSubject {
        var subject = SessionSubject()
        subject.client.connection = subject.harness.authenticate("juliet")
        return subject
    }

    static func bound() -> SessionSubject {
        var subject = SessionSubject()
        subject.client = subject.harness.bind("juliet", "desk")
        return subject
    }

    static func available() -> SessionSubject {
        var subject = bound()
        subject.harness.send(subject.client, "<presence/>")
        subject.write("one")
        return subject
    }

    static func managed() -> SessionSubject {
        var subject = bound()
        subject.harness.send(subject.client, "<enable xmlns='urn:xmpp:sm:3'/><presence/>")
        subject.write("one")
        return subject
    }

    static func resumable() -> SessionSubject {
        var subject = bound()
        subject.client.token = subject.harness.enable(subject.client)
        subject.harness.send(subject.client, "<presence/>")
        subject.write("one")
        return subject
    }

    static func detached() -> SessionSubject {
        var subject = resumable()
        subject.harness.lose(subject.client)
        return subject
    }

    static func restored() -> SessionSubject {
        var subject = resumable()
        subject.harness.flush()
        subject.harness.crash()
        subject.romeo = subject.harness.bind("romeo", "phone")
        return subject
    }

    static func expired() -> SessionSubject {
        var subject = detached()
        subject.harness.pass(subject.harness.policy.client.resumptionTimeout + 1)
        return subject
    }

    static func closing() -> SessionSubject {
        var subject = resumable()
        subject.harness.handle(.shutdownRequested)
        subject.harness.pass(SessionLimits.farewellTime)
        return subject
    }

    // Inputs

    mutating func write(_ body: String, to resource: String? = nil) {
        let to = "juliet@\(SessionsHarness.domain.domainpart)" + (resource.map { "/\($0)" } ?? "")
        guard harness.sessions.connections[romeo.connection] == nil else { return harness.send(romeo, chat(to, body)) }
        // He has no connection any more either: somebody else writes.
        harness.receive(
            "<message from='mercutio@brno.example/desk' to='\(to)' type='chat' id='\(body)'><body>\(body)</body></message>")
    }

    /// The client sends something; false where it has no connection.
    mutating func send(_ xml: String) -> Bool {
        guard hasConnection else { return false }
        harness.send(client, xml)
        return true
    }

    mutating func bindAgain() -> Bool {
        send("<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>desk</resource></bind></iq>")
    }

    /// What the client has got since it enabled stream management.
    private var sentCount: UInt64? {
        guard let id, harness.sessions.sessions[id].management != nil else { return nil }
        return harness.sessions.sessions[id].outbox.last
    }

    mutating func acknowledge(_ excess: UInt64) -> Bool {
        guard let count = sentCount, hasConnection else { return false }
        return send("<a xmlns='urn:xmpp:sm:3' h='\(count + excess)'/>")
    }

    /// Another connection of hers resumes the session.
    mutating func resume(token: String, excess: UInt64) -> Bool {
        guard !client.token.isEmpty else { return false }
        let h = (sentCount ?? 0) + excess
        var again = client
        again.connection = harness.authenticate("juliet")
        other = again
        harness.send(again, "<resume xmlns='urn:xmpp:sm:3' previd='\(token)' h='\(h)'/>")
        return true
    }
}

extension StateTableTests {
    @Suite struct SessionStateTableTests {
        private static var table: StateTable<SessionSubject> {
            StateTable<SessionSubject>(
                title: "Sessions",
                words: """
                    The resource *desk* of Juliet's account, with a message *one* from Romeo that her client has got and not acknowledged
                    ([the relay protocol](../relay-protocol.md), section 7). `h` is what the server has handled of what the client sent;
                    the mailbox holds what no session has acknowledged.
                    """,
                states: [
                    ("absent", { SessionSubject() }),
                    ("logged in, nothing bound", { SessionSubject.loggedIn() }),
                    ("bound, not available", { SessionSubject.bound() }),
                    ("available, without stream management", { SessionSubject.available() }),
                    ("available, stream management without resumption", { SessionSubject.managed() }),
                    ("available, resumable", { SessionSubject.resumable() }),
                    ("detached: the connection was lost", { SessionSubject.detached() }),
                    ("detached: the server has started anew", { SessionSubject.restored() }),
                    ("expired: nobody resumed it in time", { SessionSubject.expired() }),
                    ("closing: the server stops", { SessionSubject.closing() }),
                ],
                inputs: stanzas + management + ends,
                observe: { subject in
                    let deeds = subject.takeDeeds()
                    return (subject.state, deeds)
                })
        }

        private static var stanzas: [StateTable<SessionSubject>.Input] {
            [
                .init("the client sends a message", needs: "a connection") {
                    $0.send(chat("romeo@pilsen.example/phone", "hello"))
                },
                .init("a message comes for the account") {
                    $0.write("two")
                    return true
                },
                .init("a message comes for this resource") {
                    $0.write("two", to: "desk")
                    return true
                },
                .init("the client sends presence", needs: "a connection") { $0.send("<presence/>") },
                .init("the client becomes unavailable", needs: "a connection") { $0.send("<presence type='unavailable'/>") },
            ]
        }

        private static var management: [StateTable<SessionSubject>.Input] {
            [
                .init("`<enable/>` with resumption", needs: "a connection") {
                    $0.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
                },
                .init("`<a/>` for everything", needs: "a connection with stream management") { $0.acknowledge(0) },
                .init("`<a/>` for more than was sent", needs: "a connection with stream management") { $0.acknowledge(5) },
                .init("`<r/>`", needs: "a connection") { $0.send("<r xmlns='urn:xmpp:sm:3'/>") },
                .init("the ping of the fence is answered", needs: "a connection without stream management, and a message on it")
                {
                    subject in
                    guard subject.hasConnection else { return false }
                    subject.harness.pass(subject.harness.policy.client.fenceDelay)
                    let pings = subject.harness.takeAll(subject.client).filter { $0.first("ping", Namespaces.ping) != nil }
                    guard let ping = pings.first, let id = ping["id"], let from = ping["from"] else { return false }
                    return subject.send("<iq type='result' id='\(id)' to='\(from)'/>")
                },
                .init("another connection resumes it, having got everything", needs: "a session that could be resumed") {
                    $0.resume(token: $0.client.token, excess: 0)
                },
                .init("another connection resumes it, having got nothing", needs: "a session that could be resumed") {
                    subject in
                    guard !subject.client.token.isEmpty else { return false }
                    var again = subject.client
                    again.connection = subject.harness.authenticate("juliet")
                    subject.other = again
                    let text = "<resume xmlns='urn:xmpp:sm:3' previd='\(again.token)' h='0'/>"
                    subject.harness.send(again, text)
                    return true
                },
                .init("another connection resumes with an `h` that cannot be", needs: "a session that could be resumed") {
                    $0.resume(token: $0.client.token, excess: 5)
                },
                .init("another connection resumes with a wrong id", needs: "a session that could be resumed") {
                    $0.resume(token: $0.client.token + "x", excess: 0)
                },
                .init("the client binds the resource", needs: "a connection that has bound nothing") { subject in
                    guard case .authenticated = subject.harness.sessions.connections[subject.client.connection] else {
                        return false
                    }
                    return subject.bindAgain()
                },
                .init(
                    "the account is removed and made anew, then the client binds",
                    needs: "a connection that has bound nothing"
                ) { subject in
                    guard case .authenticated = subject.harness.sessions.connections[subject.client.connection] else {
                        return false
                    }
                    let jid = subject.client.jid.bare
                    let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [8], serverKey: [7])
                    subject.harness.now += 1
                    _ = subject.harness.command(.accounts(.remove(jid)))
                    _ = subject.harness.command(.accounts(.add(jid, PasswordKeys(sha1: keys, sha256: keys))))
                    return subject.bindAgain()
                },
                .init("another connection binds the same resource") { subject in
                    let again = subject.harness.bind("juliet", "desk")
                    subject.other = again
                    return true
                },
            ]
        }

        private static var ends: [StateTable<SessionSubject>.Input] {
            [
                .init("the connection is lost", needs: "a connection") { subject in
                    guard subject.hasConnection else { return false }
                    subject.harness.lose(subject.client)
                    return true
                },
                .init("the client closes its stream", needs: "a connection") { subject in
                    guard subject.hasConnection else { return false }
                    subject.harness.logout(subject.client)
                    return true
                },
                .init("two minutes pass") { subject in
                    subject.harness.pass(130_000)
                    return true
                },
                .init("the time to resume passes") { subject in
                    subject.harness.pass(subject.harness.policy.client.resumptionTimeout + 1000)
                    return true
                },
                .init("the server starts anew") { subject in
                    subject.harness.flush()
                    subject.harness.crash()
                    return true
                },
                .init("the server stops") { subject in
                    subject.harness.handle(.shutdownRequested)
                    subject.harness.pass(SessionLimits.farewellTime)
                    return true
                },
                .init("the account is removed") { subject in
                    let jid = subject.client.jid.bare
                    _ = subject.harness.command(.accounts(.remove(jid)))
                    return true
                },
                .init("the password is changed") { subject in
                    let jid = subject.client.jid.bare
                    let keys = PasswordKeys.Keys(salt: [9], iterations: 4096, storedKey: [8], serverKey: [7])
                    _ = subject.harness.command(.accounts(.changePassword(jid, PasswordKeys(sha1: keys, sha256: keys))))
                    return true
                },
            ]
        }

        @Test("every state of a session under every input is what Docs/reference/state-tables.md says")
        func sessions() throws { try Self.table.expectSection() }
    }
}
