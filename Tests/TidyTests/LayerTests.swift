import Foundation
import Testing

/// SwiftPM builds and links an import of a transitive dependency that was never declared, so layering needs a test.
@Suite struct LayerTests {
    private static let values: Set<String> = [
        "MartletPrimitives", "XMPPAddress", "XMPPXML", "MartletCrypto", "XMPPStanzas",
    ]
    private static let cores: Set<String> = values.union(["XMPPStreams", "MartletStore"])
    private static let site: Set<String> = cores.union([
        "MartletBus", "MartletSessions", "MartletFederation", "MartletServices",
    ])
    private static let collections: Set<String> = ["Collections"]
    private static let system: Set<String> = ["Foundation", "FoundationEssentials", "Glibc", "Synchronization", "Dispatch"]
    private static let nio: Set<String> = ["NIOCore", "NIOPosix"]

    /// What each target may import besides the standard library: the table of `Docs/architecture.md`.
    static let allowed: [String: Set<String>] = [
        "MartletPrimitives": [],
        "XMPPAddress": ["CUnicode"],
        "XMPPXML": ["CLibXML2"],
        "MartletCrypto": ["COpenSSL", "MartletPrimitives"],
        "XMPPStanzas": ["MartletPrimitives", "XMPPAddress", "XMPPXML"],
        "XMPPStreams": values,
        "MartletTLS": values.union(["COpenSSL"]),
        "MartletStore": values,
        "MartletConfiguration": values.union(["TOMLKit"]),
        "MartletBus": cores,
        "MartletSessions": cores.union(["MartletBus"]).union(collections),
        "MartletFederation": cores.union(["MartletBus"]).union(collections),
        "MartletServices": cores.union(["MartletBus"]).union(collections),
        "MartletSite": site.union(collections),
        "MartletSimulation": site.union(["MartletSite", "MartletConfiguration"]).union(collections),
        "MartletRuntime": site.union(["MartletSite", "Logging"]).union(collections).union(system),
        "MartletFiles": values.union(["MartletStore", "MartletBus"]).union(system),
        "MartletLMDB": values.union(["CLMDB", "MartletStore"]).union(system),
        "MartletUnbound": values.union(["CUnbound", "XMPPStreams"]).union(system),
        "MartletNetwork": cores.union([
            "MartletTLS", "MartletBus", "MartletRuntime", "MartletUnbound", "MartletConfiguration", "Logging",
        ]).union(nio).union(system),
        "MartletWeb": cores.union([
            "MartletBus", "MartletFiles", "MartletRuntime", "MartletNetwork", "MartletConfiguration", "Logging",
            "HummingbirdCore",
            "HTTPTypes",
            "NIOHTTPTypes",
        ]).union(nio).union(system),
        "MartletAdmin": values.union(["MartletStore", "MartletBus", "MartletRuntime", "MartletConfiguration", "Logging"])
            .union(nio).union(system),
    ]

    private static let coreTargets: Set<String> = values.union(cores).union([
        "MartletTLS", "MartletBus", "MartletSessions", "MartletFederation", "MartletServices", "MartletSite",
    ])

    @Test("imports only point down: no target imports what the table does not allow")
    func imports() {
        let files = SourceTree.files(in: "Sources")
        #expect(files.count > 50)
        let commands = ["martlet", "martlet-bench"]
        for file in files where !commands.contains(file.target) && !file.target.hasPrefix("C") {
            guard let allowed = Self.allowed[file.target] else {
                Issue.record("\(file.path): target \(file.target) is not in the table")
                continue
            }
            for module in file.imports where !allowed.contains(module) {
                Issue.record("\(file.path) imports \(module), which \(file.target) may not")
            }
        }
    }

    /// The parts of a site, and what belongs to each alone: its timers and commands, by type and as `.session(.expired(...))`.
    private static let own: [String: [String]] = [
        "MartletSessions": ["MartletSessions", "SessionTimer", "PeerPresenceTimer", ".session(."],
        "MartletFederation": ["MartletFederation", "LinkTimer", "LinkCommand", ".link(.", ".links(."],
        "MartletServices": ["MartletServices", "OfficesTimer", "AccountCommand", ".offices(.", ".accounts(."],
    ]

    @Test("parts do not know one another: none imports another, or names another's timers and commands")
    func parts() {
        let files = SourceTree.files(in: "Sources").map { (path: $0.path, target: $0.target, code: $0.code) }
        for (part, words) in Self.own {
            for other in Self.own.keys where other != part {
                #expect(Self.allowed[part]?.contains(other) == false, "the table lets \(part) import \(other)")
                for file in files where file.target == other {
                    for word in words where file.code.contains(word) { Issue.record("\(file.path) names \(word) of \(part)") }
                }
            }
            // A name that nobody uses any more would guard nothing.
            for word in words { #expect(files.contains { $0.code.contains(word) }, "\(word) is nowhere") }
        }
    }

    @Test("cores are deterministic: no clocks, no ambient randomness, no concurrency, no hash order")
    func determinism() {
        let banned = [
            "SystemRandomNumberGenerator", "UUID()", "Date()", ".now()", "ContinuousClock", "SuspendingClock", "hashValue",
            "Task {", "Task.", " async ", "await ", "Thread(", "NSLock", "Mutex<", "pthread_", "import Foundation",
            "import Dispatch", "import Logging", "import Metrics", "print(",
        ]
        // A hash table that cannot be walked shows nobody the order of its hashes.
        let excepted = ["Sources/XMPPAddress/JIDIndex.swift": "hashValue"]
        for file in SourceTree.files(in: "Sources") where Self.coreTargets.contains(file.target) {
            for (number, line) in file.lines.enumerated() {
                let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
                for word in banned where code.contains(word) && excepted[file.path] != word {
                    Issue.record("\(file.path):\(number + 1) uses \(word)")
                }
                if code.contains(".random(in:"), !code.contains("using:") {
                    Issue.record("\(file.path):\(number + 1) draws from the system's generator")
                }
            }
        }
    }

    @Test("each file that opts out of the compiler's checks says why that is safe")
    func safety() {
        for file in SourceTree.files(in: "Sources")
        where file.text.contains("@unchecked Sendable") || file.text.contains("nonisolated(unsafe)") {
            #expect(file.text.contains("// SAFETY:"), "\(file.path) has no // SAFETY: sentence")
        }
    }

    @Test("nothing crashes on purpose where input could lead: no try!, as!, fatalError; what cannot be is our own fault")
    func crashes() {
        for file in SourceTree.files(in: "Sources") where file.path != "Sources/MartletPrimitives/Require.swift" {
            for (number, line) in file.lines.enumerated() {
                for word in ["try! ", "as! ", "fatalError("] where line.contains(word) {
                    Issue.record("\(file.path):\(number + 1) uses \(word)")
                }
            }
        }
    }

    @Test("files stay small enough to be read in one go: at most 400 lines")
    func length() {
        for file in SourceTree.files(in: "Sources") where file.lines.count > 400 {
            Issue.record("\(file.path) has \(file.lines.count) lines")
        }
    }

    /// Functions that may be longer, and why.
    private static let longFunctions: [String: String] = [
        "Sources/MartletConfiguration/SiteConfiguration+Annotated.swift: annotated":
            "a text: the configuration file with comments",
        "Sources/XMPPXML/StanzaDetector.swift: scan":
            "one loop over the states, which every byte passes: a call for each costs",
    ]

    @Test("functions stay small enough to be read at a glance: at most 70 lines")
    func functionLength() {
        let files = SourceTree.files(in: "Sources")
        let functions = files.flatMap { file in SourceFunction.all(in: file).map { ("\(file.path): \($0.name)", $0) } }
        #expect(functions.count > 1000)
        let long = functions.filter { $0.1.length > 70 }
        for (name, function) in long where Self.longFunctions[name] == nil {
            Issue.record("\(name), line \(function.line), has \(function.length) lines")
        }
        for name in Self.longFunctions.keys.sorted() {
            #expect(long.contains { $0.0 == name }, "\(name) is short now: take it off the list")
        }
    }
}
