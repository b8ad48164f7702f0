import XMPPStanzas
import XMPPXML

/// vcard-temp (XEP-0054) as vCard4 (RFC 6351) and back (XEP-0292 §6): what both can say. The picture is not among it.
enum VCardMapping {
    /// A property of one value: its names, and the element in which vCard4 has the value.
    private static let simple: [(temporary: String, published: String, kind: String, prefix: String)] = [
        ("FN", "fn", "text", ""), ("NICKNAME", "nickname", "text", ""), ("BDAY", "bday", "date", ""),
        ("TITLE", "title", "text", ""), ("ROLE", "role", "text", ""), ("URL", "url", "uri", ""), ("DESC", "note", "text", ""),
        ("NOTE", "note", "text", ""), ("TZ", "tz", "text", ""), ("UID", "uid", "uri", ""), ("REV", "rev", "timestamp", ""),
        ("PRODID", "prodid", "text", ""), ("JABBERID", "impp", "uri", "xmpp:"),
    ]
    private static let name = [
        ("FAMILY", "surname"), ("GIVEN", "given"), ("MIDDLE", "additional"), ("PREFIX", "prefix"), ("SUFFIX", "suffix"),
    ]
    private static let address = [
        ("POBOX", "pobox"), ("EXTADD", "ext"), ("STREET", "street"), ("LOCALITY", "locality"), ("REGION", "region"),
        ("PCODE", "code"), ("CTRY", "country"),
    ]
    private static let types = [
        ("HOME", "home"), ("WORK", "work"), ("VOICE", "voice"), ("FAX", "fax"), ("CELL", "cell"), ("PAGER", "pager"),
        ("VIDEO", "video"), ("TEXT", "text"),
    ]

    /// As vCard4.
    static func published(_ card: Element) -> Element {
        var result = Element("vcard", Namespaces.vCard4)
        for element in card.elements where element.namespace == Namespaces.vCardTemp {
            func part(_ name: String) -> String? { element.first(name, Namespaces.vCardTemp)?.text }
            if let rule = simple.first(where: { $0.temporary == element.name }) {
                if element.text.isEmpty { continue }
                result.append(v4(rule.published, [v4(rule.kind, rule.prefix + element.text)]))
                continue
            }
            let parameters = types.compactMap { element.first($0.0, Namespaces.vCardTemp) == nil ? nil : $0.1 }
            switch element.name {
            case "N": result.append(v4("n", name.compactMap { pair in part(pair.0).map { v4(pair.1, $0) } }))
            case "ADR":
                result.append(
                    v4("adr", typed(parameters) + address.compactMap { pair in part(pair.0).map { v4(pair.1, $0) } }))
            case "TEL":
                if let number = part("NUMBER") { result.append(v4("tel", typed(parameters) + [v4("uri", "tel:" + number)])) }
            case "EMAIL": if let mail = part("USERID") { result.append(v4("email", typed(parameters) + [v4("text", mail)])) }
            case "ORG":
                let units = element.all("ORGUNIT", Namespaces.vCardTemp).map(\.text)
                result.append(v4("org", ([part("ORGNAME") ?? ""] + units).map { v4("text", $0) }))
            case "GEO":
                if let lat = part("LAT"), let lon = part("LON") { result.append(v4("geo", [v4("uri", "geo:\(lat),\(lon)")])) }
            case "CATEGORIES":
                result.append(v4("categories", element.all("KEYWORD", Namespaces.vCardTemp).map { v4("text", $0.text) }))
            default: break
            }
        }
        return result
    }

    /// As vcard-temp.
    static func temporary(_ card: Element) -> Element {
        var result = Element("vCard", Namespaces.vCardTemp)
        for element in card.elements where element.namespace == Namespaces.vCard4 {
            let values = element.elements.filter { $0.name != "parameters" }
            let value = values.first?.text ?? ""
            if let rule = simple.first(where: { $0.published == element.name }) {
                guard value.hasPrefix(rule.prefix), !value.isEmpty else { continue }
                result.append(temp(rule.temporary, String(value.dropFirst(rule.prefix.count))))
                continue
            }
            func part(_ name: String) -> String? { element.first(name, Namespaces.vCard4)?.text }
            let types = types(of: element)
            switch element.name {
            case "n": result.append(temp("N", name.compactMap { pair in part(pair.1).map { temp(pair.0, $0) } }))
            case "adr":
                result.append(temp("ADR", types + address.compactMap { pair in part(pair.1).map { temp(pair.0, $0) } }))
            case "tel":
                let number = value.hasPrefix("tel:") ? String(value.dropFirst(4)) : value
                result.append(temp("TEL", types + [temp("NUMBER", number)]))
            case "email": result.append(temp("EMAIL", types + [temp("INTERNET", ""), temp("USERID", value)]))
            case "org":
                let units = values.dropFirst().map { temp("ORGUNIT", $0.text) }
                result.append(temp("ORG", [temp("ORGNAME", value)] + units))
            case "geo":
                let parts = value.dropFirst(4).split(separator: ",")
                guard value.hasPrefix("geo:"), parts.count >= 2 else { continue }
                result.append(temp("GEO", [temp("LAT", String(parts[0])), temp("LON", String(parts[1]))]))
            case "categories": result.append(temp("CATEGORIES", values.map { temp("KEYWORD", $0.text) }))
            default: break
            }
        }
        return result
    }

    private static func types(of element: Element) -> [Element] {
        let given = element.first("parameters", Namespaces.vCard4)?.first("type", Namespaces.vCard4)?.elements.map(\.text) ?? []
        return types.filter { given.contains($0.1) }.map { temp($0.0, "") }
    }

    private static func typed(_ types: [String]) -> [Element] {
        types.isEmpty ? [] : [v4("parameters", [v4("type", types.map { v4("text", $0) })])]
    }

    private static func v4(_ name: String, _ text: String) -> Element { Element(name, Namespaces.vCard4, text: text) }
    private static func v4(_ name: String, _ elements: [Element]) -> Element {
        Element(name, Namespaces.vCard4, elements: elements)
    }
    private static func temp(_ name: String, _ text: String) -> Element { Element(name, Namespaces.vCardTemp, text: text) }
    private static func temp(_ name: String, _ elements: [Element]) -> Element {
        Element(name, Namespaces.vCardTemp, elements: elements)
    }
}
