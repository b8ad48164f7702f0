import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Who may be spoken for on a stream that brings the stanzas of many.
enum Speaker {
    /// Another server, with the pairs of domains that the stream may be used for; there is at least one.
    case server([DomainPair])
    /// A component, with its domain: for whomever it likes there, to anybody (XEP-0114 §3).
    case component(JID)

    /// RFC 6120 §8.1.1.2, §8.1.2.2: both addresses are there, and their domains were proven. What is wrong with them is nil where nothing is.
    func objection(from: JID?, to: JID?, _ configuration: StreamConfiguration) -> StreamError? {
        guard let from, let to else { return StreamError(.improperAddressing) }
        switch self {
        case .server(let proven):
            if proven.contains(DomainPair(local: to.domain, peer: from.domain)) { return nil }
            guard configuration.serves(to.domain) else { return StreamError(.hostUnknown) }
            return StreamError(proven.contains { $0.peer == from.domain } ? .improperAddressing : .invalidFrom)
        case .component(let domain):
            return from.domain == domain ? nil : StreamError(.invalidFrom)
        }
    }

    /// Whom of ours a stanza of `sender` is for whose own address cannot be read; nil where it is none of the other end's.
    func local(for sender: JID, _ configuration: StreamConfiguration) -> JID? {
        switch self {
        case .server(let proven): proven.first { $0.peer == sender.domain }?.local
        case .component(let domain): sender.domain == domain ? configuration.domains[0] : nil
        }
    }
}

/// Stanzas of another server, on a stream that it opened or (XEP-0288) on one that we opened; and of a component.
extension XMLStream {
    /// Takes a first-level element of the content namespace.
    mutating func peerStanzaReceived(_ tape: ElementTape, from speaker: Speaker) {
        let stanza: Stanza
        do {
            stanza = try Stanza(parsing: tape, contentNamespace: contentNamespace, limits: framer.limits)
        } catch {
            switch error {
            case .unacceptableXML(let failure): fail(failure)
            case .notAStanza: fail(StreamError(.unsupportedStanzaType))
            case .malformedAddress(let address): addressRefused(address, speaker)
            case .grown(let failure, let head): refuse(head, StanzaError(failure, configuration.limits), speaker)
            }
            return
        }
        if let error = speaker.objection(from: stanza.from, to: stanza.to, configuration) { return fail(error) }
        // What reaches a client is bounded by what servers take, whatever was written in fewer bytes.
        if let error = stanza.objection(toMoreThan: configuration.departingBytes, adding: Stanza.additions) {
            return refuse(stanza.answerableHead, error, speaker)
        }
        act(.peer(.stanza(stanza)))
    }

    /// Takes a first-level element that is refused for its size or shape. Ending the stream over it would bring it back, and keep
    /// everybody else's stanzas waiting (`Docs/relay-protocol.md` R3).
    mutating func peerElementRefused(_ ends: ElementEnds, _ failure: XMLFailure, from speaker: Speaker) {
        guard let tape = tape(of: ends) else { return fail(failure) }
        do {
            let stanza = try Stanza(parsing: tape, contentNamespace: contentNamespace)
            refuse(stanza.answerableHead, StanzaError(failure, configuration.limits), speaker)
        } catch {
            guard case .malformedAddress(let address) = error else { return fail(failure) }
            addressRefused(address, speaker)
        }
    }

    /// A stanza is not taken over; the site counts and answers it.
    private mutating func refuse(_ head: Stanza, _ error: StanzaError, _ speaker: Speaker) {
        if let error = speaker.objection(from: head.from, to: head.to, configuration) { return fail(error) }
        act(.peer(.stanzaRefused(head, error)))
    }

    /// Takes a stanza that the peer sends on the stream that we opened for ours, where it has no place (XEP-0220 §2.3). Some servers
    /// answer there all the same: the site hears what is between the two domains of the stream, and decides. The rest is nothing.
    mutating func strayStanzaReceived(_ tape: ElementTape, _ pair: DomainPair) {
        do {
            let stanza = try Stanza(parsing: tape, contentNamespace: contentNamespace)
            if Speaker.server([pair]).objection(from: stanza.from, to: stanza.to, configuration) == nil {
                act(.peer(.stanza(stanza)))
            }
        } catch {
            if case .unacceptableXML(let failure) = error { fail(failure) }
        }
    }

    /// One address that we cannot read is no reason to cut off everybody else on the stream: servers differ in what they
    /// take for an address. The site counts the stanza; it can be answered only if it is known to be the peer's. One with a
    /// number of the relay keeps it, with the domain for the address, since it has to be counted in its lane too.
    ///
    /// COMPAT(Prosody 0.12, ejabberd 23.01): both prepare addresses with stringprep, not with PRECIS.
    private mutating func addressRefused(_ address: StanzaFailure.MalformedAddress, _ speaker: Speaker) {
        var head = address.head
        if head.relayMark != nil, let domain = address.domain {
            if address.isTo { head.to = domain } else { head.from = domain }
            if speaker.objection(from: head.from, to: head.to, configuration) == nil {
                return act(.peer(.stanzaRefused(head, StanzaError(.jidMalformed))))
            }
        }
        head = address.head
        head.relayMark = nil
        let local = head.from.flatMap { speaker.local(for: $0, configuration) }
        if head.to == nil { head.to = local }
        if local == nil { head.from = nil }
        act(.peer(.stanzaRefused(head, StanzaError(.jidMalformed))))
    }
}

extension StanzaError {
    /// What the sender of a stanza is told that is refused for its size or shape.
    init(_ failure: XMLFailure, _ limits: XMLLimits) {
        switch failure {
        case .oversized: self.init(.policyViolation, text: "The stanza is longer than \(limits.stanzaBytes) bytes")
        case .tooDeep: self.init(.policyViolation, text: "Elements are nested deeper than \(limits.depth)")
        case .tooManyAttributes:
            self.init(.policyViolation, text: "An element has more than \(limits.attributes) attributes on its way")
        case .tooManyNamespaces: self.init(.policyViolation, text: "Too many namespaces are declared")
        case .nameTooLong: self.init(.policyViolation, text: "A name or namespace is too long")
        case .unusualName: self.init(.notAcceptable, text: "Not everybody can read the names in it")
        case .notWellFormed, .restrictedXML, .unsupportedEncoding: self.init(.notAcceptable, text: failure.description)
        }
    }
}
