import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// Where an account that has sessions stands among those: good for as long as it has one.
struct OnlinePlace: Hashable, Comparable, Sendable {
    fileprivate let slot: Int32

    fileprivate init(_ slot: Int) { self.slot = Int32(slot) }

    /// For lists that are read in parts: behind everything before it.
    var number: UInt64 { UInt64(slot) }

    /// Before all others.
    static let first = OnlinePlace(0)

    static func < (left: OnlinePlace, right: OnlinePlace) -> Bool { left.slot < right.slot }
}

/// An account that has sessions.
struct OnlineAccount {
    /// The bare JID.
    let jid: JID
    let number: AddressNumber
    /// In the order in which they were bound.
    var sessions: [SessionID] = []
    /// Who at other domains is available, as far as it was told.
    var seen = SeenPresence()
    /// Messages of which copies were made.
    var copied = CopiedMessages()
    /// The hash of its picture, as far as it was looked for.
    var picture: String?
    var hasReadPicture = false
    /// When one of its sessions became available last.
    var lastArrival = Instant(milliseconds: .min)
}

/// The accounts that have sessions: one look-up by bare JID, then by place.
struct OnlineAccounts {
    /// A place that is free holds ``nobody``: an optional would be copied whenever it is looked into.
    private var slots: [OnlineAccount] = []
    private var free: [Int] = []
    private static let nobody = OnlineAccount(
        jid: JID(preparedLocalpart: nil, preparedDomainpart: "", preparedResourcepart: nil), number: AddressNumber(0))
    private var places = JIDIndex()
    /// The same by number. Look-up only.
    private var placesByNumber: [AddressNumber: OnlinePlace] = [:]

    var count: Int { places.count }

    /// The place of an account by its bare JID.
    func place(of jid: JID) -> OnlinePlace? { places.number(of: jid) { slots[$0].jid == jid }.map(OnlinePlace.init) }

    /// The place of an account by its number.
    func place(of number: AddressNumber) -> OnlinePlace? { placesByNumber[number] }

    /// The first place that is taken, from that number on: for lists that are read in parts.
    func place(fromNumber number: UInt64) -> OnlinePlace? { place(fromSlot: Int(clamping: number)) }

    /// The first place that is taken, from `first` on.
    func place(from first: OnlinePlace) -> OnlinePlace? { place(fromSlot: Int(first.slot)) }

    /// The next place that is taken, behind `place`.
    func place(after place: OnlinePlace) -> OnlinePlace? { self.place(fromSlot: Int(place.slot) + 1) }

    private func place(fromSlot slot: Int) -> OnlinePlace? {
        slots[min(slot, slots.count)...].firstIndex { !$0.jid.domainpart.isEmpty }.map(OnlinePlace.init)
    }

    /// Adds an account that has no place yet.
    mutating func insert(_ jid: JID, _ number: AddressNumber) -> OnlinePlace {
        let account = OnlineAccount(jid: jid, number: number)
        let slot: Int
        if let last = free.popLast() {
            slots[last] = account
            slot = last
        } else {
            slots.append(account)
            slot = slots.count - 1
        }
        places.insert(jid, slot)
        placesByNumber[number] = OnlinePlace(slot)
        return OnlinePlace(slot)
    }

    /// Removes an account whose last session is gone.
    mutating func remove(_ place: OnlinePlace) {
        let slot = Int(place.slot)
        places.remove(self[place].jid, slot)
        placesByNumber[slots[slot].number] = nil
        slots[slot] = Self.nobody
        free.append(slot)
    }

    /// An account that has a place, in place.
    subscript(_ place: OnlinePlace) -> OnlineAccount {
        _read {
            check(place)
            yield slots[Int(place.slot)]
        }
        _modify {
            check(place)
            yield &slots[Int(place.slot)]
        }
    }

    /// Whoever came to a place that is free would write to somebody else tomorrow.
    private func check(_ place: OnlinePlace) {
        require(!slots[Int(place.slot)].jid.domainpart.isEmpty, "an account that is not online")
    }
}
