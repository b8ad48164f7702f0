// XEP-0077: In-Band Registration, version 2.4, complete without data forms
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Accounts made and changed by their owners. Off unless the operator allows it: a company's accounts are not self-made.
extension Sessions {
    /// A request on a stream that waits for the answer: of somebody who has not logged in, or for another password.
    mutating func registrationRequested(_ stanza: Stanza, _ domain: JID, on connection: ConnectionID, _ turn: Turn) {
        let isStranger = connections[connection] == nil
        guard turn.policy.allowsRegistration, let password = stanza.chosenPassword,
            registrations.take(limit: turn.policy.registrationsPerMinute, now: turn.now)
        else { return handleRegistration(stanza, domain, nil, isStranger: isStranger, on: connection, turn) }
        keysRequests += 1
        let id = WorkID(keysRequests)
        awaitedKeys[id] = AwaitedKeys(
            request: stanza, domain: domain, connection: connection, isStranger: isStranger)
        turn.perform(
            .work(
                id,
                .deriveKeys(
                    ChosenPassword(
                        password: password, sha1Salt: turn.random.bytes(16), sha256Salt: turn.random.bytes(16)))))
    }

    /// The keys of a password are there, or cannot be had now.
    public mutating func workDone(_ id: WorkID, _ result: WorkResult, _ turn: Turn) {
        guard let awaited = awaitedKeys.removeValue(forKey: id) else { return }
        let keys: PasswordKeys? = if case .keys(let keys) = result { keys } else { nil }
        if keys == nil { registrations.giveBack() }
        handleRegistration(
            awaited.request, awaited.domain, keys, isStranger: awaited.isStranger, on: awaited.connection, turn)
        removeCancelled(turn)
        endDoomed(turn)
    }

    /// Only now the request counts, for stream management too.
    private mutating func handleRegistration(
        _ stanza: Stanza, _ domain: JID, _ keys: PasswordKeys?, isStranger: Bool, on connection: ConnectionID, _ turn: Turn
    ) {
        derivedKeys = keys
        defer { derivedKeys = nil }
        if !isStranger {
            // If the connection is gone: who resumes sends the request again, since nobody has counted it.
            received(stanza, on: connection, turn)
        } else if let reply = registrationReply(stanza, domain, turn) {
            turn.perform(.send(reply.serialized()), on: connection)
        }
        turn.perform(.registrationHandled, on: connection)
    }

    private mutating func registrationReply(_ stanza: Stanza, _ domain: JID, _ turn: Turn) -> Stanza? {
        guard let query = stanza.payload("query", Namespaces.register), let type = stanza.iqType, type.isRequest else {
            return stanza.errorReply(StanzaError(.badRequest))
        }
        guard turn.policy.allowsRegistration else { return stanza.errorReply(StanzaError(.notAllowed)) }
        if type == .get {
            return stanza.result(
                Element(
                    "query", Namespaces.register,
                    elements: [
                        Element("instructions", Namespaces.register, text: "Choose a user name and a password."),
                        Element("username", Namespaces.register), Element("password", Namespaces.register),
                    ]))
        }
        // XEP-0077 §3.1
        guard let name = query.first("username", Namespaces.register)?.text, !name.isEmpty, stanza.chosenPassword != nil else {
            return stanza.errorReply(StanzaError(.notAcceptable))
        }
        guard let jid = try? JID(localpart: name, domainpart: domain.domainpart) else {
            return stanza.errorReply(StanzaError(.jidMalformed))
        }
        if accountNumber(of: jid, turn) != nil { return stanza.errorReply(StanzaError(.conflict)) }
        guard let keys = derivedKeys, !turn.isBelowReserve else { return stanza.errorReply(StanzaError(.resourceConstraint)) }
        addAccount(jid, AccountRow(keys, generation: 0), turn)
        return stanza.result()
    }

    /// A request of somebody who has logged in to `account`: another password (XEP-0077 §3.3), or the end of the account
    /// (§3.2). With another password comes ``derivedKeys``, unless too much waits.
    mutating func registration(
        _ query: Element, _ stanza: Stanza, account: JID, _ number: AddressNumber, _ turn: Turn
    ) -> Stanza {
        func refused(_ condition: StanzaError.Condition) -> Stanza {
            stanza.errorReply(StanzaError(condition)) ?? stanza.result()
        }
        if stanza.iqType == .get {
            return stanza.result(
                Element(
                    "query", Namespaces.register,
                    elements: [
                        Element("registered", Namespaces.register),
                        Element("username", Namespaces.register, text: account.localpart ?? ""),
                        Element("password", Namespaces.register),
                    ]))
        }
        guard turn.policy.allowsRegistration else { return refused(.notAllowed) }
        if query.first("remove", Namespaces.register) != nil {
            guard query.elements.count == 1 else { return refused(.badRequest) }
            pendingRemovals.append((account, number))
            return stanza.result()
        }
        guard let name = query.first("username", Namespaces.register)?.text, stanza.chosenPassword != nil else {
            return refused(.badRequest)
        }
        guard let jid = try? JID(localpart: name, domainpart: account.domainpart), jid == account else {
            return refused(.notAllowed)
        }
        guard let keys = derivedKeys else { return refused(.resourceConstraint) }
        changeKeys(number, account, AccountRow(keys, generation: 0), turn)
        return stanza.result()
    }

    /// Removes the accounts whose owners asked for it, once they have their answer.
    mutating func removeCancelled(_ turn: Turn) {
        while let (account, number) = pendingRemovals.popLast() { removeAccount(account, number, turn) }
    }
}

/// A request with a password whose keys are being derived. Lives in ``Sessions`` until ``Sessions/workDone(_:_:_:)``; a restart
/// forgets it, and whoever asked has had neither answer nor acknowledgement.
struct AwaitedKeys {
    var request: Stanza
    /// The domain that the stream is for.
    var domain: JID
    var connection: ConnectionID
    /// It had not logged in.
    var isStranger: Bool
}

extension Stanza {
    /// The UTF-8 of the password that somebody wants to have from now on, prepared with the OpaqueString profile (RFC 8265
    /// §4); nil if there is none, or none that can be used.
    fileprivate var chosenPassword: [UInt8]? {
        guard iqType == .set, let query = payload("query", Namespaces.register),
            let password = query.first("password", Namespaces.register)?.text, !password.isEmpty,
            let prepared = try? OpaqueString.prepare(password)
        else { return nil }
        return Array(prepared.utf8)
    }
}
