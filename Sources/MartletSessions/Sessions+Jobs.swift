import MartletBus
import MartletStore
import XMPPStreams

/// What is too large for one turn is done in slices, whoever wants it. The session that wants it is held: nothing more of it is read,
/// and what was read already waits, so that everything it says is still done in its order (RFC 6120 §10.1).
extension Sessions {
    /// For the site: an event, or a timer. What it causes by jobs has one slice.
    public mutating func turnBegins() { slice = Slice() }

    /// Begins a job; it goes on in later turns if it does not fit in this one. True if it is done.
    @discardableResult
    mutating func begin(_ job: consuming Job, of account: AddressNumber, _ turn: Turn) -> Bool {
        if jobs.count(in: Jobs.queue(of: job, of: account)) == 0, !slice.isSpent, work(&job, of: account, turn) {
            finish(job, of: account, turn)
            return true
        }
        let session = job.session
        add(job, of: account, turn)
        if let id = session, sessions.contains(id) {
            sessions[id].jobCount += 1
            hold(id, turn)
        }
        return false
    }

    /// A job begins in a later turn.
    mutating func add(_ job: Job, of account: AddressNumber, _ turn: Turn) {
        jobs.add(job, of: account)
        scheduleJobs(turn)
    }

    private mutating func scheduleJobs(_ turn: Turn) {
        guard !jobs.isScheduled, !jobs.isEmpty else { return }
        jobs.isScheduled = true
        // What is small leaves others time enough.
        turn.schedule(.session(.jobs), after: slice.isSpent ? SessionLimits.jobPause : 1)
    }

    /// The next slice. Whoever has caused the job pays for it.
    mutating func jobsDue(_ turn: Turn) {
        jobs.isScheduled = false
        if let (queue, taken) = jobs.take() {
            turn.bill.payer = taken.payer(queue.account)
            var job = taken
            let isDone = work(&job, of: queue.account, turn)
            jobs.putBack(isDone ? nil : job, in: queue)
            if isDone {
                finish(job, of: queue.account, turn)
                if let id = job.session { goOn(id, turn) }
            }
            if case .saying = taken { scheduleSaying(turn) }
        }
        if jobs.isEmpty { jobsEnded(turn) }
        scheduleJobs(turn)
    }

    /// What one says is mostly small: some of it follows in the same batch, in turns of its own.
    private mutating func scheduleSaying(_ turn: Turn) {
        jobs.saidAtOnce += 1
        if jobs.saidAtOnce >= SessionLimits.saidAtOnce { jobs.saidAtOnce = 0 }
        guard jobs.saidAtOnce > 0, !jobs.isScheduled, !jobs.isEmpty, !slice.isSpent, !turn.isFull else { return }
        jobs.isScheduled = true
        turn.schedule(.session(.jobs), after: 0)
    }

    /// One slice. True if nothing is left to be done.
    private mutating func work(_ job: inout Job, of account: AddressNumber, _ turn: Turn) -> Bool {
        switch job {
        case .presence(var round):
            let isDone = tell(&round, of: account, turn)
            job = .presence(round)
            return isDone
        case .roster(var answer):
            // Taken out, so that nobody else holds what has grown large.
            job = .presence(.nothing)
            let isDone = write(&answer, of: account, turn)
            job = .roster(answer)
            return isDone
        case .gone(let round): return tellGone(round, turn)
        case .removal(let removal): return remove(removal, turn)
        case .showing(let id):
            if sessions.contains(id) { continueCatchUp(id, turn) }
            if sessions.contains(id) { continueShowing(id, turn) }
            return true
        case .saying(let id): return say(id, turn)
        }
    }

    private mutating func finish(_ job: Job, of account: AddressNumber, _ turn: Turn) {
        switch job {
        case .presence(let round): told(round, of: account, turn)
        case .roster(let answer): written(answer, of: account, turn)
        case .showing, .saying, .gone: break
        case .removal(let removal): removed(removal, turn)
        }
    }
}
