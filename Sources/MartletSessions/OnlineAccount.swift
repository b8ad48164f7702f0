import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// An account that has sessions.
struct OnlineAccount {
    /// The bare JID.
    let jid: JID
    let number: AddressNumber
    /// In the order in which they were bound.
    var sessions: [SessionID] = []
    /// Who at other domains is available, as far as it was told.
    var seen = SeenPresence()
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
    private var placesByNumber: [AddressNumber: Int32] = [:]

    var count: Int { places.count }

    /// The place of an account by its bare JID.
    func place(of jid: JID) -> Int? { places.number(of: jid) { slots[$0].jid == jid } }

    /// The place of an account by its number.
    func place(of number: AddressNumber) -> Int? { placesByNumber[number].map(Int.init) }

    /// The first place that is taken, from `first` on.
    func place(from first: Int) -> Int? {
        slots[min(first, slots.count)...].firstIndex { !$0.jid.domainpart.isEmpty }
    }

    /// Adds an account that has no place yet.
    mutating func insert(_ jid: JID, _ number: AddressNumber) -> Int {
        let account = OnlineAccount(jid: jid, number: number)
        let place: Int
        if let slot = free.popLast() {
            slots[slot] = account
            place = slot
        } else {
            slots.append(account)
            place = slots.count - 1
        }
        places.insert(jid, place)
        placesByNumber[number] = Int32(place)
        return place
    }

    /// Removes an account whose last session is gone.
    mutating func remove(_ place: Int) {
        places.remove(self[place].jid, place)
        placesByNumber[slots[place].number] = nil
        slots[place] = Self.nobody
        free.append(place)
    }

    /// An account that has a place, in place.
    subscript(_ place: Int) -> OnlineAccount {
        _read {
            check(place)
            yield slots[place]
        }
        _modify {
            check(place)
            yield &slots[place]
        }
    }

    /// Whoever came to a place that is free would write to somebody else tomorrow.
    private func check(_ place: Int) { precondition(!slots[place].jid.domainpart.isEmpty, "an account that is not online") }
}
