// XEP-0313: Message Archive Management, version 1.1.3, complete for rooms
import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// Archives of rooms: they belong to the room's address, and who may read them is the room's to say.
extension Archive {
    /// The same as for accounts.
    public static let ofRooms = ServiceDeclaration(
        "ArchiveOfRooms",
        requests: [
            .init("query", Namespaces.archive, [.get, .set], to: [.room]),
            .init("metadata", Namespaces.archive, [.get], to: [.room]),
        ])

    /// Answers a request to a room whose archive the asker may read.
    public mutating func answer(_ request: Request, of room: AccountName, _ turn: Turn) -> Answer {
        guard turn.policy.archive.isEnabled else { return .error(StanzaError(.serviceUnavailable)) }
        takeNew(turn)
        if request.payload.name == "metadata" { return .result(metadataTaken(room.number, turn)) }
        if request.type == .get { return .result(Element("query", Namespaces.archive, elements: [ArchiveQuery.form])) }
        switch ArchiveQuery.read(request.payload, turn.policy.archive) {
        case .failure(let error): return .error(error)
        case .success(let query):
            if let session = request.session?.session { return search(query, request.stanza, room, session, turn) }
            guard let peer = request.stanza.from?.domain, request.envelope.origin.isPeer else {
                return .error(StanzaError(.forbidden))
            }
            return search(query, request.stanza, room, peer: peer, turn)
        }
    }

    /// What was said last in a room, the oldest first, for somebody who has entered it: without what changed nothing but the subject.
    public mutating func history(
        _ question: RoomHistoryQuestion, _ turn: Turn
    ) -> [(sequence: UInt64, message: LoggedStanza)] {
        guard question.stanzas > 0, turn.policy.archive.isEnabled else { return [] }
        takeNew(turn)
        let removed = ArchiveAccountTable.row(question.room, in: turn.store).removed
        var found: [(sequence: UInt64, message: LoggedStanza)] = []
        var (next, looks, bytes) = (UInt64.max, 4 * question.stanzas, 0)
        // What was taken back since (XEP-0425) stands before what takes it back.
        var moderated: Set<String> = []
        while found.count < question.stanzas, looks > 0, bytes < ArchiveLimits.bytesPerSlice,
            let row = last(of: question.room, .all, before: next, turn), row.sequence > removed
        {
            looks -= 1
            next = row.sequence
            if let since = question.since, row.time < since { break }
            guard let logged = StanzaLog.stanza(row.sequence, in: turn.store) else { continue }
            guard logged.stanza.traits.contains(.body) else {
                if let id = logged.stanza.moderated { moderated.insert(id) }
                continue
            }
            if !moderated.isEmpty, let id = logged.archive?.id.text, moderated.contains(id) { continue }
            bytes += logged.stanza.content.count
            // §7.2.14: the characters are those of whole stanzas.
            if let most = question.characters, bytes > most { break }
            found.append((row.sequence, logged))
        }
        return found.reversed()
    }
}
