/// What is remembered of many: a table with a bound, in which whoever was put in first gives way. Look-up only.
public struct RecentTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let bound: Int
    private var values: [Key: Value] = [:]
    private var order = ShiftingArray<Key>()

    /// Remembers so many.
    public init(bound: Int) {
        self.bound = bound
    }

    /// What is remembered of `key`.
    public subscript(key: Key) -> Value? { values[key] }

    /// Remembers something, in the place of what was remembered before. Returns what had to give way, of another.
    @discardableResult public mutating func put(_ key: Key, _ value: Value) -> Value? {
        guard values.updateValue(value, forKey: key) == nil else { return nil }
        order.append(key)
        guard values.count > bound, let oldest = order.popFirst() else { return nil }
        return values.removeValue(forKey: oldest)
    }

    /// How many are remembered.
    public var count: Int { values.count }
}
