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
        return stream.configuration.mechanisms.filter {
            !isWithheld($0, stream) && ($0.isPlus ? isBindable : isAllowed($0.mechanism, stream))
        }.map(\.name)
    }

    private func isWithheld(_ offered: OfferedMechanism, _ stream: XMLStream) -> Bool {
        stream.configuration.withheldMechanisms.contains(offered.mechanism)
    }

    /// What an exchange may be bound to; nothing where no -PLUS variant is offered, so that nobody is blamed for not using one.
    func bindings(_ stream: XMLStream) -> ChannelBindings {
        let canBind = stream.configuration.mechanisms.contains { $0.isPlus && !isWithheld($0, stream) }
        return ChannelBindings(canBind ? stream.tls : nil)
    }

    /// RFC 6120 §13.8.3: PLAIN shows the password to everybody on the way unless TLS hides it.
    private func isAllowed(_ mechanism: SASLMechanism, _ stream: XMLStream) -> Bool {
        mechanism != .plain || stream.tls != nil || stream.configuration.allowsPlainWithoutTLS
    }

    mutating func saslReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        if case .none = exchange { (profile, request) = (.plain, nil) }
        do throws(SASLFailure) {
            try take(try SASLElement(tape), &stream)
        } catch {
            fail(error, &stream)
        }
    }

    mutating func take(_ element: SASLElement, _ stream: inout XMLStream) throws(SASLFailure) {
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
        // One that was offered on this stream is good, also where it is not offered any more.
        guard let offered = stream.configuration.mechanisms.first(where: { $0.name == name }),
            !isWithheld(offered, stream) || advertised.contains(name)
        else { throw .invalidMechanism }
        guard isAllowed(offered.mechanism, stream) else { throw .encryptionRequired }
        if offered.isPlus, bindings(stream).isEmpty { throw .invalidMechanism }
        guard let response else {
            exchange = .awaitingInitialResponse(offered)
            return challenge([], &stream)
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
        case .scramSHA1, .scramSHA256, .scramSHA512:
            pending = .scram(try SCRAMServerExchange(clientFirst: data, offered, bindings(stream), domain: domain))
        }
        try check(data, pending)
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
            let protection = DowngradeProtection.attributes(
                scram.mechanism.digest, mechanisms: advertised, bindings: bindings(stream).names, tls: stream.tls)
            let nonce = stream.environment.random.identifier()
            let challenge = scram.challenge(credentials, nonce: nonce, protection: protection)
            exchange = .challenged(scram)
            self.challenge(challenge, &stream)
        case (.credentials(let credentials), .awaitingCredentials(.plain(let plain))):
            deriveKeys(plain, credentials, &stream)
        case (.refuseCredentials, .awaitingCredentials):
            stream.resume()
            fail(.temporaryAuthFailure, &stream)
        case (.admit, .awaitingAdmission(let client, let additionalData)):
            stream.resume()
            account = client.account
            forgetLogin(&stream)
            stream.write(SASLElement.success(additionalData))
            stream.restart()
        case (.welcome(let welcome), .awaitingAdmission) where profile == .old:
            oldLoginSucceeded(welcome.identity, &stream)
        case (.welcome(let welcome), .awaitingAdmission(_, let additionalData)):
            welcomed(welcome, additionalData, &stream)
        case (.welcome(let welcome), .awaitingVerdict):
            welcomed(welcome, nil, &stream)
        case (.refuse(let failure), .awaitingAdmission), (.refuse(let failure), .awaitingVerdict):
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
            let newPassword = plain.newPassword ?? (credentials.wantsPassword ? plain.password : nil)
            return succeed(credentials, nil, newPassword: newPassword, &stream)
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
            address: stream.address, newPassword: newPassword, request: request)
        exchange = .awaitingAdmission(client, additionalData: additionalData)
        // XEP-0388 §2.4: nothing is said behind what has proven it, before it is let in.
        if profile == .extensible, !stream.isQuiet() { return Self.outOfOrder(&stream) }
        stream.pause()
        stream.act(.client(.authenticated(client)))
    }

    /// RFC 6120 §6.4.5: says so; the client may try again, a few times.
    mutating func fail(_ failure: SASLFailure, _ stream: inout XMLStream) {
        // What the site refuses itself it counts itself.
        let isRefusal =
            switch exchange {
            case .awaitingAdmission, .awaitingVerdict: true
            default: false
            }
        if failure == .notAuthorized, !isRefusal, let domain {
            let address = stream.address
            stream.act(.client(.authenticationFailed(localpart: localpart, domain: domain, address: address)))
        }
        exchange = .none
        failedAttempts += 1
        switch profile {
        case .plain: stream.write(SASLElement.failure(failure))
        case .extensible: stream.write(ExtensibleSASL.failure(failure))
        case .old: oldLoginFailed(failure, &stream)
        }
        if failedAttempts >= stream.configuration.authenticationAttempts {
            stream.fail(StreamError(.policyViolation), "too many failed SASL exchanges")
        }
    }

    private func challenge(_ data: [UInt8], _ stream: inout XMLStream) {
        stream.write(profile == .extensible ? ExtensibleSASL.challenge(data) : SASLElement.challenge(data))
    }

    /// Whom the exchange under way is about.
    private var localpart: String? {
        switch exchange {
        case .none, .awaitingInitialResponse: nil
        case .awaitingCredentials(let pending): pending.localpart
        case .challenged(let scram): scram.localpart
        case .derivingKeys(let plain, _, _): plain.localpart
        case .awaitingAdmission(let client, _): client.account.localpart
        case .awaitingVerdict(let localpart): localpart
        }
    }
}
