import XMPPStanzas
import XMPPXML

/// The receiving side of STARTTLS (RFC 6120 §5.4.2).
enum STARTTLS {
    /// An element of the TLS namespace came.
    static func received(_ tape: ElementTape, _ stream: inout XMLStream) {
        guard tape.is("starttls", Namespaces.tls), stream.tls == nil, stream.configuration.tls != .unavailable else {
            // RFC 6120 §5.4.2.2: the stream ends with the failure.
            stream.write("<failure xmlns='\(Namespaces.tls)'/>")
            return stream.giveUp(.unreachable("TLS was asked for out of order"))
        }
        guard stream.isQuiet() else {
            // RFC 6120 §5.4.3.3: what came in clear must not be used; nobody honest sends it.
            return stream.fail(StreamError(.policyViolation), "data in clear behind <starttls/>")
        }
        stream.write("<proceed xmlns='\(Namespaces.tls)'/>")
        stream.startTLS(serverName: nil)
    }
}
