import MartletCrypto
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A client's stream (RFC 6120 §9.1): STARTTLS, SASL, then stanzas and stream management of the account.
struct ClientNegotiation: Negotiation {
    /// How far SASL has come. Where the site or the key derivation is asked, the stream is paused.
    enum Exchange {
        /// None is under way.
        case none
        /// `<auth/>` came without an initial response; an empty challenge asked for it (RFC 4422 §3).
        case awaitingInitialResponse(OfferedMechanism)
        case awaitingCredentials(PendingExchange)
        case challenged(SCRAMServerExchange)
        case derivingKeys(PlainExchange, StoredCredentials, KeyDerivation.ID)
        case awaitingAdmission(AuthenticatedClient, additionalData: [UInt8]?)
        /// A token was shown, of which the site has to say whether it is good.
        case awaitingVerdict(String)
    }

    /// An exchange that knows who wants in and does not know the keys.
    enum PendingExchange {
        case scram(SCRAMServerExchange)
        case plain(PlainExchange)

        var localpart: String {
            switch self {
            case .scram(let exchange): exchange.localpart
            case .plain(let exchange): exchange.localpart
            }
        }
    }

    /// In which words a login is spoken of.
    enum Profile {
        /// RFC 6120 §6.
        case plain
        /// XEP-0388.
        case extensible
        /// XEP-0078, on a stream from before XMPP 1.0.
        case old
    }

    /// The domain that the client asked for.
    var domain: JID?
    /// Who the client says that it is, with its stream header: nothing is proven by it.
    var claimed: JID?
    /// The language that the client named for its stream.
    var language: String?
    /// Whose stream it is, once proven.
    var account: JID?
    /// The SASL mechanisms that this stream was offered.
    var advertised: [String] = []
    var exchange = Exchange.none
    var profile = Profile.plain
    /// What is wanted together with the login under way; nil in the profile of RFC 6120.
    var request: LoginRequest?
    /// The IQ of XEP-0078 that is being answered.
    var oldLogin: Stanza?
    /// The stream has no version: XMPP 1.0 came later than the client.
    var isOld = false
    /// The token of an invitation that the client has shown (XEP-0445).
    var invitation: String?
    var failedAttempts = 0
    var derivations: UInt32 = 0
    var isAwaitingRegistration = false

    mutating func headerReceived(_ header: StreamHeader, _ stream: inout XMLStream) {
        let objection = header.objection(contentNamespace: stream.contentNamespace)
        let asked = StreamHeader.domain(header.to)
        let domain = asked.flatMap { stream.configuration.serves($0) ? $0 : nil }
        // RFC 6120 §4.9.1.2: our header first, whatever is wrong.
        isOld = header.majorVersion == 0 && takesOldStreams(stream)
        stream.writeHeader(
            from: domain ?? stream.configuration.domains[0], to: header.from.flatMap { try? JID($0) }, isOld: isOld)
        if let objection { return stream.fail(objection) }
        guard let domain else { return stream.fail(StreamError(.hostUnknown)) }
        guard let major = header.majorVersion, major >= 1 || isOld else { return stream.fail(StreamError(.unsupportedVersion)) }
        if let account, account.domainpart != domain.domainpart {
            return stream.fail(StreamError(.notAuthorized), "the client changed the domain after authentication")
        }
        self.domain = domain
        language = header.language
        if account == nil {
            claimed = header.from.flatMap { try? JID($0) }
            advertised = mechanisms(stream)
        } else {
            stream.authenticated()
        }
        // RFC 6120 §4.7.5: who has no version knows no features.
        if isOld { return }
        stream.write((account == nil ? features(stream) : Self.featuresOfAccounts(stream.configuration.limits)).serialized)
    }

    /// What every client is offered once it is let in.
    static func featuresOfAccounts(_ limits: XMLLimits, isBound: Bool = false) -> OfferedFeatures {
        var features = OfferedFeatures()
        if !isBound {
            features.offer("bind", Namespaces.bind)
            features.offerSession()
        }
        features.offer("sm", Namespaces.streamManagement)
        features.offer("csi", Namespaces.clientState)
        features.offer("ver", Namespaces.rosterVersioning)
        features.offer("sub", Namespaces.preApproval)
        features.offerLimits(limits)
        return features
    }

    private func features(_ stream: XMLStream) -> OfferedFeatures {
        let configuration = stream.configuration
        var features = OfferedFeatures()
        if stream.tls == nil, configuration.tls != .unavailable {
            features.offerSTARTTLS(isRequired: configuration.tls == .required)
            // RFC 6120 §5.3.1: what must come first is offered alone.
            if configuration.tls == .required { return features }
        }
        features.offerMechanisms(advertised)
        features.offerChannelBindings(bindings(stream).names)
        if let tls = stream.tls {
            features.offerExtensibleSASL(advertised, tokens: configuration.offersTokens ? TokenMechanism.all(tls) : [])
        }
        if configuration.takesInvitations(stream) { features.offer("register", Namespaces.invitations) }
        if configuration.allowsRegistration || configuration.takesInvitations(stream) {
            features.offer("register", Namespaces.registerFeature)
        }
        return features
    }

    /// Who is let in needs no more of what led to it: ten thousand idle connections keep nothing of their logins.
    mutating func forgetLogin(_ stream: inout XMLStream) {
        exchange = .none
        (claimed, request, oldLogin, invitation, advertised) = (nil, nil, nil, nil, [])
        // Nobody binds to it any more, and it holds the TLS engine.
        stream.tls?.exporter = nil
    }

    /// Whether STARTTLS has to come first.
    func needsTLS(_ stream: XMLStream) -> Bool { stream.tls == nil && stream.configuration.tls == .required }

    // MARK: Elements

    mutating func elementReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        switch tape.namespace() {
        case Namespaces.extensibleSASL where account == nil:
            extensibleReceived(tape, &stream)
        case _ where isExchangingAlone:
            Self.outOfOrder(&stream)
        case stream.contentNamespace:
            stanzaReceived(tape, &stream)
        case Namespaces.tls where account == nil:
            STARTTLS.received(tape, &stream)
        case Namespaces.sasl where account == nil:
            saslReceived(tape, &stream)
        case Namespaces.streamManagement where account != nil, Namespaces.clientState where account != nil:
            stream.act(.client(.nonza(tape.element())))
        case Namespaces.streamManagement where ["enable", "resume"].contains(tape.name()):
            // XEP-0198 §3, §5: refused, and the client may go on to log in.
            stream.write(StreamManagement.failed(.unexpectedRequest))
        default:
            // RFC 6120 §4.9.3.24, and §4.9.3.12 for who says too much too early.
            stream.fail(StreamError(account == nil ? .notAuthorized : .unsupportedStanzaType))
        }
    }

    private mutating func stanzaReceived(_ tape: ElementTape, _ stream: inout XMLStream) {
        var stanza: Stanza
        do {
            stanza = try Stanza(
                parsing: tape, contentNamespace: stream.contentNamespace, limits: stream.configuration.limits)
        } catch {
            return stanzaFailed(error, &stream)
        }
        guard let account else {
            if isOld, let query = stanza.payload("query", Namespaces.oldLogin), stanza.iqType?.isRequest == true {
                return oldLoginReceived(stanza, query, &stream)
            }
            return registrationReceived(stanza, &stream)
        }
        // RFC 6120 §8.1.2.1: a client speaks for itself; which of its resources it is, the site knows.
        if let from = stanza.from, !from.hasSameBare(as: account) { return stream.fail(StreamError(.invalidFrom)) }
        // RFC 6120 §8.1.5: whoever reads it does not know our stream's header. It is for the client's own server to add; what other
        // servers forward, theirs have seen to: their headers name the language of a server, not of its people.
        if let language, stanza.lang == nil, !stanza.content.isEmpty { stanza.lang = language }
        // Before it is counted and acknowledged: afterwards there is nobody to tell.
        if let error = stanza.objection(toMoreThan: stream.configuration.departingBytes, adding: Stanza.allowance) {
            return stream.act(.client(.stanzaRefused(stanza.answerableHead, error)))
        }
        guard choosesPassword(stanza, account, stream) else { return stream.act(.client(.stanza(stanza))) }
        awaitRegistration(stanza, domain: account.domain, &stream)
    }

    /// XEP-0077 §3.3: whether the owner of the account wants another password, whose keys take a while. Until they are there
    /// nothing that follows is read, so that the request is counted (XEP-0198) when it is done, and not before.
    private func choosesPassword(_ stanza: Stanza, _ account: JID, _ stream: XMLStream) -> Bool {
        guard stanza.kind == .iq, stream.configuration.allowsPasswordChange, stanza.iqType == .set,
            stanza.to.map({ $0 == account || ($0.isDomain && $0.domainpart == account.domainpart) }) ?? true
        else { return false }
        return stanza.payload("query", Namespaces.register)?.first("password", Namespaces.register) != nil
    }

    private func stanzaFailed(_ failure: StanzaFailure, _ stream: inout XMLStream) {
        switch failure {
        case .unacceptableXML(let failure):
            stream.fail(failure)
        case .notAStanza:
            stream.fail(StreamError(.unsupportedStanzaType))
        case .malformedAddress where account == nil, .grown where account == nil:
            stream.fail(StreamError(.notAuthorized))
        case .grown(let failure, let head):
            stream.act(.client(.stanzaRefused(head, StanzaError(failure, stream.configuration.limits))))
        case .malformedAddress(let address) where address.isTo:
            // RFC 6120 §8.3.3.8; the site counts the stanza and answers it.
            stream.act(.client(.stanzaRefused(address.head, StanzaError(.jidMalformed))))
        case .malformedAddress:
            stream.fail(StreamError(.invalidFrom))
        }
    }

    /// XEP-0077 §3.1: before authentication an IQ may ask for an account, and nothing else may be asked.
    private mutating func registrationReceived(_ stanza: Stanza, _ stream: inout XMLStream) {
        let takesInvitations = stream.configuration.takesInvitations(stream)
        let preauthorization = takesInvitations ? stanza.payload("preauth", Namespaces.preauthorization) : nil
        let isRegistration =
            (stream.configuration.allowsRegistration || takesInvitations)
            && stanza.payload("query", Namespaces.register) != nil
        guard !needsTLS(stream), stanza.kind == .iq, stanza.iqType?.isRequest == true,
            isRegistration || preauthorization != nil, let domain
        else { return stream.fail(StreamError(.notAuthorized)) }
        if let token = preauthorization?["token"] { invitation = String(token.prefix(Self.invitationLength)) }
        var stanza = stanza
        if stanza.to == nil { stanza.to = domain }
        awaitRegistration(stanza, domain: domain, &stream)
    }

    private mutating func awaitRegistration(_ stanza: Stanza, domain: JID, _ stream: inout XMLStream) {
        isAwaitingRegistration = true
        stream.pause()
        let address = stream.address
        let token = account == nil ? invitation : nil
        stream.act(.client(.registrationRequested(stanza, domain: domain, address: address, invitation: token)))
    }

    /// The longest token of an invitation that is remembered for its stream, in characters: four times one of ours.
    private static let invitationLength = 128
}

extension StreamConfiguration {
    /// Invitations are for streams that nobody reads.
    fileprivate func takesInvitations(_ stream: XMLStream) -> Bool { allowsInvitations && stream.tls != nil }
}
