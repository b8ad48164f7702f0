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

@testable import MartletServices
@testable import MartletSessions
@testable import MartletSite

/// What goes to other domains, and what is asked of their links, in the place of servers there.
final class Elsewhere: @unchecked Sendable {
    /// What went to other domains.
    var stanzas: [Stanza] = []
    /// Messages that wait for other offices, by account.
    var waiting: [JID: Int] = [:]
    /// How often they were counted.
    var counts = 0
    /// Links that somebody wanted to see up.
    var wantedLinks: [DomainPair] = []

    /// Looks on where stanzas leave the site.
    var service: SiteService {
        SiteService(ServiceDeclaration("Elsewhere", watches: [.toPeer])) { [self] envelope, _, _ in
            stanzas.append(envelope.stanza)
        }
    }

    /// Answers what only a server there could, or what is on the way to it.
    func answer(_ question: Question, _ site: inout Site, _ turn: Turn) -> Bool {
        switch question {
        case .reachPeer(let pair): wantedLinks.append(pair)
        case .waitingMessages(let session, let account, let pairs):
            counts += pairs.count
            site.answerWaiting(session, pairs.map { ($0, waiting[account]) }, turn)
        case .officeAnswer(let message, let session, let pair):
            site.offices.answer(message, session, pair, waiting: message.from.flatMap { waiting[$0.bare] }, turn)
        case .ownEntries, .roomForAnswer, .longAnswer, .administer, .orderKeys, .roomHistory, .roomSessions: return false
        }
        return true
    }
}

/// A whole site with a store in memory, a clock that moves when told, clients that write XML, and no answer from other domains: for
/// what accounts, sessions and services do.
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
    let elsewhere = Elsewhere()
    var site: Site
    var sessions: Sessions { site.sessions }
    var policy = SitePolicy(domains: [Self.domain])
    var now: Int64 = 1000
    var random = RandomStream(seed: 7)
    var room = StoreRoom.ample
    /// What went to other domains.
    var remote: [Stanza] {
        get { elsewhere.stanzas }
        nonmutating set { elsewhere.stanzas = newValue }
    }
    /// The most stanzas that went to other domains in one batch.
    var largestBatch = 0
    /// The most rows that one batch has touched.
    var longestBatch = 0
    /// Messages that wait for other offices, by account.
    var waitingElsewhere: [JID: Int] {
        get { elsewhere.waiting }
        nonmutating set { elsewhere.waiting = newValue }
    }
    /// How often they were counted.
    var officeCounts: Int {
        get { elsewhere.counts }
        nonmutating set { elsewhere.counts = newValue }
    }
    /// Links that the sessions wanted to see up.
    var wantedLinks: [DomainPair] {
        get { elsewhere.wantedLinks }
        nonmutating set { elsewhere.wantedLinks = newValue }
    }
    /// What was sent on each connection and not looked at yet.
    var inboxes: [ConnectionID: [Element]] = [:]
    /// Connections that were told to close, and why.
    var closed: [ConnectionID: StreamError?] = [:]
    var commands: [ConnectionID: [StreamCommand]] = [:]
    var diagnostics: [Diagnostic] = []
    /// Keys of passwords come at once; else when ``deriveKeys()`` is called.
    var derivesKeysAtOnce = true
    /// Mechanisms that clients are not offered.
    var withheld: [SASLMechanism]?
    /// Passwords whose keys are not there yet.
    var keysRequests: [(id: WorkID, password: ChosenPassword)] = []
    /// What is to be done on the disk and is not.
    var works: [(id: WorkID, work: Work)] = []
    /// Bytestreams that are to begin.
    var activations: [(id: WorkID, activation: BytestreamActivation)] = []
    private var answers: [CommandAnswer] = []
    /// What is held in memory, and by whom.
    var memory = MemoryLedger()
    /// The site has said good-bye to everybody.
    var isShutDown = false
    /// Batches that were committed before their effects left.
    var bindingSteps = 0
    /// Timers that are set, but for the one that notes the time and the one that looks for what is too old.
    var timerCount: Int { site.timers.count - 2 }
    private var transaction: (any KeyValueTransaction)?
    private var afterCommit: [Effect] = []
    var nextSlot: UInt32 = 0
    private let more: [SiteService]

    /// Without archives, unless they are what it is about: then every message is written down.
    init(
        users: [String] = ["romeo", "juliet"], hosts: [Host]? = nil, services: [SiteService] = [], archives: Bool = false
    ) {
        if let hosts { policy = SitePolicy(hosts: hosts) }
        policy.archive.isEnabled = archives
        more = services
        // Nobody answers there, and nothing there comes to an end meanwhile.
        policy.federation.strangers.newDomainsPerHour = .max
        policy.federation.strangers.timeout = 1 << 50
        policy.federation.delayWarning = 0
        site = Self.site(policy, elsewhere, services)
        step { $0.boot($1) }
        let keys = PasswordKeys.Keys(salt: [1], iterations: 4096, storedKey: [2], serverKey: [3])
        for user in users { _ = command(.accounts(.add(Self.account(user), PasswordKeys(sha1: keys, sha256: keys)))) }
    }

    private static func site(_ policy: SitePolicy, _ elsewhere: Elsewhere, _ more: [SiteService]) -> Site {
        var site = Site(policy: policy, services: SiteService.all + more + [elsewhere.service])
        site.standIn = { elsewhere.answer($0, &$1, $2) }
        return site
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
    mutating func step(_ body: (inout Site, Turn) -> Void) {
        let open = transaction ?? store.begin()
        transaction = open
        let rows = CountingTransaction(open)
        let turn = Turn(
            now: Instant(milliseconds: now), wall: WallTime(milliseconds: 1_700_000_000_000 + now), random: random,
            store: rows, policy: policy, room: room)
        let before = remote.count
        turn.memory = memory
        site.policy = policy
        body(&site, turn)
        site.settle(turn)
        site.endBatch(turn)
        largestBatch = max(largestBatch, remote.count - before + turn.effects.count)
        longestBatch = max(longestBatch, rows.touched)
        random = turn.random
        memory = turn.memory
        afterCommit += turn.afterCommit
        if turn.isBinding || open.writes == 0 {
            if turn.isBinding { bindingSteps += 1 }
            commit()
        }
        perform(turn.effects)
        if transaction == nil { releaseAcknowledgements() }
        if derivesKeysAtOnce { deriveKeys() }
    }

    /// One batch of one event.
    mutating func handle(_ event: SiteEvent) {
        step { $0.handle(event, $1) }
    }

    /// Something happens on a client's connection.
    mutating func client(_ connection: ConnectionID, _ event: ClientStreamEvent) {
        handle(.client(connection, event))
    }

    /// An operator asks.
    mutating func command(_ command: Command) -> CommandAnswer {
        answers = []
        handle(.command(CommandID(1), command))
        return answers.last ?? .refused("no answer")
    }

    /// The keys of all passwords are there.
    mutating func deriveKeys() {
        let requests = keysRequests
        keysRequests = []
        for request in requests { handle(.workDone(request.id, .keys(request.password.keys()))) }
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

    private mutating func perform(_ effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .stream(let connection, .send(let bytes)):
                let elements = ContentReader.elements(in: bytes)
                #expect(!elements.isEmpty, "not well-formed: \(String(decoding: bytes, as: UTF8.self))")
                if closed[connection] == nil { inboxes[connection, default: []] += elements }
            case .stream(let connection, .close(let error)): closed[connection] = .some(error)
            case .stream(let connection, let command): commands[connection, default: []].append(command)
            case .note(.longTurn(let event, let count)): Issue.record("a turn was long: \(event), \(count)")
            case .note(let diagnostic): diagnostics.append(diagnostic)
            case .work(let id, .deriveKeys(let password, _)): keysRequests.append((id, password))
            case .work(let id, .activateBytestream(let activation)): activations.append((id, activation))
            case .work(let id, let work): works.append((id, work))
            case .answer(_, let answer): answers.append(answer)
            case .dial, .cancelDial: break  // nobody answers there
            case .withhold(let mechanisms): withheld = mechanisms
            case .shutdownComplete: isShutDown = true
            }
        }
    }

    /// Lets time pass, firing what is due.
    mutating func pass(_ milliseconds: Int64) {
        let end = now + milliseconds
        while let next = site.nextDeadline?.milliseconds, next <= end {
            now = max(now, next)
            handle(.tick)
        }
        now = end
        flush()
    }

    /// Lets time pass until clients are asked for what was sent until now.
    mutating func passToFence() {
        pass(policy.client.fenceDelay)
    }

    /// Federation says what became of the link to `peer`.
    mutating func link(_ kind: LinkChange.Kind, to peer: String = "brno.example") {
        let peer = JID(preparedLocalpart: nil, preparedDomainpart: peer, preparedResourcepart: nil)
        step { _, turn in turn.notify(.linkChanged(LinkChange(DomainPair(local: Self.domain, peer: peer), kind))) }
    }

    /// Lets the link be down until everybody knows.
    mutating func cut(_ peer: String = "brno.example") {
        link(.failing, to: peer)
        pass(policy.federation.presenceGrace)
    }

    /// The process dies: what was not committed is gone, and a new one starts from the store.
    mutating func crash() {
        transaction = nil
        store.crash()
        afterCommit = []
        memory = MemoryLedger()
        inboxes = [:]
        site = Self.site(policy, elsewhere, more)
        now += 1000
        step { $0.boot($1) }
    }

    // Clients

    /// A connection that has logged in.
    mutating func authenticate(_ user: String) -> ConnectionID {
        nextSlot += 1
        let connection = ConnectionID(loop: 0, slot: nextSlot, generation: 0)
        let account = Self.account(user)
        self.client(
            connection,
            .credentialsWanted(
                localpart: user, domain: account.domain, mechanism: .scramSHA256, address: RemoteAddress("192.0.2.1")))
        guard case .credentials(let credentials) = commands[connection]?.last else { return connection }
        let client = AuthenticatedClient(
            account: account, generation: credentials.generation, isSecure: true, address: RemoteAddress("192.0.2.1"))
        self.client(connection, .authenticated(client))
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
        self.client(client.connection, .closed("reset"))
    }

    /// The client closes its stream.
    mutating func logout(_ client: Client) {
        self.client(client.connection, .streamEnded)
    }

    /// A client sends XML: stanzas and nonzas.
    mutating func send(_ client: Client, _ xml: String) {
        for element in ContentReader.elements(in: Array(xml.utf8)) {
            let bytes = element.serialized(within: Namespaces.client)
            let context = NamespaceContext(Namespaces.client)
            if let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.client, context: context) {
                let query = stanza.payload("query", Namespaces.register)
                if stanza.iqType == .set, query?.first("password", Namespaces.register) != nil {
                    self.client(
                        client.connection,
                        .registrationRequested(stanza, domain: client.jid.domain, address: RemoteAddress("192.0.2.1")))
                } else {
                    self.client(client.connection, .stanza(stanza))
                }
            } else {
                self.client(client.connection, .nonza(element))
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
            step { _, turn in turn.admit(stanza, from: origin) }
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
    func waiting(_ user: String) -> Int { waiting(Self.account(user)) }

    /// The number of an account in the store.
    func number(_ user: String) -> AddressNumber {
        let transaction = self.transaction ?? store.begin()
        defer { if self.transaction == nil { store.abort() } }
        return AddressTable.number(of: Self.account(user), in: transaction) ?? AddressNumber(0)
    }

    /// An account's messages that wait for a session.
    func waiting(_ account: JID) -> Int {
        let transaction = self.transaction ?? store.begin()
        defer { if self.transaction == nil { store.abort() } }
        guard let number = AddressTable.number(of: account, in: transaction) else { return 0 }
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
