import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// A mailbox on its way to a session: a place in it, and not a list, since others decide how much is there.
struct CatchUp {
    /// The first message that was not looked at.
    var next: UInt64
    /// The last message that was there in the beginning; what came later is routed to the session.
    var last: UInt64
    /// Only what was written to the resource with that mark (``MailboxRow/mark(ofResource:)``); nil for everything.
    var mark: UInt32?
    /// Also what only sessions without connection have in hand.
    var includesDetached: Bool
}

/// How a session gets what waits in its account's mailbox (`Docs/relay-protocol.md` §7.2).
extension Sessions {
    /// Begins to send what the mailbox has for a session that became able to take messages. `includesDetached` says
    /// whether it also gets what only sessions without connection have in hand.
    mutating func beginCatchUp(_ id: SessionID, includesDetached: Bool, _ turn: Turn) {
        sessions[id].hasOwnMessages = true
        begin(CatchUp(next: 0, last: 0, mark: nil, includesDetached: includesDetached), id, turn)
    }

    /// A message comes for the full JID of a session that takes none to the bare JID: it is not available, or not yet, or its priority
    /// is negative. What came for the same full JID while nobody had it goes first, as order is promised for a pair of addresses.
    /// Looked for once: from then on the session gets all of them. Only rows are read, whoever fills the mailbox.
    mutating func beginOwnCatchUp(_ id: SessionID, _ turn: Turn) {
        guard !sessions[id].hasOwnMessages, !sessions[id].takesMessages else { return }
        sessions[id].hasOwnMessages = true
        guard sessions[id].catchUp == nil, let resource = sessions[id].jid.resourcepart else { return }
        let mark = MailboxRow.mark(ofResource: resource)
        begin(CatchUp(next: 0, last: 0, mark: mark, includesDetached: false), id, turn)
    }

    private mutating func begin(_ catchUp: CatchUp, _ id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        guard !isMailboxEmpty(account, turn), let last = MailboxTable.last(of: account, in: turn.store) else { return }
        var catchUp = catchUp
        catchUp.last = last
        sessions[id].catchUp = catchUp
        continueCatchUp(id, turn)
    }

    /// Sends the next messages of the mailbox; the rest when these are acknowledged. What came since waits behind them:
    /// offline first, in order, then live.
    mutating func continueCatchUp(_ id: SessionID, _ turn: Turn) {
        guard var catchUp = sessions[id].catchUp, sessions[id].connection != nil, sessions[id].farewell == .none else { return }
        sendHeld(id, turn)
        var room = SessionLimits.catchUpMessages - sessions[id].outbox.sent.count
        var bytes = SessionLimits.catchUpBytes
        var visits = SessionLimits.presenceVisits
        let hidesSome = BlockTable.first(of: sessions[id].accountNumber, in: turn.store) != nil
        while room > 0, bytes > 0, visits > 0, hasWindow(id, turn), catchUp.next <= catchUp.last {
            let found = find(&catchUp, atMost: room, &visits, for: id, turn)
            for sequence in found {
                guard bytes > 0, hasWindow(id, turn) else {
                    catchUp.next = sequence
                    break
                }
                room -= 1
                if hidesSome {
                    // Looked at once more, with its sender.
                    visits -= Self.visitsOfSender
                    if isOfBlocked(sequence, sessions[id].accountNumber, turn) { continue }
                }
                bytes -= send(sequence, to: id, turn)
            }
        }
        let isDone = catchUp.next > catchUp.last
        sessions[id].catchUp = isDone ? nil : catchUp
        if isDone { sendWaiting(id, turn) }
        requestAcknowledgement(id, turn)
        // Much was looked at, and nothing sent that would be acknowledged.
        if !isDone, sessions[id].outbox.sent.isEmpty { add(.showing(id), of: sessions[id].accountNumber, turn) }
    }

    /// What it costs to look who has written a message, in rows.
    private static let visitsOfSender = 4

    /// The next messages that are for the session and that nobody has in hand; at most so many rows are looked at.
    private func find(
        _ catchUp: inout CatchUp, atMost limit: Int, _ visits: inout Int, for id: SessionID, _ turn: Turn
    ) -> [UInt64] {
        var found: [UInt64] = []
        let (mark, last, start) = (catchUp.mark, catchUp.last, visits)
        var (next, looked) = (last + 1, 0)
        MailboxTable.forEach(sessions[id].accountNumber, from: catchUp.next, in: turn.store) { sequence, row in
            guard sequence <= last else { return false }
            guard looked < start, found.count < limit else {
                next = sequence
                return false
            }
            looked += 1
            if row.isWaiting, mark == nil || row.resourceMark == mark { found.append(sequence) }
            return true
        }
        catchUp.next = next
        visits -= looked
        if found.isEmpty { return [] }
        let held = messagesInHand(of: id, includingDetached: !catchUp.includesDetached)
        found.removeAll { held.contains($0) }
        return found
    }

    /// Sends a message of the mailbox; returns its bytes, 0 if it is gone.
    private mutating func send(_ sequence: UInt64, to id: SessionID, _ turn: Turn) -> Int {
        let account = sessions[id].accountNumber
        guard var row = MailboxTable.row(account, sequence, in: turn.store), let bytes = lateMessage(sequence, for: id, turn)
        else { return 0 }
        if sessions[id].isResumable {
            row.holders += 1
            MailboxTable.put(account, sequence, row, in: turn.store)
        }
        sendNow(.message(sequence), bytes, to: id, turn)
        return bytes.count
    }

    /// Messages that need not be sent to a session from the mailbox: it has them itself, or another session has.
    private func messagesInHand(of id: SessionID, includingDetached: Bool) -> Set<UInt64> {
        var held: Set<UInt64> = []
        for other in online[sessions[id].account].sessions {
            guard other == id || includingDetached || sessions[other].connection != nil else { continue }
            // A copy stands for the message where its reader would get that.
            let counts = other == id || sessions[other].takesMessages
            func hold(_ entry: Outbox.Entry) {
                if let sequence = entry.content.logSequence, counts || entry.content.copy == nil { held.insert(sequence) }
            }
            for entry in sessions[other].outbox.sent { hold(entry) }
            for entry in sessions[other].outbox.waiting { hold(entry) }
            held.formUnion(sessions[other].unmanaged)
        }
        return held
    }

    /// Messages that an ended session had in hand and nobody acknowledged: other sessions that take messages get them
    /// now, like a mailbox; without any they are offline again.
    mutating func redeliver(_ leftovers: [UInt64], at place: OnlinePlace, _ turn: Turn) {
        guard let first = leftovers.first, let last = leftovers.last else { return }
        for id in recipients(place) {
            var catchUp = sessions[id].catchUp ?? CatchUp(next: first, last: last, mark: nil, includesDetached: false)
            catchUp.next = min(catchUp.next, first)
            catchUp.last = max(catchUp.last, last)
            sessions[id].catchUp = catchUp
            continueCatchUp(id, turn)
        }
    }
}
