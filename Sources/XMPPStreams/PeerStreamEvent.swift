import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Facts that a stream from or to another server, or from a component, reports to the site; one that we opened only once it is ready.
///
/// Whatever is rare and has much to say is indirect: a stanza's event is moved from list to list on its way.
public enum PeerStreamEvent: Sendable {
    // A stream that the other server opened.

    /// The peer asks for `pair` with a dialback key (XEP-0220 §2.1.1); answered by
    /// ``StreamCommand/dialbackVerdict(_:_:)``.
    indirect case dialbackKeyReceived(DomainPair, key: String, streamID: String, address: RemoteAddress)
    /// `pair` may be used on this stream from now on, in the other direction too as far as the peer asked for it. Without
    /// that, `relay` is known from the peer's use of it, not here. The peer may have said how long a stanza may be there.
    indirect case peerVerified(DomainPair, PeerProof, Bidirection = .none, announcedBytes: Int? = nil)

    // A stream that a component opened (XEP-0114).

    /// The component of that domain has shown the secret: answered by ``StreamCommand/admit`` or ``StreamCommand/refuse(_:)``. Or,
    /// where it is not genuine, somebody has shown another one and is sent away already.
    indirect case componentShown(JID, isGenuine: Bool, address: RemoteAddress)

    // Authenticated streams, whoever opened them.

    /// A complete stanza: well-formed, within limits, and between verified domains, or from the component's own. On a stream that we opened for our stanzas
    /// alone, it is one that has no place there.
    case stanza(Stanza)
    /// A stanza that cannot be taken: a malformed address, or more than we take or may send on. It counts like any other (stream management counts every stanza
    /// that was received), and is answered with the error unless it has no `from`.
    indirect case stanzaRefused(Stanza, StanzaError)
    /// A top-level element that is not a stanza: stream management, relay.
    indirect case nonza(Element)

    /// Reading what this connection has said has cost so many microseconds since this was said last.
    case spent(Int64)

    // Ends. After `closed` nothing more comes from this connection.

    /// The peer ended an authenticated stream with an error of this condition (RFC 6120 §4.9.3); the end follows.
    case errorReceived(String)
    /// What the peer said on an authenticated stream is more than we bear, and we end it with an error of this condition; the end
    /// follows.
    case errorSent(String)
    /// The peer closed its stream in good order (RFC 6120 §4.4).
    case streamEnded
    /// The connection is gone; words for the operator.
    case closed(String)
    /// More is waiting to be written than the limit allows: the reader is too slow.
    case congested
}
