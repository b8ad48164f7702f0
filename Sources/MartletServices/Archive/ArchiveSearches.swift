import Collections
import MartletBus
import XMPPAddress

/// Who waits for the answer of a search: a session here, or somebody of another domain, whose searches are one after the other.
enum ArchiveReader: Hashable {
    case session(SessionID)
    case peer(JID)
}

/// Searches that wait for their turn: of each reader one at a time, and readers in turn.
struct ArchiveSearches {
    /// By session, in the order in which they came. Look-up only.
    private var waiting: [ArchiveReader: Deque<ArchiveSearch>] = [:]
    /// Sessions that have room for an answer, in the order in which it is theirs.
    private var ready: Deque<ArchiveReader> = []

    /// Whether any session is ready.
    var hasReady: Bool { !ready.isEmpty }

    /// How many of a session wait.
    func count(of session: ArchiveReader) -> Int { waiting[session]?.count ?? 0 }

    /// Another search of a session.
    mutating func append(_ search: ArchiveSearch, of session: ArchiveReader) {
        waiting[session, default: []].append(search)
    }

    /// A session has room.
    mutating func becameReady(_ session: ArchiveReader) {
        if waiting[session] != nil { ready.append(session) }
    }

    /// A session is gone.
    mutating func remove(_ session: ArchiveReader) {
        waiting[session] = nil
        ready.removeAll { $0 == session }
    }

    /// The session whose turn it is, and its first search, which is to be put back or is done.
    mutating func take() -> (session: ArchiveReader, search: ArchiveSearch)? {
        while let session = ready.popFirst() {
            if let search = waiting[session]?.popFirst() { return (session, search) }
        }
        return nil
    }

    /// That search goes on when it is the session's turn again.
    mutating func putBack(_ search: ArchiveSearch, of session: ArchiveReader) {
        waiting[session, default: []].prepend(search)
        ready.append(session)
    }

    /// A search of a session is done; true if it has others.
    mutating func isDone(_ session: ArchiveReader) -> Bool {
        if waiting[session]?.isEmpty == false { return true }
        waiting[session] = nil
        return false
    }
}
