import Collections
import MartletBus
import MartletStore

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

    /// The session that is held meanwhile: what it says next comes after this.
    var session: SessionID? {
        switch self {
        case .presence(let round): round.session
        case .roster(let answer): answer.session
        case .showing, .gone, .removal: nil
        }
    }
}

/// What the jobs of one turn may still cause: beyond it they go on in the next one.
struct Slice {
    /// Stanzas, and rows that are shown.
    private var stanzas = SessionLimits.presenceSlice
    /// Their bytes.
    private var bytes = SessionLimits.catchUpBytes

    /// Nothing is left.
    var isSpent: Bool { stanzas <= 0 || bytes <= 0 }

    /// So much was caused.
    mutating func spend(_ count: Int, bytes size: Int) {
        stanzas -= count
        bytes -= count * size
    }
}

/// The jobs under way: those of one account one after the other, so that whoever hears of two hears of them in order; the accounts in
/// turns, so that whoever causes much waits longer, and nobody else does. Owned by ``Sessions``.
struct Jobs {
    /// By account; never empty. Look-up only.
    private var byAccount: [AddressNumber: Deque<Job>] = [:]
    /// Accounts with jobs, the next one first.
    private var turns: Deque<AddressNumber> = []
    /// A timer is set for the next slice.
    var isScheduled = false

    /// Nothing is under way.
    var isEmpty: Bool { turns.isEmpty }

    /// How many jobs an account has.
    func count(of account: AddressNumber) -> Int { byAccount[account]?.count ?? 0 }

    /// A job comes after those that the account has.
    mutating func add(_ job: Job, of account: AddressNumber) {
        if byAccount[account] == nil { turns.append(account) }
        byAccount[account, default: []].append(job)
    }

    /// Takes the job whose turn it is.
    mutating func take() -> (account: AddressNumber, job: Job)? {
        guard let account = turns.popFirst(), let job = byAccount[account]?.popFirst() else { return nil }
        return (account, job)
    }

    /// The job that was taken needs another slice (or is done, nil); its account's turn comes again behind those of the others.
    mutating func putBack(_ job: Job?, of account: AddressNumber) {
        if let job { byAccount[account]?.prepend(job) }
        if byAccount[account]?.isEmpty ?? true {
            byAccount[account] = nil
        } else {
            turns.append(account)
        }
    }

    /// A contact of an account changed. True if the session is being told the roster: it hears of the change behind that.
    mutating func noteChange(of contact: AddressNumber, of account: AddressNumber, for session: SessionID) -> Bool {
        guard let index = answerIndex(account, session), case .roster(var answer)? = byAccount[account]?[index] else {
            return false
        }
        answer.changed.append(contact)
        byAccount[account]?[index] = .roster(answer)
        return true
    }

    /// What no account owns changed: an answer that is being put together begins anew.
    mutating func noteSharedChange(of account: AddressNumber, for session: SessionID) -> Bool {
        guard let index = answerIndex(account, session), case .roster(var answer)? = byAccount[account]?[index] else {
            return false
        }
        answer.isOutdated = true
        byAccount[account]?[index] = .roster(answer)
        return true
    }

    private func answerIndex(_ account: AddressNumber, _ session: SessionID) -> Int? {
        byAccount[account]?.firstIndex { if case .roster(let answer) = $0 { answer.session == session } else { false } }
    }
}
