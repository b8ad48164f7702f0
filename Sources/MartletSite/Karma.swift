import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStreams

/// What everybody has caused: one bucket of work for each party (thesis: karma). Whoever is in debt is read more slowly; nobody is
/// closed for it.
///
/// The site owns one. It charges each event, timer and slice to the party for whom it was done, by what it has cost: no part of the site
/// does sums. Who causes nothing is forgotten; dictionaries for look-up only.
struct Karma {
    /// One party.
    private struct Place {
        var party: Party
        /// The number of an account; 0, which no account has, for everybody else.
        var account: UInt64
        var standing: Standing
        var bucket = WorkBucket()
        /// What it has caused since its bucket was full last.
        var work: Int64 = 0
        var count = WorkCount()
        var since: Instant
        /// When the operator was told last.
        var notedAt: Instant?
    }

    /// How a class was held back.
    private struct Held {
        var rests = 0
        var milliseconds: Int64 = 0
    }

    /// Parties that are remembered at most: those of the largest office and its peers several times over, in two megabytes.
    private let limit: Int
    private var places: [Place] = []
    /// Look-up only.
    private var index: [Party: Int] = [:]
    /// Where an account was found last, by the lowest digits of its number: most events are those of people, and cost no hashing.
    private var recent = [Int32](repeating: -1, count: Karma.recentCount)
    private static let recentCount = 1024
    /// Where somebody is looked for who can be forgotten.
    private var hand = 0
    private var held = [Held](repeating: Held(), count: Standing.allCases.count)
    private var heldAtLogin = Held()

    /// Shorter rests are not worth a timer.
    private static let shortest: Int64 = 5
    /// How often the operator hears of one party, milliseconds.
    private static let noteInterval: Int64 = 60_000
    /// Places that are looked at for one to forget.
    private static let candidates = 8

    init(limit: Int = 8192) { self.limit = limit }

    /// Charges a party that is known. Returns how long it is until it is out of debt, milliseconds, 0 where it is in none worth a rest;
    /// nil where it is not known: then ``add(_:_:at:)`` comes first.
    mutating func charge(
        _ party: Party, _ work: Int64, _ count: WorkCount, _ policy: KarmaPolicy, at now: Instant
    ) -> Int64? {
        guard let place = place(of: party) else { return nil }
        if places[place].bucket.isFull(at: now) {
            (places[place].work, places[place].count, places[place].since) = (0, WorkCount(), now)
        }
        places[place].work += work
        places[place].count += count
        let rest = places[place].bucket.charge(work, to: policy.budget(of: places[place].standing), at: now)
        return rest >= Self.shortest ? rest : 0
    }

    /// A party that is in debt is told to rest, unless it has become another than was known, such as a stranger that was reached
    /// meanwhile: then its debt is reckoned anew with what it causes next.
    mutating func rests(_ party: Party, milliseconds: Int64, as standing: Standing) -> Bool {
        guard let place = index[party] else { return false }
        guard places[place].standing == standing else {
            places[place].standing = standing
            return false
        }
        held[Int(standing.rawValue)].rests += 1
        held[Int(standing.rawValue)].milliseconds += milliseconds
        return true
    }

    /// A connection whose owner has not logged in was told to rest by its event loop.
    mutating func restedAtLogin(milliseconds: Int64) {
        heldAtLogin.rests += 1
        heldAtLogin.milliseconds += milliseconds
    }

    private mutating func place(of party: Party) -> Int? {
        guard case .account(let number) = party else { return index[party] }
        let digits = Int(truncatingIfNeeded: number.value & UInt64(Self.recentCount - 1))
        let guess = Int(recent[digits])
        if guess >= 0, guess < places.count, places[guess].account == number.value { return guess }
        guard let place = index[party] else { return nil }
        recent[digits] = Int32(place)
        return place
    }

    /// Whether a party is remembered.
    func knows(_ party: Party) -> Bool { index[party] != nil }

    /// Whether the operator is to be told of a party now; then it is taken for granted.
    mutating func isToBeNoted(_ party: Party, at now: Instant) -> Bool {
        guard let place = index[party] else { return false }
        if let last = places[place].notedAt, now - last < Self.noteInterval { return false }
        places[place].notedAt = now
        return true
    }

    /// Remembers a party from now on.
    mutating func add(_ party: Party, _ standing: Standing, at now: Instant) {
        var account: UInt64 = 0
        if case .account(let number) = party { account = number.value }
        let new = Place(party: party, account: account, standing: standing, since: now)
        if places.count < limit {
            index[party] = places.count
            return places.append(new)
        }
        // The first whose bucket is full, or who has caused least of a few: nothing walks over all of them.
        var chosen = hand
        for step in 0..<min(Self.candidates, places.count) {
            let candidate = (hand + step) % places.count
            if places[candidate].bucket.isFull(at: now) {
                chosen = candidate
                break
            }
            if places[candidate].work < places[chosen].work { chosen = candidate }
        }
        hand = (chosen + 1) % places.count
        index[places[chosen].party] = nil
        places[chosen] = new
        index[party] = chosen
    }

    // MARK: for the operator

    /// How much each class was held back.
    func classes(_ policy: KarmaPolicy, at now: Instant) -> [KarmaClassRow] {
        var rows = Standing.allCases.map { standing in
            var row = KarmaClassRow(name: standing.name)
            let held = held[Int(standing.rawValue)]
            (row.rests, row.rested) = (held.rests, held.milliseconds)
            return row
        }
        for place in places where !place.bucket.isFull(at: now) {
            rows[Int(place.standing.rawValue)].parties += 1
            if place.bucket.rest(policy.budget(of: place.standing), at: now) > 0 {
                rows[Int(place.standing.rawValue)].resting += 1
            }
        }
        var login = KarmaClassRow(name: "login")
        (login.rests, login.rested) = (heldAtLogin.rests, heldAtLogin.milliseconds)
        return rows + [login]
    }

    /// The parties with most work since their buckets were full, most first.
    func worst(_ count: Int, _ policy: KarmaPolicy, at now: Instant, name: (Party) -> String) -> [KarmaPartyRow] {
        let busy = places.filter { !$0.bucket.isFull(at: now) }.sorted { ($0.work, $1.since) > ($1.work, $0.since) }
        return busy.prefix(count).map { row($0, policy, now, name) }
    }

    /// What one party has caused.
    func row(_ party: Party, _ policy: KarmaPolicy, at now: Instant, name: (Party) -> String) -> KarmaPartyRow? {
        index[party].map { row(places[$0], policy, now, name) }
    }

    private func row(_ place: Place, _ policy: KarmaPolicy, _ now: Instant, _ name: (Party) -> String) -> KarmaPartyRow {
        KarmaPartyRow(
            name: name(place.party), standing: place.standing.name, work: place.work / 1000, count: place.count,
            time: now - place.since, rest: place.bucket.rest(policy.budget(of: place.standing), at: now))
    }

    /// How many parties are remembered.
    var count: Int { index.count }
}

extension Standing {
    /// As in the configuration and in what operators see.
    var name: String {
        switch self {
        case .office: "office"
        case .person: "person"
        case .knownPeer: "known_server"
        case .stranger: "stranger"
        }
    }
}
