import Foundation
import Testing

/// What nobody compiles or nobody uses is found before it misleads a reader.
@Suite struct LeftoverTests {
    /// Folders with code that SwiftPM does not build, and the script that compiles it.
    private static let compiledByScripts: [String: String] = [
        "Tests/Bench": "Tests/Bench/yardstick/load.py",
        "Tests/FuzzTests": "Tests/FuzzTests/run.sh",
        "Tests/InteropTests": "Tests/InteropTests/harness/assault.py",
        "Tests/ThreadSanitizer": "Tests/ThreadSanitizer/run",
    ]

    private static let code: Set<String> = ["swift", "c", "h"]

    @Test("every file of code belongs to a target of Package.swift, or to a script that compiles it")
    func compiled() throws {
        let package = try String(contentsOf: SourceTree.root.appending(path: "Package.swift"), encoding: .utf8)
        let made = package.matches(of: /(?:target|tests|system|executableTarget)\(\s*(?:name: )?"([A-Za-z0-9-]+)"/)
        let targets = Set(made.map { String($0.1) })
        #expect(targets.count > 30)
        for folder in ["Sources", "Tests"] {
            for file in SourceTree.files(in: folder, endingIn: Self.code) {
                let isInFolder = file.path.split(separator: "/").count > 2
                if isInFolder, targets.contains(file.target) {
                    #expect(
                        folder == (file.target.hasSuffix("Tests") ? "Tests" : "Sources"), "\(file.path) is in the wrong folder")
                } else {
                    let script = Self.compiledByScripts["\(folder)/\(file.target)"]
                    #expect(isInFolder && script != nil, "\(file.path): no target compiles it")
                }
            }
        }
        for script in Self.compiledByScripts.values.sorted() {
            #expect(FileManager.default.fileExists(atPath: SourceTree.root.appending(path: script).path), "\(script)")
        }
    }

    @Test("every error has words for a person: none is printed as Swift spells its cases")
    func errors() {
        let words = /(?:extension|struct|enum|class) ([A-Za-z.]+): [A-Za-z, ]*CustomStringConvertible/
        let sources = SourceTree.files(in: "Sources")
        let inWords = Set(sources.flatMap { file in file.text.matches(of: words).map(\.1) })
        var errors = 0
        for file in sources {
            for match in file.text.matches(of: /(?:struct|enum|class) (\w+): (?:\w+, )*Error\b/) {
                errors += 1
                #expect(inWords.contains(match.1), "\(file.path): \(match.1) is no CustomStringConvertible")
            }
        }
        #expect(errors > 10)
    }

    @Test("in a release build too, whoever reads the log learns why the process ended")
    func endings() {
        let silent = /\b(?:precondition|preconditionFailure)\(/
        for file in SourceTree.files(in: "Sources") where file.target.hasPrefix("Martlet") || file.target == "martlet" {
            #expect(file.text.firstMatch(of: silent) == nil, "\(file.path): require and ourFault print their words")
        }
    }

    @Test("every folder below Sources is a target with code")
    func folders() throws {
        let base = SourceTree.root.appending(path: "Sources")
        let filled = Set(SourceTree.files(in: "Sources", endingIn: Self.code).map(\.target))
        for folder in try FileManager.default.contentsOfDirectory(atPath: base.path).sorted() {
            #expect(filled.contains(folder), "Sources/\(folder) has no code")
        }
    }

    @Test("every file has something that another file names: a type, a function, or a member that it adds to a type")
    func named() {
        let sources = SourceTree.files(in: "Sources").map { ($0, Self.names(in: $0)) }
        let tests = SourceTree.files(in: "Tests").map { ($0, Self.names(in: $0)) }
        // What only tests name is no part of the server.
        for (files, readers) in [(sources, sources), (tests, sources + tests)] {
            var holders: [Substring: Int] = [:]
            for (_, names) in readers { for name in names { holders[name, default: 0] += 1 } }
            for (file, _) in files where !Self.entries.contains(where: file.text.contains) {
                let declared = Self.declarations(of: file)
                let isNamed = declared.isEmpty || declared.contains { holders[$0, default: 0] > 1 }
                #expect(isNamed, "\(file.path): nobody else names \(declared.sorted().joined(separator: ", "))")
            }
        }
    }

    /// What is called from outside: programs, tests, what a fuzzer calls.
    private static let entries = ["@main", "@Suite", "@Test", "@_cdecl"]

    private static func names(in file: SourceTree.File) -> Set<Substring> {
        Set(file.code.matches(of: /[A-Za-z_][A-Za-z0-9_]*/).map(\.0))
    }

    /// What a file declares for others: names at the top level, and those one step inside an extension.
    private static func declarations(of file: SourceTree.File) -> Set<Substring> {
        var declared: Set<Substring> = []
        var isInExtension = false
        let pattern =
            /( *)(?:@\S+ |[a-z]+ |[a-z]+\(set\) )*(?:struct|class|enum|actor|protocol|typealias|func|var|let|case) ([A-Za-z_][A-Za-z0-9_]*).*/
        for line in file.lines {
            if line.first != " ", !line.isEmpty { isInExtension = line.contains("extension ") }
            guard let match = line.wholeMatch(of: pattern), !line.contains("private ") else { continue }
            if match.1.isEmpty || (match.1.count == 4 && isInExtension) { declared.insert(match.2) }
        }
        return declared
    }
}
