import MartletBus
import MartletPrimitives
import XMPPAddress

/// Who at other domains an account believes to be available, so that it can be told when a link dies. Ordered by domain, then
/// by account, so that the people of an office stand together.
///
/// Lives as long as a session of the account is available; after a restart it is empty. Owned by an ``OnlineAccount``.
struct SeenPresence {
    /// Somebody who is available.
    struct Entry: Equatable {
        let jid: JID
        /// Of what was said, to know a repetition.
        var digest: UInt64
        /// When it was said last.
        var confirmedAt: Instant
        /// The only session that was told; nil where all were, or several.
        var session: SessionID?
        /// The place of that among all that was heard.
        var heard: UInt64 = 0

        /// What it takes in memory.
        var bytes: Int { jid.bytes + 128 }
    }

    private var entries: [Entry] = []

    /// What all of them take in memory.
    private(set) var bytes = 0

    /// How many are available.
    var count: Int { entries.count }
    /// Nobody is.
    var isEmpty: Bool { entries.isEmpty }

    /// What is known of an address.
    subscript(_ jid: JID) -> Entry? {
        let index = firstIndex(atOrAfter: jid)
        return index < entries.count && entries[index].jid == jid ? entries[index] : nil
    }

    /// Somebody is available; gives the entry if it is new. Beyond ``SessionLimits/seenPresence`` and ``SessionLimits/seenPresenceBytes``
    /// nobody new is remembered, nor where `isWelcome` says no.
    @discardableResult
    mutating func note(
        _ jid: JID, digest: UInt64, at now: Instant, as heard: UInt64 = 0, session: SessionID?, isWelcome: () -> Bool = { true }
    ) -> Entry? {
        let index = firstIndex(atOrAfter: jid)
        if index < entries.count, entries[index].jid == jid {
            entries[index].digest = digest
            entries[index].confirmedAt = now
            entries[index].heard = heard
            if entries[index].session != session { entries[index].session = nil }
        } else if entries.count < SessionLimits.seenPresence, bytes < SessionLimits.seenPresenceBytes, isWelcome() {
            let entry = Entry(jid: jid, digest: digest, confirmedAt: now, session: session, heard: heard)
            bytes += entry.bytes
            entries.insert(entry, at: index)
            return entry
        }
        return nil
    }

    /// Somebody is gone, as far as `session` is told; nil means everybody. Gives the entry if it went.
    mutating func remove(_ jid: JID, toldBy session: SessionID?) -> Entry? {
        let index = firstIndex(atOrAfter: jid)
        guard index < entries.count, entries[index].jid == jid, session == nil || entries[index].session == session else {
            return nil
        }
        bytes -= entries[index].bytes
        return entries.remove(at: index)
    }

    /// Removes up to `limit` resources of a bare address that were not heard of after `last`, and gives them.
    mutating func remove(_ limit: Int, of bare: JID, upTo last: UInt64) -> [Entry] {
        let first = firstIndex(atOrAfter: bare)
        var end = first
        while end < entries.count, entries[end].jid.hasSameBare(as: bare) { end += 1 }
        var taken: [Entry] = []
        var kept: [Entry] = []
        for entry in entries[first..<end] {
            if taken.count < limit, entry.heard <= last { taken.append(entry) } else { kept.append(entry) }
        }
        for entry in taken { bytes -= entry.bytes }
        entries.replaceSubrange(first..<end, with: kept)
        return taken
    }

    /// Whether a resource of a bare address is available.
    func contains(_ bare: JID) -> Bool {
        let index = firstIndex(atOrAfter: bare)
        return index < entries.count && entries[index].jid.hasSameBare(as: bare)
    }

    /// A session is gone, and what only it was told is of no interest any more: gives that.
    mutating func forget(_ session: SessionID) -> [Entry] {
        let gone = entries.filter { $0.session == session }
        if gone.isEmpty { return [] }
        for entry in gone { bytes -= entry.bytes }
        entries.removeAll { $0.session == session }
        return gone
    }

    /// Nobody listens any more: gives everything.
    mutating func forgetAll() -> [Entry] {
        defer { self = SeenPresence() }
        return entries
    }

    /// Whether somebody of a domain is available.
    func contains(domain: JID) -> Bool {
        let index = firstIndex(atOrAfter: domain)
        return index < entries.count && entries[index].jid.domainpart == domain.domainpart
    }

    /// Removes up to `limit` entries of a domain that were not confirmed since `instant`, and gives them; those that `spares`
    /// keeps count as confirmed now. `spares` is asked about no more than `visits` of them. `isAll`: no other is left.
    mutating func takeStale(
        at domain: JID, before instant: Instant, limit: Int, visits: Int, now: Instant, sparing spares: (JID) -> Bool
    ) -> (taken: [Entry], isAll: Bool) {
        var taken: [Entry] = []
        var visits = visits
        var isAll = true
        let first = firstIndex(atOrAfter: domain)
        var read = first
        var write = first
        while read < entries.count, entries[read].jid.domainpart == domain.domainpart {
            var entry = entries[read]
            read += 1
            if entry.confirmedAt < instant, taken.count == limit || visits == 0 {
                isAll = false
            } else if entry.confirmedAt < instant {
                visits -= 1
                if spares(entry.jid) {
                    entry.confirmedAt = now
                } else {
                    taken.append(entry)
                    bytes -= entry.bytes
                    continue
                }
            }
            entries[write] = entry
            write += 1
        }
        entries.removeSubrange(write..<read)
        return (taken, isAll)
    }

    private func firstIndex(atOrAfter jid: JID) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if Self.precedes(entries[middle].jid, jid) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// A bare address stands before its resources, a domain before its accounts.
    private static func precedes(_ left: JID, _ right: JID) -> Bool {
        if left.domainpart != right.domainpart { return left.domainpart < right.domainpart }
        let (leftLocal, rightLocal) = (left.localpart ?? "", right.localpart ?? "")
        if leftLocal != rightLocal { return leftLocal < rightLocal }
        return (left.resourcepart ?? "") < (right.resourcepart ?? "")
    }

    /// FNV-1a: who sends a presence only fools the own contacts.
    static func digest(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}
