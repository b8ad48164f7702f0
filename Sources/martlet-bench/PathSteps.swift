import ArgumentParser
import Glibc
import MartletBus
import MartletCrypto
import MartletLMDB
import MartletPrimitives
import MartletStore
import MartletTLS
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The steps, each with what it needs.
struct PathSteps {
    /// A step of the way of a chat message of some 300 bytes.
    enum Step: String, CaseIterable {
        case framing = "Framing: bytes into elements"
        case checking = "libxml2: well-formed"
        case parsing = "Parsing: an element into a stanza"
        case writing = "Writing: a stanza into bytes"
        case logging = "Log: a stanza appended and removed"
        case committing = "Commit of 200 log rows, for each"
        case routing = "Routing: a turn of the site from client to client, stream management, 200 in a batch"
        case archiving = "Archiving: the same with the archives of both"
        case dispatching = "Effects: from the site to a connection's socket in clear, 200 connections in a batch"
        case encrypting = "TLS 1.3: a record of one message, encrypted and decrypted"
    }

    /// What one repetition of a step has cost.
    struct Spent {
        /// Processor time.
        var nanoseconds = 0.0
        /// How often memory was asked for.
        var allocations = 0.0

        /// A share of what a round has cost.
        init(_ cost: Cost, in repetitions: Int) {
            nanoseconds = Double(cost.processor) / Double(repetitions)
            allocations = Double(cost.allocations) / Double(repetitions)
        }
    }

    /// How often a step is repeated in one round.
    private static let repetitions = 20_000

    private let bytes: [UInt8]
    private let stanza: Stanza
    private let context = NamespaceContext(Namespaces.client)
    private let validator = XMLValidator()
    private let block = [UInt8](repeating: 0x61, count: 1024)
    private let store: LMDBStore
    private var site: LoadedSite
    private var archivingSite: LoadedSite
    private var number = 0
    private let ends: (client: TLSEngine, server: TLSEngine)
    private let directory: String
    /// Started when it is needed.
    private var loopback: LoopbackSite?

    /// Opens stores under `directory` and shakes hands.
    init(directory: String) throws {
        let text = """
            <message to='person1@pilsen.example' type='chat' id='m-1-4f1d2c'>\
            <body>Are the drawings for the second floor ready? The builders ask again.</body>\
            <request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>\
            <origin-id xmlns='urn:xmpp:sid:0' id='m-1-4f1d2c'/></message>
            """
        bytes = Array(text.utf8)
        guard let stanza = LoadedSite.stanzas(text).first else { preconditionFailure("the message is none") }
        self.stanza = stanza
        guard mkdir(directory, 0o700) == 0 else { throw ValidationError("\(directory) cannot be made") }
        store = try LMDBStore(directory: directory + "/log", tables: Table.all)
        site = try LoadedSite(directory: directory + "/site", peers: [])
        try site.logIn(200)
        archivingSite = try LoadedSite(directory: directory + "/archives", peers: [], archives: true)
        try archivingSite.logIn(200)
        ends = try Self.handshake()
        self.directory = directory
    }

    /// Ends what was started.
    func end() { loopback?.stop() }

    private static func handshake() throws -> (client: TLSEngine, server: TLSEngine) {
        let issued = try SelfSignedCertificate.make(domain: "pilsen.example", days: 1)
        let identity = try TLSIdentity(
            certificateChainPEM: Array(issued.certificatePEM.utf8), keyPEM: Array(issued.keyPEM.utf8))
        let client = try TLSEngine(connecting: TLSContext(trust: TrustStore(system: false)), serverName: "pilsen.example")
        let server = try TLSEngine(accepting: TLSContext(server: identity))
        var plaintext: [UInt8] = []
        while client.state == .handshaking || server.state == .handshaking {
            _ = try server.receive(client.takeOutput(), plaintext: &plaintext)
            _ = try client.receive(server.takeOutput(), plaintext: &plaintext)
        }
        return (client, server)
    }

    /// The yardstick.
    func hash() -> Spent { repeated { _ in _ = Digest.hash(.sha256, block) } }

    /// One step.
    mutating func measure(_ step: Step) throws -> Spent {
        switch step {
        case .framing: framing()
        case .checking:
            repeated { _ in precondition(validator.validate(bytes, context: context)) }
        case .parsing:
            try repeated { _ in
                let tape = try ElementTape(parsing: bytes, context: context)
                _ = try Stanza(parsing: tape, contentNamespace: Namespaces.client)
            }
        case .writing: repeated { _ in _ = stanza.serialized() }
        case .logging: try logging(isCommitted: false)
        case .committing: try logging(isCommitted: true)
        case .routing: try Self.routing(&site, stanza, &number)
        case .archiving: try Self.routing(&archivingSite, stanza, &number)
        case .dispatching: try dispatching()
        case .encrypting:
            try repeated { _ in
                var plaintext: [UInt8] = []
                try ends.client.send(bytes)
                _ = try ends.server.receive(ends.client.takeOutput(), plaintext: &plaintext)
                precondition(plaintext.count == bytes.count)
            }
        }
    }

    private func repeated(_ body: (Int) throws -> Void) rethrows -> Spent {
        let start = Reading()
        for index in 0..<Self.repetitions { try body(index) }
        return Spent(Cost(since: start), in: Self.repetitions)
    }

    private func framing() -> Spent {
        var framer = StanzaFramer()
        framer.append(Array("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>".utf8))
        _ = try? framer.next()
        return repeated { _ in
            framer.append(bytes)
            guard case .element? = try? framer.next() else { preconditionFailure("no element") }
        }
    }

    private func logging(isCommitted: Bool) throws -> Spent {
        let logged = LoggedStanza(
            stanza: stanza, acceptedAt: WallTime(milliseconds: 1_795_300_000_000), acceptedInstant: Instant(milliseconds: 1))
        var spent = Cost()
        var rows: [UInt64] = []
        for _ in 0..<Self.repetitions / 200 {
            let transaction = store.begin()
            let start = Reading()
            for _ in 0..<200 { rows.append(StanzaLog.append(logged, in: transaction)) }
            if !isCommitted {
                for row in rows { StanzaLog.release(row, in: transaction) }
                rows = []
                spent.add(Cost(since: start))
            }
            let before = Reading()
            try store.commit()
            if isCommitted { spent.add(Cost(since: before)) }
        }
        let transaction = store.begin()
        for row in rows { StanzaLog.release(row, in: transaction) }
        try store.commit()
        return Spent(spent, in: Self.repetitions)
    }

    private static func routing(_ site: inout LoadedSite, _ stanza: Stanza, _ number: inout Int) throws -> Spent {
        site.beginPart()
        for _ in 0..<repetitions / 200 {
            var events: [SiteEvent] = []
            for sender in 0..<200 {
                number += 1
                var stanza = stanza
                stanza.id = "m-\(number)"
                stanza.to = LoadedSite.account((sender + 1) % 200)
                events.append(.client(site.clients[sender].connection, .stanza(stanza)))
            }
            try site.handle(events)
            // What is done behind it is part of it.
            try site.pass(100)
        }
        return Spent(site.cost, in: repetitions)
    }

    private mutating func dispatching() throws -> Spent {
        let site = try loopback ?? LoopbackSite(directory: directory + "/network", clients: 200)
        loopback = site
        let bytes = stanza.serialized()
        var spent = Cost()
        for _ in 0..<Self.repetitions / 200 { spent.add(try site.send(bytes)) }
        return Spent(spent, in: Self.repetitions)
    }
}
