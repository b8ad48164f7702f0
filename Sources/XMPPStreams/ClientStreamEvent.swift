import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Facts that a client's stream reports to the site.
///
/// Whatever is rare and has much to say is indirect: a stanza's event is moved from list to list on its way.
public enum ClientStreamEvent: Sendable {
    // Before authentication: at most one outstanding per connection. `domain` is the one of ours that the client's stream is for.

    /// A client named itself; answered by ``StreamCommand/credentials(_:)``.
    indirect case credentialsWanted(localpart: String, domain: JID, mechanism: SASLMechanism, address: RemoteAddress)
    /// A client proved itself; answered by ``StreamCommand/admit``, ``StreamCommand/welcome(_:)`` or
    /// ``StreamCommand/refuse(_:)``.
    indirect case authenticated(AuthenticatedClient)
    /// A client has shown a token (XEP-0484); answered by ``StreamCommand/welcome(_:)`` or ``StreamCommand/refuse(_:)``.
    indirect case tokenShown(TokenProof)
    /// A SASL exchange failed; counted per account and address.
    indirect case authenticationFailed(localpart: String?, domain: JID, address: RemoteAddress)
    /// XEP-0077: before authentication any IQ in `jabber:iq:register`, afterwards one that chooses another password. Nothing that
    /// follows is read before ``StreamCommand/registrationHandled``.
    /// With the token of an invitation that was shown before (XEP-0445).
    indirect case registrationRequested(Stanza, domain: JID, address: RemoteAddress, invitation: String? = nil)

    // Afterwards.

    /// A complete stanza: well-formed and within limits.
    case stanza(Stanza)
    /// A stanza that cannot be taken: a malformed address, or more than may leave again. It counts like any other (stream management counts every stanza
    /// that was received), and is answered with the error.
    indirect case stanzaRefused(Stanza, StanzaError)
    /// A top-level element that is not a stanza: stream management.
    indirect case nonza(Element)

    /// Reading what this connection has said has cost so many microseconds since this was said last.
    case spent(Int64)

    // Ends. After `closed` nothing more comes from this connection.

    /// The client closes its stream in good order, and its machine has everything up to this ``StreamCommand/mark(_:)``: TCP
    /// says so. `streamEnded` follows.
    case arrived(UInt64)
    /// The client closed its stream in good order (RFC 6120 §4.4).
    case streamEnded
    /// The connection is gone; words for the operator.
    case closed(String)
    /// More is waiting to be written than the limit allows: the reader is too slow.
    case congested
}
