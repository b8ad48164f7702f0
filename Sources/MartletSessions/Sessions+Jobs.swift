import Collections
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
        if jobs.count(of: account) == 0, !slice.isSpent, work(&job, of: account, turn) {
            finish(job, of: account, turn)
            return true
        }
        let session = job.session
        add(job, of: account, turn)
        if let id = session { hold(id, turn) }
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

    /// The next slice. Its account pays for it.
    mutating func jobsDue(_ turn: Turn) {
        jobs.isScheduled = false
        if let (account, taken) = jobs.take() {
            turn.bill.payer = .account(account)
            var job = taken
            let isDone = work(&job, of: account, turn)
            jobs.putBack(isDone ? nil : job, of: account)
            if isDone { finish(job, of: account, turn) }
        }
        if jobs.isEmpty { jobsEnded(turn) }
        scheduleJobs(turn)
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
        }
    }

    private mutating func finish(_ job: Job, of account: AddressNumber, _ turn: Turn) {
        switch job {
        case .presence(let round): told(round, of: account, turn)
        case .roster(let answer): written(answer, of: account, turn)
        case .showing, .gone: break
        case .removal(let removal): removed(removal, turn)
        }
        if let id = job.session { goOn(id, turn) }
    }

    // MARK: sessions that are held

    private mutating func hold(_ id: SessionID, _ turn: Turn) {
        guard sessions[id].held == nil, !sessions[id].isLeaving, let connection = sessions[id].connection else { return }
        sessions[id].held = []
        turn.perform(.hold, on: connection)
    }

    /// True if the session of a connection is held, and what came on it waits now. Its stream reads no more than was read already.
    mutating func waits(_ event: ClientStreamEvent, on connection: ConnectionID) -> Bool {
        guard case .bound(let id) = connections[connection], sessions[id].held != nil else { return false }
        sessions[id].held?.append(event)
        return true
    }

    private mutating func goOn(_ id: SessionID, _ turn: Turn) {
        guard sessions.contains(id), var held = sessions[id].held, let connection = sessions[id].connection else { return }
        sessions[id].held = nil
        turn.perform(.goOn, on: connection)
        while let event = held.popFirst() {
            received(event, on: connection, turn)
            // It may be at work again, or gone.
            guard isBound(id, on: connection) else { return }
            if sessions[id].held != nil {
                sessions[id].held?.append(contentsOf: held)
                return
            }
        }
    }

    /// The connection of a session that is held is gone. What a session that can be resumed has said and was not counted, it says again;
    /// of the others it is done now.
    mutating func releaseHeld(on connection: ConnectionID, _ turn: Turn) {
        guard case .bound(let id) = connections[connection], let held = sessions[id].held else { return }
        sessions[id].held = nil
        guard !sessions[id].isResumable else { return }
        sessions[id].isLeaving = true
        for event in held {
            guard isBound(id, on: connection) else { return }
            received(event, on: connection, turn)
        }
    }

    private func isBound(_ id: SessionID, on connection: ConnectionID) -> Bool {
        if case .bound(let other) = connections[connection] { other == id } else { false }
    }
}
