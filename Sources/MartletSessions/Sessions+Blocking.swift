import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What follows for sessions when an account blocks somebody, or does so no longer (XEP-0191).
extension Sessions {
    /// A session asked for the list: it is told of changes (§3.3), also when it is resumed, and after a restart.
    public mutating func blocksAsked(by id: SessionID, _ turn: Turn) {
        guard sessions.contains(id), !sessions[id].knowsBlocked else { return }
        sessions[id].knowsBlocked = true
        if sessions[id].isResumable { turn.lazily { putRow(id, turn) } }
    }

    /// Sessions that have asked are told. Whoever is blocked sees the account leave, and come back when he is not blocked any more, if
    /// he sees it at all; and the account sees him leave, and asks for him again.
    public mutating func blocksChanged(_ account: AccountName, _ change: BlockChange, _ turn: Turn) {
        guard let place = online.place(of: account.number) else { return }
        for id in online[place].sessions where sessions[id].knowsBlocked {
            send(
                Stanza(.iq, to: sessions[id].jid, id: turn.random.identifier(), type: "set", payloads: [change.push]), to: id,
                turn)
        }
        guard !change.addresses.isEmpty else { return }
        if change.isBlocked { forgetRequests(of: account.number, change, turn) }
        var asks = true
        for id in online[place].sessions {
            guard let presence = sessions[id].presence else { continue }
            let gone = Stanza(.presence, from: sessions[id].jid, type: "unavailable")
            var round =
                change.isBlocked ? PresenceRound(gone, from: .account) : PresenceRound(presence, from: origin(of: id))
            round.isOfBlocking = change.isBlocked
            round.directed = change.addresses.filter { !$0.isDomain }
            round.domains = change.addresses.filter(\.isDomain)
            round.isWalked = round.domains?.isEmpty ?? true
            round.asks = asks
            // Whoever does so again waits until everybody knows of the last time.
            if asks, sessions.contains(change.session) { round.session = change.session }
            asks = false
            begin(.presence(round), of: account.number, turn)
        }
    }

    /// Whether an account has blocked an address, by itself, with all its resources, or with its domain (§5). From the store: subscriptions
    /// and mailboxes are looked at rarely.
    func blocks(_ address: JID, _ account: AddressNumber, _ turn: Turn) -> Bool {
        guard BlockTable.first(of: account, in: turn.store) != nil else { return false }
        return [address, address.bare, address.domain].contains { candidate in
            guard let number = AddressTable.number(of: candidate, in: turn.store) else { return false }
            return BlockTable.blocks(account, number, in: turn.store)
        }
    }

    /// Whether a message of the mailbox is from somebody who is blocked now. Nothing of him is delivered while he is (§3.3), also not what was
    /// taken over before: it stays, and comes when he is not blocked any more.
    func isOfBlocked(_ sequence: UInt64, _ account: AddressNumber, _ turn: Turn) -> Bool {
        guard
            let stanza = StanzaLog.stanza(sequence, in: turn.store)?.stanza, let from = stanza.from,
            stanza.to.map({ !from.hasSameBare(as: $0) }) ?? true, from.localpart != nil || !turn.policy.serves(from.domainpart)
        else { return false }
        return blocks(from, account, turn)
    }

    /// Requests at most that are forgotten with one command; any others are shown at the next login.
    private static let forgottenRequests = 256

    /// Who is blocked waits for no answer.
    private mutating func forgetRequests(of account: AddressNumber, _ change: BlockChange, _ turn: Turn) {
        let blocked = Set(change.addresses)
        var forgotten = 0
        for (contact, request) in PendingSubscriptionTable.requests(to: account, in: turn.store) {
            guard let from = request.from, blocked.contains(from.bare) || blocked.contains(from.domain) else { continue }
            removeRequest(account, contact, turn)
            forgotten += 1
            if forgotten == Self.forgottenRequests { return }
        }
    }

    /// A contact at a domain that was blocked, or is not any more.
    mutating func tellOfBlocking(_ contact: AddressNumber, _ flags: RosterRow.Flags, _ round: PresenceRound, _ turn: Turn) {
        guard !flags.isDisjoint(with: [.from, .to]), let domains = round.domains else { return slice.visit() }
        let to = AddressTable.address(contact, in: turn.store)
        guard domains.contains(where: { $0.domainpart == to.domainpart }) else { return slice.visit() }
        slice.spend(1, bytes: round.stanza.content.count)
        tellOfBlocking(to, isSeen: flags.contains(.from), sees: flags.contains(.to), round, turn)
    }

    /// An address that was blocked, or is not any more.
    mutating func tellOfBlocking(_ address: JID, _ round: PresenceRound, _ account: AddressNumber, _ turn: Turn) {
        let flags = AddressTable.number(of: address.bare, in: turn.store).flatMap {
            RosterTable.row(account, $0, in: turn.store)?.flags
        }
        // Also who was sent directed presence, a room for one.
        let isDirected =
            round.isOfBlocking == true
            && online.place(of: account).map { place in
                online[place].sessions.contains { sessions[$0].directed.contains { $0 == address || $0.bare == address } }
            } ?? false
        tellOfBlocking(
            address, isSeen: isDirected || flags?.contains(.from) == true, sees: flags?.contains(.to) == true, round, turn)
    }

    private mutating func tellOfBlocking(_ address: JID, isSeen: Bool, sees: Bool, _ round: PresenceRound, _ turn: Turn) {
        if isSeen {
            var copy = round.stanza
            copy.to = address
            turn.route(copy, from: round.origin)
        }
        guard sees, round.asks, let account = round.stanza.from?.bare, let place = online.place(of: account) else { return }
        if round.isOfBlocking == true {
            for id in online[place].sessions where sessions[id].isAvailable {
                send(Stanza(.presence, from: address, to: sessions[id].jid, type: "unavailable"), to: id, turn)
            }
        } else {
            turn.route(Stanza(.presence, from: account, to: address, type: "probe"), from: .account)
        }
    }
}
