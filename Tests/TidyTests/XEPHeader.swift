import Foundation

/// One of the first lines of a file that implements a XEP, or a part of it: `// XEP-0199: XMPP Ping, version 2.0.1, complete`.
///
/// The public lists of XEPs, `Docs/reference/xeps.md` and `Docs/martlet.doap`, are made of these lines and of nothing else.
struct XEPHeader {
    /// Four digits.
    var number: String
    var name: String
    var version: String
    /// How much of it the file implements, in words.
    var extent: String
    /// The file, relative to the checkout.
    var path: String

    /// Reads a line; nil where something is missing.
    init?(_ line: Substring, in path: String) {
        guard let match = line.wholeMatch(of: /\/\/ XEP-([0-9]{4}): (.+?), version ([0-9.]+), (.+)/) else { return nil }
        number = String(match.1)
        name = String(match.2)
        version = String(match.3)
        extent = String(match.4)
        self.path = path
    }

    /// What begins such a line, well-formed or not.
    static let beginning = "// XEP-"

    /// Those of `files`, by number and file.
    static func headers(of files: [SourceTree.File]) -> [XEPHeader] {
        files.flatMap { file in
            file.lines.prefix { $0.hasPrefix(beginning) }.compactMap { XEPHeader($0, in: file.path) }
        }.sorted { ($0.number, $0.path) < ($1.number, $1.path) }
    }

    /// The page for people.
    static func table(of files: [SourceTree.File]) -> String {
        let rows = headers(of: files).map {
            "| XEP-\($0.number) | \($0.name) | \($0.version) | \($0.extent) | `\($0.path)` |\n"
        }
        return """
            # XEPs

            Made from the first lines of the sources by `MARTLET_WRITE_DOCS=1 swift test --filter ReferenceTests`.

            | XEP | Name | Version | How much | Where |
            | --- | --- | --- | --- | --- |

            """ + rows.joined()
    }

    /// The list for programs: a description of the project (DOAP) with one entry for each XEP (XEP-0453), whose note joins what
    /// the files say. An entry is complete if one file says so; "complete for" names the part that we play.
    static func doap(of files: [SourceTree.File]) -> String {
        let entries = Dictionary(grouping: headers(of: files), by: \.number).sorted { $0.key < $1.key }.map { number, headers in
            let extents = headers.map(\.extent)
            let isWhole = extents.contains { $0 == "complete" || $0.hasPrefix("complete for ") }
            // What is said about the whole comes before what is said about a part.
            let (parts, wholes) = (extents.filter { !$0.hasPrefix("complete") }, extents.filter { $0.hasPrefix("complete") })
            let note = headers[0].name + ": " + (wholes + parts).joined(separator: "; ")
            return """
                    <implements>
                      <xmpp:SupportedXep>
                        <xmpp:xep rdf:resource="https://xmpp.org/extensions/xep-\(number).html"/>
                        <xmpp:status>\(isWhole ? "complete" : "partial")</xmpp:status>
                        <xmpp:version>\(headers[0].version)</xmpp:version>
                        <xmpp:note xml:lang="en">\(escaped(note))</xmpp:note>
                      </xmpp:SupportedXep>
                    </implements>

                """
        }
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- Made from the first lines of the sources by ReferenceTests, as Docs/reference/xeps.md is. -->
            <rdf:RDF xmlns="http://usefulinc.com/ns/doap#"
                     xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
                     xmlns:xmpp="https://linkmauve.fr/ns/xmpp-doap#">
              <Project>
                <name>Martlet</name>
                <shortdesc xml:lang="en">XMPP server for companies with several offices</shortdesc>
                <programming-language>Swift</programming-language>
                <os>Linux</os>
                <license rdf:resource="https://spdx.org/licenses/Apache-2.0.html"/>
                <category rdf:resource="https://linkmauve.fr/ns/xmpp-doap#category-server"/>
                <implements rdf:resource="https://xmpp.org/rfcs/rfc6120.html"/>
                <implements rdf:resource="https://xmpp.org/rfcs/rfc6121.html"/>
                <implements rdf:resource="https://xmpp.org/rfcs/rfc7622.html"/>

            """ + entries.joined() + "  </Project>\n</rdf:RDF>\n"
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
