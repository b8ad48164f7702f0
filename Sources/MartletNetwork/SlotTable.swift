/// Numbers for the connections of one event loop: a slot that can be used again, and a generation that cannot.
///
/// Whoever holds a number of a connection that is gone finds nothing, also when its slot has a new tenant. Confined to
/// its loop.
struct SlotTable<Element> {
    private struct Slot {
        var generation: UInt32
        var element: Element?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    /// How many elements there are.
    var count: Int { slots.count - free.count }

    /// Takes a slot for the element that `make` returns for it.
    mutating func insert(_ make: (_ slot: UInt32, _ generation: UInt32) -> Element) {
        let slot: UInt32
        if let used = free.popLast() {
            slot = used
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot(generation: 0, element: nil))
        }
        slots[Int(slot)].generation &+= 1
        slots[Int(slot)].element = make(slot, slots[Int(slot)].generation)
    }

    /// The element in `slot`, if it is still the one of `generation`.
    subscript(slot: UInt32, generation: UInt32) -> Element? {
        guard slot < slots.count, slots[Int(slot)].generation == generation else { return nil }
        return slots[Int(slot)].element
    }

    /// Gives the slot up; a number that is gone already is no error.
    mutating func remove(slot: UInt32, generation: UInt32) {
        guard slot < slots.count, slots[Int(slot)].generation == generation, slots[Int(slot)].element != nil else { return }
        slots[Int(slot)].element = nil
        free.append(slot)
    }

    /// Every element, in the order of the slots.
    var elements: [Element] { slots.compactMap(\.element) }
}
