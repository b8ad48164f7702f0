import XMPPStanzas
import XMPPXML

/// The `<body/>` of one request of a BOSH client (XEP-0124 §5), read.
public struct BOSHRequest: Sendable, Equatable {
    /// The request's number; none is an error.
    public var rid: UInt64?
    /// The session that it is for; nil: it begins one.
    public var sid: String?
    var to: String?
    var from: String?
    var language: String?
    var version: String?
    /// `ver` of the protocol, as (1, 11).
    var protocolVersion: [Int] = []
    var wait: Int?
    var hold: Int?
    /// Answers may say what was received; the client has received so far.
    var ack: UInt64?
    var pause: Int?
    var key: String?
    var newKey: String?
    var isRestart = false
    var isTerminate = false
    /// The elements in it, one behind the other, as they came.
    var payload: [UInt8] = []

    /// Why a request cannot be read.
    public struct Malformed: Error, Equatable, CustomStringConvertible {
        /// For the operator.
        public var description: String { "no body of BOSH, or one with an attribute that it cannot have" }
    }

    /// Whether it says nothing but that it is there.
    var isEmpty: Bool { payload.isEmpty && !isRestart && !isTerminate && pause == nil && newKey == nil }

    /// Reads a body. Elements in it are not looked at: the stream does that, as if they had come on a socket.
    public init(parsing bytes: [UInt8], limit: Int) throws(Malformed) {
        var limits = XMLLimits()
        limits.stanzaBytes = limit
        limits.depth = 250
        limits.attributes = 64
        let tape: ElementTape
        do {
            tape = try ElementTape(parsing: Self.withoutDeclaration(bytes), context: NamespaceContext(), limits: limits)
        } catch {
            throw Malformed()
        }
        guard tape.is("body", BOSHSession.namespace) else { throw Malformed() }
        for attribute in tape.attributes() {
            let value = attribute.value
            switch (attribute.namespace, attribute.name) {
            case ("", "rid"):
                // §14: no client may come to the end of what a double counts exactly.
                guard let number = UInt64(value), number < 1 << 53 else { throw Malformed() }
                rid = number
            case ("", "sid"): sid = value
            case ("", "to"): to = value
            case ("", "from"): from = value
            case ("", "ver"): protocolVersion = value.split(separator: ".").compactMap { Int($0) }
            case ("", "wait"): wait = try Self.number(value)
            case ("", "hold"): hold = try Self.number(value)
            case ("", "ack"): ack = UInt64(value)
            case ("", "pause"): pause = try Self.number(value)
            case ("", "key"): key = value
            case ("", "newkey"): newKey = value
            case ("", "type"): isTerminate = value == "terminate"
            case (BOSHSession.xmppNamespace, "restart"): isRestart = value == "true" || value == "1"
            case (BOSHSession.xmppNamespace, "version"): version = value
            case (XMLNamespace.xml, "lang"): language = value
            default: break
            }
        }
        for child in tape.children() { payload += tape.bytes[tape.range(of: child)] }
    }

    private static func number(_ text: String) throws(Malformed) -> Int {
        guard let number = Int(text), (0...1_000_000).contains(number) else { throw Malformed() }
        return number
    }

    /// Some clients write an XML declaration, or a line's end behind the element.
    private static func withoutDeclaration(_ bytes: [UInt8]) -> [UInt8] {
        var rest = bytes[...]
        if rest.starts(with: "<?xml".utf8), let end = rest.firstIndex(of: UInt8(ascii: ">")) {
            rest = rest[(end + 1)...].drop { $0 <= 0x20 }
        }
        while let last = rest.last, last <= 0x20 { rest.removeLast() }
        return Array(rest)
    }
}
