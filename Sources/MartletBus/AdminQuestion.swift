import MartletStore
import XMPPAddress
import XMPPStanzas

/// What an administrator wants with a command of XEP-0133, as parsed and checked.
public struct AdminQuestion: Sendable, Equatable {
    /// The request.
    public var request: Stanza
    /// The administrator's account.
    public var admin: AddressNumber
    /// The command.
    public var node: String
    /// The name of its session.
    public var session: String
    /// What is wanted.
    public var wish: AdminWish

    /// That question.
    public init(request: Stanza, admin: AddressNumber, node: String, session: String, wish: AdminWish) {
        self.request = request
        self.admin = admin
        self.node = node
        self.session = session
        self.wish = wish
    }
}

/// What an administrator wants.
public enum AdminWish: Sendable, Equatable {
    /// An account with this password, as UTF-8 prepared with SASLprep; as all passwords it becomes keys elsewhere.
    case add(JID, password: [UInt8])
    /// Another password.
    case changePassword(JID, password: [UInt8])
    /// The same with each of these accounts.
    case each(AdminAct, [JID])
    /// How many there are.
    case count(AdminList)
    /// The next so many, behind that place.
    case list(AdminList, after: UInt64, limit: Int)
    /// About one account.
    case user(JID)
    /// About the whole site.
    case status
    /// Words for everybody here, or whoever is online.
    case announce(String, AnnouncementAudience)
    /// The same at another office.
    case announceAt(JID, String, AnnouncementAudience)
    /// The message of the day is to be this, for everybody, or for whoever has not seen the last one.
    case setMessageOfTheDay(String, isNew: Bool)
    /// There is none any more.
    case deleteMessageOfTheDay
    /// The form with the one that there is.
    case showMessageOfTheDay
}

/// What is done with one account.
public enum AdminAct: Sendable, Equatable {
    case remove
    case disable
    case enable
    /// All sessions, or the one of a full JID.
    case endSessions
}

/// Accounts that are counted and listed.
public enum AdminList: String, Sendable {
    case registered, disabled, online
}

/// A part of a list.
public struct AdminPage: Sendable, Equatable {
    /// Bare JIDs.
    public var accounts: [JID]
    /// Where the next part begins; nil at the end.
    public var next: UInt64?

    /// That part.
    public init(_ accounts: [JID], next: UInt64?) {
        self.accounts = accounts
        self.next = next
    }
}

/// What other parts know of what an administrator wants to know.
public enum AdminReport: Sendable, Equatable {
    case count(Int)
    case page(AdminPage)
    /// Fields of a form: name, label and values.
    case facts([Fact])
    /// There is no such account.
    case nobody

    /// One of them.
    public struct Fact: Sendable, Equatable {
        /// For programs.
        public var name: String
        /// For people.
        public var label: String
        /// What it is.
        public var values: [String]

        /// That fact.
        public init(_ name: String, _ label: String, _ values: [String]) {
            self.name = name
            self.label = label
            self.values = values
        }
    }
}
