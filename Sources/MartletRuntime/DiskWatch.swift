/// When the room of a store is looked at: before each batch if the last look is too old for it or so much was written since that it
/// matters, and now and then when nothing happens. Times are monotonic milliseconds.
struct DiskWatch {
    private var last: Int64 = .min / 2

    /// How old a look may be when something happens. What we write ourselves is counted; this is about what others write to the disk.
    static let age: Int64 = 1000
    /// The same while there is little room. A look costs a system call and a walk over the store's list of unused pages.
    static let ageWhenShort: Int64 = 250
    /// How often an idle server looks, for its log.
    static let idleInterval: Int64 = 5000

    /// Whether to look now; then a look is taken for granted. `isWanted` says that much was written.
    mutating func isDue(at now: Int64, isWanted: Bool, isShort: Bool) -> Bool {
        guard isWanted || now - last >= (isShort ? Self.ageWhenShort : Self.age) else { return false }
        last = now
        return true
    }

    /// When to look if nothing happens. Whoever waits for room, hears of it within a second.
    func next(isShort: Bool) -> Int64 { last + (isShort ? Self.ageWhenShort : Self.idleInterval) }
}
