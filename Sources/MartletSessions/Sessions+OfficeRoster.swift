import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Roster pushes under way because the list of offices changed, session by session.
struct OfficePushes {
    /// The list that sessions may still have.
    var before: [Office]
    /// The slot of the next session.
    var nextSlot: UInt32 = 0
    /// Tells its timers from those of an earlier change.
    var generation: UInt64
}

/// Offices in rosters (RFC 6121 §2): items that no account owns, added to what each account has.
extension Sessions {
    /// The list of offices may have changed, by a start or by the configuration. It stands in the store so that clients that
    /// resume a session after a restart hear of a change too.
    mutating func updateOffices(_ turn: Turn) {
        let current = turn.policy.offices
        let stored = Self.decode(MetaTable.bytes(.offices, in: turn.store) ?? [])
        offices = current
        guard stored != current else { return }
        MetaTable.set(.offices, Self.encode(current), in: turn.store)
        let generation = (officePushes?.generation ?? 0) + 1
        officePushes = OfficePushes(before: officePushes?.before ?? stored, generation: generation)
        continueOfficePushes(generation, turn)
    }

    /// The policy was read anew.
    public mutating func policyChanged(_ turn: Turn) {
        updateOffices(turn)
        endDoomed(turn)
    }

    /// One slice of pushes: one item each (RFC 6121 §2.1.6). Only the last of a session carries the version, so that a client
    /// that is interrupted asks for everything at its next login.
    mutating func continueOfficePushes(_ generation: UInt64, _ turn: Turn) {
        guard var pushes = officePushes, pushes.generation == generation else { return }
        let gone = pushes.before.filter { old in !offices.contains { $0.jid == old.jid } }
        let items =
            gone.map { ($0.jid, RosterItem.removal($0.jid)) }
            + offices.filter { !pushes.before.contains($0) }.map { ($0.jid, RosterItem.element($0)) }
        var budget = SessionLimits.presenceSlice
        for id in sessions.ids where id.slot >= pushes.nextSlot {
            guard budget >= items.count || budget == SessionLimits.presenceSlice else { break }
            pushes.nextSlot = id.slot + 1
            guard sessions[id].isInterested else { continue }
            push(items, to: id, turn)
            budget -= items.count
            wantOffices(id, turn)
        }
        let isDone = sessions.ids.last.map { $0.slot < pushes.nextSlot } ?? true
        officePushes = isDone ? nil : pushes
        if !isDone { turn.schedule(.officePushes(generation: generation), after: SessionLimits.presencePause) }
    }

    private mutating func push(_ items: [(JID, Element)], to id: SessionID, _ turn: Turn) {
        let account = sessions[id].accountNumber
        let owned = items.filter { !hasContact($0.0, account, turn) }
        sessions[id].offices.removeAll { shown in !offices.contains { $0.jid == shown.jid } }
        for (index, (_, item)) in owned.enumerated() {
            pushOffice(item, to: id, isLast: index == owned.count - 1, turn)
        }
    }

    /// Pushes an office to one session.
    mutating func pushOffice(_ item: Element, to id: SessionID, isLast: Bool, _ turn: Turn) {
        var query = Element("query", Namespaces.roster, elements: [item])
        if isLast { query["ver"] = rosterVersion(of: sessions[id].accountNumber, turn) }
        let push = Stanza(.iq, to: sessions[id].jid, id: turn.random.identifier(), type: "set", payloads: [query])
        send(push, to: id, turn)
    }

    /// The version that clients see: the account's own, and that of the offices.
    func rosterVersion(of account: AddressNumber, _ turn: Turn) -> String {
        let own = RosterTable.version(of: account, in: turn.store)
        if offices.isEmpty { return own }
        return "\(own)+\(String(SeenPresence.digest(Self.encode(offices)), radix: 16))"
    }

    /// A client tries to change or remove an office. RFC 6121 leaves the condition open; `not-allowed` (RFC 6120 §8.3.3.10)
    /// because nobody may, and a push to that client alone, since some show their change without waiting for the answer.
    mutating func refuseChange(of office: JID, by id: SessionID, _ turn: Turn) -> StanzaError {
        if let office = offices.first(where: { $0.jid == office }), sessions[id].isInterested {
            pushOffice(RosterItem.element(office), to: id, isLast: true, turn)
        }
        return StanzaError(.notAllowed, text: "This contact is the same for everybody")
    }

    private static func encode(_ offices: [Office]) -> [UInt8] {
        var writer = ByteWriter(capacity: offices.count * 64)
        for office in offices {
            writer.put(office.jid.domainpart)
            writer.put(office.name)
            writer.put(office.group)
        }
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> [Office] {
        var offices: [Office] = []
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
            let jid = JID(preparedLocalpart: nil, preparedDomainpart: reader.takeString(), preparedResourcepart: nil)
            offices.append(Office(jid: jid, name: reader.takeString(), group: reader.takeString()))
        }
        return offices
    }
}
