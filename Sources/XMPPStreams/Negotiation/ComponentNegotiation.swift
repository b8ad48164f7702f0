// XEP-0114: Jabber Component Protocol, version 1.6, components that connect to the server (jabber:component:accept)

import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A stream that a component of this site opened: it names its domain, shows that it knows the secret of it, and then sends
/// stanzas from whomever it likes at that domain.
///
/// There is neither TLS nor SASL nor a version in this protocol: the listener belongs on the loopback address or behind a tunnel.
struct ComponentNegotiation: Negotiation {
    private enum State {
        /// The component's header is awaited.
        case awaitingHeader
        /// The secret is awaited.
        case awaitingSecret(JID)
        /// It was the right one: the site is asked.
        case shown(JID)
        /// Stanzas flow.
        case open(JID)
    }

    private var state = State.awaitingHeader

    mutating func headerReceived(_ header: StreamHeader, _ stream: inout XMLStream) {
        let asked = StreamHeader.domain(header.to)
        let domain = asked.flatMap { stream.configuration.componentSecrets[$0] == nil ? nil : $0 }
        // RFC 6120 §4.9.1.2: our header first, whatever is wrong. §3 of the XEP: it names the component.
        stream.writeHeader(from: domain ?? stream.configuration.domains[0], to: nil, isOld: true)
        if let objection = header.objection(contentNamespace: stream.contentNamespace) { return stream.fail(objection) }
        guard case .awaitingHeader = state, let domain else { return stream.fail(StreamError(.hostUnknown)) }
        state = .awaitingSecret(domain)
    }

    mutating func elementReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        switch state {
        case .awaitingHeader, .shown:
            stream.fail(StreamError(.notAuthorized))
        case .awaitingSecret(let domain):
            guard tape.is("handshake", stream.contentNamespace) else { return stream.fail(StreamError(.notAuthorized)) }
            secretShown(tape.element().text, of: domain, &stream)
        case .open(let domain):
            guard tape.namespace() == stream.contentNamespace, !tape.is("handshake", stream.contentNamespace) else {
                return stream.fail(StreamError(.unsupportedStanzaType))
            }
            stream.peerStanzaReceived(tape, from: .component(domain))
        }
    }

    mutating func elementRefused(_ ends: ElementEnds, _ failure: XMLFailure, _ stream: inout XMLStream) {
        guard case .open(let domain) = state else { return stream.fail(failure) }
        stream.peerElementRefused(ends, failure, from: .component(domain))
    }

    /// §3: the digest of the stream's identifier and the secret, in hexadecimal and lower case.
    private mutating func secretShown(_ shown: String, of domain: JID, _ stream: inout XMLStream) {
        // Read anew: a component may be gone from the configuration since its header came.
        let secret = stream.configuration.componentSecrets[domain]
        let expected = Hex.encode(Digest.hash(.sha1, Array(stream.id.utf8) + (secret ?? [])))
        let isGenuine = constantTimeEqual(Array(shown.utf8), Array(expected.utf8)) && secret != nil
        stream.act(.peer(.componentShown(domain, isGenuine: isGenuine, address: stream.address)))
        guard isGenuine else { return stream.fail(StreamError(.notAuthorized), "the component has shown a wrong secret") }
        state = .shown(domain)
        stream.pause()
    }

    mutating func answered(_ command: StreamCommand, _ stream: inout XMLStream) {
        guard case .shown(let domain) = state else { return }
        switch command {
        case .admit:
            state = .open(domain)
            stream.resume()
            stream.write("<handshake/>")
            stream.authenticated()
        case .refuse:
            stream.fail(StreamError(.notAuthorized))
        default:
            break
        }
    }
}
