import Foundation
import Testing

/// A file that implements a XEP, or a part of it, says so in its first line, so that the lists made of these lines are whole.
@Suite struct XEPTests {
    /// XEPs that the sources mention and do not implement, each with the reason why its name is there. Whoever implements one
    /// gives its file a first line and takes it out here.
    private static let onlyMentioned: [String: String] = [
        // What clients say to each other and a server only looks at.
        "0086": "written: one code, for a client that looks for it",
        "0085": "read: a message with nothing but a chat state is not kept",
        "0122": "written: that any id may be searched for, in the form of a search",
        "0184": "read: a receipt is kept in archives and copied to other devices",
        "0333": "read: a marker is kept in archives and copied to other devices",
        "0027": "read: an encrypted message may show a file that its sender has just uploaded",
        "0066": "read: addresses of files of our offices are shown anew, wherever they stand",
        "0373": "read: an encrypted message may show a file that its sender has just uploaded",
        "0380": "read: the same",
        "0384": "read: the same",
        "0385": "read: addresses of files of our offices are shown anew, wherever they stand",
        "0447": "read: the same; its metadata pass",
        "0300": "read: the element that hashes of capabilities stand in",
    ]

    /// Services of the RFCs.
    private static let withoutXEP: [String: String] = [
        "Sources/MartletServices/SessionEstablishment.swift": "RFC 3921 §3",
        "Sources/MartletSessions/Sessions+Binding.swift": "RFC 6120 §7",
        "Sources/MartletSessions/Sessions+Roster.swift": "RFC 6121 §2",
    ]

    private static let files = SourceTree.files(in: "Sources", endingIn: ["swift", "c", "h"])

    @Test("a XEP that the sources mention has a header somewhere, or is on the list of those that we only refer to")
    func mentions() {
        let implemented = Set(XEPHeader.headers(of: Self.files).map(\.number))
        var mentioned: [String: String] = [:]
        for file in Self.files {
            for match in file.text.matches(of: /XEP-([0-9]{4})/) { mentioned[String(match.1)] = file.path }
        }
        for (number, path) in mentioned.sorted(by: { $0.key < $1.key })
        where !implemented.contains(number) && Self.onlyMentioned[number] == nil {
            Issue.record("\(path) mentions XEP-\(number): no file has a header for it, and it is not on the list")
        }
        for number in Self.onlyMentioned.keys.sorted() {
            #expect(mentioned[number] != nil, "nobody mentions XEP-\(number) any more: take it off the list")
            #expect(!implemented.contains(number), "XEP-\(number) has a header: take it off the list")
        }
    }

    @Test("a XEP header has number, name, version and extent, and stands before everything else in its file")
    func form() {
        for file in Self.files {
            let first = file.lines.prefix { $0.hasPrefix(XEPHeader.beginning) }.count
            for (number, line) in file.lines.enumerated() where line.hasPrefix(XEPHeader.beginning) {
                if number < first {
                    let model = "// XEP-0199: XMPP Ping, version 2.0.1, complete"
                    #expect(XEPHeader(line, in: file.path) != nil, "\(file.path):\(number + 1) should look like `\(model)`")
                } else {
                    #expect(line.dropFirst(11).first != ":", "\(file.path):\(number + 1) is a header behind other lines")
                }
            }
        }
    }

    @Test("all headers of a XEP give it the same name and version")
    func agreement() {
        for (number, headers) in Dictionary(grouping: XEPHeader.headers(of: Self.files), by: \.number) {
            let names = Set(headers.map { "\($0.name), version \($0.version)" })
            #expect(names.count == 1, "XEP-\(number): \(names.sorted().joined(separator: " and "))")
        }
    }

    @Test("a file that declares a service begins with the XEP of that service, unless an RFC has it")
    func services() {
        for file in Self.files where file.target != "MartletBus" && file.code.contains(" ServiceDeclaration(") {
            let hasHeader = !XEPHeader.headers(of: [file]).isEmpty
            #expect(hasHeader == (Self.withoutXEP[file.path] == nil), "\(file.path)")
        }
    }
}
