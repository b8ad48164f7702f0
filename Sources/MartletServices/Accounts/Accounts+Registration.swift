// XEP-0077: In-Band Registration, version 2.4, complete without data forms
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Accounts made and changed by their owners. To make or cancel one is off unless the operator allows it: a company's accounts are not
/// self-made. To choose another password is allowed unless the operator says otherwise.
extension Accounts {
    /// For the own account, by a session, on a connection without session, or by way of the server.
    public static let registration = ServiceDeclaration(
        "Registration",
        features: [
            .init(Namespaces.register, of: [.host(.people)]) { $0.client.allowsRegistration || $0.client.allowsPasswordChange }
        ],
        requests: [.init("query", Namespaces.register, [.get, .set], to: [.ownAccount, .login, .host])])

    /// A request on a stream that waits for the answer: of somebody who has not logged in (`isStranger`), or for another password.
    /// `domain` is the one that the client has opened its stream to.
    public mutating func registrationRequested(
        _ stanza: Stanza, _ domain: JID, _ address: RemoteAddress, isStranger: Bool, invitation token: String? = nil,
        on connection: ConnectionID, _ turn: Turn
    ) {
        if isStranger, stanza.payload("preauth", Namespaces.preauthorization) != nil {
            turn.bill.payer = .address(address)
            let reply = preauthorizationReply(stanza, domain, address, turn)
            if reply?.iqType != .result { noteFailure(nil, address, turn) }
            if let reply { turn.perform(.send(reply.serialized()), on: connection) }
            inHand = connection
            return
        }
        let awaited = AwaitedKeys(
            request: stanza, domain: domain, connection: connection, isStranger: isStranger, invitation: token)
        let isAllowed =
            isStranger
            ? turn.policy.client.allowsRegistration || invitation(token, at: domain, turn) != nil
            : turn.policy.client.allowsPasswordChange
        guard isAllowed,
            case .success(let password) = stanza.chosenPassword,
            takesRegistration(isStranger, turn)
        else { return handle(awaited, turn) }
        let cause = Cause(isStranger ? .stranger : .person, .address(address))
        awaitedKeys[deriveKeys(of: password, for: cause, turn)] = awaited
    }

    /// Takes one of the minute's, of those of strangers or of those of people.
    private mutating func takesRegistration(_ isStranger: Bool, _ turn: Turn) -> Bool {
        let limit = turn.policy.client.registrationsPerMinute
        return isStranger
            ? registrations.take(limit: limit, now: turn.now) : passwordChanges.take(limit: limit, now: turn.now)
    }

    /// Has the keys of a password derived, under fresh salts.
    private mutating func deriveKeys(of password: [UInt8], for cause: Cause, _ turn: Turn) -> WorkID {
        keysRequests += 1
        let id = WorkID(keysRequests)
        let salted = ChosenPassword(
            password: password, sha1Salt: turn.random.bytes(16), sha256Salt: turn.random.bytes(16),
            sha512Salt: turn.random.bytes(16))
        turn.perform(.work(id, .deriveKeys(salted, for: cause)))
        return id
    }

    /// The keys of a password that an administrator has chosen.
    public mutating func orderKeys(_ order: UInt64, _ password: [UInt8], admin: AddressNumber, _ turn: Turn) {
        orderedKeys[deriveKeys(of: password, for: Cause(.person, .account(admin)), turn)] = order
    }

    /// The keys of an account are of a form in which clients that use SCRAM do not prepare its password, or of fewer digests than there
    /// are. Whoever has shown it with PLAIN gets such ones, for the next time.
    mutating func renewKeys(_ account: AccountName, _ password: [UInt8], generation: UInt64, _ turn: Turn) {
        let cause = Cause(.person, .account(account.number))
        renewals[deriveKeys(of: password, for: cause, turn)] = KeyRenewal(account: account, generation: generation)
    }

    /// It is the same password: sessions stay, and exchanges under way are not disturbed.
    private mutating func renew(_ renewal: KeyRenewal, _ keys: PasswordKeys?, _ turn: Turn) {
        let row = AccountTable.row(renewal.account.number, in: turn.store)
        guard let keys, row?.generation == renewal.generation, turn.admits(.state) else { return }
        put(AccountRow(keys, generation: renewal.generation), of: renewal.account.number, turn)
        turn.note(.accountChanged(renewal.account.jid, what: "keys renewed"))
    }

    /// The keys of a password are there, or cannot be had now. ``requestHandled(_:)`` follows.
    public mutating func workDone(_ id: WorkID, _ result: WorkResult, _ turn: Turn) {
        let keys: PasswordKeys? = if case .keys(let keys) = result { keys } else { nil }
        if let order = orderedKeys.removeValue(forKey: id) { return turn.notify(.orderedKeys(order, keys)) }
        if let renewal = renewals.removeValue(forKey: id) { return renew(renewal, keys, turn) }
        guard let awaited = awaitedKeys.removeValue(forKey: id) else { return }
        if keys == nil, awaited.isStranger { registrations.giveBack() }
        if keys == nil, !awaited.isStranger { passwordChanges.giveBack() }
        derivedKeys = keys
        handle(awaited, turn)
    }

    /// Only now the request counts, for stream management too: somebody who has logged in sends it as if it had just come. If the
    /// connection is gone, who resumes sends the request again, since nobody has counted it.
    private mutating func handle(_ awaited: AwaitedKeys, _ turn: Turn) {
        if !awaited.isStranger {
            turn.notify(.requestReady(awaited.request, awaited.connection))
        } else if let reply = registrationReply(awaited.request, awaited.domain, awaited.invitation, turn) {
            turn.perform(.send(reply.serialized()), on: awaited.connection)
        }
        inHand = awaited.connection
    }

    /// The request in hand has gone its way: the stream goes on.
    public mutating func requestHandled(_ turn: Turn) {
        derivedKeys = nil
        guard let connection = inHand else { return }
        inHand = nil
        turn.perform(.registrationHandled, on: connection)
    }

    private mutating func registrationReply(
        _ stanza: Stanza, _ domain: JID, _ token: String?, _ turn: Turn
    ) -> Stanza? {
        let invitation = invitation(token, at: domain, turn)
        guard let query = stanza.payload("query", Namespaces.register), let type = stanza.iqType, type.isRequest else {
            return stanza.errorReply(StanzaError(.badRequest))
        }
        guard turn.policy.client.allowsRegistration || invitation != nil, turn.policy.hasPeople(at: domain.domainpart) else {
            return stanza.errorReply(StanzaError(.notAllowed))
        }
        if type == .get {
            return stanza.result(
                Element(
                    "query", Namespaces.register,
                    elements: [
                        Element("instructions", Namespaces.register, text: "Choose a user name and a password."),
                        Element("username", Namespaces.register, text: invitation?.localpart ?? ""),
                        Element("password", Namespaces.register),
                    ]))
        }
        // XEP-0077 §3.1
        guard let name = query.first("username", Namespaces.register)?.text, !name.isEmpty,
            let password = stanza.chosenPassword
        else { return stanza.errorReply(StanzaError(.notAcceptable)) }
        if case .failure(let error) = password { return stanza.errorReply(Self.objection(error)) }
        guard let jid = try? JID(localpart: name, domainpart: domain.domainpart) else {
            return stanza.errorReply(StanzaError(.jidMalformed))
        }
        // XEP-0445: invited to one name, and to no other.
        if let invited = invitation?.localpart, invited != jid.localpart {
            return stanza.errorReply(StanzaError(.notAcceptable, text: "You were invited to be \(invited)"))
        }
        if AccountTable.number(of: jid, in: turn.store) != nil || invitation?.localpart == nil && isReserved(jid, turn) {
            return stanza.errorReply(StanzaError(.conflict))
        }
        // What the last one of that name had must not go to the next.
        if AccountTable.isBeingRemoved(jid, in: turn.store) {
            return stanza.errorReply(StanzaError(.resourceConstraint, .wait))
        }
        guard let keys = derivedKeys, turn.admits(.state) else { return stanza.errorReply(StanzaError(.resourceConstraint)) }
        add(jid, keys, turn)
        if invitation != nil, let token { InvitationTable.remove(token, in: turn.store) }
        return stanza.result()
    }

    /// A request of somebody who has logged in: another password (XEP-0077 §3.3), or the end of the account (§3.2). With another
    /// password come ``derivedKeys``, unless too much waits.
    public mutating func answerRegistration(_ request: Request, _ turn: Turn) -> Answer {
        guard let account = request.account ?? ownAccount(request) else { return .error(StanzaError(.serviceUnavailable)) }
        let query = request.payload
        if request.type == .get {
            return .result(
                Element(
                    "query", Namespaces.register,
                    elements: [
                        Element("registered", Namespaces.register),
                        Element("username", Namespaces.register, text: account.jid.localpart ?? ""),
                        Element("password", Namespaces.register),
                    ]))
        }
        let isEnd = query.first("remove", Namespaces.register) != nil
        let client = turn.policy.client
        guard isEnd ? client.allowsRegistration : client.allowsPasswordChange else { return .error(StanzaError(.notAllowed)) }
        if isEnd {
            guard query.elements.count == 1 else { return .error(StanzaError(.badRequest)) }
            guard turn.admits(.upkeep) else { return .error(.diskNearlyFull) }
            remove(account, turn)
            return .result()
        }
        guard let name = query.first("username", Namespaces.register)?.text, let password = request.stanza.chosenPassword else {
            return .error(StanzaError(.badRequest))
        }
        if case .failure(let error) = password { return .error(Self.objection(error)) }
        guard let jid = try? JID(localpart: name, domainpart: account.jid.domainpart), jid == account.jid else {
            return .error(StanzaError(.notAllowed))
        }
        guard let keys = derivedKeys, turn.admits(.state) else { return .error(StanzaError(.resourceConstraint)) }
        var connection: ConnectionID?
        if case .login(let own, _) = request.envelope.origin { connection = own }
        changePassword(account, keys, by: connection, turn)
        return .result()
    }

    private static func objection(_ error: JIDError) -> StanzaError {
        StanzaError(.notAcceptable, text: "This password cannot be used: \(SASLprep.words(error))")
    }

    /// The account of a session that asks its own server.
    private func ownAccount(_ request: Request) -> AccountName? {
        guard let session = request.session, let jid = request.stanza.from?.bare, let host = request.host,
            host.domain.domainpart == jid.domainpart
        else { return nil }
        return AccountName(jid, session.account)
    }
}

/// A request with a password whose keys are being derived. Lives in ``Accounts`` until its keys are there; a restart
/// forgets it, and whoever asked has had neither answer nor acknowledgement.
struct AwaitedKeys {
    var request: Stanza
    /// The domain that the stream is for.
    var domain: JID
    var connection: ConnectionID
    /// It had not logged in.
    var isStranger: Bool
    /// The token of an invitation that it has shown.
    var invitation: String?
}

/// Keys of an account that are derived anew from a password that it has already. Lives in ``Accounts`` until they are there.
struct KeyRenewal {
    var account: AccountName
    /// The keys that these replace.
    var generation: UInt64
}

extension Stanza {
    /// The UTF-8 of the password that somebody wants to have from now on, prepared with SASLprep (RFC 4013), or why it cannot be
    /// used; nil if there is none.
    fileprivate var chosenPassword: Result<[UInt8], JIDError>? {
        guard iqType == .set, let query = payload("query", Namespaces.register),
            let password = query.first("password", Namespaces.register)?.text, !password.isEmpty
        else { return nil }
        return Result { () throws(JIDError) in Array(try SASLprep.prepare(password).utf8) }
    }
}
