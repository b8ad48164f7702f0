import MartletPrimitives
import Testing

@testable import MartletNetwork

/// The core of what one connection may have on its way to the site.
@Suite struct HandoverWindowTests {
    @Test(
        "whatever was posted, reported and rested: once all reports have come, the window is open",
        arguments: 1...200 as ClosedRange<UInt64>)
    func opensAgain(seed: UInt64) {
        var random = RandomStream(seed: seed)
        let limit = [1, 8, 64, 1000][Int(random.next() % 4)]
        var window = HandoverWindow(limit: limit)
        var reports: [Int] = []
        for _ in 0..<500 {
            switch random.next() % 8 {
            case 0...4:
                guard window.room > 0 else { continue }
                let weight = random.next() % 8 == 0 ? 17 : 1
                if let count = window.posted(weight) { reports.append(count) }
            case 5:
                if !reports.isEmpty { window.handled(reports.removeFirst()) }
            case 6 where random.next() % 8 == 0: window.restBegan()
            default: if window.isResting { window.restEnded() }
            }
            // A reader that is held back waits for a report that is under way.
            var later = window
            if later.isResting { later.restEnded() }
            for count in reports { later.handled(count) }
            #expect(later.unhandled >= 0)
            #expect(later.isOpen && later.room > 0, "\(window), reports \(reports)")
        }
    }
}
