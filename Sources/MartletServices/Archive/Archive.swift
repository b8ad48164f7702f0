// XEP-0313: Message Archive Management, version 1.1.3, complete for accounts
import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The archives of all accounts: what people have written and read, for each of their devices.
///
/// Owned by the site and lives as long as it. A message stands in the log once, and its row says whose archives it belongs to: that is all
/// that is written when it is taken over. The index trails (`Docs/decisions/0013-the-archives-index-trails.md`): what came last is here, by
/// account, merged into every answer, and written to the index in key order when there is enough of it. A restart reads the tail from the
/// log again.
public struct Archive {
    /// What is not in the index yet.
    var tail = ArchiveTail()
    /// The index has every message up to here.
    var indexed: UInt64 = 0
    /// The time of the last message: later ones have no earlier one.
    var lastTime = WallTime(milliseconds: 0)
    /// The tail is being written to the index.
    var flush: ArchiveFlush?
    /// Accounts that were removed and whose messages are being removed, in order.
    var removals: [AddressNumber] = []
    /// What has become too old is being looked for.
    var sweep: ArchiveSweep?
    /// Archives with more than they may have, in the order in which that was seen.
    var overfull: [AddressNumber] = []
    /// Archives in which strangers have all that they may have. Look-up only.
    var fullOfStrangers: Set<AddressNumber> = []
    /// Searches that wait for their turn.
    var searches = ArchiveSearches()
    /// Makes the hashes of addresses, and hides places in ids.
    var hash = KeyedHash(secret: [], use: "archive")
    /// What accounts have said; those that are not here have said nothing. Look-up only.
    var preferences: [AddressNumber: ArchivePreferences] = [:]
    /// The timers that are set.
    var hasWorkTimer = false
    var hasAnswerTimer = false

    /// For accounts: searches, the form of a search, and what there is at all.
    public static let declaration = ServiceDeclaration(
        "Archive",
        features: [
            Namespaces.archive, Namespaces.archiveExtended, Namespaces.archiveGroupchatField, Namespaces.stanzaID,
        ].map { .init($0, of: [.account], when: \.archive.isEnabled) },
        requests: [
            .init("query", Namespaces.archive, [.get, .set], to: everybody),
            .init("metadata", Namespaces.archive, [.get], to: everybody),
        ])

    /// Whoever may not see it is told so, whether or not there is such an account.
    static let everybody: RequestScope = [.ownAccount, .contact, .stranger]

    /// No archives; ``boot(_:)`` follows.
    public init() {}

    /// After a start: what the index does not have yet is read from the log.
    public mutating func boot(_ turn: Turn) {
        hash = KeyedHash(secret: MetaTable.bytes(.secret, in: turn.store) ?? [], use: "archive")
        for account in ArchivePreferencesTable.accounts(in: turn.store) {
            preferences[account] = ArchivePreferencesTable.preferences(of: account, in: turn.store)
        }
        if let mark = ArchiveMark.read(turn) {
            (indexed, lastTime) = (mark.sequence, mark.time)
            readTail(turn)
        } else {
            // No message has come before there were archives.
            setMark(StanzaLog.last(in: turn.store), turn)
        }
        findRemovals(turn)
        turn.schedule(.archive(.sweep), after: ArchiveLimits.firstSweep)
        workIfNeeded(turn)
    }

    /// The configuration has changed: what has become too old by it goes.
    public mutating func policyChanged(_ turn: Turn) {
        beginSweep(turn)
    }

    /// One of our timers fired.
    public mutating func timerFired(_ timer: ArchiveTimer, _ turn: Turn) {
        switch timer {
        case .answer:
            hasAnswerTimer = false
            answerNext(turn)
        case .work:
            hasWorkTimer = false
            work(turn)
        case .sweep:
            beginSweep(turn)
            turn.schedule(.archive(.sweep), after: ArchiveLimits.sweepPause)
        }
    }

    /// Answers a request: a search, the form for one, or what there is.
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard turn.policy.archive.isEnabled else { return .error(StanzaError(.serviceUnavailable)) }
        guard request.scope == .ownAccount, let account = request.account, let session = request.session?.session else {
            return .error(StanzaError(.forbidden))  // §8.1
        }
        takeNew(turn)
        if request.payload.name == "metadata" { return .result(metadataTaken(account.number, turn)) }
        if request.type == .get { return .result(Element("query", Namespaces.archive, elements: [ArchiveQuery.form])) }
        switch ArchiveQuery.read(request.payload, turn.policy.archive) {
        case .failure(let error): return .error(error)
        case .success(let query): return search(query, request.stanza, account, session, turn)
        }
    }

    /// The same for a client that has just logged in (XEP-0386 §3.1); nil where nothing is kept.
    public mutating func metadata(of account: AddressNumber, _ turn: Turn) -> Element? {
        guard turn.policy.archive.isEnabled else { return nil }
        takeNew(turn)
        return metadataTaken(account, turn)
    }

    /// §5: the first message and the last.
    func metadataTaken(_ account: AddressNumber, _ turn: Turn) -> Element {
        var metadata = Element("metadata", Namespaces.archive)
        let removed = ArchiveAccountTable.row(account, in: turn.store).removed
        let ends = [
            ("start", first(of: account, .all, from: removed + 1, turn)), ("end", last(of: account, .all, before: .max, turn)),
        ]
        for (name, row) in ends {
            guard let row, row.sequence > removed, let record = StanzaLog.archive(of: row.sequence, in: turn.store) else {
                continue
            }
            metadata.append(
                Element(name, Namespaces.archive, [("id", record.id.text), ("timestamp", row.time.description)]))
        }
        return metadata
    }
}

/// The bounds of archives that no operator needs to change, each with the reason for its number.
enum ArchiveLimits {
    /// Messages that wait for the index, in all archives, until it is written: so many share its pages, and a start reads them in a
    /// tenth of a second. 48 bytes each.
    static let tail = 32_768
    /// Bytes of such messages: what an archive may have is known of the index, so that so much more may be on the disk.
    static let tailBytes = 64 << 20
    /// Rows of the log that are in no archive and would be read by a start, until the index says that it has passed them.
    static let passed: UInt64 = 32_768
    /// Messages that one slice writes to the index: a millisecond or two.
    static let slice = 256
    /// Messages that one slice removes, of each of the three that may have to go (an account's, what is too much, what is too old): all
    /// together are no long turn.
    static let removedPerSlice = 128
    /// Milliseconds between two such slices.
    static let pause: Int64 = 20
    /// Rows of the index that one slice of a search looks at where it reads no messages.
    static let rowsPerSlice = 1024
    /// Messages that one slice of a search reads.
    static let messagesPerSlice = 256
    /// Bytes of messages that one slice of a search reads.
    static let bytesPerSlice = 512 << 10
    /// Milliseconds between two slices of searches.
    static let answerPause: Int64 = 5
    /// Milliseconds after which what is too old is looked for, after a start and then again.
    static let firstSweep: Int64 = 60_000
    static let sweepPause: Int64 = 3_600_000
    /// A clock that was put back by less is taken to be wrong for so long; by more, to have been wrong before. Milliseconds.
    static let clockStep: Int64 = 86_400_000
    /// Words of a search, and their bytes: more than anybody types.
    static let words = 16
    static let wordBytes = 256
    /// Bytes of the addresses on an account's lists, which are held in memory: 1,000 of usual length.
    static let preferenceBytes = 64 << 10
    /// Bytes of a `queryid`, which stands in each answer.
    static let queryIDBytes = 256
    /// Searches of the people of one other domain at a time: some dozens of them who enter rooms when a line comes back.
    static let searchesPerPeer = 64
    /// Archives in one part of a list, which counts what waits for the index of each.
    static let listed = 256
    /// What a message of an answer costs beside its content, for the size of a page.
    static let frameBytes = 512
}
