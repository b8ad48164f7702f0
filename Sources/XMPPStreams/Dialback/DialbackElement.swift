// XEP-0220: Server Dialback, version 1.1.1, complete

import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// `<db:result/>` or `<db:verify/>` (XEP-0220 §2): a key on its way, or the answer to one.
struct DialbackElement: Sendable, Equatable {
    enum Kind: String, Sendable {
        /// Initiating and receiving server: may this stream be used for a pair of domains?
        case result
        /// Receiving and authoritative server: did you give away this key?
        case verify
    }

    var kind: Kind
    var from: JID
    var to: JID
    /// The stream that the key is for; `verify` only.
    var id: String?
    /// `valid`, `invalid` or `error`; nil in a question.
    var type: String?
    /// The key of a question.
    var key = ""
    /// The condition of an error.
    var condition: StanzaError.Condition?

    /// Reads an element of the dialback namespace; nil if it is neither, or its addresses are no domains.
    init?(_ tape: ElementTape) {
        guard let kind = Kind(rawValue: tape.name()), let from = StreamHeader.domain(tape.attribute("from")),
            let to = StreamHeader.domain(tape.attribute("to"))
        else { return nil }
        self.kind = kind
        self.from = from
        self.to = to
        id = tape.attribute("id")
        type = tape.attribute("type")
        // The examples of XEP-0220 have the key on a line of its own.
        key = String(tape.text().split(whereSeparator: \.isWhitespace).joined())
        let error = tape.element().elements.first { $0.name == "error" }
        condition = error?.elements.lazy.compactMap { StanzaError.Condition(rawValue: $0.name) }.first
    }

    /// A question or an answer of ours.
    init(_ kind: Kind, from: JID, to: JID, id: String? = nil, type: String? = nil, key: String = "") {
        self.kind = kind
        self.from = from
        self.to = to
        self.id = id
        self.type = type
        self.key = key
    }

    /// The answer to this question.
    func answer(_ verdict: DialbackVerdict) -> DialbackElement {
        var answer = DialbackElement(kind, from: to, to: from, id: id)
        switch verdict {
        case .valid: answer.type = "valid"
        case .invalid: answer.type = "invalid"
        case .error(let condition, _):
            answer.type = "error"
            answer.condition = condition
        }
        return answer
    }

    /// What an answer says; `who` is its sender, in words for the operator.
    func verdict(of who: String) -> DialbackVerdict {
        switch type {
        case "valid": return .valid
        case "invalid": return .invalid
        default:
            let condition = condition ?? .undefinedCondition
            return .error(condition, words: "\(who) answers dialback with \(condition.rawValue)")
        }
    }

    /// The bytes, under the prefix that our stream header declares: old servers know no other (XEP-0220 §2).
    var serialized: [UInt8] {
        var bytes = Array("<db:\(kind.rawValue)".utf8)
        XMLWriter.attribute("from", from.description, to: &bytes)
        XMLWriter.attribute("to", to.description, to: &bytes)
        if let id { XMLWriter.attribute("id", id, to: &bytes) }
        if let type { XMLWriter.attribute("type", type, to: &bytes) }
        if key.isEmpty, condition == nil {
            bytes += "/>".utf8
            return bytes
        }
        bytes.append(UInt8(ascii: ">"))
        XMLWriter.escapeText(key, to: &bytes)
        if let condition {
            // The error child stands in the stream's default namespace, jabber:server (XEP-0220 §2.5).
            StanzaError(condition).element().write(to: &bytes, within: Namespaces.client)
        }
        bytes += "</db:\(kind.rawValue)>".utf8
        return bytes
    }
}
