import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Presence on its way to everybody whom it concerns (RFC 6121 §4.2 to §4.6): the contacts who see the account, and whoever was sent
/// directed presence. A ``Job``; as large as a roster.
struct PresenceRound {
    /// What they get.
    var stanza: Stanza
    let origin: Origin
    /// The session that sent it, which is held meanwhile; nil where it is gone.
    var session: SessionID?
    /// It has just become available: contacts whom it sees are asked for theirs, and those who have not answered its requests for a
    /// subscription are waited for.
    var hasArrived = false
    /// Who was sent directed presence and is told of the end.
    var directed: [JID] = []
    /// The number of the session in the store.
    var number: UInt64?
    /// Its row goes when everybody was told, and not before, so that a restart tells the others.
    var forgetsRow = false
    /// The process has just begun: it need not be said again by another one.
    var isOfStart = false

    /// Only contacts at these domains are told; nil for all.
    var domains: [JID]?
    /// Why it goes to some only: they were blocked, or are not any more (``Sessions/blocksChanged(_:_:_:)``).
    var isOfBlocking: Bool?
    /// Contacts are shown to the account as gone, or asked for their presence.
    var asks = false

    /// The last contact who was told.
    fileprivate(set) var after = AddressNumber(0)
    /// No contact is left.
    var isWalked = false
    /// The next of ``directed``.
    fileprivate(set) var nextDirected = 0

    /// It concerns nobody.
    var isEmpty: Bool { isWalked && directed.isEmpty && !forgetsRow }

    /// That presence, from that origin.
    init(_ stanza: Stanza, from origin: Origin) {
        self.stanza = stanza
        self.origin = origin
    }

    /// A round to nobody.
    static let nothing = PresenceRound(Stanza(.presence), from: .account)
}

/// The slices of a ``PresenceRound``.
extension Sessions {
    /// One slice. True if everybody was told.
    mutating func tell(_ round: inout PresenceRound, of account: AddressNumber, _ turn: Turn) -> Bool {
        while !round.isWalked {
            let limit = SessionLimits.presenceVisits
            let contacts = RosterTable.flags(of: account, after: round.after, limit: limit, in: turn.store)
            for (contact, flags) in contacts {
                guard !slice.isSpent else { return false }
                round.after = contact
                tell(contact, flags, round, of: account, turn)
            }
            round.isWalked = contacts.count < limit
            if !round.isWalked { return false }
        }
        while round.nextDirected < round.directed.count {
            guard !slice.isSpent else { return false }
            tellDirected(round.directed[round.nextDirected], round, account, turn)
            round.nextDirected += 1
        }
        return true
    }

    private mutating func tell(
        _ contact: AddressNumber, _ flags: RosterRow.Flags, _ round: PresenceRound, of account: AddressNumber, _ turn: Turn
    ) {
        if round.isOfBlocking != nil { return tellOfBlocking(contact, flags, round, turn) }
        let isAsked = round.hasArrived && flags.contains(.to)
        let isAwaited = round.hasArrived && flags.contains(.pendingOut)
        guard flags.contains(.from) || isAsked || isAwaited else { return slice.visit() }
        // Whoever is here need not be looked for on the disk.
        let place = online.place(of: contact)
        let to = place.map { online[$0].jid } ?? AddressTable.address(contact, in: turn.store)
        if flags.contains(.from) {
            slice.spend(max(1, place.map { online[$0].sessions.count } ?? 1), bytes: round.stanza.content.count)
            var copy = round.stanza
            copy.to = to
            turn.route(copy, from: round.origin)
        }
        guard round.hasArrived, let from = round.stanza.from else { return }
        if isAsked {
            slice.spend(1, bytes: 0)
            turn.route(Stanza(.presence, from: from, to: to, type: "probe"), from: round.origin)
        }
        if isAwaited {
            slice.spend(1, bytes: 0)
            awaitAnswer(of: to, contact, to: from.bare, account, turn)
        }
    }

    /// RFC 6121 §4.6.3: whoever was sent directed presence is told, unless the broadcast reached them.
    private mutating func tellDirected(_ address: JID, _ round: PresenceRound, _ account: AddressNumber, _ turn: Turn) {
        slice.spend(1, bytes: round.stanza.content.count)
        if round.isOfBlocking != nil { return tellOfBlocking(address, round, account, turn) }
        if let session = round.number, let number = AddressTable.number(of: address, in: turn.store) {
            turn.lazily { DirectedPresenceTable.remove(account, session: session, number, in: turn.store) }
        }
        if isSubscribed(address, to: account, turn) { return }
        var copy = round.stanza
        copy.to = address
        if let from = copy.from { noteFarewell(from: from, to: address) }
        turn.route(copy, from: round.origin)
    }

    /// Everybody was told.
    mutating func told(_ round: PresenceRound, of account: AddressNumber, _ turn: Turn) {
        guard let session = round.number, round.forgetsRow else { return }
        if round.isOfStart { return ClientSessionTable.remove(account, session, in: turn.store) }
        turn.lazily { ClientSessionTable.remove(account, session, in: turn.store) }
    }
}
