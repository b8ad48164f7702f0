import MartletBus
import MartletPrimitives
import Testing
import XMPPStreams

@testable import MartletNetwork

@Suite struct HandshakeLineTests {
    private func connection(_ number: Int) -> ConnectionID { ConnectionID(loop: 0, slot: UInt32(number), generation: 1) }
    private func at(_ milliseconds: Int64) -> Instant { Instant(milliseconds: milliseconds) }

    @Test("so many handshakes at once, then so many in a second, whoever wants them; nobody is forgotten")
    func rate() {
        var line = HandshakeLine()
        var begun = 0
        var waiting = 0
        for number in 0..<1000 {
            switch line.asked(connection(number), RemoteAddress("192.0.2.\(number % 50)"), at: at(0)) {
            case .begin: begun += 1
            case .wait: waiting += 1
            case .refuse: Issue.record("there is room for a thousand")
            }
        }
        #expect(begun == HandshakeLine.burst && waiting == 1000 - begun)
        var inTheFirstSecond = 0
        var time: Int64 = 0
        while line.isWaitedFor, time < 10_000 {
            time += 20
            let due = line.due(at: at(time))
            begun += due.count
            if time <= 1000 { inTheFirstSecond += due.count }
        }
        #expect(begun == 1000)
        #expect(inTheFirstSecond <= Int(1000 / HandshakeLine.interval))
    }

    @Test("who comes from an address of his own waits for one of each address that floods, not for all that they want")
    func turns() {
        var line = HandshakeLine()
        for number in 0..<1500 { _ = line.asked(connection(number), RemoteAddress("192.0.2.\(number % 10)"), at: at(0)) }
        #expect(line.asked(connection(9999), RemoteAddress("198.51.100.1"), at: at(0)) == .wait)
        var before = 0
        var time: Int64 = 0
        search: while time < 10_000 {
            time += 20
            for begun in line.due(at: at(time)) {
                if begun == connection(9999) { break search }
                before += 1
            }
        }
        #expect(before <= 11)
    }

    @Test("from where one of ours came lately nobody waits for strangers")
    func familiar() {
        var line = HandshakeLine()
        for number in 0..<3000 { _ = line.asked(connection(number), RemoteAddress("192.0.2.\(number % 50)"), at: at(0)) }
        #expect(line.asked(connection(9999), RemoteAddress("198.51.100.1"), at: at(0)) == .wait)
        #expect(line.asked(connection(9999), RemoteAddress("198.51.100.1"), isFamiliar: true, at: at(0)) == .begin)
    }

    @Test("who has gone takes nobody's turn")
    func gone() {
        var line = HandshakeLine()
        for number in 0..<2000 { _ = line.asked(connection(number), RemoteAddress("192.0.2.\(number % 50)"), at: at(0)) }
        let due = line.due(at: at(20)) { $0.slot >= 1990 }
        #expect(due.count == 20 / Int(HandshakeLine.interval))
        #expect(due.allSatisfy { $0.slot >= 1990 })
    }

    @Test("of several loops each has its part")
    func loops() {
        var begun = 0
        for _ in 0..<4 {
            var line = HandshakeLine(loops: 4)
            for number in 0..<1000 {
                if line.asked(connection(number), RemoteAddress("192.0.2.1"), at: at(0)) == .begin { begun += 1 }
            }
            begun += line.due(at: at(1000)).count
        }
        #expect(begun <= HandshakeLine.burst + 1000 / Int(HandshakeLine.interval))
    }

    @Test("one address does not fill the line")
    func full() {
        var line = HandshakeLine()
        var refused = 0
        for number in 0..<5000 where line.asked(connection(number), RemoteAddress("192.0.2.1"), at: at(0)) == .refuse {
            refused += 1
        }
        #expect(refused == 5000 - HandshakeLine.burst - HandshakeLine.waiting / 2)
        #expect(line.asked(connection(9999), RemoteAddress("198.51.100.1"), at: at(0)) == .wait)
    }
}
