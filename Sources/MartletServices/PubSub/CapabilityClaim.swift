// XEP-0115: Entity Capabilities, version 1.6.0, complete for a server that reads them
// XEP-0390: Entity Capabilities 2.0, version 0.3.2, for a server that reads them: hashes of SHA-256 and SHA-512
import MartletCrypto
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What an entity says of what it can: a hash, and how to ask what stands behind it.
struct CapabilityClaim: Equatable {
    /// Under which the answer is kept.
    let key: [UInt8]
    /// The node to ask for.
    let node: String
    private let algorithm: DigestAlgorithm?
    private let hash: String
    private let isSecond: Bool

    /// Whether the answer can be checked, and then holds for everybody who says the same.
    var isShared: Bool { algorithm != nil }

    /// What a presence says; nil where it says nothing of the kind that can be asked about.
    init?(_ presence: Stanza) {
        guard let from = presence.from else { return nil }
        let payloads = presence.payloads
        if let second = payloads.first(where: { $0.is("c", Namespaces.capabilityHashes) }) {
            for name in ["sha-256", "sha-512"] {
                guard let found = second.all("hash", Namespaces.hashes).first(where: { $0["algo"] == name }) else { continue }
                self.init(
                    name, Self.algorithm(name), found.text, node: "\(Namespaces.capabilityHashes)#\(name).\(found.text)", true)
                return
            }
        }
        guard let first = payloads.first(where: { $0.is("c", Namespaces.capabilities) }), let node = first["node"],
            let version = first["ver"], !version.isEmpty
        else { return nil }
        let name = first["hash"] ?? ""
        let algorithm = Self.algorithm(name)
        // Without a hash that can be checked it holds for whoever says it, and for nobody else.
        self.init(algorithm == nil ? "\(from)" : name, algorithm, version, node: "\(node)#\(version)", false)
    }

    private init?(_ name: String, _ algorithm: DigestAlgorithm?, _ hash: String, node: String, _ isSecond: Bool) {
        guard !hash.isEmpty, hash.utf8.count <= 128, node.utf8.count <= 1024 else { return nil }
        self.algorithm = algorithm
        self.hash = hash
        self.node = node
        self.isSecond = isSecond
        let said = "\(isSecond ? 2 : 1)\u{0}\(name)\u{0}\(hash)\u{0}\(algorithm == nil ? node : "")"
        key = Array(Digest.hash(.sha256, said.utf8)[..<CapabilityTable.keyBytes])
    }

    private static func algorithm(_ name: String) -> DigestAlgorithm? {
        switch name {
        case "sha-1": .sha1
        case "sha-256": .sha256
        case "sha-512": .sha512
        default: nil
        }
    }

    /// Whether an answer is what the hash was made of (XEP-0115 §5.4, XEP-0390 §4.3).
    func isMet(by info: Element) -> Bool {
        guard let algorithm, let text = isSecond ? Self.second(info) : Self.first(info) else { return false }
        return Base64.encode(Digest.hash(algorithm, text)) == hash
    }

    /// The names of the nodes that an answer wants news of.
    static func wanted(_ info: Element) -> [String] {
        var names: [String] = []
        var bytes = 0
        for feature in info.all("feature", Namespaces.discoInfo) {
            guard let name = feature["var"], name.hasSuffix("+notify") else { continue }
            bytes += name.utf8.count
            guard names.count < PubSubLimits.wanted, bytes <= PubSubLimits.wantedBytes else { break }
            names.append(String(name.dropLast(7)))
        }
        return names
    }

    /// XEP-0115 §5.1; nil where it is not well-formed in the sense of §5.4.
    private static func first(_ info: Element) -> [UInt8]? {
        var bytes: [UInt8] = []
        let identities = info.all("identity", Namespaces.discoInfo).map {
            Array("\($0["category"] ?? "")/\($0["type"] ?? "")/\($0.lang ?? "")/\($0["name"] ?? "")".utf8)
        }
        let features = info.all("feature", Namespaces.discoInfo).map { Array("\($0["var"] ?? "")".utf8) }
        guard let sortedIdentities = sorted(identities), let sortedFeatures = sorted(features) else { return nil }
        // Sorted before the ends are written: "+" and ":" come before "<".
        for part in sortedIdentities + sortedFeatures { bytes += part + [less] }
        var forms: [(type: [UInt8], text: [UInt8])] = []
        for form in info.all("x", Namespaces.dataForms) {
            let fields = form.all("field", Namespaces.dataForms)
            guard let type = fields.first(where: { $0["var"] == "FORM_TYPE" }), type["type"] == "hidden" else { continue }
            let types = values(type)
            guard let name = types.first, types.allSatisfy({ $0 == name }) else { return nil }
            var text = name + [less]
            let others = fields.filter { $0["var"] != "FORM_TYPE" }
                .map { (Array(($0["var"] ?? "").utf8), values($0).sorted { $0.lexicographicallyPrecedes($1) }) }
                .sorted { $0.0.lexicographicallyPrecedes($1.0) }
            for (name, values) in others {
                text += name + [less]
                for value in values { text += value + [less] }
            }
            if forms.contains(where: { $0.type == name }) { return nil }
            forms.append((name, text))
        }
        for form in forms.sorted(by: { $0.type.lexicographicallyPrecedes($1.type) }) { bytes += form.text }
        return bytes
    }

    /// XEP-0390 §4.1.
    private static func second(_ info: Element) -> [UInt8]? {
        func joined(_ parts: [[UInt8]], _ end: UInt8) -> [UInt8] {
            parts.sorted { $0.lexicographicallyPrecedes($1) }.flatMap { $0 } + [end]
        }
        let features = info.all("feature", Namespaces.discoInfo).map { Array(($0["var"] ?? "").utf8) + [0x1F] }
        let identities = info.all("identity", Namespaces.discoInfo).map { (identity: Element) -> [UInt8] in
            let parts: [String] = [
                identity["category"] ?? "", identity["type"] ?? "", identity.lang ?? "", identity["name"] ?? "",
            ]
            return parts.flatMap { Array($0.utf8) + [UInt8(0x1F)] } + [UInt8(0x1E)]
        }
        func field(_ field: Element) -> [UInt8] {
            let values = values(field).map { $0 + [UInt8(0x1F)] }.sorted { $0.lexicographicallyPrecedes($1) }
            return Array((field["var"] ?? "").utf8) + [UInt8(0x1F)] + values.flatMap { $0 } + [UInt8(0x1E)]
        }
        let forms = info.all("x", Namespaces.dataForms).map { form in
            joined(form.all("field", Namespaces.dataForms).map(field), 0x1D)
        }
        return joined(features, 0x1C) + joined(identities, 0x1C) + joined(forms, 0x1C)
    }

    private static let less = UInt8(ascii: "<")

    private static func values(_ field: Element) -> [[UInt8]] {
        field.all("value", Namespaces.dataForms).map { Array($0.text.utf8) }
    }

    /// Sorted by bytes; nil where something stands there twice.
    private static func sorted(_ parts: [[UInt8]]) -> [[UInt8]]? {
        let sorted = parts.sorted { $0.lexicographicallyPrecedes($1) }
        for index in sorted.indices.dropFirst() where sorted[index] == sorted[index - 1] { return nil }
        return sorted
    }
}
