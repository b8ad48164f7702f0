import MartletPrimitives
import Testing

@testable import MartletFederation

/// relay-protocol S4: what follows when nothing is heard.
@Suite struct SignsOfLifeTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    @Test("who owes an answer is asked after half of the patience, once, and given up after the whole of it")
    func silence() {
        var life = SignsOfLife()
        #expect(life.becameDue(at: Self.at(0), patience: 100) == Self.at(50))
        #expect(life.becameDue(at: Self.at(10), patience: 100) == nil, "it is due already")
        #expect(life.timerFired(at: Self.at(40)) == .tooShort(until: Self.at(50)))
        #expect(life.timerFired(at: Self.at(50)) == .ask(until: Self.at(100)))
        #expect(life.timerFired(at: Self.at(60)) == .tooShort(until: Self.at(100)))
        #expect(life.timerFired(at: Self.at(100)) == .final)
    }

    @Test("one timer is set at a time, and finds what was heard meanwhile")
    func timer() {
        var life = SignsOfLife()
        #expect(life.becameDue(at: Self.at(0), patience: 100) != nil)
        _ = life.heard(bytesInFlight: 0, at: Self.at(10))
        #expect(life.becameDue(at: Self.at(20), patience: 100) == nil, "the timer is set")
        #expect(life.timerFired(at: Self.at(50)) == .tooShort(until: Self.at(70)))
        _ = life.heard(bytesInFlight: 0, at: Self.at(60))
        #expect(life.timerFired(at: Self.at(70)) == .nothingOwed)
        #expect(life.becameDue(at: Self.at(80), patience: 100) == Self.at(130))
    }

    @Test("a timer of more patient times comes late: who is asked then has half of the patience to answer")
    func lateTimer() {
        var life = SignsOfLife()
        #expect(life.becameDue(at: Self.at(0), patience: 1000) == Self.at(500))
        _ = life.heard(bytesInFlight: 0, at: Self.at(10))
        _ = life.becameDue(at: Self.at(20), patience: 100)
        #expect(life.timerFired(at: Self.at(500)) == .ask(until: Self.at(550)))
        #expect(life.timerFired(at: Self.at(550)) == .final)
    }

    @Test("an answer that proves nothing is no sign of life, but it is borne for longer, and asked anew")
    func inVain() {
        var life = SignsOfLife()
        _ = life.becameDue(at: Self.at(0), patience: 100)
        #expect(life.timerFired(at: Self.at(50)) == .ask(until: Self.at(100)))
        life.answeredInVain(limit: 400)
        #expect(life.timerFired(at: Self.at(100)) == .tooShort(until: Self.at(200)))
        #expect(life.timerFired(at: Self.at(200)) == .ask(until: Self.at(400)))
        life.answeredInVain(limit: 400)
        #expect(life.timerFired(at: Self.at(400)) == .final)
    }

    @Test("the answer to a question is measured where nothing else was owed, and only there")
    func measured() {
        var life = SignsOfLife()
        life.questionPut(at: Self.at(0))
        _ = life.becameDue(at: Self.at(0), patience: 100)
        #expect(life.heard(bytesInFlight: 0, at: Self.at(30)) == 30)
        _ = life.becameDue(at: Self.at(40), patience: 100)
        life.questionPut(at: Self.at(60))
        #expect(life.heard(bytesInFlight: 0, at: Self.at(70)) == nil)
    }
}

/// relay-protocol S4: how long silence is borne.
@Suite struct LinePaceTests {
    private static let limit: Int64 = 30_000

    private static func patience(_ pace: LinePace, behind bytes: Int = 0, floor: Int64 = LinePace.shortest) -> Int64 {
        pace.patience(behind: bytes, atLeast: floor, atMost: limit)
    }

    @Test("RFC 6298: three timeouts of the smoothed round trip and its variation, never below two seconds")
    func roundTrip() {
        var pace = LinePace()
        #expect(Self.patience(pace) == 10_000, "nothing is known")
        pace.answered(after: 1000)
        #expect(Self.patience(pace) == 3 * (1000 + 4 * 500))
        for _ in 0..<40 { pace.answered(after: 1000) }
        #expect((3000...3100).contains(Self.patience(pace)))
        for _ in 0..<40 { pace.answered(after: 20) }
        #expect(Self.patience(pace) == 2000)
        #expect(Self.patience(pace, floor: 10_000) == 10_000, "a foreign server is waited for")
        pace.answered(after: 3000)
        #expect(Self.patience(pace) > 9000, "one late answer counts at once")
        #expect(pace.patience(behind: 0, atLeast: 2000, atMost: 1500) == 1500, "the configuration has the last word")
    }

    @Test("a line that became slower than it was keeps a stream before all of them are lost, up to the limit")
    func doubling() {
        var pace = LinePace()
        pace.answered(after: 20)
        for expected: Int64 in [2000, 4000, 8000, 16_000, 30_000, 30_000] {
            #expect(Self.patience(pace) == expected)
            pace.wasSilent()
        }
        pace.answered(after: 20)
        #expect(Self.patience(pace) == 2000)
    }

    @Test("what is under way lengthens patience as the line carries it: 9.6 kbit/s until it has shown more, on each stream")
    func rate() {
        var pace = LinePace()
        for _ in 0..<40 { pace.answered(after: 20) }
        #expect(Self.patience(pace, behind: 50_000) == 52_000)
        pace.acknowledged(10_000, after: 100, at: Instant(milliseconds: 100))
        for _ in 0..<40 { pace.answered(after: 20) }
        #expect(Self.patience(pace, behind: 50_000) == 2500)
        pace.streamBegan()
        #expect(Self.patience(pace, behind: 50_000) == 52_000)
    }

    @Test("what was held up and is acknowledged at once was not carried at once")
    func heldUp() {
        var pace = LinePace()
        pace.acknowledged(2000, after: 1000, at: Instant(milliseconds: 1000))
        pace.acknowledged(20_000, after: 10, at: Instant(milliseconds: 11_000))
        for _ in 0..<60 { pace.answered(after: 20) }
        #expect(Self.patience(pace, behind: 20_000) == 12_000)
    }
}
