import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Server dialback on an inbound stream (XEP-0220 §2.2): receiving server for `<db:result/>`, authoritative server for
/// `<db:verify/>`. Dialback errors never end the stream, which may serve other pairs.
extension PeerNegotiation {
    mutating func dialbackReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        guard let element = DialbackElement(tape) else {
            return stream.fail(StreamError(.improperAddressing), "a dialback element without two domains")
        }
        // XEP-0220 §2.2: answers come only on streams that we opened.
        guard element.type == nil else { return }
        switch element.kind {
        case .result: keyReceived(element, &stream)
        case .verify: verificationAsked(element, &stream)
        }
    }

    /// XEP-0220 §2.2.1: the peer wants to use this stream for another pair.
    private mutating func keyReceived(_ element: DialbackElement, _ stream: inout XMLStream) {
        let pair = DomainPair(local: element.to, peer: element.from)
        if pairs.isPending(pair) { return }
        if let condition = refusal(of: element, pair, stream) {
            return stream.write(element.answer(.error(condition, words: "")).serialized)
        }
        // A proof that is there already is better than one that has to be asked for (XEP-0220 §1.1, last paragraph).
        if pairs.proves(pair) { return stream.write(element.answer(.valid).serialized) }
        if let tls = stream.tls, tls.objection(to: pair.peer.domainpart) == nil {
            prove(pair, .certificate, &stream)
            return stream.write(element.answer(.valid).serialized)
        }
        pairs.await(pair)
        stream.act(.peer(.dialbackKeyReceived(pair, key: element.key, streamID: stream.id, address: stream.address)))
    }

    private func refusal(of element: DialbackElement, _ pair: DomainPair, _ stream: XMLStream) -> StanzaError.Condition? {
        let configuration = stream.configuration
        if !configuration.serves(pair.local) { return .itemNotFound }
        // XEP-0220 §2.5.
        if needsTLS(stream) { return .policyViolation }
        if !configuration.allowsDialback { return .notAllowed }
        // A dialback key has 64 digits where XEP-0185 is followed; nobody needs more than this.
        if element.key.isEmpty || element.key.utf8.count > 1024 { return .notAcceptable }
        if configuration.serves(pair.peer) { return .forbidden }
        if pairs.pending.count >= configuration.pendingDialbacksPerStream { return .resourceConstraint }
        if pairs.proven.count >= configuration.pairsPerStream { return .resourceConstraint }
        return nil
    }

    mutating func answered(_ command: StreamCommand, _ stream: inout XMLStream) {
        guard case .dialbackVerdict(let pair, let verdict) = command, pairs.answered(pair) else { return }
        let answer = DialbackElement(.result, from: pair.peer, to: pair.local).answer(verdict)
        stream.write(answer.serialized)
        switch verdict {
        case .valid:
            prove(pair, .dialback, &stream)
        case .invalid where pairs.proven.isEmpty && pairs.pending.isEmpty:
            // XEP-0220 §2.2.1: who lies about the only pair is not to stay.
            stream.close(nil)
        case .invalid, .error:
            break
        }
    }

    /// XEP-0220 §2.2.2: did we give away this key? Asked by strangers; nothing but the secret is needed to answer.
    private func verificationAsked(_ element: DialbackElement, _ stream: inout XMLStream) {
        guard stream.configuration.serves(element.to) else {
            return stream.write(element.answer(.error(.itemNotFound, words: "")).serialized)
        }
        let isGenuine = stream.configuration.dialbackSecret.verifies(
            element.key, receiving: element.from.domainpart, originating: element.to.domainpart,
            streamID: element.id ?? "")
        stream.write(element.answer(isGenuine ? .valid : .invalid).serialized)
    }
}
