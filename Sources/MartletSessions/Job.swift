import Collections
import MartletBus
import MartletStore
import XMPPAddress

/// Work for an account that may be too large for one turn: a value with a cursor.
enum Job {
    /// Presence goes to everybody whom it concerns.
    case presence(PresenceRound)
    /// A roster is put together for a session.
    case roster(RosterAnswer)

    /// Nobody of a contact is available any more.
    case gone(GoneContact)
    /// An account goes with everything that it had.
    case removal(AccountRemoval)
    /// A session is shown the next of what it is being shown.
    case showing(SessionID)
    /// What came while a session was held is handled, one event in each turn.
    case saying(SessionID)

    /// The session that is held meanwhile: what it says next comes after this.
    var session: SessionID? {
        switch self {
        case .presence(let round): round.session
        case .roster(let answer): answer.session
        case .showing, .saying, .gone, .removal: nil
        }
    }

    /// Who pays for it, where it is one of that account.
    func payer(_ account: AddressNumber) -> Party {
        if case .gone(let contact) = self, let from = contact.stanza.from { .peer(from.domain) } else { .account(account) }
    }
}

/// What the jobs of one turn may still cause: beyond it they go on in the next one.
struct Slice {
    /// Stanzas, and rows that are shown.
    private var stanzas = SessionLimits.presenceSlice
    /// Rows that were looked at for nothing.
    private var visits = 0
    /// Their bytes.
    private var bytes = SessionLimits.catchUpBytes

    /// Nothing is left.
    var isSpent: Bool { stanzas <= 0 || bytes <= 0 }

    /// So much was caused.
    mutating func spend(_ count: Int, bytes size: Int) {
        stanzas -= count
        bytes -= count * size
    }

    /// A row was looked at and caused nothing: a quarter of a stanza, since ``SessionLimits/presenceVisits`` fill a slice too.
    mutating func visit() {
        visits += 1
        if visits.isMultiple(of: SessionLimits.presenceVisits / SessionLimits.presenceSlice) { stanzas -= 1 }
    }
}

/// The jobs under way: those of one account one after the other, so that whoever hears of two hears of them in order; the accounts in
/// turns, so that whoever causes much waits longer, and nobody else does. Owned by ``Sessions``.
struct Jobs {
    /// Jobs that follow one another.
    struct Queue: Hashable {
        let account: AddressNumber
        /// Others have caused them: nothing that the account does waits for that.
        var isOfOthers = false
    }

    /// Never empty, but for the one whose job was taken. Look-up only.
    private var queues: [Queue: Deque<Job>] = [:]
    /// Those with jobs, the next one first.
    private var turns: Deque<Queue> = []
    /// A timer is set for the next slice.
    var isScheduled = false
    /// How many events that had to wait were handled without a pause.
    var saidAtOnce = 0

    /// Nothing is under way.
    var isEmpty: Bool { turns.isEmpty }

    /// How many jobs an account has, without those that others have caused.
    func count(of account: AddressNumber) -> Int { count(in: Queue(account: account)) }

    /// How many jobs stand in a queue.
    func count(in queue: Queue) -> Int { queues[queue]?.count ?? 0 }

    /// Where a job of an account stands.
    static func queue(of job: Job, of account: AddressNumber) -> Queue {
        if case .gone = job { Queue(account: account, isOfOthers: true) } else { Queue(account: account) }
    }

    /// A job comes after those that stand in its queue.
    mutating func add(_ job: Job, of account: AddressNumber) {
        let queue = Self.queue(of: job, of: account)
        if queues[queue] == nil { turns.append(queue) }
        queues[queue, default: []].append(job)
    }

    /// Takes the job whose turn it is.
    mutating func take() -> (queue: Queue, job: Job)? {
        guard let queue = turns.popFirst(), let job = queues[queue]?.popFirst() else { return nil }
        return (queue, job)
    }

    /// The job that was taken needs another slice (or is done, nil); its queue's turn comes again behind the others.
    mutating func putBack(_ job: Job?, in queue: Queue) {
        if let job { queues[queue]?.prepend(job) }
        if queues[queue]?.isEmpty ?? true {
            queues[queue] = nil
        } else {
            turns.append(queue)
        }
    }

    /// A contact of an account is gone once more before everybody was told: that is told with it. False where nothing is under way.
    mutating func update(_ contact: GoneContact) -> Bool {
        let queue = Queue(account: contact.account, isOfOthers: true)
        guard let index = goneIndex(contact.stanza.from, in: queue) else { return false }
        queues[queue]?[index] = .gone(contact)
        return true
    }

    /// Whether an account is still to hear that a contact is gone, whatever its resource.
    func isGoing(_ contact: JID, of account: AddressNumber) -> Bool {
        turns.isEmpty ? false : goneIndex(contact, in: Queue(account: account, isOfOthers: true)) != nil
    }

    private func goneIndex(_ contact: JID?, in queue: Queue) -> Int? {
        queues[queue]?.firstIndex {
            guard case .gone(let gone) = $0, let from = gone.stanza.from, let contact else { return false }
            return contact.hasSameBare(as: from)
        }
    }

    /// A contact of an account changed. True if the session is being told the roster: it hears of the change behind that.
    mutating func noteChange(of contact: AddressNumber, of account: AddressNumber, for session: SessionID) -> Bool {
        guard let index = answerIndex(account, session), case .roster(var answer)? = queues[Queue(account: account)]?[index]
        else {
            return false
        }
        answer.changed.append(contact)
        queues[Queue(account: account)]?[index] = .roster(answer)
        return true
    }

    /// What no account owns changed: an answer that is being put together begins anew.
    mutating func noteSharedChange(of account: AddressNumber, for session: SessionID) -> Bool {
        guard let index = answerIndex(account, session), case .roster(var answer)? = queues[Queue(account: account)]?[index]
        else {
            return false
        }
        answer.isOutdated = true
        queues[Queue(account: account)]?[index] = .roster(answer)
        return true
    }

    private func answerIndex(_ account: AddressNumber, _ session: SessionID) -> Int? {
        queues[Queue(account: account)]?.firstIndex {
            if case .roster(let answer) = $0 { answer.session == session } else { false }
        }
    }
}
