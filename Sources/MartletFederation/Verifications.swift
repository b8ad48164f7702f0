import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// A dialback key that is being verified, or waits for it.
struct Verification: Sendable {
    /// The stream on which it came.
    let connection: ConnectionID
    /// The domains that it is to join.
    let pair: DomainPair
    /// The key, and the stream that it was made for.
    let key: String
    let streamID: String
    /// From where it came.
    let address: RemoteAddress
    /// What that address is to us.
    let standing: Standing
    /// The authoritative server is being asked.
    var isBegun = false
}

/// Whose turn it is among the dialback keys that others gave us to verify.
///
/// Anybody may send us a key, and each makes us look for a domain of his choosing and connect to where its owner says: without bounds we would
/// be what he attacks others with. So keys are verified in turn of the addresses that they come from, not faster than a few in a
/// second for one address and for one domain, and one at a time for a domain. What was found out about a domain that does not
/// answer holds for a few seconds.
///
/// Part of ``Federation``; a core.
struct Verifications {
    /// Verifications under way at a time, over all: each is a connection, and the dialer has a part for as many.
    private static let shares = Shares<Standing, RemoteAddress>(total: 64) { standing in
        switch standing {
        case .office: .init(reserved: 16, most: 64)
        case .person: .init(reserved: 0, most: 0)
        case .knownPeer: .init(reserved: 16, most: 40)
        case .stranger: .init(reserved: 8, most: 32)
        }
    }
    /// Keys that wait, of one class. A server with a hundred domains that comes back brings a hundred.
    private static let waitingPerClass = 1024
    /// Addresses that are remembered of an office.
    private static let addressesPerOffice = 8

    private var line = FairLine<Standing, RemoteAddress, DialID>(
        shares, waitingPerOwner: waitingPerClass, waitingPerGroup: waitingPerClass)
    private var gate = Gate()
    /// From where domains were proven lately.
    private var familiar = RecentTable<RemoteAddress, Bool>(bound: Gate.remembered)
    /// From where each of our offices was. Nobody else has a place in it.
    private var offices = RecentTable<JID, [RemoteAddress]>(bound: Gate.remembered)
    /// Keys under way and waiting, per address. Look-up only.
    private var pending: [RemoteAddress: Int] = [:]
    /// Something may be begun: to be looked at when the batch ends.
    private(set) var isDue = false
    private var isTimerSet = false

    /// What an address is to us that speaks for `peer`. It proves nothing, but who has proven an office from there, or is where we
    /// `found` it ourselves, comes before those of whom nothing is known.
    func standing(
        of address: RemoteAddress, for peer: JID, found: [PeerRow.Endpoint], _ policy: SitePolicy
    ) -> Standing {
        if policy.federation.knownPeers.contains(peer) {
            if offices[peer]?.contains(address) == true { return .office }
            if found.contains(where: { IPAddress($0.address)?.remote == address }) { return .office }
        }
        return familiar[address] == nil ? .stranger : .knownPeer
    }

    /// Keys of an address that are under way or wait.
    func pending(of address: RemoteAddress) -> Int { pending[address] ?? 0 }

    /// A key came. False where too many wait.
    mutating func asked(_ id: DialID, _ verification: Verification) -> Bool {
        guard line.add(id, verification.address, of: verification.standing) else { return false }
        pending[verification.address, default: 0] += 1
        isDue = true
        return true
    }

    /// The next whose turn it is, with what is known of its domain already. `dials` tells which are still wanted.
    mutating func next(
        _ dials: [DialID: Federation.Dial], at now: Instant
    ) -> (id: DialID, verification: Verification, known: DialbackVerdict?)? {
        while let turn = pop(dials, at: now) {
            guard case .verify(let verification) = dials[turn.item] else {
                line.ended(turn.owner, of: turn.group)
                continue
            }
            if let known = gate.verdict(about: Target(verification), at: now) {
                line.ended(turn.owner, of: turn.group)
                return (turn.item, verification, known)
            }
            gate.passed(turn.owner, Target(verification), at: now)
            return (turn.item, verification, nil)
        }
        isDue = false
        return nil
    }

    /// The next whose turn it is, whether it is still wanted or not.
    private mutating func pop(_ dials: [DialID: Federation.Dial], at now: Instant) -> FairLine<Standing, RemoteAddress, DialID>
        .Turn?
    {
        // Its own, so that it is nobody else's any more when it changes.
        let gate = gate
        return line.next { address, id in
            guard case .verify(let verification) = dials[id] else { return true }
            return gate.isOpen(address, Target(verification), at: now)
        }
    }

    /// One is over: answered, or given up. `verdict` is what the authoritative server said; nil where it was not asked to the end.
    mutating func ended(
        _ verification: Verification, _ verdict: DialbackVerdict?, at now: Instant, _ policy: SitePolicy
    ) {
        let address = verification.address
        if let count = pending[address] { pending[address] = count > 1 ? count - 1 : nil }
        if verdict == .valid {
            familiar.put(address, true)
            let peer = verification.pair.peer
            if policy.federation.knownPeers.contains(peer), offices[peer]?.contains(address) != true {
                offices.put(peer, ((offices[peer] ?? []) + [address]).suffix(Self.addressesPerOffice))
            }
        }
        guard verification.isBegun else { return }
        line.ended(address, of: verification.standing)
        gate.ended(Target(verification), verdict, at: now)
        isDue = true
    }

    /// How many are under way, and wait.
    var underWay: Int { line.shares.taken }
    var waiting: Int { line.count }

    /// When to look again although nothing has happened; nil where nothing waits, or that is seen to.
    mutating func wakeUp() -> Int64? {
        guard line.count > 0, !isTimerSet else { return nil }
        isTimerSet = true
        return Gate.interval
    }

    /// It is time to look again.
    mutating func timerFired() {
        isTimerSet = false
        isDue = true
    }
}

/// A domain as those of one class ask about it: what strangers do with an office's name is not in the way of the office.
private struct Target: Hashable, Sendable {
    var domain: JID
    var standing: Standing

    init(_ verification: Verification) {
        domain = verification.pair.peer
        standing = verification.standing
    }
}

/// How often an address may have us ask, and how often a domain may be asked.
private struct Gate: Sendable {
    /// A domain whose server could not be asked.
    private struct Absence: Sendable {
        var verdict: DialbackVerdict
        var until: Instant
    }

    /// Keys at once, and then the time between two, milliseconds, of one address and for one domain: a hundred domains of one server
    /// are through in 21 seconds, before anybody's patience ends.
    static let burst = 16
    static let interval: Int64 = 250
    /// The same for all strangers together, however many addresses they have: 40 in a second.
    static let strangersBurst = 64
    static let strangersInterval: Int64 = 25
    /// Addresses and domains that are remembered, 100 bytes each.
    static let remembered = 4096
    /// How long a domain that could not be asked is not asked again, milliseconds: shorter than anybody's pause before another attempt.
    private static let absenceTime: Int64 = 5000

    private var sources = TokenBuckets<RemoteAddress>(burst: burst, interval: interval, bound: remembered)
    private var targets = TokenBuckets<Target>(burst: burst, interval: interval, bound: remembered)
    /// How often strangers may have us ask, all of them together.
    private var strangers = TokenBuckets<Standing>(burst: strangersBurst, interval: strangersInterval, bound: 1)
    /// Domains that are being asked about. Look-up only.
    private var underWay: Set<Target> = []
    private var absences = RecentTable<Target, Absence>(bound: remembered)

    /// What is known of a domain without asking; nil where it has to be asked.
    func verdict(about target: Target, at now: Instant) -> DialbackVerdict? {
        guard let absence = absences[target], absence.until > now else { return nil }
        return absence.verdict
    }

    /// Whether somebody at `address` can be answered now, or have us ask.
    func isOpen(_ address: RemoteAddress, _ target: Target, at now: Instant) -> Bool {
        if verdict(about: target, at: now) != nil { return true }
        if target.standing == .stranger, strangers.wait(.stranger, at: now) > 0 { return false }
        return !underWay.contains(target) && sources.wait(address, at: now) == 0 && targets.wait(target, at: now) == 0
    }

    /// The domain is being asked about.
    mutating func passed(_ address: RemoteAddress, _ target: Target, at now: Instant) {
        _ = sources.take(address, at: now)
        _ = targets.take(target, at: now)
        if target.standing == .stranger { _ = strangers.take(.stranger, at: now) }
        underWay.insert(target)
    }

    /// It was, or is not any more.
    mutating func ended(_ target: Target, _ verdict: DialbackVerdict?, at now: Instant) {
        underWay.remove(target)
        guard let verdict, case .error = verdict else { return }
        absences.put(target, Absence(verdict: verdict, until: now + Self.absenceTime))
    }
}
