import MartletCrypto
import XMPPXML

/// What the two ends of a stream say to each other until stanzas may flow, and which elements are let through then.
///
/// One implementation for each ``StreamRole``. It is told facts and acts on the ``XMLStream`` beneath it.
protocol Negotiation {
    /// Whom TLS is asked for (RFC 6066 §3), if we open the connection.
    var serverName: String? { get }
    /// Whether the end of the connection is an event of its own. It is not where it is the failure of an attempt.
    var reportsClosing: Bool { get }

    /// Our header is to be written, if it is on us to begin.
    mutating func streamMayBegin(_ stream: inout XMLStream)
    /// TLS is on; a new stream follows.
    mutating func tlsEstablished(_ facts: TLSFacts, _ stream: inout XMLStream)
    /// The other end opened its stream.
    mutating func headerReceived(_ header: StreamHeader, _ stream: inout XMLStream)
    /// A first-level element other than a stream error: well-formed, and within limits.
    mutating func elementReceived(_ tape: ElementTape, _ stream: inout XMLStream)
    /// A first-level element that is refused alone, for its size or shape; on a stream of another server that may send stanzas.
    mutating func elementRefused(_ ends: ElementEnds, _ failure: XMLFailure, _ stream: inout XMLStream)
    /// The site answered one of our questions.
    mutating func answered(_ command: StreamCommand, _ stream: inout XMLStream)
    /// Keys were derived, or could not be.
    mutating func keysDerived(_ keys: SCRAMKeys?, for id: KeyDerivation.ID, _ stream: inout XMLStream)
    /// The stream is over. Told more than once.
    mutating func streamEnded(_ ending: StreamEnding, _ stream: inout XMLStream)
}

extension Negotiation {
    var serverName: String? { nil }
    var reportsClosing: Bool { true }

    mutating func streamMayBegin(_ stream: inout XMLStream) {}
    mutating func tlsEstablished(_ facts: TLSFacts, _ stream: inout XMLStream) {}
    mutating func elementRefused(_ ends: ElementEnds, _ failure: XMLFailure, _ stream: inout XMLStream) { stream.fail(failure) }
    mutating func answered(_ command: StreamCommand, _ stream: inout XMLStream) {}
    mutating func keysDerived(_ keys: SCRAMKeys?, for id: KeyDerivation.ID, _ stream: inout XMLStream) {}
    mutating func streamEnded(_ ending: StreamEnding, _ stream: inout XMLStream) {}
}
