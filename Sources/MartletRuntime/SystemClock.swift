import Glibc
import MartletPrimitives

/// The machine's clocks, read only here.
enum SystemClock {
    /// Milliseconds of the monotonic clock.
    static var monotonic: Int64 { read(CLOCK_MONOTONIC) }

    /// Calendar time.
    static var wall: WallTime { WallTime(milliseconds: read(CLOCK_REALTIME)) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Randomness from the kernel: keys the site's own stream once per start.
public enum KernelRandom {
    /// `count` bytes. The standard library's generator is the kernel's (`getrandom`, which Swift's Glibc does not show).
    public static func bytes(_ count: Int) -> [UInt8] {
        var kernel = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &kernel) }
    }
}
