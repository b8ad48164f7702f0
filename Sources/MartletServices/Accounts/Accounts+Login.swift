import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStreams

/// The site's part in a login (RFC 6120 §6): what is known of the account, and whether it is let in.
extension Accounts {
    /// A client named itself.
    public mutating func credentialsWanted(
        _ localpart: String, _ domain: JID, _ mechanism: SASLMechanism, _ address: RemoteAddress,
        on connection: ConnectionID, _ turn: Turn
    ) {
        turn.bill.payer = .address(address)
        let account = try? JID(localpart: localpart, domainpart: domain.domainpart)
        if loginFailures.isBlocked(account: account, address: address, policy: turn.policy, now: turn.now) {
            turn.note(.loginRefused(localpart: localpart, reason: "too many failed logins", address))
            turn.perform(.refuseCredentials, on: connection)
            return
        }
        if let account, let number = AccountTable.number(of: account, in: turn.store),
            let row = AccountTable.row(number, in: turn.store), let keys = row.keys(for: mechanism.digest)
        {
            turn.perform(
                .credentials(
                    StoredCredentials(
                        account: account, salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey,
                        serverKey: keys.serverKey, generation: row.generation, isDecoy: false,
                        wantsPassword: mechanism == .plain && row.sha512 == nil)),
                on: connection)
        } else {
            // Also for an account without keys of that digest, for which it was not offered.
            let decoy = decoy(localpart, account ?? domain, mechanism, turn)
            turn.perform(.credentials(decoy), on: connection)
        }
    }

    /// Credentials for somebody who does not exist, which cannot be told from real ones: the same salt each time, the
    /// usual iteration count.
    private func decoy(_ localpart: String, _ account: JID, _ mechanism: SASLMechanism, _ turn: Turn) -> StoredCredentials {
        let secret = MetaTable.bytes(.secret, in: turn.store) ?? []
        let named =
            switch mechanism.digest {
            case .sha1: "sha1:"
            case .sha256: "sha256:"
            case .sha512: "sha512:"
            }
        let name = account.localpart ?? localpart
        // In the first domain as it was when sites had one: what was asked before must be answered the same.
        let whom = account.domainpart == turn.policy.name.domainpart ? name : name + "@" + account.domainpart
        let salt = HMAC.authenticate(.sha256, key: secret, (named + whom).utf8)
        let algorithm = mechanism.digest
        return StoredCredentials(
            account: account, salt: Array(salt.prefix(16)), iterations: SCRAMKeys.defaultIterations,
            storedKey: turn.random.bytes(algorithm.length), serverKey: turn.random.bytes(algorithm.length), generation: 0,
            isDecoy: true)
    }

    /// A SASL exchange failed.
    public mutating func authenticationFailed(_ localpart: String?, _ domain: JID, _ address: RemoteAddress, _ turn: Turn) {
        turn.bill.payer = .address(address)
        let account = localpart.flatMap { try? JID(localpart: $0, domainpart: domain.domainpart) }
        noteFailure(account, address, turn)
        turn.note(.loginRefused(localpart: localpart ?? "", reason: "wrong credentials", address))
    }

    /// A client proved itself: it is let in unless the account changed since its credentials were given out.
    public mutating func clientAuthenticated(_ client: AuthenticatedClient, on connection: ConnectionID, _ turn: Turn) {
        turn.bill.payer = .address(client.address)
        guard let number = AccountTable.number(of: client.account, in: turn.store),
            AccountTable.row(number, in: turn.store)?.generation == client.generation
        else {
            turn.note(
                .loginRefused(localpart: client.account.localpart ?? "", reason: "the account changed", client.address))
            turn.perform(.refuse(.notAuthorized), on: connection)
            return
        }
        // Told to nobody but who has proven that it is his own.
        guard !disabled.contains(number) else {
            turn.note(
                .loginRefused(localpart: client.account.localpart ?? "", reason: "the account is disabled", client.address))
            turn.perform(.refuse(.accountDisabled), on: connection)
            return
        }
        turn.bill.payer = .account(number)
        noteSuccess(client)
        let name = AccountName(client.account, number)
        let admission = client.request.map { admitted($0, name, generation: client.generation, turn) }
        turn.notify(.clientAdmitted(connection, name, generation: client.generation, admission))
        // Who wants more is told so with what comes of it.
        if admission == nil { turn.perform(.admit, on: connection) }
        if let password = client.newPassword {
            renewKeys(AccountName(client.account, number), password, generation: client.generation, turn)
        }
    }
}

extension AccountRow {
    /// The keys for mechanisms with that digest.
    fileprivate func keys(for digest: DigestAlgorithm) -> Keys? {
        switch digest {
        case .sha1: sha1
        case .sha256: sha256
        case .sha512: sha512
        }
    }
}
