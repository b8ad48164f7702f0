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
    mutating func refresh(_ peer: PeerPlace, after: RosterTable.Pair?, _ turn: Turn) -> RosterTable.Pair? {
        forEachPair(peer, after: after, turn) { sessions, account, contact, row, budget in
            let jid = AddressTable.address(account, in: turn.store)
            guard jid.domainpart == sessions.peers[peer].pair.local.domainpart else { return true }
            let place = sessions.online.place(of: jid)
            let present = place.map { sessions.online[$0].sessions.filter { sessions.sessions[$0].isAvailable } } ?? []
            guard present.count + 1 <= budget || budget == SessionLimits.presenceSlice else { return false }
            let to = AddressTable.address(contact, in: turn.store)
            if row.flags.contains(.from) {
                for id in present {
                    guard var copy = sessions.sessions[id].presence else { continue }
                    copy.to = to
                    turn.route(copy, from: sessions.origin(of: id))
                }
                budget -= present.count
                let last = sessions.peers[peer].lastRefresh
                if present.isEmpty, let departure = sessions.departures[account], last.map({ departure >= $0 }) ?? true {
                    turn.route(Stanza(.presence, from: jid, to: to, type: "unavailable"), from: .account)
                    budget -= 1
                }
            }
            if row.flags.contains(.to), !present.isEmpty {
                turn.route(Stanza(.presence, from: jid, to: to, type: "probe"), from: .account)
                budget -= 1
            }
            return true
        }
    }

    /// `Docs/relay-protocol.md` §5: those who know us by directed presence only (RFC 6121 §4.6), rooms among them, hear what it
    /// is now, after those who have gone meanwhile. Without the wish to enter: who is no occupant any more learns it from the
    /// room's error.
    mutating func refreshDirected(
        _ peer: PeerPlace, from first: PeerPresence.DirectedPlace, _ turn: Turn
    ) -> PeerPresence.DirectedPlace? {
        let pair = peers[peer].pair
        var budget = SessionLimits.presenceSlice
        while let farewell = peers[peer].farewells.first {
            guard budget > 0 else { return first }
            budget -= 1
            peers[peer].removeFarewell()
            turn.route(Stanza(.presence, from: farewell.from, to: farewell.to, type: "unavailable"), from: .account)
        }
        var visits = 0
        var offset = first.offset
        var place = online.place(from: first.account)
        if place != first.account { offset = 0 }
        while let current = place {
            visits += 1
            if visits > SessionLimits.presenceVisits { return PeerPresence.DirectedPlace(account: current, offset: offset) }
            if online[current].jid.domainpart == pair.local.domainpart {
                let account = online[current].number
                let all = online[current].sessions.flatMap { id in sessions[id].directed.map { (id, $0) } }
                for (index, (id, address)) in all.enumerated().dropFirst(offset) {
                    guard budget > 0 else { return PeerPresence.DirectedPlace(account: current, offset: index) }
                    guard address.domainpart == pair.peer.domainpart, !isSubscribed(address, to: account, turn) else {
                        continue
                    }
                    // COMPAT(Swift 6.3): `presence ?? …` on the slab reads the session after giving it back (found by ASan).
                    var copy = Stanza(.presence, from: sessions[id].jid)
                    if let presence = sessions[id].presence { copy = presence }
                    copy.to = address
                    turn.route(copy, from: origin(of: id))
                    budget -= 1
                }
            }
            offset = 0
            place = online.place(after: current)
        }
        return nil
    }

    /// Directed presence to `to` was taken back: behind a dead line it has to be said again later.
    mutating func noteFarewell(from: JID, to: JID) {
        guard let peer = peers.place(of: DomainPair(local: from.domain, peer: to.domain)) else { return }
        switch peers[peer].line {
        case .unreached, .resting, .up: return
        case .down, .cut: break
        }
        peers[peer].add(PeerPresence.Farewell(from: from, to: to))
    }

    /// It was sent again: there is nothing to take back.
    mutating func forgetFarewell(from: JID, to: JID) {
        guard let peer = peers.place(of: DomainPair(local: from.domain, peer: to.domain)) else { return }
        peers[peer].removeFarewells { $0 == PeerPresence.Farewell(from: from, to: to) }
    }

    /// Whoever was believed to be available and was not confirmed becomes unavailable, once, with the reason.
    mutating func sweep(_ peer: PeerPlace, from first: OnlinePlace, _ turn: Turn) -> OnlinePlace? {
        let pair = peers[peer].pair
        let isCut = peers[peer].cut != nil
        let reason = reason(peer, turn)
        var budget = SessionLimits.presenceSlice
        var place = online.place(from: first)
        var visits = 0
        while let current = place {
            visits += 1
            if visits > SessionLimits.presenceVisits { return current }
            if online[current].jid.domainpart == pair.local.domainpart, online[current].seen.contains(domain: pair.peer) {
                let cost = max(1, online[current].sessions.count)
                // An account with more sessions than a slice has stanzas would never get its turn.
                let limit = budget == SessionLimits.presenceSlice ? max(1, budget / cost) : budget / cost
                guard limit > 0 else { return current }
                let account = online[current].number
                // Nobody was asked about rooms and others without subscription; a short cut is none to them.
                let (stale, isAll) = online[current].seen.takeStale(
                    at: pair.peer, before: peers[peer].staleBefore, limit: limit, visits: SessionLimits.presenceVisits,
                    now: turn.now
                ) { jid in !isCut && !Self.sees(jid, account, turn) }
                forgotten(stale, turn)
                for entry in stale {
                    let gone = Stanza(.presence, from: entry.jid, type: "unavailable", payloads: [reason])
                    tell(gone, of: entry, at: current, turn)
                }
                budget -= stale.count * cost
                if !isAll { return current }
            }
            place = online.place(after: current)
        }
        return nil
    }

    /// Why people of a peer are called unavailable, in words.
    private func reason(_ peer: PeerPlace, _ turn: Turn) -> Element {
        let words = peers[peer].cut.flatMap { CutWords.status($0, now: turn.wall, utcOffset: turn.policy.utcOffset) }
        return Element("status", Namespaces.client, text: words ?? CutWords.unanswered)
    }

    /// Whether an account is subscribed to a contact's presence.
    private static func sees(_ contact: JID, _ account: AddressNumber, _ turn: Turn) -> Bool {
        guard let number = AddressTable.number(of: contact.bare, in: turn.store) else { return false }
        return RosterTable.row(account, number, in: turn.store)?.flags.contains(.to) ?? false
    }

    /// Sessions that were resumed from the store may show contacts of whom this process never heard. Their resources are not
    /// known, so the bare address is unavailable: clients take it for all of them.
    mutating func tellAbsentees(_ peer: PeerPlace, after: RosterTable.Pair?, _ turn: Turn) -> RosterTable.Pair? {
        let reason = reason(peer, turn)
        return forEachPair(peer, after: after, turn) { sessions, account, contact, row, budget in
            guard row.flags.contains(.to) else { return true }
            let jid = AddressTable.address(account, in: turn.store)
            guard jid.domainpart == sessions.peers[peer].pair.local.domainpart else { return true }
            guard let place = sessions.online.place(of: jid) else { return true }
            let old = sessions.online[place].sessions.filter { sessions.sessions[$0].isRestored }
            let from = AddressTable.address(contact, in: turn.store)
            guard !old.isEmpty, !sessions.online[place].seen.contains(from) else { return true }
            guard old.count <= budget || budget == SessionLimits.presenceSlice else { return false }
            budget -= old.count
            let gone = Stanza(.presence, from: from, to: jid, type: "unavailable", payloads: [reason])
            for id in old { sessions.send(gone, to: id, turn) }
            return true
        }
    }

    /// Visits pairs of account and contact behind `after` until `body` returns false or the slice is full.
    mutating func forEachPair(
        _ peer: PeerPlace, after: RosterTable.Pair?, _ turn: Turn,
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
