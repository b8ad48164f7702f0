import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// The slices of a ``PeerPresence/Work``. Each returns where the next one begins, nil at the end.
extension Sessions {
    /// Availability is not kept in queues, so both sides are told anew how things are: one current state for each contact
    /// there that sees an account of ours, and a probe for each contact there that one of ours sees.
    mutating func refresh(_ peer: Int, after: RosterTable.Pair?, _ turn: Turn) -> RosterTable.Pair? {
        forEachPair(peer, after: after, turn) { sessions, account, contact, row, budget in
            let jid = AddressTable.address(account, in: turn.store)
            guard jid.domainpart == sessions.peers[peer].pair.local.domainpart else { return true }
            let place = sessions.accounts.place(of: jid)
            let present = place.map { sessions.accounts[$0].sessions.compactMap { sessions.sessions[$0].presence } } ?? []
            guard present.count + 1 <= budget || budget == SessionLimits.presenceSlice else { return false }
            let to = AddressTable.address(contact, in: turn.store)
            if row.flags.contains(.from) {
                for presence in present {
                    var copy = presence
                    copy.to = to
                    turn.route(copy)
                }
                budget -= present.count
                let last = sessions.peers[peer].lastRefresh
                if present.isEmpty, let departure = sessions.departures[account], last.map({ departure >= $0 }) ?? true {
                    turn.route(Stanza(.presence, from: jid, to: to, type: "unavailable"))
                    budget -= 1
                }
            }
            if row.flags.contains(.to), !present.isEmpty {
                turn.route(Stanza(.presence, from: jid, to: to, type: "probe"))
                budget -= 1
            }
            return true
        }
    }

    /// Whoever was believed to be available and was not confirmed becomes unavailable, once, with the reason.
    mutating func sweep(_ peer: Int, from first: Int, _ turn: Turn) -> Int? {
        let pair = peers[peer].pair
        let cutSince = peers[peer].cutSince
        let words =
            cutSince.map { CutWords.status(since: $0, now: turn.wall, utcOffset: turn.policy.utcOffset) }
            ?? CutWords.unanswered
        var budget = SessionLimits.presenceSlice
        var place = accounts.place(from: first)
        var visits = 0
        while let current = place {
            visits += 1
            if visits > SessionLimits.presenceVisits { return current }
            if accounts[current].jid.domainpart == pair.local.domainpart, accounts[current].seen.contains(domain: pair.peer) {
                let cost = max(1, accounts[current].sessions.count)
                // An account with more sessions than a slice has stanzas would never get its turn.
                let limit = budget == SessionLimits.presenceSlice ? max(1, budget / cost) : budget / cost
                guard limit > 0 else { return current }
                let account = accounts[current].number
                let isCut = cutSince != nil
                // Nobody was asked about rooms and others without subscription; a short cut is none to them.
                let stale = accounts[current].seen.takeStale(
                    at: pair.peer, before: peers[peer].staleBefore, limit: limit, now: turn.now
                ) { jid in !isCut && !Self.sees(jid, account, turn) }
                for entry in stale {
                    let status = Element("status", Namespaces.client, text: words)
                    let gone = Stanza(.presence, from: entry.jid, type: "unavailable", payloads: [status])
                    tell(gone, of: entry, at: current, turn)
                }
                budget -= stale.count * cost
                if stale.count == limit { return current }
            }
            place = accounts.place(from: current + 1)
        }
        return nil
    }

    /// Whether an account is subscribed to a contact's presence.
    private static func sees(_ contact: JID, _ account: AddressNumber, _ turn: Turn) -> Bool {
        guard let number = AddressTable.number(of: contact.bare, in: turn.store) else { return false }
        return RosterTable.row(account, number, in: turn.store)?.flags.contains(.to) ?? false
    }

    /// Sessions that were resumed from the store may show contacts of whom this process never heard. Their resources are not
    /// known, so the bare address is unavailable: clients take it for all of them.
    mutating func tellAbsentees(_ peer: Int, after: RosterTable.Pair?, _ turn: Turn) -> RosterTable.Pair? {
        forEachPair(peer, after: after, turn) { sessions, account, contact, row, budget in
            guard row.flags.contains(.to) else { return true }
            let jid = AddressTable.address(account, in: turn.store)
            guard let place = sessions.accounts.place(of: jid) else { return true }
            let old = sessions.accounts[place].sessions.filter { sessions.sessions[$0].isRestored }
            let from = AddressTable.address(contact, in: turn.store)
            guard !old.isEmpty, !sessions.accounts[place].seen.contains(from) else { return true }
            guard old.count <= budget || budget == SessionLimits.presenceSlice else { return false }
            budget -= old.count
            for id in old { sessions.send(Stanza(.presence, from: from, to: jid, type: "unavailable"), to: id, turn) }
            return true
        }
    }

    /// Visits pairs of account and contact behind `after` until `body` returns false or the slice is full.
    private mutating func forEachPair(
        _ peer: Int, after: RosterTable.Pair?, _ turn: Turn,
        _ body: (inout Sessions, AddressNumber, AddressNumber, RosterRow, inout Int) -> Bool
    ) -> RosterTable.Pair? {
        guard let domain = AddressTable.number(of: peers[peer].pair.peer, in: turn.store) else { return nil }
        let limit = SessionLimits.presenceVisits
        let pairs = RosterTable.pairs(at: domain, after: after, limit: limit, in: turn.store)
        var budget = SessionLimits.presenceSlice
        var last = after
        for pair in pairs {
            if let row = RosterTable.row(pair.account, pair.contact, in: turn.store),
                !body(&self, pair.account, pair.contact, row, &budget)
            {
                return last ?? RosterTable.Pair(account: AddressNumber(0), contact: AddressNumber(0))
            }
            last = pair
        }
        return pairs.count == limit ? last : nil
    }
}
