import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Subscription requests that an account has not answered (RFC 6121 §3.1.3), shown to a resource that has become available. Strangers
/// decide how many there are: they are sent like a mailbox, the next ones when these were read.
extension Sessions {
    /// Begins to show a session all requests that wait.
    mutating func showRequests(_ id: SessionID, _ turn: Turn) {
        sessions[id].requestsAfter = AddressNumber(0)
        continueRequests(id, turn)
    }

    /// Shows the next ones. They are numbered and asked for also without stream management: a client that does not read is not sent
    /// more of them.
    mutating func continueRequests(_ id: SessionID, _ turn: Turn) {
        guard var last = sessions[id].requestsAfter, let connection = sessions[id].connection, sessions[id].farewell == .none
        else { return }
        let account = sessions[id].accountNumber
        var room = SessionLimits.catchUpMessages - sessions[id].outbox.sent.count
        var bytesSent = 0
        while room > 0, bytesSent < SessionLimits.catchUpBytes {
            guard let (contact, request) = PendingSubscriptionTable.first(to: account, after: last, in: turn.store) else {
                sessions[id].requestsAfter = nil
                break
            }
            let bytes = request.serialized()
            write(.volatile(bytes), bytes, to: id, on: connection, turn)
            last = contact
            bytesSent += bytes.count
            room -= 1
        }
        if sessions[id].requestsAfter != nil { sessions[id].requestsAfter = last }
        requestAcknowledgement(id, turn)
    }

    /// Whether a session will be shown the contact's request with those that wait.
    func awaitsRequest(of contact: AddressNumber, _ id: SessionID) -> Bool {
        sessions[id].requestsAfter.map { $0 < contact } ?? false
    }
}
