import MartletBus
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletRuntime

/// The order in which what waits for a site is handled.
@Suite struct EventLineTests {
    private func connection(_ number: Int) -> ConnectionID { ConnectionID(loop: 0, slot: UInt32(number), generation: 1) }

    /// An event of a connection, told apart by its number.
    private func event(_ connection: ConnectionID, _ number: Int) -> SiteEvent { .client(connection, .arrived(UInt64(number))) }

    private func read(_ event: SiteEvent) -> (connection: ConnectionID, number: Int)? {
        guard case .client(let connection, .arrived(let number)) = event else { return nil }
        return (connection, Int(number))
    }

    @Test("one event behind five thousand of somebody else is handled in the first batch, and so is what came later")
    func fair() {
        var line = EventLine()
        var content = SiteInbox.Content()
        for number in 0..<5000 { content.events.append(event(connection(1), number)) }
        content.events.append(event(connection(2), 0))
        line.add(&content)
        let first = line.takeBatch(1000, .max).events
        #expect(first.contains { read($0)?.connection == connection(2) })
        _ = line.handled(1000, left: [])
        content.events = [event(connection(3), 0)]
        line.add(&content)
        let second = line.takeBatch(1000, .max).events
        #expect(second.contains { read($0)?.connection == connection(3) })
    }

    @Test(
        "whatever is posted and taken: each connection's events keep their order, none is lost, and each report follows its event",
        arguments: 1...100 as ClosedRange<UInt64>)
    func order(seed: UInt64) {
        var random = RandomStream(seed: seed)
        var line = EventLine()
        var content = SiteInbox.Content()
        var posted = [Int](repeating: 0, count: 5)
        var handled = [Int](repeating: 0, count: 5)
        var asked = 0
        var told = 0
        for _ in 0..<200 {
            for _ in 0..<Int(random.next() % 300) {
                let number = Int(random.next() % 5)
                // One says far more than the others.
                let from = random.next() % 2 == 0 ? 0 : number
                if random.next() % 16 == 0 {
                    asked += 1
                    let report = HandledReport(connection: connection(from), count: posted[from] + 1)
                    content.reports.append((content.events.count, report))
                }
                content.events.append(event(connection(from), posted[from]))
                posted[from] += 1
            }
            line.add(&content)
            let (batch, _) = line.takeBatch(1 + Int(random.next() % 300), .max)
            let done = batch.isEmpty ? 0 : Int(random.next() % UInt64(batch.count)) + 1
            for case let (from, number)? in batch[..<done].map(read) {
                let slot = Int(from.slot)
                #expect(number == handled[slot])
                handled[slot] += 1
            }
            for report in line.handled(done, left: Array(batch[done...])) {
                told += 1
                #expect(report.count <= handled[Int(report.connection.slot)])
            }
        }
        while !line.isEmpty {
            let batch = line.takeBatch(1000, .max).events
            for case let (from, _)? in batch.map(read) { handled[Int(from.slot)] += 1 }
            told += line.handled(batch.count, left: []).count
        }
        #expect(posted == handled)
        #expect(asked == told)
    }

    @Test("the word that the server stops comes behind what was said before it")
    func stop() {
        var line = EventLine()
        var content = SiteInbox.Content()
        for number in 0..<1500 { content.events.append(event(connection(1 + number % 3), number / 3)) }
        content.events.append(.shutdownRequested)
        for number in 500..<520 { content.events.append(event(connection(1), number)) }
        line.add(&content)
        let events = line.takeBatch(2000, .max).events
        let stop = events.firstIndex { if case .shutdownRequested = $0 { true } else { false } }
        #expect(stop == 1500)
    }

    @Test("a batch has no more than its bytes, and one event more")
    func bytes() throws {
        var line = EventLine()
        var content = SiteInbox.Content()
        let stanza = try Stanza(
            parsing: Array("<message><body>\(String(repeating: "x", count: 1000))</body></message>".utf8),
            contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
        for _ in 0..<20 { content.events.append(.client(connection(1), .stanza(stanza))) }
        line.add(&content)
        let (events, bytes) = line.takeBatch(1000, 5000)
        #expect(events.count == 5 && bytes >= 5000)
    }
}
