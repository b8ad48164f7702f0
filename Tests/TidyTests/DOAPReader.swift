import Foundation

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// What the list of XEPs for programs says to a program.
struct DOAPReader {
    private(set) var xeps: [String] = []
    private(set) var statuses: [String] = []
    private(set) var versions: [String] = []
    private(set) var notes: [String] = []

    /// Reads the file; nil where it is not well-formed, or is no description of one project.
    init?(_ text: String) {
        let listener = Listener()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = listener
        // The parser alone does not mind an element that is left open.
        guard parser.parse(), listener.isWhole, listener.open.isEmpty else { return nil }
        guard listener.elements.filter({ $0.path == "rdf:RDF/Project" }).count == 1 else { return nil }
        func texts(_ name: String) -> [String] {
            listener.elements.filter { $0.path == "rdf:RDF/Project/implements/xmpp:SupportedXep/\(name)" }.map(\.text)
        }
        statuses = texts("xmpp:status")
        versions = texts("xmpp:version")
        notes = texts("xmpp:note")
        xeps = listener.elements.compactMap { element in
            guard element.path.hasSuffix("xmpp:SupportedXep/xmpp:xep") else { return nil }
            let address = element.attributes["rdf:resource"]?.wholeMatch(
                of: /https:\/\/xmpp\.org\/extensions\/xep-([0-9]{4})\.html/)
            return address.map { String($0.1) }
        }
        guard [statuses.count, versions.count, notes.count].allSatisfy({ $0 == xeps.count }) else { return nil }
    }

    private final class Listener: NSObject, XMLParserDelegate {
        var elements: [(path: String, attributes: [String: String], text: String)] = []
        /// Places in `elements`, from the root inwards.
        var open: [Int] = []
        var isWhole = true

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            let path = open.last.map { elements[$0].path + "/" + name } ?? name
            open.append(elements.count)
            elements.append((path, attributes, ""))
        }

        func parser(_ parser: XMLParser, foundCharacters text: String) {
            if let index = open.last { elements[index].text += text }
        }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            let index = open.popLast()
            if index.map({ elements[$0].path.split(separator: "/").last == name[...] }) != true { isWhole = false }
        }

        func parser(_ parser: XMLParser, parseErrorOccurred error: any Error) { isWhole = false }
    }
}
