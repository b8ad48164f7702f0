import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A search under way: goes through the index in slices, from one end of the page to the other, and gathers what fits.
struct ArchiveSearch {
    /// A message of the page.
    struct Found {
        var id: StableID
        var time: WallTime
        var sequence: UInt64
        /// Read again at the end where the page was not found in one slice: what waits takes no memory.
        var stanza: Stanza?
    }

    let query: ArchiveQuery
    /// The request that is answered at the end, without its content.
    let request: Stanza
    let account: AccountName
    /// Who pays for it.
    var payer = Party.site
    /// The archive is a room's: one end of each message is somebody in it, and the other the room.
    var isOfRoom = false
    /// What the page ends at.
    let limits: ArchivePolicy
    /// The rows that are gone through.
    let order: ArchiveTable.Order
    /// The places of the first and the last message that can be meant.
    var bounds: ClosedRange<UInt64>
    /// Goes from the last to the first.
    let isBackward: Bool
    /// Messages to look up one by one, in the order of the search.
    var wanted: [UInt64]?
    /// The next place to look at.
    var next: UInt64
    /// How many of those that fit are still to be passed over.
    var toSkip = 0
    private(set) var found: [Found] = []
    private var foundBytes = 0
    /// How many there are, where only that is wanted.
    private(set) var counted = 0
    /// Messages that were read.
    private var read = 0
    /// The last of them, where it was read in vain.
    private(set) var lastRead: StableID?
    /// There is nothing behind the page.
    private(set) var isComplete = false

    /// Messages on the page at most.
    var pageSize: Int { min(query.page.limit ?? limits.page, limits.page) }
    /// Nobody wants to see them.
    var onlyCounts: Bool { query.page.limit == 0 }

    init(
        _ query: ArchiveQuery, _ request: Stanza, _ account: AccountName, _ order: ArchiveTable.Order,
        _ bounds: ClosedRange<UInt64>, from next: UInt64, isBackward: Bool, _ limits: ArchivePolicy
    ) {
        self.query = query
        self.request = Stanza(.iq, from: request.from, to: request.to, id: request.id, type: request.type)
        self.account = account
        self.order = order
        self.bounds = bounds
        self.next = next
        self.isBackward = isBackward
        self.limits = limits
        if case .index(let index) = query.page.start { toSkip = index }
    }

    /// The next slice; true at the end.
    mutating func goOn(_ archive: borrowing Archive, _ turn: Turn) -> Bool {
        var rows = ArchiveLimits.rowsPerSlice
        var messages = ArchiveLimits.messagesPerSlice
        var bytes = ArchiveLimits.bytesPerSlice
        if onlyCounts, query.isUnfiltered {
            // Counted already.
            isComplete = true
            return true
        }
        while rows > 0, messages > 0, bytes > 0 {
            guard let row = nextRow(archive, turn) else {
                isComplete = true
                return true
            }
            rows -= 1
            guard mayFit(row) else { continue }
            if query.words.isEmpty {
                if onlyCounts {
                    counted += 1
                    continue
                }
                if toSkip > 0 {
                    toSkip -= 1
                    continue
                }
                if found.count == pageSize { return true }
            }
            messages -= 1
            bytes -= Int(row.size)
            if take(row, turn) { return true }
        }
        for index in found.indices { found[index].stanza = nil }
        return false
    }

    /// Reads a message; true if the page ends before it, or because too many were read in vain.
    private mutating func take(_ row: ArchiveRow, _ turn: Turn) -> Bool {
        guard let logged = StanzaLog.stanza(row.sequence, in: turn.store), let record = logged.archive else { return false }
        read += 1
        guard fits(logged.stanza) else {
            lastRead = record.id
            return read >= limits.searchedMessages
        }
        if onlyCounts {
            counted += 1
            return false
        }
        if toSkip > 0 {
            toSkip -= 1
            return false
        }
        let size = logged.stanza.content.count + ArchiveLimits.frameBytes
        if found.count == pageSize || (!found.isEmpty && foundBytes + size > limits.pageBytes) { return true }
        foundBytes += size
        found.append(Found(id: record.id, time: row.time, sequence: row.sequence, stanza: logged.stanza))
        lastRead = nil
        return false
    }

    private mutating func nextRow(_ archive: borrowing Archive, _ turn: Turn) -> ArchiveRow? {
        while true {
            if wanted != nil {
                guard let place = wanted?.popLast() else { return nil }
                guard bounds.contains(place), let row = archive.first(of: account.number, .all, from: place, turn),
                    row.sequence == place, row.belongs(to: order), isBackward ? place < next : place >= next
                else { continue }
                return row
            }
            let row =
                isBackward
                ? archive.last(of: account.number, order, before: next, turn)
                : archive.first(of: account.number, order, from: next, turn)
            guard let row, bounds.contains(row.sequence) else { return nil }
            next = isBackward ? row.sequence : row.sequence + 1
            return row
        }
    }

    /// What the index says of a message: all but the address in full and the words.
    private func mayFit(_ row: ArchiveRow) -> Bool {
        if let start = query.start, row.time < start { return false }
        if let end = query.end, row.time > end { return false }
        guard let with = query.with, let resource = with.resourcepart, isOfRoom || !with.hasSameBare(as: account.jid) else {
            return true
        }
        return row.resource == MailboxRow.mark(ofResource: resource)
    }

    private func fits(_ stanza: Stanza) -> Bool {
        if let with = query.with, !fits(stanza, with) { return false }
        if query.words.isEmpty { return true }
        guard stanza.traits.contains(.body) else { return false }
        let bodies = stanza.payloads.filter { $0.is("body", Namespaces.client) }.map { Array($0.text.lowercased().utf8) }
        return query.words.allSatisfy { word in bodies.contains { word.isFound(in: $0) } }
    }

    private func fits(_ stanza: Stanza, _ with: JID) -> Bool {
        guard isOfRoom else { return Self.fits(stanza, with, of: account.jid) }
        return with.isFull ? stanza.from == with : stanza.from?.hasSameBare(as: with) ?? false
    }

    /// §4.1.1: either end is that address, bare ones with all their resources; of the own address, both ends.
    private static func fits(_ stanza: Stanza, _ with: JID, of account: JID) -> Bool {
        guard let from = stanza.from, let to = stanza.to else { return false }
        if with.hasSameBare(as: account), !from.hasSameBare(as: to) { return false }
        if with.isFull { return from == with || to == with }
        return from.hasSameBare(as: with) || to.hasSameBare(as: with)
    }
}
