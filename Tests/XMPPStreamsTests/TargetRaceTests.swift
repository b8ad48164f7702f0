import MartletPrimitives
import Testing

@testable import XMPPStreams

/// Several addresses of one peer, some of which say nothing.
@Suite struct TargetRaceTests {
    private static func endpoint(_ number: UInt8) -> Endpoint {
        Endpoint(
            address: IPAddress(bytes: [192, 0, 2, number])!, port: 5269, directTLS: false, host: "h\(number).example")
    }

    private static func endpoints(_ count: UInt8) -> [Endpoint] { (1...count).map(endpoint) }

    /// An attempt against servers whose behaviour is known: what becomes of it, on a clock of its own.
    private struct Course {
        /// What an address does, milliseconds after it was asked: nil is never.
        struct Server {
            var accepts: Int64? = 1
            var refuses: Int64?
            var answers: Int64?

            static let silent = Server()
            static let good = Server(answers: 300)
            static let refusing = Server(accepts: nil, refuses: 1)
            static let unreachable = Server(accepts: nil, refuses: 5000)
        }

        var race: TargetRace
        let servers: [Endpoint: Server]
        let patience: Int64
        var now: Int64 = 0
        var winner: Endpoint?
        var isExhausted = false
        /// What was done, with the time.
        var log: [String] = []
        var open: [Endpoint] = []
        var mostOpen = 0
        private var due: [(at: Int64, fact: Fact)] = []

        enum Fact { case connected(Endpoint), failed(Endpoint), answered(Endpoint), woke }

        init(_ list: [(Endpoint, Server)], patience: Int64 = 60_000, order: [Endpoint]? = nil) {
            race = TargetRace(order ?? list.map(\.0), patience: patience)
            servers = Dictionary(uniqueKeysWithValues: list)
            self.patience = patience
        }

        mutating func run() {
            perform(race.timePassed(at: Instant(milliseconds: 0)))
            while winner == nil, !isExhausted, let place = due.indices.min(by: { due[$0].at < due[$1].at }) {
                let (at, fact) = due.remove(at: place)
                guard at < patience else { break }
                now = max(now, at)
                let instant = Instant(milliseconds: now)
                switch fact {
                case .woke: perform(race.timePassed(at: instant))
                case .connected(let endpoint): perform(race.connected(endpoint, at: instant))
                case .failed(let endpoint):
                    open.removeAll { $0 == endpoint }
                    perform(race.failed(endpoint, at: instant))
                case .answered(let endpoint):
                    guard open.contains(endpoint) else { continue }
                    winner = endpoint
                    open.removeAll { $0 == endpoint }
                    perform(race.won(endpoint, at: instant))
                }
            }
            if winner == nil { perform(race.ended(at: Instant(milliseconds: patience))) }
        }

        private mutating func perform(_ actions: [TargetRace.Action]) {
            for action in actions {
                switch action {
                case .connect(let endpoint):
                    log.append("\(now) connect \(endpoint.host.prefix(2))")
                    open.append(endpoint)
                    mostOpen = max(mostOpen, open.count)
                    if let after = servers[endpoint]?.accepts { due.append((now + after, .connected(endpoint))) }
                    if let after = servers[endpoint]?.refuses { due.append((now + after, .failed(endpoint))) }
                case .begin(let endpoint):
                    log.append("\(now) begin \(endpoint.host.prefix(2))")
                    if let after = servers[endpoint]?.answers { due.append((now + after, .answered(endpoint))) }
                case .abandon(let endpoint):
                    open.removeAll { $0 == endpoint }
                case .wake(let at):
                    due.append((at.milliseconds, .woke))
                case .exhausted:
                    isExhausted = true
                }
            }
        }
    }

    @Test("two servers that accept and say nothing hide the third for four seconds")
    func silentServers() {
        let all = Self.endpoints(3)
        var course = Course([(all[0], .silent), (all[1], .silent), (all[2], .good)])
        course.run()
        #expect(course.winner == all[2])
        #expect(
            course.log == [
                "0 connect h1", "1 begin h1", "2001 connect h2", "2002 begin h2", "4002 connect h3", "4003 begin h3",
            ])
        #expect(course.open.isEmpty, "losers are closed")
        #expect(course.race.slow.map(\.endpoint) == [all[0], all[1]])
    }

    @Test("a server that answers has its seconds to itself: no other connection is made")
    func goodServer() {
        let all = Self.endpoints(3)
        var course = Course([(all[0], .good), (all[1], .good), (all[2], .good)])
        course.run()
        #expect(course.log == ["0 connect h1", "1 begin h1"])
        #expect(course.race.slow.isEmpty)
    }

    @Test("RFC 8305 §5: an address family that leads nowhere costs a quarter of a second")
    func brokenFamily() {
        let all = Self.endpoints(2)
        var course = Course([(all[0], .unreachable), (all[1], .good)])
        course.run()
        #expect(course.log == ["0 connect h1", "250 connect h2", "251 begin h2"])
        #expect(course.winner == all[1])
    }

    @Test("connections that come while a stream is being negotiated wait for its seconds")
    func benched() {
        let all = Self.endpoints(2)
        let far = Course.Server(accepts: 300, answers: 3000)
        var course = Course([(all[0], far), (all[1], far)])
        course.run()
        #expect(course.log == ["0 connect h1", "250 connect h2", "300 begin h1", "2300 begin h2"])
        #expect(course.winner == all[0])
    }

    @Test("what fails makes room for the next at once")
    func refusals() {
        let all = Self.endpoints(4)
        var course = Course([(all[0], .refusing), (all[1], .refusing), (all[2], .refusing), (all[3], .good)])
        course.run()
        #expect(course.log == ["0 connect h1", "1 connect h2", "2 connect h3", "3 connect h4", "4 begin h4"])
        course = Course([(all[0], .refusing), (all[1], .refusing)])
        course.run()
        #expect(course.isExhausted && course.now == 2)
    }

    @Test("at most four sockets at a time, and a long list is gone through in one attempt all the same")
    func longList() {
        let all = Self.endpoints(16)
        var course = Course(all.map { ($0, $0 == all[15] ? .good : .silent) })
        course.run()
        #expect(course.mostOpen == 4)
        #expect(course.winner == all[15])
        #expect(course.open.isEmpty)
    }

    @Test("short attempts spread a list over several: what was silent comes last, and is forgotten in time")
    func shortAttempts() throws {
        let all = Self.endpoints(9)
        var memory = TargetMemory()
        var clock: Int64 = 0
        var attempts = 0
        var winner: Endpoint?
        while winner == nil, attempts < 10 {
            attempts += 1
            var course = Course(
                all.map { ($0, $0 == all[8] ? .good : .silent) }, patience: 5000,
                order: memory.ordered(all, at: Instant(milliseconds: clock)))
            course.run()
            winner = course.winner
            clock += 5000
            memory.raced(silent: course.race.slow, winner: winner, at: Instant(milliseconds: clock))
        }
        #expect(winner == all[8] && attempts <= 4, "\(attempts) attempts")
        #expect(memory.ordered(all, at: Instant(milliseconds: clock)).first == all[8])
        #expect(memory.ordered(all, at: Instant(milliseconds: clock + TargetMemory.lifetime)) == all)
    }

    @Test("a server that answers again is silent no more, and the memory is bounded")
    func memory() {
        let all = Self.endpoints(3)
        var memory = TargetMemory()
        let now = Instant(milliseconds: 0)
        memory.raced(silent: [(all[0], false), (all[1], false)], winner: all[2], at: now)
        #expect(memory.ordered(all, at: now) == [all[2], all[0], all[1]])
        memory.raced(silent: [(all[0], false)], winner: all[1], at: now + 1)
        #expect(memory.ordered(all, at: now + 1) == [all[1], all[2], all[0]])
        for port in 0..<UInt16(2 * TargetMemory.limit) {
            let endpoint = Endpoint(address: all[0].address, port: port, directTLS: false, host: "")
            memory.raced(silent: [(endpoint, true)], winner: nil, at: now + 2)
        }
        #expect(memory.ordered(all, at: now + 2) == all)
    }

    @Test("after its end a race does nothing, whatever is reported")
    func late() {
        let all = Self.endpoints(2)
        var race = TargetRace(all, patience: 60_000)
        let now = Instant(milliseconds: 0)
        _ = race.timePassed(at: now)
        _ = race.timePassed(at: now + 250)
        #expect(race.ended(at: now + 300) == [.abandon(all[0]), .abandon(all[1])])
        #expect(race.connected(all[0], at: now + 301).isEmpty)
        #expect(race.failed(all[1], at: now + 302).isEmpty)
        #expect(race.won(all[0], at: now + 303).isEmpty)
        #expect(race.timePassed(at: now + 2000).isEmpty && race.ended(at: now + 2001).isEmpty)
    }

    @Test("an address that takes connections and is silent then is tried with ever smaller segments, for a day")
    func narrow() {
        let all = Self.endpoints(2)
        var memory = TargetMemory()
        let now = Instant(milliseconds: 0)
        #expect(memory.segmentLimit(of: all[0], at: now) == nil)
        for limit: UInt16 in [1220, 536, 536] {
            memory.raced(silent: [(all[0], true), (all[1], false)], winner: nil, at: now)
            #expect(memory.segmentLimit(of: all[0], at: now) == limit)
        }
        #expect(memory.segmentLimit(of: all[1], at: now) == nil, "it took no connection")
        memory.raced(silent: [], winner: all[0], at: now + 1)
        #expect(memory.segmentLimit(of: all[0], at: now + (SegmentLimit.lifetime - 1)) == 536, "so it worked")
        #expect(memory.segmentLimit(of: all[0], at: now + SegmentLimit.lifetime) == nil)
    }

    @Test("a server that was only slower than the winner on a slow line is not thought to have no way for large segments")
    func slowLine() {
        let all = Self.endpoints(3)
        let far = Course.Server(accepts: 150, answers: 1200)
        var course = Course([(all[0], far), (all[1], far), (all[2], far)], patience: 2000)
        course.run()
        #expect(course.winner == all[0])
        #expect(!course.race.slow.isEmpty)
        var memory = TargetMemory()
        let now = Instant(milliseconds: 0)
        memory.raced(silent: course.race.slow, winner: course.winner, at: now)
        for endpoint in all { #expect(memory.segmentLimit(of: endpoint, at: now) == nil) }
    }

    @Test("silence is put down to size where large segments were under way and none was ever acknowledged")
    func sizes() {
        #expect(SegmentLimit.afterSilence(nil, proven: 0, inFlight: 4000) == 1220)
        #expect(SegmentLimit.afterSilence(1220, proven: 0, inFlight: 4000) == 536)
        #expect(SegmentLimit.afterSilence(536, proven: 0, inFlight: 4000) == nil)
        #expect(SegmentLimit.afterSilence(nil, proven: 0, inFlight: 1220) == nil, "nothing large was sent")
        #expect(SegmentLimit.afterSilence(nil, proven: 3000, inFlight: 4000) == nil, "large ones arrived before")
        #expect(SegmentLimit.afterSilence(1220, proven: 1300, inFlight: 4000) == nil)
        #expect(SegmentLimit.afterSilence(nil, proven: 1300, inFlight: 4000) == 1220, "only smaller ones did")
    }
}
