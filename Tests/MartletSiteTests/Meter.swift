internal import CAllocations

/// What work costs, without a clock.
enum Meter {
    /// The bytes that `work` asks the allocator for. A copy of something that grows shows here.
    static func bytes(_ work: () throws -> Void) rethrows -> Int {
        let before = callocations_bytes_of_thread()
        try work()
        return Int(callocations_bytes_of_thread() - before)
    }
}
