// XEP-0388: Extensible SASL Profile, version 1.0.4, complete; no tasks are demanded behind a login
// XEP-0484: Fast Authentication Streamlining Tokens, version 0.2.0, what is said on streams
import MartletCrypto
import XMPPStanzas
import XMPPXML

/// An element of the extensible SASL profile as the receiving entity gets it.
enum ExtensibleSASL {
    /// `<authenticate/>`; `fast` where it comes with a token.
    case authenticate(mechanism: String, initialResponse: [UInt8]?, LoginRequest, fast: Element?)
    /// `<response/>`.
    case response([UInt8])
    /// `<abort/>`.
    case abort
    /// What has no place in a login, or is of tasks, of which there are none.
    case other

    /// Reads a first-level element of the namespace.
    init(_ element: Element) throws(SASLFailure) {
        switch element.name {
        case "authenticate":
            guard let mechanism = element["mechanism"] else { throw .invalidMechanism }
            var response: [UInt8]?
            if let data = element.first("initial-response", Namespaces.extensibleSASL) { response = try Self.decode(data.text) }
            let fast = element.first("fast", Namespaces.fast)
            self = .authenticate(mechanism: mechanism, initialResponse: response, LoginRequest(element), fast: fast)
        case "response":
            self = .response(try Self.decode(element.text))
        case "abort":
            self = .abort
        default:
            self = .other
        }
    }

    /// §2.2: an empty element is an empty text. The examples have white space around, as people write XML.
    private static func decode(_ text: String) throws(SASLFailure) -> [UInt8] {
        let digits = text.utf8.filter { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        guard let bytes = Base64.decode(digits) else { throw .incorrectEncoding }
        return bytes
    }

    // MARK: What we say

    /// `<challenge/>` with `data`.
    static func challenge(_ data: [UInt8]) -> String {
        "<challenge xmlns='\(Namespaces.extensibleSASL)'>\(Base64.encode(data))</challenge>"
    }

    /// `<success/>`: who the client is, and what came of what it wanted.
    static func success(_ welcome: Welcome, additionalData: [UInt8]?) -> [UInt8] {
        var success = Element("success", Namespaces.extensibleSASL)
        if let data = additionalData ?? welcome.additionalData {
            success.append(Element("additional-data", Namespaces.extensibleSASL, text: Base64.encode(data)))
        }
        let identity = Element("authorization-identifier", Namespaces.extensibleSASL, text: welcome.identity.description)
        success.append(identity)
        for element in welcome.elements { success.append(element) }
        return success.serialized(within: Namespaces.client)
    }

    /// `<failure/>`.
    static func failure(_ failure: SASLFailure) -> String {
        "<failure xmlns='\(Namespaces.extensibleSASL)'><\(failure.rawValue) xmlns='\(Namespaces.sasl)'/></failure>"
    }
}

extension LoginRequest {
    /// Reads what stands in `<authenticate/>`.
    fileprivate init(_ element: Element) {
        agent = UserAgent(element.first("user-agent", Namespaces.extensibleSASL))
        resumption = element.first("resume", Namespaces.streamManagement)
        binding = element.first("bind", Namespaces.bind2).map(BindingRequest.init)
        let wanted = element.first("request-token", Namespaces.fast)?["mechanism"]
        tokenMechanism = wanted.flatMap(TokenMechanism.init)
    }
}

extension OfferedFeatures {
    /// XEP-0388 §2.1, with what may be wanted in one step with the login.
    mutating func offerExtensibleSASL(_ names: [String], tokens: [TokenMechanism]) {
        guard !names.isEmpty else { return }
        func list(_ names: [String]) -> String { names.map { "<mechanism>\($0)</mechanism>" }.joined() }
        let features = InlineFeature.allCases.map { "<feature var='\($0.rawValue)'/>" }.joined()
        var inline = "<sm xmlns='\(Namespaces.streamManagement)'/>"
        inline += "<bind xmlns='\(Namespaces.bind2)'><inline>\(features)</inline></bind>"
        if !tokens.isEmpty { inline += "<fast xmlns='\(Namespaces.fast)'>\(list(tokens.map(\.rawValue)))</fast>" }
        offer(
            "<authentication xmlns='\(Namespaces.extensibleSASL)'>\(list(names))<inline>\(inline)</inline></authentication>")
    }
}

/// What can be on for a session from its beginning (XEP-0386 §3.1), by its namespace.
public enum InlineFeature: String, Sendable, CaseIterable {
    case streamManagement = "urn:xmpp:sm:3"
    case carbons = "urn:xmpp:carbons:2"
    case clientState = "urn:xmpp:csi:0"
}
