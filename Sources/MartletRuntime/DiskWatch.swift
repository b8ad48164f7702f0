/// When the free space under a store is looked at: before each batch if the last look is too old for it or much came in since, and
/// now and then when nothing happens. Times are monotonic milliseconds.
struct DiskWatch {
    private var last: Int64 = .min / 2
    private var bytes = 0

    /// How old a look may be when something happens: so long a message may be taken over that finds no room, or refused although
    /// there is.
    static let age: Int64 = 1000
    /// The same while there is little room. A look costs a system call and a walk over the store's list of unused pages.
    static let ageWhenShort: Int64 = 250
    /// Bytes of stanzas after which the next look is due whatever the time: a quarter of the default floor (`limits.disk_floor`).
    static let bytesBetween = 16 << 20
    /// How often an idle server looks, for its log.
    static let idleInterval: Int64 = 5000

    /// Whether to look now, before a batch with so many bytes of stanzas; then a look is taken for granted.
    mutating func isDue(at now: Int64, before newBytes: Int, isShort: Bool) -> Bool {
        bytes += newBytes
        guard now - last >= (isShort ? Self.ageWhenShort : Self.age) || bytes >= Self.bytesBetween else { return false }
        last = now
        bytes = newBytes
        return true
    }

    /// When to look if nothing happens. Whoever waits for room, hears of it within a second.
    func next(isShort: Bool) -> Int64 { last + (isShort ? Self.ageWhenShort : Self.idleInterval) }
}
