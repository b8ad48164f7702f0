import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletServices
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletSessions

/// Sessions and services of one site with a store in memory, a clock that moves when told, and clients that write XML.
struct SessionsHarness {
    /// A client's connection.
    struct Client: Equatable {
        var connection: ConnectionID
        var jid: JID
        /// The `id` of `<enabled/>`.
        var token = ""
    }

    static let domain = JID(preparedLocalpart: nil, preparedDomainpart: "pilsen.example", preparedResourcepart: nil)

    let store = MemoryStore()
    var sessions: Sessions
    var services = Services()
    var policy = SitePolicy(domains: [Self.domain])
    var now: Int64 = 1000
    var random = RandomStream(seed: 7)
    var isBelowReserve = false
    /// What went to other domains.
    var remote: [Stanza] = []
    /// The most stanzas that went to other domains in one batch.
    var largestBatch = 0
    /// Messages that wait for other offices, by account.
    var waitingElsewhere: [JID: Int] = [:]
    /// How often they were counted.
    var officeCounts = 0
    /// Links that the sessions wanted to see up.
    var wantedLinks: [DomainPair] = []
    /// What was sent on each connection and not looked at yet.
    var inboxes: [ConnectionID: [Element]] = [:]
    /// Connections that were told to close, and why.
    var closed: [ConnectionID: StreamError?] = [:]
    var commands: [ConnectionID: [StreamCommand]] = [:]
    var diagnostics: [Diagnostic] = []
    /// Keys of passwords come at once; else when ``deriveKeys()`` is called.
    var derivesKeysAtOnce = true
    /// Passwords whose keys are not there yet.
    var keysRequests: [(id: WorkID, password: ChosenPassword)] = []
    /// Batches that were committed before their effects left.
    var bindingSteps = 0
    private var timers: [(timer: SiteTimer, at: Int64)] = []
    var timerCount: Int { timers.count }
    private var transaction: (any KeyValueTransaction)?
    private var afterCommit: [Effect] = []
    private var nextSlot: UInt32 = 0

    init(users: [String] = ["romeo", "juliet"]) {
        sessions = Sessions(policy: policy)
        step { sessions, turn in
            MetaTable.set(.secret, turn.random.bytes(32), in: turn.store)
            sessions.boot(turn)
            for user in users {
                let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
                _ = sessions.handle(.addUser(Self.account(user), PasswordKeys(sha1: keys, sha256: keys)), turn)
            }
        }
    }

    /// A chat message with an origin-id (XEP-0359).
    static func message(origin: String) -> Stanza {
        Stanza(
            .message, from: account("romeo"), to: account("juliet"), id: origin, type: "chat",
            payloads: [Element("body", Namespaces.client), Element("origin-id", Namespaces.stanzaID, [("id", origin)])])
    }

    static func account(_ user: String) -> JID {
        JID(preparedLocalpart: user, preparedDomainpart: domain.domainpart, preparedResourcepart: nil)
    }

    /// One batch, as the site and its driver run it: lazy writes stay open, binding ones are committed first.
    mutating func step(_ body: (inout Sessions, Turn) -> Void) {
        let open = transaction ?? store.begin()
        transaction = open
        let turn = Turn(
            now: Instant(milliseconds: now), wall: WallTime(milliseconds: 1_700_000_000_000 + now), random: random,
            store: open, policy: policy, isBelowReserve: isBelowReserve)
        let before = remote.count
        body(&sessions, turn)
        settle(turn)
        sessions.writeBatch(turn)
        largestBatch = max(largestBatch, remote.count - before + turn.effects.count)
        random = turn.random
        timers += turn.takeTimers().map { ($0.timer, $0.at.milliseconds) }
        afterCommit += turn.afterCommit
        if turn.isBinding || open.writes == 0 {
            if turn.isBinding { bindingSteps += 1 }
            commit()
        }
        perform(turn.effects)
        if transaction == nil { releaseAcknowledgements() }
        if derivesKeysAtOnce { deriveKeys() }
    }

    /// The keys of all passwords are there.
    mutating func deriveKeys() {
        let requests = keysRequests
        keysRequests = []
        for request in requests { step { $0.workDone(request.id, .keys(request.password.keys()), $1) } }
    }

    /// Commits lazy writes, as the driver does after 100 ms.
    mutating func commit() {
        if transaction != nil { #expect(throws: Never.self) { try store.commit() } }
        transaction = nil
    }

    mutating func flush() {
        commit()
        releaseAcknowledgements()
    }

    private mutating func releaseAcknowledgements() {
        perform(afterCommit)
        afterCommit = []
    }

    private mutating func settle(_ turn: Turn) {
        for hop in 0..<32 {
            for id in sessions.takeOfficeQuestions() {
                guard let question = sessions.officeQuestion(id, turn) else { continue }
                officeCounts += question.pairs.count
                let waiting = question.pairs.map { ($0, waitingElsewhere[question.account]) }
                sessions.showOffices(id, waiting: waiting, turn)
            }
            wantedLinks += sessions.takeWantedLinks()
            var outgoing: [(stanza: Stanza, origin: Origin)] = []
            turn.takeOutgoing(&outgoing)
            if outgoing.isEmpty { return }
            #expect(hop < 31, "a loop of stanzas")
            for (stanza, origin) in outgoing {
                guard let to = stanza.to else {
                    Issue.record("a stanza without addressee was routed: \(stanza)")
                    continue
                }
                if !policy.serves(to.domainpart) {
                    remote.append(stanza)
                } else if to.localpart == nil {
                    services.deliver(stanza, from: origin, turn)
                } else {
                    sessions.deliver(stanza, from: origin, turn)
                }
            }
        }
    }

    private mutating func perform(_ effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .stream(let connection, .send(let bytes)):
                let elements = ContentReader.elements(in: bytes)
                #expect(!elements.isEmpty, "not well-formed: \(String(decoding: bytes, as: UTF8.self))")
                if closed[connection] == nil { inboxes[connection, default: []] += elements }
            case .stream(let connection, .close(let error)): closed[connection] = .some(error)
            case .stream(let connection, let command): commands[connection, default: []].append(command)
            case .note(let diagnostic): diagnostics.append(diagnostic)
            case .work(let id, .deriveKeys(let password)): keysRequests.append((id, password))
            default: Issue.record("unexpected effect \(effect)")
            }
        }
    }

    /// Lets time pass, firing what is due.
    mutating func pass(_ milliseconds: Int64) {
        let end = now + milliseconds
        while let index = timers.indices.filter({ timers[$0].at <= end }).min(by: { timers[$0].at < timers[$1].at }) {
            let (timer, at) = timers.remove(at: index)
            now = max(now, at)
            step { $0.timerFired(timer, $1) }
        }
        now = end
        flush()
    }

    /// Lets time pass until clients are asked for what was sent until now.
    mutating func passToFence() {
        pass(policy.fenceDelay + SessionLimits.askTogether - 1)
    }

    /// Federation says what became of the link to `peer`.
    mutating func link(_ kind: LinkChange.Kind, to peer: String = "brno.example") {
        let peer = JID(preparedLocalpart: nil, preparedDomainpart: peer, preparedResourcepart: nil)
        step { $0.linkChanged(LinkChange(DomainPair(local: Self.domain, peer: peer), kind), $1) }
    }

    /// Lets the link be down until everybody knows.
    mutating func cut(_ peer: String = "brno.example") {
        link(.failing, to: peer)
        pass(policy.presenceGrace)
    }

    /// The process dies: what was not committed is gone, and a new one starts from the store.
    mutating func crash() {
        transaction = nil
        store.crash()
        afterCommit = []
        inboxes = [:]
        timers = []
        sessions = Sessions(policy: policy)
        now += 1000
        step { $0.boot($1) }
    }

    // Clients

    /// A connection that has logged in.
    mutating func authenticate(_ user: String) -> ConnectionID {
        nextSlot += 1
        let connection = ConnectionID(loop: 0, slot: nextSlot, generation: 0)
        let account = Self.account(user)
        step { sessions, turn in
            sessions.received(
                .credentialsWanted(
                    localpart: user, domain: account.domain, mechanism: .scramSHA256, address: RemoteAddress("192.0.2.1")),
                on: connection, turn)
        }
        guard case .credentials(let credentials) = commands[connection]?.last else { return connection }
        step { sessions, turn in
            let client = AuthenticatedClient(account: account, generation: credentials.generation, isSecure: true)
            sessions.received(.authenticated(client), on: connection, turn)
        }
        return connection
    }

    /// A client that has bound a resource.
    mutating func bind(_ user: String, _ resource: String) -> Client {
        let connection = authenticate(user)
        var client = Client(connection: connection, jid: Self.account(user))
        send(client, "<iq type='set' id='b'><bind xmlns='\(Namespaces.bind)'><resource>\(resource)</resource></bind></iq>")
        let answer = take(client).first
        let text = answer?.first("bind", Namespaces.bind)?.first("jid", Namespaces.bind)?.text
        if let text, let jid = try? JID(text) { client.jid = jid }
        return client
    }

    /// A client that is available, with its own presence already read.
    mutating func login(_ user: String, _ resource: String, priority: Int = 0) -> Client {
        let client = bind(user, resource)
        send(client, "<presence><priority>\(priority)</priority></presence>")
        #expect(take(client).first?.name == "presence")
        return client
    }

    /// A client that is available, interested in the roster, and can resume.
    mutating func loginResumable(_ user: String, _ resource: String) -> Client {
        var client = bind(user, resource)
        client.token = enable(client)
        send(client, "<presence/>")
        _ = take(client)
        acknowledge(client, 1)
        return client
    }

    /// Enables stream management with resumption; returns the token.
    mutating func enable(_ client: Client) -> String {
        send(client, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        return take(client).first { $0.name == "enabled" }?["id"] ?? ""
    }

    /// Resumes on a new connection; returns the client there.
    mutating func resume(_ client: Client, h: UInt32) -> Client {
        let user = client.jid.localpart ?? ""
        let connection = authenticate(user)
        let resumed = Client(connection: connection, jid: client.jid, token: client.token)
        send(resumed, "<resume xmlns='urn:xmpp:sm:3' previd='\(client.token)' h='\(h)'/>")
        return resumed
    }

    mutating func acknowledge(_ client: Client, _ h: UInt32) {
        send(client, "<a xmlns='urn:xmpp:sm:3' h='\(h)'/>")
    }

    /// The connection breaks.
    mutating func lose(_ client: Client) {
        step { $0.received(.closed("reset"), on: client.connection, $1) }
    }

    /// The client closes its stream.
    mutating func logout(_ client: Client) {
        step { $0.received(.streamEnded, on: client.connection, $1) }
    }

    /// A client sends XML: stanzas and nonzas.
    mutating func send(_ client: Client, _ xml: String) {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            let bytes = element.serialized(within: Namespaces.client)
            let context = NamespaceContext(Namespaces.client)
            if let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.client, context: context) {
                let query = stanza.payload("query", Namespaces.register)
                if stanza.iqType == .set, query?.first("password", Namespaces.register) != nil {
                    step { $0.received(.registrationRequested(stanza, domain: client.jid.domain), on: client.connection, $1) }
                } else {
                    step { $0.received(.stanza(stanza), on: client.connection, $1) }
                }
            } else {
                step { $0.received(.nonza(element), on: client.connection, $1) }
            }
        }
    }

    /// A stanza from another domain.
    mutating func receive(_ xml: String) {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            let bytes = element.serialized(within: Namespaces.client)
            let context = NamespaceContext(Namespaces.client)
            guard let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.client, context: context) else {
                Issue.record("not a stanza: \(xml)")
                continue
            }
            let peer = JID(
                preparedLocalpart: nil, preparedDomainpart: stanza.from?.domainpart ?? "", preparedResourcepart: nil)
            let origin = Origin.peer(
                ConnectionID(loop: 9, slot: 9, generation: 9), DomainPair(local: Self.domain, peer: peer))
            step { _, turn in turn.route(stanza, from: origin) }
        }
    }

    /// What the client got since the last look, without requests for acknowledgement and pings of the fence.
    mutating func take(_ client: Client) -> [Element] {
        takeAll(client).filter { $0.name != "r" && $0.first("ping", Namespaces.ping) == nil }
    }

    /// Everything the client got since the last look.
    mutating func takeAll(_ client: Client) -> [Element] {
        defer { inboxes[client.connection] = nil }
        return inboxes[client.connection] ?? []
    }

    /// The bodies of the messages the client got since the last look.
    mutating func takeBodies(_ client: Client) -> [String] {
        take(client).compactMap { $0.first("body", Namespaces.client)?.text }
    }

    /// Answers the pings of the fence, after they were sent.
    mutating func answerPings(_ client: Client) {
        for ping in takeAll(client) where ping.first("ping", Namespaces.ping) != nil {
            send(client, "<iq type='result' id='\(ping["id"] ?? "")' to='\(ping["from"] ?? "")'/>")
        }
    }

    mutating func takeRemote() -> [Stanza] {
        defer { remote = [] }
        return remote
    }

    /// An account's messages that wait for a session.
    func waiting(_ user: String) -> Int {
        let transaction = self.transaction ?? store.begin()
        defer { if self.transaction == nil { store.abort() } }
        guard let number = AddressTable.number(of: Self.account(user), in: transaction) else { return 0 }
        var count = 0
        MailboxTable.forEach(number, from: 0, in: transaction) { _, row in
            if row.isWaiting { count += 1 }
            return true
        }
        return count
    }
}

extension Element {
    /// The stanza error condition.
    var condition: String? {
        first("error", Namespaces.client)?.elements.first { $0.namespace == Namespaces.stanzaErrors }?.name
    }

    var body: String? { first("body", Namespaces.client)?.text }
    var delay: Element? { first("delay", Namespaces.delay) }
}

func chat(_ to: String, _ body: String, type: String = "chat") -> String {
    "<message to='\(to)' type='\(type)' id='\(body)'><body>\(body)</body></message>"
}

extension SessionsHarness {
    /// Writes a mutual subscription into a roster.
    mutating func subscribe(_ user: String, to contacts: [String]) {
        step { _, turn in
            guard let account = AddressTable.number(of: Self.account(user), in: turn.store) else { return }
            for contact in contacts.compactMap({ try? JID($0) }) {
                var row = RosterRow()
                row.flags = [.to, .from]
                let number = AddressTable.makeNumber(of: contact, in: turn.store)
                let domain = AddressTable.makeNumber(of: contact.domain, in: turn.store)
                RosterTable.put(account, number, domain: domain, row, in: turn.store)
            }
        }
    }
}
