import MartletBus
import MartletPrimitives
import Testing
import XMPPStreams

@testable import MartletRuntime

@Suite struct LogBrakeTests {
    @Test("what strangers can cause is said a few times, then once in a second, with how many there were besides")
    func brake() {
        var brake = LogBrake()
        let refused = Diagnostic.loginRefused(localpart: "x", reason: "wrong credentials", RemoteAddress("192.0.2.1"))
        let said = (0..<1000).compactMap { _ in brake.admits(refused, at: Instant(milliseconds: 0)) }
        #expect(said == Array(repeating: 0, count: LogBrake.burst))
        let later = brake.admits(refused, at: Instant(milliseconds: 1000))
        #expect(later == 1000 - LogBrake.burst)
        let soon = brake.admits(refused, at: Instant(milliseconds: 1001))
        #expect(soon == nil)
        // Others are said as before.
        let others = (0..<1000).compactMap { _ in brake.admits(.clockBehind(milliseconds: 1), at: Instant(milliseconds: 1)) }
        #expect(others.count == 1000)
    }
}
