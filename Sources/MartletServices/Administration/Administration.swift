import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// What administrators have ordered with their clients (XEP-0133) and is under way: accounts one after the other, and words to everybody
/// in slices (``Administration/announce(_:to:_:)``).
///
/// The site owns one. Orders are forgotten with the process, and whoever gave one has no answer then; announcements are on disk, with how
/// far they have come, in the transaction that tells the next.
public struct Administration {
    /// Accounts with which something is to be done.
    struct Order {
        let number: UInt64
        let question: AdminQuestion
        /// What is still to be done; empty while the keys of a password are awaited.
        var waiting: Deque<AccountCommandOrEnd> = []
        var done = 0
        var failures: [Outcome] = []
        var failed = 0
        var all: Int { done + failed }
    }

    /// One thing with one account.
    public enum AccountCommandOrEnd: Sendable, Equatable {
        case command(AccountCommand)
        case endSessions(JID)
    }

    /// What came of it.
    public struct Outcome: Sendable, Equatable {
        /// Why it was not done; nil where it was.
        public var condition: StanzaError.Condition?
        /// In words.
        public var words: String

        /// That outcome.
        public init(_ condition: StanzaError.Condition?, _ words: String) {
            self.condition = condition
            self.words = words
        }
    }

    /// The next thing to do, for the administrator who pays for it.
    public struct NextAct: Sendable, Equatable {
        /// What.
        public let act: AccountCommandOrEnd
        /// Who has ordered it.
        public let admin: AddressNumber
    }

    /// In the order in which they were given; the first one is under way.
    var orders: Deque<Order> = []
    /// Orders that wait for keys. Look-up only.
    var awaiting: [UInt64: Order] = [:]
    var lastOrder: UInt64 = 0
    var isOrderTimerSet = false
    /// Announcements under way, the next slice of the first one.
    var announcements: Deque<Announcement> = []
    var isAnnouncementTimerSet = false
    /// The message of the day.
    var dayMessage: DayMessage?

    /// There is a message of the day.
    public var hasDayMessage: Bool { dayMessage != nil }

    /// Nothing; ``boot(_:)`` follows.
    public init() {}

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        dayMessage = MetaTable.bytes(.dayMessage, in: turn.store).map(DayMessage.init)
        for (number, row) in AnnouncementTable.all(in: turn.store) {
            announcements.append(Announcement(number: number, row: row))
        }
        scheduleAnnouncements(turn)
    }

    /// An account is gone.
    public func accountRemoved(_ account: AccountName, _ turn: Turn) { DayMessageTable.remove(account.number, in: turn.store) }

    // MARK: orders

    private static let busy = StanzaError(
        .resourceConstraint, .wait, text: "Too much is under way already: try again in a moment")

    /// An administrator wants something done with accounts.
    public mutating func order(_ question: AdminQuestion, _ turn: Turn) {
        guard orders.count + awaiting.count < AdministrationLimits.orders else {
            return reply(AdministrationCommands.failed(question, Self.busy), turn)
        }
        lastOrder += 1
        var order = Order(number: lastOrder, question: question)
        switch question.wish {
        case .add(_, let password), .changePassword(_, let password):
            awaiting[order.number] = order
            return turn.ask(.orderKeys(order.number, password: password, admin: question.admin))
        case .each(let act, let accounts):
            order.waiting = Deque(accounts.map { Self.command(act, $0) })
            add(order, turn)
        default: break
        }
    }

    private static func command(_ act: AdminAct, _ jid: JID) -> AccountCommandOrEnd {
        switch act {
        case .remove: .command(.remove(jid))
        case .disable: .command(.disable(jid))
        case .enable: .command(.enable(jid))
        case .endSessions: .endSessions(jid)
        }
    }

    /// The keys of a password are there.
    public mutating func keysDerived(_ number: UInt64, _ keys: PasswordKeys?, _ turn: Turn) {
        guard var order = awaiting.removeValue(forKey: number) else { return }
        guard let keys else { return reply(AdministrationCommands.failed(order.question, Self.busy), turn) }
        switch order.question.wish {
        case .add(let jid, _): order.waiting = [.command(.add(jid, keys))]
        case .changePassword(let jid, _): order.waiting = [.command(.changePassword(jid, keys))]
        default: return
        }
        add(order, turn)
    }

    private mutating func add(_ order: Order, _ turn: Turn) {
        orders.append(order)
        scheduleOrders(turn)
    }

    private mutating func scheduleOrders(_ turn: Turn) {
        guard !isOrderTimerSet, !orders.isEmpty else { return }
        isOrderTimerSet = true
        turn.schedule(.administration(.orders), after: 1)
    }

    /// The timer fired: one account, whose sessions and contacts are work enough for a turn. ``acted(_:_:)`` follows.
    public mutating func nextAct() -> NextAct? {
        isOrderTimerSet = false
        guard let act = orders.first?.waiting.first, let admin = orders.first?.question.admin else { return nil }
        return NextAct(act: act, admin: admin)
    }

    /// It was done, or not.
    public mutating func acted(_ outcome: Outcome, _ turn: Turn) {
        guard var order = orders.popFirst() else { return }
        order.waiting.removeFirst()
        if outcome.condition == nil {
            order.done += 1
        } else {
            order.failed += 1
            if order.failures.count < AdministrationLimits.failuresTold { order.failures.append(outcome) }
        }
        if order.waiting.isEmpty {
            reply(Self.answer(order, outcome), turn)
            scheduleOrders(turn)
        } else {
            // The others' turn comes between.
            orders.append(order)
            scheduleOrders(turn)
        }
    }

    private static func answer(_ order: Order, _ last: Outcome) -> Stanza? {
        if order.all == 1 {
            guard let condition = last.condition else {
                return AdministrationCommands.completed(order.question, note: .info(last.words + "."))
            }
            return AdministrationCommands.failed(order.question, StanzaError(condition, text: last.words))
        }
        var sentences = ["Done: \(order.done) of \(order.all)."]
        sentences += order.failures.map { $0.words + "." }
        let untold = order.failed - order.failures.count
        if untold > 0 { sentences.append("And \(untold) more like that.") }
        let words = sentences.joined(separator: "\n")
        return AdministrationCommands.completed(order.question, note: order.failed == 0 ? .info(words) : .warn(words))
    }

    func reply(_ stanza: Stanza?, _ turn: Turn) {
        if let stanza { turn.route(stanza, from: .service) }
    }

    // MARK: lists

    /// The next accounts that there are, or are disabled, behind the one of that number.
    public static func page(_ list: AdminList, after last: UInt64, limit: Int, _ turn: Turn) -> AdminPage {
        let numbers =
            list == .disabled
            ? Array(DisabledTable.all(in: turn.store).filter { $0.value > last }.prefix(limit + 1))
            : AccountTable.accounts(after: AddressNumber(last), limit: limit + 1, in: turn.store)
        var (accounts, bytes, next): ([JID], Int, UInt64?) = ([], 0, nil)
        var shown = last
        for number in numbers {
            let jid = AddressTable.address(number, in: turn.store)
            bytes += jid.bytes
            guard accounts.count < limit, bytes <= AdministrationLimits.pageBytes || accounts.isEmpty else {
                next = shown
                break
            }
            accounts.append(jid)
            shown = number.value
        }
        return AdminPage(accounts, next: next)
    }

    /// Bytes of a page.
    public static var pageBytes: Int { AdministrationLimits.pageBytes }
}
