import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// Something that a session is shown contact by contact, from behind one of them on.
enum Showing {
    /// Every contact of its roster, as a push: what changed is not known any more.
    case items(after: AddressNumber)
    /// How things are with the contacts of this site; with `asksOthers` those of other domains are asked.
    case availability(after: AddressNumber, asksOthers: Bool)
    /// Subscription requests that the account has not answered (RFC 6121 §3.1.3).
    case requests(after: AddressNumber)
}

/// What a resource is shown that has just become available, or has been resumed after a restart. Others decide how much that is: it is
/// sent like a mailbox, the next when this was read.
extension Sessions {
    /// What one turn may still show.
    private struct Window {
        var stanzas: Int
        var bytes = SessionLimits.catchUpBytes
        var visits = SessionLimits.presenceVisits

        var isOpen: Bool { stanzas > 0 && bytes > 0 && visits > 0 }
    }

    /// Begins to show a session something, behind what it is being shown.
    mutating func show(_ showing: Showing, to id: SessionID, _ turn: Turn) {
        sessions[id].showing.append(showing)
        if sessions[id].showing.count == 1 { continueShowing(id, turn) }
    }

    /// Shows the next of it.
    mutating func continueShowing(_ id: SessionID, _ turn: Turn) {
        guard !sessions[id].showing.isEmpty, sessions[id].connection != nil, sessions[id].farewell == .none else { return }
        sendHeld(id, turn)
        var window = Window(stanzas: SessionLimits.catchUpMessages - sessions[id].outbox.sent.count)
        while window.isOpen, let showing = sessions[id].showing.first {
            let rest =
                switch showing {
                case .items(let last): showItems(behind: last, to: id, &window, turn)
                case .availability(let last, let asksOthers):
                    showAvailability(behind: last, asksOthers, to: id, &window, turn)
                case .requests(let last): showRequests(behind: last, to: id, &window, turn)
                }
            if let rest { sessions[id].showing[0] = rest } else { sessions[id].showing.removeFirst() }
        }
        requestAcknowledgement(id, turn)
        // Much was looked at, and nothing sent that would be acknowledged.
        if !sessions[id].showing.isEmpty, sessions[id].outbox.sent.isEmpty {
            add(.showing(id), of: sessions[id].accountNumber, turn)
        }
    }

    /// Numbered and asked for also without stream management: a client that does not read is not sent more.
    private mutating func showRequests(
        behind last: AddressNumber, to id: SessionID, _ window: inout Window, _ turn: Turn
    ) -> Showing? {
        var last = last
        let account = sessions[id].accountNumber
        while window.isOpen, let connection = sessions[id].connection {
            guard let (contact, waiting) = PendingSubscriptionTable.first(to: account, after: last, in: turn.store) else {
                return nil
            }
            // Rows of earlier versions have whatever came.
            var request = waiting
            request.shortenRequest()
            let bytes = request.serialized()
            write(.volatile(bytes), bytes, to: id, on: connection, turn)
            last = contact
            window.stanzas -= 1
            window.bytes -= bytes.count
        }
        return .requests(after: last)
    }

    private mutating func showItems(
        behind last: AddressNumber, to id: SessionID, _ window: inout Window, _ turn: Turn
    ) -> Showing? {
        let account = sessions[id].accountNumber
        let rows = RosterTable.rows(of: account, after: last, limit: window.stanzas, in: turn.store)
        let limit = window.stanzas
        pushItems(of: rows.map(\.contact), to: id, turn)
        window.stanzas -= rows.count
        window.bytes -= rows.reduce(0) { $0 + $1.row.size }
        guard rows.count == limit, let end = rows.last?.contact else { return nil }
        return .items(after: end)
    }

    private mutating func showAvailability(
        behind last: AddressNumber, _ asksOthers: Bool, to id: SessionID, _ window: inout Window, _ turn: Turn
    ) -> Showing? {
        let account = sessions[id].accountNumber
        let limit = window.visits
        let contacts = RosterTable.flags(of: account, after: last, limit: limit, in: turn.store)
        var last = last
        for (contact, flags) in contacts {
            guard window.isOpen else { return .availability(after: last, asksOthers: asksOthers) }
            last = contact
            window.visits -= 1
            guard flags.contains(.to) else { continue }
            let jid = AddressTable.address(contact, in: turn.store)
            guard turn.policy.houses(jid.domainpart) else {
                if asksOthers {
                    turn.route(Stanza(.presence, from: sessions[id].jid, to: jid, type: "probe"), from: origin(of: id))
                    window.stanzas -= 1
                }
                continue
            }
            tellAvailability(of: jid, to: id, turn)
            window.stanzas -= max(1, online.place(of: contact).map { online[$0].sessions.count } ?? 1)
        }
        return contacts.count == limit ? .availability(after: last, asksOthers: asksOthers) : nil
    }

    /// Pushes how things are with contacts.
    mutating func pushItems(of contacts: [AddressNumber], to id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        for contact in contacts {
            let jid = AddressTable.address(contact, in: turn.store)
            let item = RosterTable.row(account, contact, in: turn.store).map { RosterItem.element(jid, $0) }
            // What went may be an item of everybody's now, of which sessions are told apart.
            if item == nil, shared.item(jid, for: account, in: turn.store) != nil { continue }
            push(item ?? RosterItem.removal(jid), to: id, turn)
        }
    }

    /// Whether a session will be shown the contact's request with those that wait.
    func willBeShown(requestOf contact: AddressNumber, _ id: SessionID) -> Bool {
        sessions[id].showing.contains { if case .requests(let last) = $0 { last < contact } else { false } }
    }

    private mutating func tellAvailability(of contact: JID, to id: SessionID, _ turn: Turn) {
        let present = online.place(of: contact).map { place in
            online[place].sessions.compactMap { sessions[$0].presence }
        }
        for presence in present ?? [] {
            var copy = presence
            copy.to = sessions[id].jid
            send(copy, to: id, turn)
        }
        if present?.isEmpty ?? true {
            send(Stanza(.presence, from: contact, to: sessions[id].jid, type: "unavailable"), to: id, turn)
        }
    }
}
