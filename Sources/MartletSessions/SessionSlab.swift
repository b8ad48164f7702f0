import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// All sessions of the site, in slots that are used again under a new generation, so that a session is changed in place
/// and a stale identifier meets nothing.
struct SessionSlab {
    private struct Slot {
        var generation: UInt32
        var isTaken = true
        /// A place that is free holds ``nobody``: an optional would be copied whenever it is looked into, and what is yielded of the
        /// copy does not outlive it.
        var session: Session
    }

    private static let nobody = Session(
        jid: JID(preparedLocalpart: nil, preparedDomainpart: "", preparedResourcepart: nil), account: .first,
        accountNumber: AddressNumber(0), connection: nil)

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private(set) var count = 0

    /// Adds a session.
    mutating func insert(_ session: Session) -> SessionID {
        count += 1
        if let slot = free.popLast() {
            slots[Int(slot)].session = session
            slots[Int(slot)].isTaken = true
            return SessionID(slot: slot, generation: slots[Int(slot)].generation)
        }
        slots.append(Slot(generation: 0, session: session))
        return SessionID(slot: UInt32(slots.count - 1), generation: 0)
    }

    /// Removes a session, which must exist.
    mutating func remove(_ id: SessionID) -> Session {
        let index = Int(id.slot)
        require(contains(id), "no session \(id) to remove")
        var session = Self.nobody
        swap(&session, &slots[index].session)
        slots[index].isTaken = false
        slots[index].generation &+= 1
        free.append(id.slot)
        count -= 1
        return session
    }

    /// Whether the session still exists.
    func contains(_ id: SessionID) -> Bool {
        let index = Int(id.slot)
        return index < slots.count && slots[index].generation == id.generation && slots[index].isTaken
    }

    /// A session that exists, in place.
    subscript(_ id: SessionID) -> Session {
        _read {
            require(slots[Int(id.slot)].generation == id.generation, "session \(id) is gone")
            yield slots[Int(id.slot)].session
        }
        _modify {
            require(slots[Int(id.slot)].generation == id.generation, "session \(id) is gone")
            yield &slots[Int(id.slot)].session
        }
    }

    /// The identifiers of all sessions, in the order of slots.
    var ids: [SessionID] {
        slots.indices.compactMap { index in
            slots[index].isTaken ? SessionID(slot: UInt32(index), generation: slots[index].generation) : nil
        }
    }
}
