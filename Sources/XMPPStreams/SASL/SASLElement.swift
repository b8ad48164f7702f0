import MartletCrypto
import XMPPStanzas
import XMPPXML

/// An element of a SASL negotiation as the receiving entity gets it (RFC 6120 §6.4).
enum SASLElement {
    /// `<auth/>`; nil where no initial response came with it, which is not the same as an empty one.
    case auth(mechanism: String, initialResponse: [UInt8]?)
    /// `<response/>`.
    case response([UInt8])
    /// `<abort/>`.
    case abort

    /// Reads a first-level element of the SASL namespace.
    init(_ tape: ElementTape) throws(SASLFailure) {
        switch tape.name() {
        case "auth":
            guard let mechanism = tape.attribute("mechanism") else { throw .invalidMechanism }
            let text = tape.text()
            self = .auth(mechanism: mechanism, initialResponse: text.isEmpty ? nil : try Self.decode(text))
        case "response":
            self = .response(try Self.decode(tape.text()))
        case "abort":
            self = .abort
        default:
            throw .malformedRequest
        }
    }

    /// RFC 6120 §6.4.2: "=" is nothing at all, since no text means that there is no response.
    private static func decode(_ text: String) throws(SASLFailure) -> [UInt8] {
        if text == "=" { return [] }
        guard let bytes = Base64.decode(text) else { throw .incorrectEncoding }
        return bytes
    }

    /// `<challenge/>` with `data`.
    static func challenge(_ data: [UInt8]) -> String {
        data.isEmpty
            ? "<challenge xmlns='\(Namespaces.sasl)'/>"
            : "<challenge xmlns='\(Namespaces.sasl)'>\(Base64.encode(data))</challenge>"
    }

    /// `<success/>` with additional data, if the mechanism has any.
    static func success(_ data: [UInt8]?) -> String {
        guard let data else { return "<success xmlns='\(Namespaces.sasl)'/>" }
        return "<success xmlns='\(Namespaces.sasl)'>\(data.isEmpty ? "=" : Base64.encode(data))</success>"
    }

    /// `<failure/>`.
    static func failure(_ failure: SASLFailure) -> String {
        "<failure xmlns='\(Namespaces.sasl)'><\(failure.rawValue)/></failure>"
    }
}
