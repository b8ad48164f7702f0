import XMPPAddress
import XMPPXML

/// Why received bytes are not a ``Stanza``. The fault is always the sender's.
public enum StanzaFailure: Error, Hashable, Sendable {
    /// The bytes are not one acceptable element: a stream error (``XMLFailure/streamErrorCondition``).
    case unacceptableXML(XMLFailure)
    /// The element is no message, presence or IQ of the content namespace: `unsupported-stanza-type` unless the stream
    /// knows it otherwise.
    case notAStanza
    /// `from` or `to` is not an address: from a client `invalid-from` or the stanza error `jid-malformed`
    /// (RFC 6120 §8.1.1.1, §8.3.3.8), from a server `improper-addressing`.
    case malformedAddress(MalformedAddress)
    /// Under the stream header of another stream the content means the same only in another form, which is beyond the bounds within which
    /// it came: a stanza error for the sender, with what is needed to answer.
    case grown(XMLFailure, head: Stanza)

    /// A stanza that cannot be routed, as far as it was understood: enough to answer it.
    public struct MalformedAddress: Hashable, Sendable {
        /// Whether it was `to` that is malformed; otherwise `from` is.
        public var isTo: Bool
        /// The domain of the malformed address, where that part can be read.
        public var domain: JID?
        /// The stanza without content and without the malformed address.
        public var head: Stanza

        /// A stanza of that head whose `to` or `from` is malformed.
        public init(isTo: Bool, domain: JID? = nil, head: Stanza) {
            self.isTo = isTo
            self.domain = domain
            self.head = head
        }

        /// The `jid-malformed` error for the sender, as its own server says it; nil where an answer is forbidden.
        public var reply: Stanza? { head.errorReply(StanzaError(.jidMalformed)) }
    }
}

extension StanzaFailure: CustomStringConvertible {
    /// One line for a person.
    public var description: String {
        switch self {
        case .unacceptableXML(let failure): failure.description
        case .notAStanza: "the element is no message, presence or IQ"
        case .grown(let failure, _): "written for another stream, \(failure.description)"
        case .malformedAddress(let address): "\(address.isTo ? "to" : "from") is no address"
        }
    }
}
