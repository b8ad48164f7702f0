internal import CAllocations
import Glibc

/// What the machine says about this process.
enum Meter {
    /// Nanoseconds of the monotonic clock.
    static var wall: Int64 { read(CLOCK_MONOTONIC) }
    /// Nanoseconds of processor time of this thread.
    static var processor: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }

    /// How often this thread has asked for memory.
    static var allocations: Int { Int(callocations_of_thread()) }

    /// Bytes of memory that belong to this process alone. Pages of the store's file do not count: the system takes them
    /// back when it wants them.
    static var memory: Int { status("RssAnon:") }
    /// Bytes of mapped files in memory.
    static var mapped: Int { status("RssFile:") }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func status(_ name: String) -> Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            guard text.hasPrefix(name) else { continue }
            return text.split { $0 == " " || $0 == "\t" }.dropFirst().first.flatMap { Int($0) }.map { $0 << 10 } ?? 0
        }
        return 0
    }
}

/// What the meters show at one moment.
struct Reading {
    let wall = Meter.wall
    let processor = Meter.processor
    let allocations = Meter.allocations
}

/// What a part of a run has cost the site's thread: every batch is one turn.
struct Cost {
    /// Batches.
    private(set) var turns = 0
    /// Nanoseconds, waiting for the disk included.
    private(set) var wall: Int64 = 0
    /// Nanoseconds of processor time.
    private(set) var processor: Int64 = 0
    /// The processor time of the longest batch, nanoseconds.
    private(set) var longest: Int64 = 0
    /// How often memory was asked for.
    private(set) var allocations = 0

    /// Nothing yet.
    init() {}

    /// One batch, from `start` until now.
    init(since start: Reading) {
        let end = Reading()
        turns = 1
        wall = end.wall - start.wall
        processor = end.processor - start.processor
        longest = processor
        allocations = end.allocations - start.allocations
    }

    /// Adds what another part has cost.
    mutating func add(_ other: Cost) {
        turns += other.turns
        wall += other.wall
        processor += other.processor
        longest = max(longest, other.longest)
        allocations += other.allocations
    }

    func perSecond(_ count: Int) -> Double { Double(count) * 1e9 / Double(max(wall, 1)) }
    func microseconds(per count: Int) -> Double { Double(processor) / 1000 / Double(max(count, 1)) }
    var longestMilliseconds: Double { Double(longest) / 1e6 }
    var seconds: Double { Double(wall) / 1e9 }
}
