import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is kept, and for whom (XEP-0313 §6.1, XEP-0334, XEP-0441).
extension Archive {
    /// Whether a message is one that archives keep: somebody says something (with a body, encrypted, or in a form that clients show as a
    /// change of what was said before) and does not forbid it. Of a chat state nothing is kept.
    public static func isWorthKeeping(_ stanza: Stanza, _ owner: Owner, _ turn: Turn) -> Bool {
        // Below the reserve the disk is for what frees itself.
        guard turn.policy.archive.isEnabled, stanza.isDurableMessage, !stanza.forbids(.noPermanentStore),
            turn.admits(.note)
        else { return false }
        switch owner {
        case .host: return false
        case .session, .account, .component, .peer: break
        }
        switch stanza.messageType {
        case .normal, .chat: break
        // What did not arrive is part of a conversation; what a session alone is told is not.
        case .error: return owner == .account
        case .groupchat, .headline: return false
        }
        if !stanza.traits.isDisjoint(with: [.body, .store]) { return true }
        return stanza.payloads.contains(where: Self.isSaid)
    }

    /// Whose archives the message stands in: its sender's, if he is here, and those of `addressee`.
    public mutating func owners(of envelope: borrowing Envelope, to addressee: AddressNumber?, _ turn: Turn) -> ArchiveOwners? {
        guard let from = envelope.stanza.from, let to = envelope.stanza.to else { return nil }
        var owners = ArchiveOwners(sender: nil, addressee: nil, tag: 0, mask: 0)
        if let addressee, keeps(messagesWith: from, addressee, turn),
            !fullOfStrangers.contains(addressee) || !isStranger(from, to: addressee, turn)
        {
            owners.addressee = addressee
        }
        if case .session(let origin) = envelope.origin, origin.account != addressee,
            keeps(messagesWith: to, origin.account, turn)
        {
            owners.sender = origin.account
        }
        guard owners.sender != nil || owners.addressee != nil else { return nil }
        owners.tag = turn.random.next()
        owners.mask = hash.hash(owners.tag)
        return owners
    }

    /// XEP-0441 §2.3: the lists first, a full JID by itself and a bare one with all its resources.
    private func keeps(messagesWith other: JID, _ account: AddressNumber, _ turn: Turn) -> Bool {
        let own = preferences[account]
        if let own {
            if own.never.contains(where: { $0.covers(other) }) { return false }
            if own.always.contains(where: { $0.covers(other) }) { return true }
        }
        switch own?.rule ?? turn.policy.archive.rule {
        case .always: return true
        case .never: return false
        case .roster: return RosterTable.hasContact(other.bare, of: account, in: turn.store)
        }
    }

    /// Payloads without a body that say something: what is encrypted, what changes or answers a message, receipts and markers, which
    /// another device has to know of, calls and invitations.
    static func isSaid(_ payload: Element) -> Bool {
        switch (payload.name, payload.namespace) {
        case ("subject", Namespaces.client), ("received", Namespaces.receipts): true
        case ("markable", Namespaces.chatMarkers): false
        case (_, Namespaces.chatMarkers): true
        case ("x", Namespaces.rooms + "#user"): true
        default: saying.contains(payload.namespace)
        }
    }

    private static let saying: Set<String> = [
        // OMEMO, OpenPGP old and new, and what says so.
        "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2", "urn:xmpp:openpgp:0", "jabber:x:encrypted",
        "urn:xmpp:eme:0",
        // Reactions, retractions, what is fastened to another message, corrections.
        "urn:xmpp:reactions:0", "urn:xmpp:message-retract:0", Namespaces.retraction, "urn:xmpp:fasten:0",
        "urn:xmpp:message-correct:0",
        // Calls, invitations to rooms, links to files.
        "urn:xmpp:jingle-message:0", "jabber:x:conference", "jabber:x:oob",
    ]
}

extension JID {
    /// Whether an address on a list means another one.
    fileprivate func covers(_ other: JID) -> Bool { isFull ? self == other : hasSameBare(as: other) }
}
