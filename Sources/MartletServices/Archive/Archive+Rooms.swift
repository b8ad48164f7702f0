import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// Archives of rooms.
extension Archive {
    /// What was said last in a room, the oldest first, for somebody who has entered it: without what changed nothing but the subject.
    public mutating func history(
        _ question: RoomHistoryQuestion, _ turn: Turn
    ) -> [(sequence: UInt64, message: LoggedStanza)] {
        guard question.stanzas > 0, turn.policy.archive.isEnabled else { return [] }
        takeNew(turn)
        let removed = ArchiveAccountTable.row(question.room, in: turn.store).removed
        var found: [(sequence: UInt64, message: LoggedStanza)] = []
        var (next, looks, bytes) = (UInt64.max, 4 * question.stanzas, 0)
        while found.count < question.stanzas, looks > 0, bytes < ArchiveLimits.bytesPerSlice,
            let row = last(of: question.room, .all, before: next, turn), row.sequence > removed
        {
            looks -= 1
            next = row.sequence
            if let since = question.since, row.time < since { break }
            guard let logged = StanzaLog.stanza(row.sequence, in: turn.store), logged.stanza.traits.contains(.body) else {
                continue
            }
            bytes += logged.stanza.content.count
            // §7.2.14: the characters are those of whole stanzas.
            if let most = question.characters, bytes > most { break }
            found.append((row.sequence, logged))
        }
        return found.reversed()
    }
}
