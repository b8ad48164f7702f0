import MartletPrimitives
import XMPPAddress
import XMPPStreams

/// Who is connected, by what he is to us, and who may come in: the connections that others open, of which there are as many as
/// the process has descriptors for.
///
/// Whoever comes is a stranger until he has proven who he is: of the strangers of client listeners and those of server listeners each kind has
/// its part, and in it an address no more than is left for others (``Shares``). When a part is full, the one that has been there longest without
/// saying who it is gives way, of the address that has most. Who has proven himself moves to the part of his class, where the account or the
/// peer counts and no longer the address: a hundred people of an office behind one address are a hundred. From an address from which somebody
/// has proven himself lately (``Acquaintances``) a few come into his part at once, whatever strangers do to theirs.
///
/// A core: time comes in, who is to go comes out.
struct Berths {
    /// The parts.
    enum Group: UInt8, CaseIterable {
        case office
        case person
        case knownPeer
        case callingServer
        case callingClient
    }

    /// Who has a connection.
    enum Owner: Hashable {
        case address(RemoteAddress)
        case name(JID)
    }

    /// Names a connection; never used again.
    typealias Number = UInt64

    /// Why a connection may not stay.
    enum Refusal: Equatable, Sendable {
        /// There is no room for another one of this kind.
        case full
        /// The address has what it may have.
        case addressFull
        /// The address connects again and again.
        case tooOften

        /// For the log, naming what to change.
        var words: String {
            switch self {
            case .full: "the descriptor limit leaves no room"
            case .addressFull: "limits.connections_per_address, or all that is left for one address"
            case .tooOften: "it connects too often: limits.connections_per_address"
            }
        }
    }

    /// What becomes of a connection that comes.
    enum Entry: Equatable {
        /// It is in; `instead` of another one, which is to be closed.
        case admitted(Number, instead: Number?)
        case refused(Refusal)
    }

    private struct Berth {
        var owner: Owner
        var group: Group
        var address: RemoteAddress
        var since: Instant
    }

    /// Connections of one account, or one peer, beyond which those that come are nobody's: as many as an account has resources, and as many
    /// again that are being replaced.
    private static let perName = 64
    /// Connections that an address from which somebody came lately has out of his part before it has said who it is: who stands behind the
    /// same address may be anybody. Of servers two for each of a few pairs of domains, of people those who come in the same second.
    private static let perFamiliarAddress = (office: 8, person: 32)
    /// So long a connection may take before it can be asked to give way, milliseconds: a login takes less.
    private static let undisturbed: Int64 = 1000
    /// With more than so many an address is asked at once, by one that has none: else whoever closes his and opens them anew within
    /// that time would let nobody in.
    private static let few = 8
    /// So many of those who could give way are looked at, from the first to the last: what one more costs is bounded.
    private static let lookedAt = 64

    private var shares: Shares<Group, Owner>
    /// Connections of an address that have not said who they are.
    var perAddress: Int {
        didSet { if perAddress != oldValue { arrivals = Self.arrivals(perAddress) } }
    }
    /// How often they come.
    private var arrivals: TokenBuckets<RemoteAddress>
    /// Look-up only.
    private var berths: [Number: Berth] = [:]
    private var nextNumber: Number = 1
    /// Connections that have not said who they are, by group, the oldest first.
    private var callers = [[Number]](repeating: [], count: Group.allCases.count)
    /// From where our offices came, or where they are, and our people.
    private var offices = Acquaintances(bound: 256)
    private var people = Acquaintances(bound: 8192)

    /// Room for so many.
    init(total: Int, perAddress: Int) {
        self.perAddress = perAddress
        arrivals = Self.arrivals(perAddress)
        shares = Shares(total: total) { group in
            switch group {
            // Most of what there is for people, who are most of those who come.
            case .person: .init(reserved: total / 2, most: total * 7 / 8)
            case .office: .init(reserved: total / 8, most: total)
            case .knownPeer: .init(reserved: total / 16, most: total / 4)
            case .callingServer: .init(reserved: total / 16, most: max(1, total / 8))
            case .callingClient: .init(reserved: total / 8, most: max(1, total / 4))
            }
        }
    }

    /// Twice as many at once as an address may have, and half as many in a second: an office that comes back after an outage, twice.
    private static func arrivals(_ perAddress: Int) -> TokenBuckets<RemoteAddress> {
        TokenBuckets(burst: max(20, 2 * perAddress), interval: 2000 / Int64(perAddress), bound: 4096)
    }

    /// Somebody has connected to a listener for servers, or one for clients.
    mutating func entered(_ address: RemoteAddress, isServer: Bool, at now: Instant) -> Entry {
        if isFamiliar(address, isServer: isServer) {
            let group = isServer ? Group.office : .person
            let most = isServer ? Self.perFamiliarAddress.office : Self.perFamiliarAddress.person
            if shares.held(by: .address(address), of: group) < most, shares.take(.address(address), of: group) {
                return .admitted(add(address, group, now), instead: nil)
            }
        }
        let group = isServer ? Group.callingServer : .callingClient
        guard arrivals.take(address, at: now) != nil else { return .refused(.tooOften) }
        let own = shares.held(by: .address(address), of: group)
        guard own < perAddress else { return .refused(.addressFull) }
        if shares.take(.address(address), of: group) { return .admitted(add(address, group, now), instead: nil) }
        guard let other = nextToGo(for: address, group, now) else {
            return .refused(shares.left(for: group) > 0 ? .addressFull : .full)
        }
        guard let berth = berths.removeValue(forKey: other) else { ourFault("who gives way is there") }
        forget(other, group)
        shares.pass(from: berth.owner, to: .address(address), of: group)
        return .admitted(add(address, group, now), instead: other)
    }

    private mutating func add(_ address: RemoteAddress, _ group: Group, _ now: Instant) -> Number {
        let number = nextNumber
        nextNumber += 1
        berths[number] = Berth(owner: .address(address), group: group, address: address, since: now)
        callers[Int(group.rawValue)].append(number)
        return number
    }

    /// The one of a group that gives way to one of `address`: the oldest of the address that has most, if that has more than this one would have.
    private func nextToGo(for address: RemoteAddress, _ group: Group, _ now: Instant) -> Number? {
        let (callers, own) = (callers[Int(group.rawValue)], shares.held(by: .address(address), of: group))
        var found: (number: Number, count: Int)?
        for index in stride(from: 0, to: callers.count, by: max(1, callers.count / Self.lookedAt)) {
            guard let berth = berths[callers[index]] else { ourFault("who calls is there") }
            let count = shares.held(by: berth.owner, of: group)
            guard now - berth.since >= Self.undisturbed || (own == 0 && count > Self.few) else { continue }
            if count > found?.count ?? own { found = (callers[index], count) }
        }
        return found?.number
    }

    /// Somebody has proven who he is.
    mutating func proved(_ number: Number, _ group: Group, _ name: JID) {
        guard let berth = berths[number] else { return }
        met(name, at: berth.address, group)
        let owner = Owner.name(name)
        guard berth.owner != owner || berth.group != group else { return }
        if shares.held(by: owner, of: group) < Self.perName, shares.take(owner, of: group) {
            shares.giveBack(berth.owner, of: berth.group)
            berths[number]?.owner = owner
            berths[number]?.group = group
            forget(number, berth.group)
        } else if case .address = berth.owner {
            becomeNobodys(number, berth, isServer: group != .person)
        }
    }

    /// With more than its share a connection stays a stranger's, or becomes one again, and gives way to others.
    private mutating func becomeNobodys(_ number: Number, _ berth: Berth, isServer: Bool) {
        let group = isServer ? Group.callingServer : .callingClient
        guard berth.group != group, shares.take(berth.owner, of: group) else { return }
        shares.giveBack(berth.owner, of: berth.group)
        berths[number]?.group = group
        forget(number, berth.group)
        // Those who call stand in the order of their numbers.
        let index = Int(group.rawValue)
        let place = callers[index].firstIndex { $0 > number } ?? callers[index].count
        callers[index].insert(number, at: place)
    }

    /// Somebody is at an address: has come from there, or was found there.
    mutating func met(_ name: JID, at address: RemoteAddress, _ group: Group) {
        switch group {
        case .office: offices.met(name, at: address)
        case .person: people.met(name, at: address)
        case .knownPeer, .callingServer, .callingClient: break
        }
    }

    /// Whether an office, or one of our people, came from there lately.
    func isFamiliar(_ address: RemoteAddress, isServer: Bool) -> Bool {
        isServer ? offices.contains(address) : people.contains(address)
    }

    /// A connection is gone, or is told to go. One that is gone already is no error.
    mutating func left(_ number: Number) {
        guard let berth = berths.removeValue(forKey: number) else { return }
        shares.giveBack(berth.owner, of: berth.group)
        forget(number, berth.group)
    }

    private mutating func forget(_ number: Number, _ group: Group) {
        let index = Int(group.rawValue)
        // They are in the order of their numbers.
        var (low, high) = (0, callers[index].count)
        while low < high {
            let middle = (low + high) / 2
            if callers[index][middle] < number { low = middle + 1 } else { high = middle }
        }
        if low < callers[index].count, callers[index][low] == number { callers[index].remove(at: low) }
    }

    /// How many are in.
    var count: Int { berths.count }
    /// How many of a group are.
    func count(of group: Group) -> Int { shares.taken(by: group) }
}
