import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The extensible SASL profile on a client's stream (XEP-0388): the same exchanges as in the profile of RFC 6120, and no new stream
/// behind them.
extension ClientNegotiation {
    /// XEP-0388 §2.4: while a login is under way, nothing else is said.
    var isExchangingAlone: Bool {
        guard profile == .extensible else { return false }
        if case .none = exchange { return false }
        return true
    }

    mutating func extensibleReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        do throws(SASLFailure) {
            let isBeginning = tape.is("authenticate", Namespaces.extensibleSASL)
            if case .none = exchange { profile = .extensible }
            // §2.4, and §"Multiple Authentication".
            guard profile == .extensible, isBeginning != isExchangingAlone else { return Self.outOfOrder(&stream) }
            switch try ExtensibleSASL(tape.element()) {
            case .authenticate(let mechanism, let response, let request, let fast):
                // §"Security Considerations": under TLS only.
                guard stream.tls != nil else { throw .encryptionRequired }
                self.request = request
                if let token = TokenMechanism(rawValue: mechanism) {
                    try showToken(token, response, fast, &stream)
                } else {
                    try take(.auth(mechanism: mechanism, initialResponse: response), &stream)
                }
            case .response(let data): try take(.response(data), &stream)
            case .abort: throw .aborted
            case .other: Self.outOfOrder(&stream)
            }
        } catch {
            fail(error, &stream)
        }
    }

    /// §2.4: whoever says something else is disconnected.
    static func outOfOrder(_ stream: inout XMLStream) {
        stream.fail(StreamError(.policyViolation), "the client has said something else during its login")
    }

    /// §3: who asks for himself by name must have opened the stream by the same name.
    func check(_ data: [UInt8], _ pending: PendingExchange) throws(SASLFailure) {
        guard profile == .extensible, let claimed, let domain else { return }
        let isExplicit =
            switch pending {
            case .plain: data.first != 0
            case .scram:
                data.split(separator: UInt8(ascii: ","), maxSplits: 2, omittingEmptySubsequences: false)[1].isEmpty == false
            }
        guard isExplicit else { return }
        guard claimed.localpart == pending.localpart, claimed.domainpart == domain.domainpart else { throw .invalidAuthzid }
    }

    /// XEP-0484 §3.5. The site judges it: no step follows in which it would have to be asked.
    private mutating func showToken(
        _ mechanism: TokenMechanism, _ response: [UInt8]?, _ fast: Element?, _ stream: inout XMLStream
    ) throws(SASLFailure) {
        guard stream.configuration.offersTokens, let tls = stream.tls, let domain, let request,
            let binding = mechanism.data(ChannelBindings(tls))
        else { throw .invalidMechanism }
        // draft-schmaus-kitten-sasl-ht §2: authcid NUL initiator-hashed-token. Tokens are given to clients that have a name.
        guard let fast, let response, let end = response.firstIndex(of: 0),
            let name = String(validating: response[..<end], as: UTF8.self), let localpart = try? Localpart.prepare(name),
            request.agent.id != nil
        else { throw .malformedRequest }
        var proof = TokenProof(
            localpart: localpart, domain: domain, mechanism: mechanism, binding: binding,
            code: Array(response[(end + 1)...]), address: stream.address, request: request)
        if let count = fast["count"] {
            guard let number = UInt32(count) else { throw .malformedRequest }
            proof.count = number
        }
        proof.invalidates = ["true", "1"].contains(fast["invalidate"] ?? "")
        exchange = .awaitingVerdict(localpart)
        guard stream.isQuiet() else { return Self.outOfOrder(&stream) }
        stream.pause()
        stream.act(.client(.tokenShown(proof)))
    }

    /// The client is let in: it hears so, and what it may do now.
    mutating func welcomed(_ welcome: Welcome, _ additionalData: [UInt8]?, _ stream: inout XMLStream) {
        stream.resume()
        guard stream.isQuiet() else { return Self.outOfOrder(&stream) }
        account = welcome.identity.bare
        forgetLogin(&stream)
        stream.write(ExtensibleSASL.success(welcome, additionalData: additionalData))
        stream.authenticated()
        let isBound = welcome.identity.resourcepart != nil
        stream.write(Self.featuresOfAccounts(stream.configuration.limits, isBound: isBound).serialized)
    }
}
