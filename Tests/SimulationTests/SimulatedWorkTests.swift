import MartletBus
import Testing

@testable import MartletSimulation

@Suite struct SimulatedWorkTests {
    private let work = Work.deriveKeys(
        ChosenPassword(password: [1], sha1Salt: [2], sha256Salt: [3], sha512Salt: [4]), for: Cause(.person, .site))

    @Test("a simulated machine derives two passwords at once, lets 64 wait, and refuses the others")
    func bound() {
        var machine = SimulatedWork()
        let ends = (0..<66).map { _ in machine.begin(work, at: 100) }
        #expect(ends.prefix(5).map { $0 } == [110, 110, 120, 120, 130])
        #expect(ends.last == .some(430))
        #expect(machine.begin(work, at: 109) == nil)
        #expect(machine.begin(work, at: 110) == 440, "two have ended")
        #expect(machine.begin(work, at: 110) == 440)
        #expect(machine.begin(work, at: 110) == nil)
        #expect(machine.begin(work, at: 1000) == 1010)
    }

    @Test("what comes of simulated work is what comes of it elsewhere")
    func result() {
        guard case .deriveKeys(let password, _) = work else { return }
        #expect(SimulatedWork.result(of: work) == .keys(password.keys()))
    }
}
