import MartletBus
import MartletStore
import XMPPStanzas
import XMPPStreams

/// Clients that are told to go: because the server stops, or because another one is to serve them.
///
/// Nobody is to get again at the next login what was read before. So everybody is asked first for what is not proven yet, gets
/// nothing more meanwhile (it waits as if the session were detached), and is sent away with the answer, at the latest when
/// ``SessionLimits/farewellTime`` is over.
struct Farewell {
    /// What clients are told.
    let error: StreamError
    /// The server stops when they are gone: whoever has come meanwhile goes too.
    let isShutdown: Bool
    /// How many sessions have not answered yet.
    var open = 0
    /// Tells its timer from that of an earlier one.
    let generation: UInt64
}

extension Sessions {
    /// The server stops. Sessions that can be resumed stay, the others end, so that contacts hear of it. ``Notice/sessionsDismissed``
    /// says when that is done.
    public mutating func shutdown(_ turn: Turn) {
        dismiss(StreamError(.systemShutdown), isShutdown: true, turn)
    }

    /// Every client is to go elsewhere (RFC 6120 §4.9.3.19).
    public mutating func drain(to otherHost: String, _ turn: Turn) {
        dismiss(StreamError(.seeOtherHost, otherHost: otherHost), isShutdown: false, turn)
    }

    private mutating func dismiss(_ error: StreamError, isShutdown: Bool, _ turn: Turn) {
        farewellsBegun += 1
        let asked = sessions.ids.filter { sessions[$0].connection != nil && sessions[$0].farewell != .said }
        // A server that stops goes on to stop, whatever it is told meanwhile.
        farewell = Farewell(
            error: error, isShutdown: isShutdown || farewell?.isShutdown == true, open: asked.count, generation: farewellsBegun)
        for id in asked { sessions[id].farewell = .asked }
        for id in asked where sessions.contains(id) && sessions[id].farewell == .asked { continueFarewell(id, turn) }
        if farewell != nil {
            turn.schedule(.session(.farewell(generation: farewellsBegun)), after: SessionLimits.farewellTime)
            endFarewellIfAllAnswered(turn)
        }
        endDoomed(turn)
    }

    /// Sends a session away if everything that it got is proven; else asks for the proof.
    mutating func continueFarewell(_ id: SessionID, _ turn: Turn) {
        if sessions[id].outbox.sent.isEmpty, sessions[id].unmanaged.isEmpty {
            sendAway(id, turn)
        } else {
            requestAcknowledgement(id, turn)
        }
    }

    private mutating func sendAway(_ id: SessionID, _ turn: Turn) {
        guard let error = farewell?.error, let connection = sessions[id].connection else { return }
        guard sessions[id].isResumable, let number = sessions[id].number, let handled = sessions[id].management?.handled else {
            end(id, because: .streamError(error), turn)
            return
        }
        // The last word about the count: the client need not ask again what is known to be handled.
        ClientSessionTable.setHandled(sessions[id].accountNumber, number, handled, in: turn.store)
        sessions[id].management?.isCountStale = false
        turn.perform(.send(StreamManagement.acknowledgement(handled)), on: connection)
        turn.perform(.close(error), on: connection)
        farewellIsOver(id, turn)
        // The connection is kept in mind until it is closed: a late `<a/>` may still come.
    }

    /// A session that was asked is gone, or was sent away.
    mutating func farewellIsOver(_ id: SessionID, _ turn: Turn) {
        let wasAsked = sessions[id].farewell == .asked
        sessions[id].farewell = .said
        guard wasAsked else { return }
        farewell?.open -= 1
        endFarewellIfAllAnswered(turn)
    }

    private mutating func endFarewellIfAllAnswered(_ turn: Turn) {
        if farewell?.open == 0 { endFarewell(turn) }
    }

    /// Whoever has not answered by now will not.
    mutating func farewellTimeIsOver(_ generation: UInt64, _ turn: Turn) {
        if farewell?.generation == generation { endFarewell(turn) } else if dismissalAwaitsJobs { dismissed(turn) }
    }

    /// Whoever saw the clients was told that they are gone, or is told at the next start.
    private mutating func dismissed(_ turn: Turn) {
        dismissalAwaitsJobs = false
        turn.notify(.sessionsDismissed)
    }

    /// No job is under way any more.
    mutating func jobsEnded(_ turn: Turn) {
        if dismissalAwaitsJobs { dismissed(turn) }
    }

    private mutating func endFarewell(_ turn: Turn) {
        guard let ending = farewell, !isEndingFarewell else { return }
        isEndingFarewell = true
        for id in sessions.ids where sessions.contains(id) && sessions[id].connection != nil {
            let isMeant = sessions[id].farewell == .asked || (ending.isShutdown && sessions[id].farewell == .none)
            if isMeant { sendAway(id, turn) }
        }
        isEndingFarewell = false
        farewell = nil
        guard ending.isShutdown else { return }
        if jobs.isEmpty { return dismissed(turn) }
        dismissalAwaitsJobs = true
        turn.schedule(.session(.farewell(generation: farewellsBegun)), after: SessionLimits.farewellTime)
    }
}
