// XEP-0445: Pre-Authenticated In-Band Registration, version 0.2.0, complete for invitations to make an account
// XEP-0401: Ad-hoc Account Invitation Generation, version 0.6.0, accounts alone; an operator invites, with a command of the server
import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Invitations: whoever brings one may make an account, also where strangers may not.
extension Accounts {
    /// An operator invites somebody: to a domain, or to one name there.
    mutating func invite(_ address: JID, lifetime: Int64, _ turn: Turn) -> CommandAnswer {
        guard address.isBare, turn.policy.hasPeople(at: address.domainpart) else {
            return .refused("\(address) is not an account address at a domain of this site, nor such a domain")
        }
        guard turn.policy.client.allowsInvitations else {
            return .refused("invitations are off: set client.invitations = true in the configuration")
        }
        if address.localpart != nil, AccountTable.number(of: address, in: turn.store) != nil {
            return .refused("\(address) exists")
        }
        InvitationTable.removeExpired(at: turn.wall, in: turn.store)
        guard InvitationTable.all(in: turn.store).count < AccountLimits.invitations else {
            return .refused("\(AccountLimits.invitations) invitations are open: wait until some were used or have expired")
        }
        guard turn.admits(.state) else {
            return .refused(
                "the disk is nearly full: nothing new is stored. Make room on the disk of the store, then try again")
        }
        let token = Hex.encode(turn.random.bytes(AccountLimits.invitationBytes))
        let expiry = WallTime(milliseconds: turn.wall.milliseconds + lifetime)
        let row = InvitationRow(domain: address.domainpart, localpart: address.localpart, expiry: expiry.milliseconds)
        InvitationTable.put(token, row, in: turn.store)
        turn.note(.accountChanged(address, what: "invited"))
        return .done("xmpp:\(Self.encoded(address))?register;preauth=\(token)\ngood once, until \(expiry)")
    }

    /// XEP-0445 §4: somebody shows his invitation, before he says anything else.
    func preauthorizationReply(_ stanza: Stanza, _ domain: JID, _ address: RemoteAddress, _ turn: Turn) -> Stanza? {
        guard stanza.iqType == .set, let token = stanza.payload("preauth", Namespaces.preauthorization)?["token"] else {
            return stanza.errorReply(StanzaError(.badRequest))
        }
        if loginFailures.isBlocked(account: nil, address: address, policy: turn.policy, now: turn.now) {
            return stanza.errorReply(StanzaError(.resourceConstraint, .wait))
        }
        guard var row = invitation(token, at: domain, turn) else {
            return stanza.errorReply(StanzaError(.itemNotFound, text: "The provided token is invalid or expired"))
        }
        // Its end counts now and not when the form was filled in.
        row.heldUntil = turn.wall.milliseconds + AccountLimits.invitationGrace
        turn.lazily { InvitationTable.put(token, row, in: turn.store) }
        return stanza.result()
    }

    /// The invitation to a domain that somebody has shown; nil where it is good for nothing.
    func invitation(_ token: String?, at domain: JID, _ turn: Turn) -> InvitationRow? {
        guard turn.policy.client.allowsInvitations, let token, let row = InvitationTable.row(token, in: turn.store),
            row.domain == domain.domainpart, turn.wall.milliseconds < max(row.expiry, row.heldUntil)
        else { return nil }
        return row
    }

    /// XEP-0445 §5: whether somebody was invited to that name, so that nobody else may take it.
    func isReserved(_ jid: JID, _ turn: Turn) -> Bool {
        InvitationTable.all(in: turn.store).contains {
            $0.domain == jid.domainpart && $0.localpart == jid.localpart
                && turn.wall.milliseconds < max($0.expiry, $0.heldUntil)
        }
    }

    /// RFC 5122 §2.2: what an address is in a URI.
    private static func encoded(_ address: JID) -> String {
        func encoded(_ part: String) -> String {
            var text = ""
            for byte in part.utf8 {
                let isPlain =
                    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte)
                    || "-._~".utf8.contains(byte)
                text += isPlain ? String(UnicodeScalar(byte)) : "%" + Hex.encode([byte])
            }
            return text
        }
        let domain = encoded(address.domainpart)
        return address.localpart.map { encoded($0) + "@" + domain } ?? domain
    }
}
