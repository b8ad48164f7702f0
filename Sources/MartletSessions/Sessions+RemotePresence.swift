import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Availability of people at other domains: passed on, and remembered for the day on which their link dies.
extension Sessions {
    /// Available or unavailable presence from a peer, to a bare or full JID.
    mutating func deliverRemoteAvailability(
        _ stanza: Stanza, _ type: PresenceType, to session: SessionID?, _ place: OnlinePlace?, _ turn: Turn
    ) {
        guard let place, let from = stanza.from, let to = stanza.to else { return }
        let listeners = to.isFull ? session.map { [$0] } ?? [] : online[place].sessions.filter { sessions[$0].isAvailable }
        guard !listeners.isEmpty else { return }
        if type == .available {
            let digest = SeenPresence.digest(stanza.content)
            if to.isBare, isRepetition(from, digest, at: place), !jobs.isGoing(from, of: online[place].number) { return }
            heardAvailable += 1
            let new = online[place].seen.note(
                from, digest: digest, at: turn.now, as: heardAvailable, session: to.isFull ? session : nil
            ) {
                Self.remembers(from, turn)
            }
            if let new { turn.memory.changed(by: new.bytes, for: .peer(from.domain)) }
            for id in listeners { send(stanza, to: id, turn) }
        } else if from.isFull {
            let isNews = to.isFull || online[place].seen[from] != nil || !hearsRepetitions(from, at: place)
            let gone = online[place].seen.remove(from, toldBy: to.isFull ? session : nil)
            if let gone { forgotten([gone], turn) }
            for id in listeners where isNews || sessions[id].isRestored { send(stanza, to: id, turn) }
        } else {
            contactIsGone(stanza, from, to: to, listeners, place, turn)
        }
    }

    /// Nobody of a contact is available any more: clients know resources, so each of them goes.
    private mutating func contactIsGone(
        _ stanza: Stanza, _ from: JID, to: JID, _ listeners: [SessionID], _ place: OnlinePlace, _ turn: Turn
    ) {
        if online[place].seen.contains(from) {
            let gone = GoneContact(stanza: stanza, account: online[place].number, upTo: heardAvailable)
            if !jobs.update(gone) { begin(.gone(gone), of: gone.account, turn) }
            return
        }
        // It is no news but to sessions that are older than this process, or that asked themselves.
        let isNews = to.isFull || !hearsRepetitions(from, at: place)
        for id in listeners where isNews || sessions[id].isRestored { send(stanza, to: id, turn) }
    }

    /// One slice: so many resources of the contact. True if none is left.
    mutating func tellGone(_ contact: GoneContact, _ turn: Turn) -> Bool {
        guard let place = online.place(of: contact.account), let from = contact.stanza.from else { return true }
        while !slice.isSpent {
            let some = online[place].seen.remove(SessionLimits.goneAtOnce, of: from, upTo: contact.upTo)
            forgotten(some, turn)
            for entry in some {
                var gone = contact.stanza
                gone.from = entry.jid
                tell(gone, of: entry, at: place, turn)
                slice.spend(online[place].sessions.count, bytes: gone.content.count)
            }
            if some.count < SessionLimits.goneAtOnce { return true }
        }
        return false
    }

    /// Sends presence to all who were told of somebody before.
    mutating func tell(_ stanza: Stanza, of entry: SeenPresence.Entry, at place: OnlinePlace, _ turn: Turn) {
        var copy = stanza
        for id in online[place].sessions where entry.session.map({ $0 == id }) ?? sessions[id].isAvailable {
            copy.to = sessions[id].jid
            send(copy, to: id, turn)
        }
    }

    /// After a cut a peer tells everything of its own accord, and again in answer to our probes.
    private func isRepetition(_ from: JID, _ digest: UInt64, at place: OnlinePlace) -> Bool {
        guard hearsRepetitions(from, at: place), let known = online[place].seen[from], known.session == nil,
            known.digest == digest, known.confirmedAt > online[place].lastArrival,
            let peer = peers.place(of: DomainPair(local: online[place].jid.domain, peer: from.domain))
        else { return false }
        return known.confirmedAt >= peers[peer].staleBefore
    }

    private func hearsRepetitions(_ from: JID, at place: OnlinePlace) -> Bool {
        let pair = DomainPair(local: online[place].jid.domain, peer: from.domain)
        return peers.place(of: pair).map { peers[$0].hearsRepetitions } ?? false
    }

    /// A session became available: what was said before, it has not heard.
    mutating func noteArrival(_ id: SessionID, _ turn: Turn) {
        online[sessions[id].account].lastArrival = turn.now
        sessions[id].isRestored = false
    }

    /// A session is unavailable: nobody has to tell it anything.
    mutating func forgetSeen(by id: SessionID, _ turn: Turn) {
        let place = sessions[id].account
        sessions[id].isRestored = false
        if sessions[id].isInterested { turn.notify(.sessionLeft(id)) }
        if online[place].sessions.contains(where: { sessions[$0].isAvailable }) {
            let gone = online[place].seen.forget(id)
            forgotten(gone, turn)
        } else {
            let gone = online[place].seen.forgetAll()
            forgotten(gone, turn)
        }
    }

    /// Whether one more of a peer's people may be remembered: another server can name as many as it likes to everybody here.
    private static func remembers(_ from: JID, _ turn: Turn) -> Bool {
        let party = Party.peer(from.domain)
        guard turn.memory.admits(party, ceiling: turn.policy.limits.memoryCeiling) else { return false }
        return turn.memory.bytes(of: party) < SessionLimits.seenBytesPerPeer || turn.policy.isOffice(from.domainpart)
    }

    /// People are not remembered any more.
    func forgotten(_ entries: [SeenPresence.Entry], _ turn: Turn) {
        for entry in entries { turn.memory.changed(by: -entry.bytes, for: .peer(entry.jid.domain)) }
    }
}

/// A contact at another domain of whom nobody is available any more: each of its resources goes, and a room may have thousands. A
/// ``Job``.
struct GoneContact {
    /// What was said, by the bare address.
    let stanza: Stanza
    /// Who hears it.
    let account: AddressNumber
    /// Whoever was heard of later (``Sessions/heardAvailable``) has come back.
    let upTo: UInt64
}
