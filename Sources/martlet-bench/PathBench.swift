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

/// `martlet-bench path`: what each step of a message's way costs, compared with a yardstick that no change of ours moves.
struct PathBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path",
        abstract: "The steps of a message's way through the server, each by itself.",
        discussion: """
            The yardstick is SHA-256 of 1 KiB on this machine, a hash that OpenSSL computes: a step that takes 2.0 costs twice as
            much. With --against the ratios are compared with those of an earlier run, and the command fails if a step has become
            more expensive than the tolerance allows.

              martlet-bench path --directory /var/tmp/martlet-bench
              martlet-bench path --directory /var/tmp/martlet-bench --json > before.json
              martlet-bench path --directory /var/tmp/martlet-bench --against before.json
            """)

    @Option(help: ArgumentHelp("Where the store is made; must not exist, and is removed at the end.", valueName: "path"))
    var directory: String

    @Option(help: "Rounds; the median of them counts.")
    var rounds = 7

    @Option(help: ArgumentHelp("The JSON of an earlier run to compare with.", valueName: "file"))
    var against: String?

    @Option(help: "How much more a step may cost than in the earlier run, percent.")
    var tolerance = 25.0

    @Option(help: ArgumentHelp("Only the steps whose names begin like this.", valueName: "text"))
    var only: String?

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard rounds > 0, tolerance > 0 else { throw ValidationError("rounds and tolerance are taken from 1") }
        guard access(directory, F_OK) != 0 else { throw ValidationError("\(directory) exists") }
    }

    func run() throws {
        defer { BenchDirectory.remove(directory) }
        let earlier = try against.map { try Report.figures(in: $0) }
        var report = Report(isQuiet: json)
        var steps = try PathSteps(directory: directory)
        let yardstick = Self.median(rounds) { steps.hash() }
        report.begin("Yardstick")
        report.add("SHA-256 of 1 KiB", yardstick, "ns")
        for step in PathSteps.Step.allCases where only.map(step.rawValue.hasPrefix) ?? true {
            report.begin(step.rawValue)
            let cost = try Self.median(rounds) { try steps.measure(step) }
            report.add("processor time", cost / 1000, "µs")
            report.add("yardsticks", cost / yardstick, "×")
        }
        if json { print(try report.json()) }
        if let earlier { try compare(report.figures, earlier) }
    }

    private func compare(_ figures: [Report.Figure], _ earlier: [Report.Figure]) throws {
        var isWorse = false
        for figure in figures where figure.unit == "×" {
            guard let before = earlier.first(where: { $0.part == figure.part && $0.unit == "×" }) else { continue }
            let change = (figure.value / before.value - 1) * 100
            if change > tolerance {
                isWorse = true
                Report.complain("\(figure.part): \(Int(change.rounded())) % more than in the earlier run")
            }
        }
        if isWorse { throw ExitCode.failure }
    }

    private static func median(_ rounds: Int, _ body: () throws -> Double) rethrows -> Double {
        var costs: [Double] = []
        for _ in 0..<rounds { costs.append(try body()) }
        return costs.sorted()[rounds / 2]
    }
}

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
        case encrypting = "TLS 1.3: a record of one message, encrypted and decrypted"
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
    private var number = 0
    private let ends: (client: TLSEngine, server: TLSEngine)

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
        ends = try Self.handshake()
    }

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

    /// Nanoseconds of processor time of the yardstick.
    func hash() -> Double { repeated { _ in _ = Digest.hash(.sha256, block) } }

    /// Nanoseconds of processor time of one step.
    mutating func measure(_ step: Step) throws -> Double {
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
        case .routing: try routing()
        case .encrypting:
            try repeated { _ in
                var plaintext: [UInt8] = []
                try ends.client.send(bytes)
                _ = try ends.server.receive(ends.client.takeOutput(), plaintext: &plaintext)
                precondition(plaintext.count == bytes.count)
            }
        }
    }

    private func repeated(_ body: (Int) throws -> Void) rethrows -> Double {
        let start = Meter.processor
        for index in 0..<Self.repetitions { try body(index) }
        return Double(Meter.processor - start) / Double(Self.repetitions)
    }

    private func framing() -> Double {
        var framer = StanzaFramer()
        framer.append(Array("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>".utf8))
        _ = try? framer.next()
        return repeated { _ in
            framer.append(bytes)
            guard case .element? = try? framer.next() else { preconditionFailure("no element") }
        }
    }

    private func logging(isCommitted: Bool) throws -> Double {
        let logged = LoggedStanza(
            stanza: stanza, acceptedAt: WallTime(milliseconds: 1_795_300_000_000), acceptedInstant: Instant(milliseconds: 1))
        var spent: Int64 = 0
        var rows: [UInt64] = []
        for _ in 0..<Self.repetitions / 200 {
            let transaction = store.begin()
            let start = Meter.processor
            for _ in 0..<200 { rows.append(StanzaLog.append(logged, in: transaction)) }
            if !isCommitted {
                for row in rows { StanzaLog.remove(row, in: transaction) }
                rows = []
                spent += Meter.processor - start
            }
            let before = Meter.processor
            try store.commit()
            if isCommitted { spent += Meter.processor - before }
        }
        let transaction = store.begin()
        for row in rows { StanzaLog.remove(row, in: transaction) }
        try store.commit()
        return Double(spent) / Double(Self.repetitions)
    }

    private mutating func routing() throws -> Double {
        site.beginPart()
        for _ in 0..<Self.repetitions / 200 {
            var events: [SiteEvent] = []
            for sender in 0..<200 {
                number += 1
                var stanza = stanza
                stanza.id = "m-\(number)"
                stanza.to = LoadedSite.account((sender + 1) % 200)
                events.append(.client(site.clients[sender].connection, .stanza(stanza)))
            }
            try site.handle(events)
        }
        return site.cost.microseconds(per: Self.repetitions) * 1000
    }
}
