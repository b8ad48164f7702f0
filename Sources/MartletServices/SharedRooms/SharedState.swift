/// What a shared room is: who may what, subject, configuration, offices. It is computed from the founding by applying the changes in
/// their order, and from nothing else, so that equal changes make equal rooms in whatever order they came (`Docs/shared-rooms.md` §6).
public struct SharedState: Sendable, Equatable {
    /// A value, and who wrote it.
    struct Row<Value: Equatable & Sendable>: Sendable, Equatable {
        var value: Value
        /// The changes that say so and that nobody has replaced who knew them; none for what the founding says.
        var writers: [RecordID] = []
        /// The changes that took something away, as far as none of them knew another one: who did not know them cannot give it back.
        var takenAway: [RecordID] = []
    }

    private(set) var affiliationRows: [String: Row<SharedAffiliation>] = [:]
    private(set) var officeRows: [String: Row<SharedOffice?>] = [:]
    private(set) var settingRows: [String: Row<String?>] = [:]
    private(set) var subjectRow = Row(value: "")
    /// The owners, in the order in which they became it.
    public private(set) var owners: [String] = []
    /// The offices that are of the room, in the order in which they became it; those of the founding by name.
    public private(set) var offices: [String] = []
    /// The change that ended the room.
    public private(set) var destroyedBy: RecordID?
    private(set) var retractions: Set<Retraction> = []
    private(set) var retimings: [Retiming: Int64] = [:]

    /// A message, and the office that is said to have written it: a right may depend on that, so what is said must be true to count.
    struct Retraction: Hashable, Sendable {
        var message: RecordID
        var office: String
    }

    /// A run, and the office that says that it is its own.
    struct Retiming: Hashable, Sendable {
        var run: UInt64
        var office: String
    }

    /// The room as it was founded.
    public init(_ founding: SharedFounding) {
        for owner in founding.owners {
            affiliationRows[owner] = Row(value: .owner)
            owners.append(owner)
        }
        for (domain, office) in founding.offices.sorted(by: { $0.key < $1.key }) {
            officeRows[domain] = Row(value: office)
            offices.append(domain)
        }
        for (name, value) in founding.settings.sorted(by: { $0.key < $1.key }) { settingRows[name] = Row(value: value) }
    }

    /// What a bare JID is to the room.
    public func affiliation(of jid: String) -> SharedAffiliation { affiliationRows[jid]?.value ?? .none }

    /// An office of the room; nil where that domain is none, or none any more.
    public func office(_ domain: String) -> SharedOffice? { officeRows[domain]?.value ?? nil }

    /// A field of the configuration; nil for its default.
    public func setting(_ name: String) -> String? { settingRows[name]?.value ?? nil }

    /// The subject.
    public var subject: String { subjectRow.value }

    /// Whether that person is one of the office's: only then it may speak for him where rights are needed.
    public func speaks(_ office: String, for jid: String) -> Bool {
        guard let people = self.office(office)?.people else { return false }
        return people.contains(Self.domain(of: jid))
    }

    /// Whether a message is not to be read any more; the office is the one that wrote it.
    public func isRetracted(_ message: RecordID, of office: String) -> Bool {
        retractions.contains(Retraction(message: message, office: office))
    }

    /// By how many milliseconds the stamps of a run are too late; the office is the one whose run it is.
    public func retiming(of run: UInt64, of office: String) -> Int64 { retimings[Retiming(run: run, office: office)] ?? 0 }

    /// The owners for whom an office of the room speaks, as it would be with other offices.
    private func effectiveOwners(with other: (domain: String, office: SharedOffice?)? = nil, without owner: String? = nil)
        -> Int
    {
        owners.count { jid in
            guard jid != owner else { return false }
            let domain = Self.domain(of: jid)
            return offices.contains { $0 != other?.domain && self.office($0)?.people.contains(domain) == true }
                || other?.office?.people.contains(domain) == true
        }
    }

    static func domain(of jid: String) -> String {
        guard let at = jid.firstIndex(of: "@") else { return jid }
        return String(jid[jid.index(after: at)...])
    }

    // MARK: applying

    /// What a change did: what became of it, and which earlier ones it undid without having known them.
    struct Effect: Equatable {
        var outcome: ChangeOutcome
        var overridden: [RecordID] = []

        static func lost(_ loss: ChangeOutcome.Loss) -> Effect { Effect(outcome: .lost(loss)) }
        static let stands = Effect(outcome: .stands)
    }

    /// Applies the next change in the order.
    mutating func apply(_ record: SharedRecord) -> Effect {
        guard case .change(let change, _) = record.content else { return .lost(.notAllowed) }
        // A wrong clock is no matter of rights, and is put right even if its office is no more.
        if case .retiming(let run, let milliseconds) = change {
            let key = Retiming(run: run, office: record.office)
            retimings[key] = max(retimings[key] ?? 0, milliseconds)
            return .stands
        }
        if let destroyedBy { return .lost(.destroyed(by: destroyedBy)) }
        guard let row = officeRows[record.office], row.value != nil, row.takenAway.allSatisfy(record.saw) else {
            return .lost(.officeRemoved)
        }
        guard speaks(record.office, for: record.author) else { return .lost(.notAllowed) }
        let rank = affiliation(of: record.author)
        switch change {
        case .affiliation(let jid, let affiliation): return give(affiliation, to: jid, record, rank)
        case .subject(let text):
            guard rank > .outcast else { return .lost(.notAllowed) }
            return Self.write(text, to: &subjectRow, record)
        case .setting(let name, let value):
            guard rank == .owner else { return .lost(.notAllowed) }
            return Self.write(value, to: &settingRows[name, default: Row(value: nil)], record)
        case .office(let domain, let office):
            guard rank == .owner else { return .lost(.notAllowed) }
            return set(office, at: domain, record)
        case .retraction(let message, let office):
            guard rank >= .admin || office == record.office else { return .lost(.notAllowed) }
            retractions.insert(Retraction(message: message, office: office))
            return .stands
        case .destruction:
            guard rank == .owner else { return .lost(.notAllowed) }
            destroyedBy = record.id
            return .stands
        case .retiming: return .stands
        }
    }

    /// The last one in the order is right; who was right before and is not known to him has lost.
    private static func write<Value>(_ value: Value, to row: inout Row<Value>, _ record: SharedRecord) -> Effect {
        let unknown = row.writers.filter { !record.saw($0) }
        if row.value == value {
            row.writers = unknown + [record.id]
            return .stands
        }
        row.value = value
        row.writers = [record.id]
        return Effect(outcome: .stands, overridden: unknown)
    }

    private mutating func give(
        _ affiliation: SharedAffiliation, to jid: String, _ record: SharedRecord, _ rank: SharedAffiliation
    ) -> Effect {
        let present = self.affiliation(of: jid)
        guard Self.may(record.author, rank, give: affiliation, to: jid, who: present) else { return .lost(.notAllowed) }
        if affiliation >= .admin, !offices.contains(where: { speaks($0, for: jid) }) { return .lost(.notAllowed) }
        var row = affiliationRows[jid] ?? Row(value: .none)
        if affiliation > present, let taken = row.takenAway.first(where: { !record.saw($0) }) {
            return .lost(.takenAway(by: taken))
        }
        if present == .owner, affiliation < .owner, effectiveOwners(without: jid) == 0 { return .lost(.noOwner) }
        let effect = Self.write(affiliation, to: &row, record)
        if affiliation < present { row.takenAway = row.takenAway.filter { !record.saw($0) } + [record.id] }
        affiliationRows[jid] = row
        if affiliation == .owner, present != .owner { owners.append(jid) }
        if affiliation != .owner, present == .owner { owners.removeAll { $0 == jid } }
        return effect
    }

    /// XEP-0045 §5.2.1: owners may everything, admins what concerns members and those below, everybody may go.
    private static func may(
        _ author: String, _ rank: SharedAffiliation, give affiliation: SharedAffiliation, to jid: String,
        who present: SharedAffiliation
    ) -> Bool {
        switch rank {
        case .owner: true
        case .admin where max(affiliation, present) < .admin: true
        default: author == jid && present > affiliation && affiliation != .outcast && present > .none
        }
    }

    private mutating func set(_ office: SharedOffice?, at domain: String, _ record: SharedRecord) -> Effect {
        var row = officeRows[domain] ?? Row(value: nil)
        if office != nil, let taken = row.takenAway.first(where: { !record.saw($0) }) { return .lost(.takenAway(by: taken)) }
        let isClaimed = offices.contains { other in
            other != domain && self.office(other)?.people.contains { office?.people.contains($0) == true } == true
        }
        guard !isClaimed else { return .lost(.notAllowed) }
        guard effectiveOwners(with: (domain, office)) > 0 else { return .lost(.noOwner) }
        let had = row.value
        let effect = Self.write(office, to: &row, record)
        if office == nil, had != nil { row.takenAway = row.takenAway.filter { !record.saw($0) } + [record.id] }
        officeRows[domain] = row
        if had == nil, office != nil { offices.append(domain) }
        if had != nil, office == nil { offices.removeAll { $0 == domain } }
        return effect
    }
}
