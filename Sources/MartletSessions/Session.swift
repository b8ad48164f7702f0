import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A bound resource (RFC 6120 §7). Survives its connection and, with stream management, the server; owned by
/// ``Sessions`` and changed in place.
struct Session {
    /// XEP-0198 on this session.
    struct Management {
        /// Whether the session can be resumed.
        var isResumable: Bool
        /// The `id` for resumption; empty where it cannot be resumed.
        var token: String
        /// Stanzas of the client that were handled, modulo 2^32.
        var handled: UInt32 = 0
        /// The count in the store is behind `handled`.
        var isCountStale = false
        /// The number up to which an `<r/>` asks that was not answered yet.
        var requested: UInt64?
        /// The session came from the store and was not resumed since: volatile stanzas may have been sent of which
        /// nothing is known.
        var isUncertain = false
    }

    /// A ping by which a client without stream management proves that it has read what was sent before
    /// (`Docs/relay-protocol.md` §7.2).
    struct Fence {
        var id: String
        /// The number that it proves.
        var upTo: UInt64
    }

    /// How far the server has sent the client away; the session is to be resumed then.
    enum FarewellState {
        case none
        /// It was asked for its last acknowledgement, and gets nothing more.
        case asked
        /// Its stream was closed.
        case said
    }

    /// What the session waits for.
    enum Wait {
        case nothing
        /// To ask for an acknowledgement.
        case ask
        /// To stop waiting for an answer.
        case answer
    }

    let jid: JID
    /// The account's place in ``Sessions/online``.
    let account: OnlinePlace
    /// The account's number in the store.
    let accountNumber: AddressNumber
    /// The connection; nil while the session is detached.
    var connection: ConnectionID?
    /// Which of the account's clients it is (XEP-0388); nil where it has not said so since the server was started.
    var client: ClientKey?
    /// The session's number in the store; nil as long as nothing about it is stored.
    var number: UInt64?
    /// The last presence that was broadcast (RFC 6121 §4.2, §4.4), from the full JID; nil while unavailable.
    var presence: Stanza?
    var priority: Int8 = 0
    /// Its client said in that presence that it has no picture (XEP-0153 §4.1), and is believed.
    var hidesPicture = false
    /// Whether it asked for the roster and gets pushes (RFC 6121 §2.1.6).
    var isInterested = false
    /// Nobody looks at the client (XEP-0352): what does not matter now is held.
    var isInactive = false
    /// What waits in the outbox is that.
    var isHolding = false
    /// Whether it gets copies of what the account's other sessions get and send (XEP-0280).
    var hasCarbons = false
    /// Whether it asked what the account has blocked, and is told of changes (XEP-0191).
    var knowsBlocked = false
    /// Who was sent directed presence, in order (RFC 6121 §4.6).
    var directed: [JID] = []
    /// It comes from the store and has not sent presence since: it may believe what this process never knew.
    var isRestored = false
    var management: Management?
    var fence: Fence?
    var outbox = Outbox()
    /// What the site's account of memory says that the session holds (``Sessions/book(_:_:)``).
    var booked = 0
    /// Something was not kept for it that is not told twice: it is told how things are when it has read the rest.
    var hasMissed = false
    /// When it was told so last.
    var toldMissed = Instant(milliseconds: -SessionLimits.missedPause)
    /// What ``StreamCommand/mark(_:)`` adds to the numbers of the outbox. These begin anew when stream management is enabled, and a
    /// place that was named before must not mean a stanza of the new count.
    var markBase: UInt64 = 0
    /// Messages sent before stream management was enabled, proven by the first acknowledgement or by the fence.
    var unmanaged: [UInt64] = []
    /// What of the mailbox is still to be sent; nil when there is nothing. What is routed to the session meanwhile waits behind it.
    var catchUp: CatchUp?
    /// What it is being shown contact by contact, in this order.
    var showing: [Showing] = []
    /// Whatever the mailbox had for its full JID was sent, or is on the way: nothing to it has to be looked for.
    var hasOwnMessages = false
    /// Somebody waits until it has room for a long answer.
    var owesRoom = false
    /// What came on the connection while a job of this session was under way; nil where none is.
    var held: Deque<ClientStreamEvent>?
    /// What that takes in memory.
    var heldBytes = 0
    /// Jobs under way that it waits for.
    var jobCount = 0
    /// Its connection is gone, and what it has said is done before it goes too.
    var isLeaving = false
    /// The place in the outbox of the last large answer that it was sent.
    var largeAnswer: UInt64?
    var farewell = FarewellState.none
    var wait = Wait.nothing
    /// When it was asked last.
    var lastAsked = Instant(milliseconds: .min)
    /// When to ask, while that is what it waits for.
    var askTime = Instant(milliseconds: 0)
    /// When an answer is missing, while one is waited for.
    var answerDeadline = Instant(milliseconds: 0)
    /// Which of the two timers is in the site's queue. Each stands there at most once, whatever the traffic: one that
    /// fires early is set again, one that is not needed any more does nothing.
    var hasAskTimer = false
    var hasAnswerTimer = false
    /// Raised with each loss of the connection.
    var detachment: UInt64 = 0

    init(jid: JID, account: OnlinePlace, accountNumber: AddressNumber, connection: ConnectionID?) {
        self.jid = jid
        self.account = account
        self.accountNumber = accountNumber
        self.connection = connection
    }

    var isResumable: Bool { management?.isResumable ?? false }
    /// RFC 6121 §4.2: it has sent initial presence.
    var isAvailable: Bool { presence != nil }
    /// RFC 6121 §8.5.2.1.1: messages to the bare JID reach it.
    var takesMessages: Bool { presence != nil && priority >= 0 }

    /// The place in the outbox of the last stanza that an acknowledgement was asked for.
    var requested: UInt64 { management?.requested ?? fence?.upTo ?? outbox.acknowledged }
}
