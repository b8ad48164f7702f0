import XMPPAddress
import XMPPXML

/// What the operator decides about the streams of one listener, or about the streams that we open, and every bound of
/// their negotiation with the reason for its number.
public struct StreamConfiguration: Sendable {
    /// How a stream comes by TLS (RFC 6120 §5).
    public enum TLSPolicy: Sendable {
        /// No certificate, or the transport is protected by other means: STARTTLS is neither offered nor asked for.
        case unavailable
        /// STARTTLS is offered and used where the other end can.
        case optional
        /// Nothing but STARTTLS is possible before TLS.
        case required
    }

    /// The domains this site serves, the first of which speaks where a peer asked for none of them.
    public var domains: [JID]
    /// Whether TLS is offered, and demanded. A stream with TLS from the first byte (XEP-0368) needs neither.
    public var tls = TLSPolicy.required

    // Clients

    /// SASL mechanisms, best first.
    public var mechanisms = OfferedMechanism.all
    /// Those of them for which some account has no keys: they are not offered to anybody, so that nobody learns to whom they could be.
    public var withheldMechanisms: [SASLMechanism] = [.scramSHA512]
    /// XEP-0484: clients may ask for tokens, and log in with them.
    public var offersTokens = true
    /// PLAIN may be used without TLS. Only for closed networks and tests.
    public var allowsPlainWithoutTLS = false
    /// XEP-0445: XEP-0077 before authentication, for whoever has an invitation.
    public var allowsInvitations = false
    /// XEP-0077 before authentication.
    public var allowsRegistration = false
    /// XEP-0077 §3.3: people choose another password for their own account, whose keys take a while.
    public var allowsPasswordChange = true
    /// Failed SASL exchanges before the stream is closed: RFC 6120 §6.4.5 recommends at least 2 retries.
    public var authenticationAttempts = 3

    // Servers

    /// XEP-0220 may prove a peer's domain to us, and ours to a peer.
    public var allowsDialback = true
    /// Streams carry stanzas in both directions where both ends can (XEP-0288).
    public var offersBidi = true
    /// What dialback keys are made from (XEP-0185): the same on every machine that answers for our domains.
    public var dialbackSecret: DialbackSecret
    /// We have a certificate to show in SASL EXTERNAL (RFC 6120 §13.7.2).
    public var hasCertificate = true
    /// Dialback keys being verified at the same time on one stream: a server asks for a pair or two, a flood for all.
    public var pendingDialbacksPerStream = 16
    /// Pairs of domains on one stream: a large office has tens of domains and components.
    public var pairsPerStream = 256

    // Components

    /// What each component of the site has to know, by its domain (XEP-0114). Look-up only.
    public var componentSecrets: [JID: [UInt8]] = [:]

    // Bounds

    /// Bounds on XML after authentication.
    public var limits = XMLLimits()
    /// The most bytes of a stanza that is sent on: what this site takes from servers, since the next one need not take more.
    public var departingBytes = XMLLimits().stanzaBytes
    /// Bounds on XML before authentication.
    public var limitsBeforeAuthentication = XMLLimits.beforeAuthentication
    /// Bytes a stream may send before it is authenticated: three long exchanges with everything around them.
    public var bytesBeforeAuthentication = 65_536
    /// Time from the connection to authentication, milliseconds: a password typed into a dialog was typed before.
    public var negotiationTimeout: Int64 = 30_000
    /// How long the peer's closing tag is awaited, milliseconds (RFC 6120 §4.4).
    public var closingTimeout: Int64 = 2_000

    /// The defaults for a site that serves `domains`.
    public init(domains: [JID], dialbackSecret: DialbackSecret) {
        precondition(!domains.isEmpty, "a site serves at least one domain")
        self.domains = domains
        self.dialbackSecret = dialbackSecret
    }

    /// Whether `domain` is one of ours.
    func serves(_ domain: JID) -> Bool { domains.contains(domain) }
}
