import MartletPrimitives
import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// SASL on a client's stream (RFC 6120 §6). The steps and bytes are the same whether the account exists or not.
extension ClientNegotiation {
    /// What may be used on this stream now, in the configured order.
    func mechanisms(_ stream: XMLStream) -> [String] {
        let isBindable = !bindings(stream).isEmpty
        return stream.configuration.mechanisms.filter { $0.isPlus ? isBindable : isAllowed($0.mechanism, stream) }.map(\.name)
    }

    /// What an exchange may be bound to; nothing where no -PLUS variant is offered, so that nobody is blamed for not using one.
    func bindings(_ stream: XMLStream) -> ChannelBindings {
        ChannelBindings(stream.configuration.mechanisms.contains(where: \.isPlus) ? stream.tls : nil)
    }

    /// RFC 6120 §13.8.3: PLAIN shows the password to everybody on the way unless TLS hides it.
    private func isAllowed(_ mechanism: SASLMechanism, _ stream: XMLStream) -> Bool {
        mechanism != .plain || stream.tls != nil || stream.configuration.allowsPlainWithoutTLS
    }

    mutating func saslReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        do throws(SASLFailure) {
            try take(try SASLElement(tape), &stream)
        } catch {
            fail(error, &stream)
        }
    }

    private mutating func take(_ element: SASLElement, _ stream: inout XMLStream) throws(SASLFailure) {
        switch (element, exchange) {
        case (.auth(let name, let response), .none):
            try begin(name, response, &stream)
        case (.response(let data), .awaitingInitialResponse(let offered)):
            try firstMessage(data, offered, &stream)
        case (.response(let data), .challenged(let scram)):
            let additionalData = try scram.finish(clientFinal: data)
            guard let credentials = scram.credentials else { ourFault("an exchange ended without keys") }
            succeed(credentials, additionalData, &stream)
        case (.abort, _):
            throw .aborted
        case (.auth, _), (.response, _):
            throw .malformedRequest
        }
    }

    private mutating func begin(
        _ name: String, _ response: [UInt8]?, _ stream: inout XMLStream
    ) throws(SASLFailure) {
        // RFC 6120 §6.5.4.
        if needsTLS(stream) { throw .encryptionRequired }
        guard let offered = stream.configuration.mechanisms.first(where: { $0.name == name }) else { throw .invalidMechanism }
        guard isAllowed(offered.mechanism, stream) else { throw .encryptionRequired }
        if offered.isPlus, bindings(stream).isEmpty { throw .invalidMechanism }
        guard let response else {
            exchange = .awaitingInitialResponse(offered)
            return stream.write(SASLElement.challenge([]))
        }
        try firstMessage(response, offered, &stream)
    }

    private mutating func firstMessage(
        _ data: [UInt8], _ offered: OfferedMechanism, _ stream: inout XMLStream
    ) throws(SASLFailure) {
        guard let domain else { ourFault("SASL came before the stream header") }
        let pending: PendingExchange
        switch offered.mechanism {
        case .plain:
            pending = .plain(try PlainExchange(message: data, domain: domain))
        case .scramSHA1, .scramSHA256:
            pending = .scram(try SCRAMServerExchange(clientFirst: data, offered, bindings(stream), domain: domain))
        }
        exchange = .awaitingCredentials(pending)
        stream.pause()
        let address = stream.address
        stream.act(
            .client(
                .credentialsWanted(
                    localpart: pending.localpart, domain: domain, mechanism: offered.mechanism, address: address)))
    }

    // MARK: Answers

    mutating func answered(_ command: StreamCommand, _ stream: inout XMLStream) {
        switch (command, exchange) {
        case (.credentials(let credentials), .awaitingCredentials(.scram(var scram))):
            stream.resume()
            let challenge = scram.challenge(credentials, nonce: stream.environment.random.identifier())
            exchange = .challenged(scram)
            stream.write(SASLElement.challenge(challenge))
        case (.credentials(let credentials), .awaitingCredentials(.plain(let plain))):
            deriveKeys(plain, credentials, &stream)
        case (.refuseCredentials, .awaitingCredentials):
            stream.resume()
            fail(.temporaryAuthFailure, &stream)
        case (.admit, .awaitingAdmission(let client, let additionalData)):
            stream.resume()
            exchange = .none
            account = client.account
            // Nobody binds to it any more, and it holds the TLS engine.
            stream.tls?.exporter = nil
            stream.write(SASLElement.success(additionalData))
            stream.restart()
        case (.refuse(let failure), .awaitingAdmission):
            stream.resume()
            fail(failure, &stream)
        case (.registrationHandled, _) where isAwaitingRegistration:
            isAwaitingRegistration = false
            stream.resume()
        default:
            // The answer to a question of a stream that went on without it: closed, or failed meanwhile.
            break
        }
    }

    /// The stream stays paused until the keys are there.
    private mutating func deriveKeys(
        _ plain: PlainExchange, _ credentials: StoredCredentials, _ stream: inout XMLStream
    ) {
        derivations &+= 1
        let id = KeyDerivation.ID(number: derivations)
        exchange = .derivingKeys(plain, credentials, id)
        stream.derive(
            KeyDerivation(
                id: id, password: plain.password, salt: credentials.salt, iterations: credentials.iterations,
                digest: SASLMechanism.plain.digest))
    }

    mutating func keysDerived(_ keys: SCRAMKeys?, for id: KeyDerivation.ID, _ stream: inout XMLStream) {
        guard case .derivingKeys(var plain, let credentials, id) = exchange else { return }
        guard let keys else {
            stream.resume()
            return fail(.temporaryAuthFailure, &stream)
        }
        if PlainExchange.verify(keys, credentials) {
            return succeed(credentials, nil, newPassword: plain.newPassword, &stream)
        }
        if plain.triesOldForm() { return deriveKeys(plain, credentials, &stream) }
        stream.resume()
        fail(.notAuthorized, &stream)
    }

    /// The only place where a client is believed.
    private mutating func succeed(
        _ credentials: StoredCredentials, _ additionalData: [UInt8]?, newPassword: [UInt8]? = nil, _ stream: inout XMLStream
    ) {
        let client = AuthenticatedClient(
            account: credentials.account.bare, generation: credentials.generation, isSecure: stream.tls != nil,
            address: stream.address, newPassword: newPassword)
        exchange = .awaitingAdmission(client, additionalData: additionalData)
        stream.pause()
        stream.act(.client(.authenticated(client)))
    }

    /// RFC 6120 §6.4.5: says so; the client may try again, a few times.
    private mutating func fail(_ failure: SASLFailure, _ stream: inout XMLStream) {
        // What the site refuses itself it counts itself.
        let isRefusal = if case .awaitingAdmission = exchange { true } else { false }
        if failure == .notAuthorized, !isRefusal, let domain {
            let address = stream.address
            stream.act(.client(.authenticationFailed(localpart: localpart, domain: domain, address: address)))
        }
        exchange = .none
        failedAttempts += 1
        stream.write(SASLElement.failure(failure))
        if failedAttempts >= stream.configuration.authenticationAttempts {
            stream.fail(StreamError(.policyViolation), "too many failed SASL exchanges")
        }
    }

    /// Whom the exchange under way is about.
    private var localpart: String? {
        switch exchange {
        case .none, .awaitingInitialResponse: nil
        case .awaitingCredentials(let pending): pending.localpart
        case .challenged(let scram): scram.localpart
        case .derivingKeys(let plain, _, _): plain.localpart
        case .awaitingAdmission(let client, _): client.account.localpart
        }
    }
}
