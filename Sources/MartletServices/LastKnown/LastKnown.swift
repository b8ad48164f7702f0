import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// What our people were shown of their contacts elsewhere, kept for when a line is cut: items, profiles, and what the contacts can. So
/// an encrypted chat can be begun with somebody whose office cannot be reached.
///
/// The site owns one. It listens to news and to answers on their way to our people, and gives them again, with their age, where a
/// request comes back because nobody there could be reached. Each account has what its own devices were shown, and nobody else's
/// (`Docs/decisions/0014-what-is-last-known.md`). All of it is on disk; here is what was asked and not answered yet.
public struct LastKnown {
    /// What a client has asked of a contact.
    struct Wanted {
        var kind: LastKnownTable.Kind
        var node = ""
        /// The items that it names; none for all.
        var ids: [String] = []
        /// The most items that it wants.
        var most = Int.max
    }

    /// A request on its way.
    struct Question: Hashable {
        var id: String
        /// The session that asks.
        var from: JID
        /// The contact's account.
        var to: JID
    }

    /// What was asked; the oldest is forgotten where there is too much of it, and then has no answer from here.
    var questions = RecentTable<Question, Wanted>(bound: LastKnownLimits.questions)
    /// How the lines are that were used.
    private var lines = RecentTable<DomainPair, LineState>(bound: LastKnownLimits.lines)
    /// Accounts that were removed, whose rows are not all gone.
    private var removed: Deque<AddressNumber> = []
    private var isTimerSet = false

    /// Nothing is known; ``boot(_:)`` follows.
    public init() {}

    /// After a start: what was being removed goes on.
    public mutating func boot(_ turn: Turn) {
        removed = Deque(LastKnownTable.removed(in: turn.store))
        schedule(turn)
    }

    // MARK: lines

    /// What became of a line.
    public mutating func linkChanged(_ change: LinkChange, _ turn: Turn) {
        switch change.kind {
        case .up: lines.put(change.pair, .up)
        case .failing:
            switch lines[change.pair] {
            case .up: lines.put(change.pair, .cut(since: turn.wall))
            case nil: lines.put(change.pair, .unreached)
            case .cut, .unreached: break
            }
        // A stream that ended proves nothing: whoever wants something opens the next.
        case .lost, .counted, .healed: break
        }
    }

    /// Why nobody at that domain could be asked, in words.
    func words(_ pair: DomainPair, _ turn: Turn) -> String {
        let office = turn.policy.federation.officeNames[pair.peer] ?? pair.peer.description
        return CutWords.answer(
            office, lines[pair].flatMap { $0 == .up ? nil : $0 } ?? .unreached, now: turn.wall,
            utcOffset: turn.policy.utcOffset,
            waiting: nil)
    }

    // MARK: what is forgotten

    /// Somebody is no contact any more, or does not want to be seen.
    public mutating func forget(_ contact: JID, of account: AddressNumber, _ turn: Turn) {
        guard let number = AddressTable.number(of: contact.bare, in: turn.store) else { return }
        forget(number, of: account, turn) { _ in true }
    }

    /// What an account knows of a contact, and that is so.
    func forget(
        _ contact: AddressNumber, of account: AddressNumber, _ turn: Turn, where isGone: (LastKnownTable.Row) -> Bool
    ) {
        for (place, row) in LastKnownTable.rows(account, contact, in: turn.store) where isGone(row) {
            turn.lazily { LastKnownTable.remove(account, contact, place, in: turn.store) }
        }
    }

    /// An account is gone: nobody who gets its name is shown anything, and the rows go in slices.
    public mutating func accountRemoved(_ account: AddressNumber, _ turn: Turn) {
        var size = LastKnownTable.size(of: account, in: turn.store)
        guard size.bytes > 0 else { return }
        size.place = LastKnownTable.size(of: LastKnownTable.everybody, in: turn.store).place
        LastKnownTable.setSize(of: account, size, in: turn.store)
        removed.append(account)
        schedule(turn)
    }

    private mutating func schedule(_ turn: Turn) {
        guard !isTimerSet, !removed.isEmpty else { return }
        isTimerSet = true
        turn.schedule(.lastKnown, after: LastKnownLimits.pause)
    }

    /// The next slice.
    public mutating func timerFired(_ turn: Turn) {
        isTimerSet = false
        var left = LastKnownLimits.removals
        while let account = removed.first {
            var size = LastKnownTable.size(of: account, in: turn.store)
            while left > 0, let oldest = LastKnownTable.oldest(of: account, in: turn.store), oldest.place <= size.place {
                left -= 1
                LastKnownTable.remove(account, oldest.contact, oldest.place, in: turn.store)
            }
            guard left > 0 else { break }
            size = LastKnownTable.size(of: account, in: turn.store)
            size.place = 0
            LastKnownTable.setSize(of: account, size, in: turn.store)
            removed.removeFirst()
        }
        schedule(turn)
    }
}

/// The bounds that no operator needs to change, each with the reason for its number.
enum LastKnownLimits {
    /// Requests on their way that are remembered: as many as a site of 500 people has at the start of a day.
    static let questions = 1024
    /// Lines of which it is known how they are.
    static let lines = 4096
    /// Bytes of an id of a request with which it is remembered: programs make them of 8 to 64.
    static let idBytes = 256
    /// Items that one request may name, and bytes of their ids: the devices of one person.
    static let ids = 64
    static let idsBytes = 4 << 10
    /// Items of one stanza that are kept, the last ones: the devices of one person.
    static let itemsAtOnce = 32
    /// Things known of one contact: some dozens of kinds of nodes, and the keys of as many devices.
    static let perContact = 128
    /// The part of an account's bytes that one contact may take.
    static let contactShare: UInt64 = 8
    /// Things that give way at once when another comes; more do when the next one comes.
    static let evictions = 16
    /// Rows removed in one slice, and milliseconds between two slices.
    static let removals = 128
    static let pause: Int64 = 5
    /// Milliseconds after which it is noted anew that something is still so.
    static let refresh: Int64 = 3_600_000
}
