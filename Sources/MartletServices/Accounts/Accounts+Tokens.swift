// XEP-0484: Fast Authentication Streamlining Tokens, version 0.2.0, complete but for TLS 0-RTT
import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Tokens that a client logs in with instead of a password.
extension Accounts {
    /// A client has shown a token. Who has none is refused like who has a wrong one, and after the same work.
    public mutating func tokenShown(_ proof: TokenProof, on connection: ConnectionID, _ turn: Turn) {
        turn.bill.payer = .address(proof.address)
        let account = try? JID(localpart: proof.localpart, domainpart: proof.domain.domainpart)
        if loginFailures.isBlocked(account: account, address: proof.address, policy: turn.policy, now: turn.now) {
            turn.note(.loginRefused(localpart: proof.localpart, reason: "too many failed logins", proof.address))
            return turn.perform(.refuse(.temporaryAuthFailure), on: connection)
        }
        let number = account.flatMap { AccountTable.number(of: $0, in: turn.store) }
        let client = ClientKey(agentID: proof.request.agent.id ?? "")
        let row = number.flatMap { ClientTable.row($0, client, in: turn.store) }
        let generation = number.flatMap { AccountTable.row($0, in: turn.store)?.generation }
        guard let slot = Self.slot(of: proof, row), let account, let number, let generation, var row,
            let token = row[keyPath: slot], token.mechanism == proof.mechanism.rawValue, token.generation == generation,
            Self.grows(proof.count, beyond: token.count)
        else {
            noteFailure(account, proof.address, turn)
            turn.note(.loginRefused(localpart: proof.localpart, reason: "wrong token", proof.address))
            return turn.perform(.refuse(.notAuthorized), on: connection)
        }
        guard turn.wall.milliseconds < token.expiry, turn.policy.client.tokenLifetime > 0 else {
            // It has proven that it was its own.
            turn.note(.loginRefused(localpart: proof.localpart, reason: "the token has expired", proof.address))
            return turn.perform(.refuse(.credentialsExpired), on: connection)
        }
        // §4.2: what was given before is void as soon as a later one is used.
        (row.current, row.fresh) = (token, slot == \.fresh ? nil : row.fresh)
        row.current?.count = proof.count ?? token.count
        if proof.invalidates { row.current = nil }
        let isOld = turn.wall.milliseconds - token.issued >= AccountLimits.tokenRotation
        var told: [Element] = []
        let wanted = proof.request.tokenMechanism ?? (isOld && !proof.invalidates ? proof.mechanism : nil)
        if let wanted, let element = issue(wanted, generation, in: &row, turn) { told.append(element) }
        see(proof.request.agent, &row, turn)
        ClientTable.put(number, client, row, in: turn.store)
        loginFailures.succeeded(account: account, address: proof.address)
        turn.bill.payer = .account(number)
        let admission = Admission(
            proof.request, client: client, told: told,
            additionalData: TokenProof.answer(of: token.key, over: proof.binding))
        turn.notify(.clientAdmitted(connection, AccountName(account, number), generation: generation, admission))
    }

    /// Which of a client's tokens was shown. The work is the same where there are none.
    private static func slot(of proof: TokenProof, _ row: ClientRow?) -> WritableKeyPath<ClientRow, ClientToken?>? {
        var found: WritableKeyPath<ClientRow, ClientToken?>?
        for slot in [\ClientRow.current, \ClientRow.fresh] {
            let key = row?[keyPath: slot]?.key
            let code = TokenProof.code(of: key ?? Self.noKey, over: proof.binding)
            if constantTimeEqual(code, proof.code), key != nil { found = slot }
        }
        return found
    }

    private static let noKey = [UInt8](repeating: 0, count: 32)

    /// §3.5: a count that does not grow is an old login, said again by somebody else.
    private static func grows(_ count: UInt32?, beyond last: UInt32?) -> Bool {
        guard let count else { return true }
        return last.map { count > $0 } ?? true
    }

    /// Gives a client a token, in the place of one that it got and has not used; nil where nothing new is stored.
    func issue(
        _ mechanism: TokenMechanism, _ generation: UInt64, in row: inout ClientRow, _ turn: Turn
    ) -> Element? {
        let lifetime = turn.policy.client.tokenLifetime
        guard lifetime > 0, turn.admits(.state) else { return nil }
        let text = Base64.encode(turn.random.bytes(AccountLimits.tokenBytes))
        let token = ClientToken(
            key: Digest.hash(.sha256, text.utf8), mechanism: mechanism.rawValue, issued: turn.wall.milliseconds,
            expiry: turn.wall.milliseconds + lifetime, generation: generation)
        row.fresh = token
        return Element(
            "token", Namespaces.fast,
            [("expiry", WallTime(milliseconds: token.expiry).description), ("token", text)])
    }
}
