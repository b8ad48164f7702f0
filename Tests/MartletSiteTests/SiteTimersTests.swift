import MartletSite
import Testing
import XMPPStreams

/// Timers between the other work of a site.
@Suite struct SiteTimersTests {
    @Test("many timers of one instant are spread over batches, so that nobody waits for all of them")
    func spread() throws {
        let users = (0..<450).map { "user\($0)" }
        var site = SiteHarness(users: users)
        let connections = users.map { site.login($0) }
        for user in users { site.send("<message to='\(user)@pilsen.example'><body>1</body></message>", on: connections[0]) }
        func takePings() -> Int {
            connections.count { connection in site.take(connection).contains { $0.first("ping", "urn:xmpp:ping") != nil } }
        }
        // The first message after a pause brings the question along; a moment later it is a timer's.
        for connection in connections {
            for ping in site.take(connection) where ping.first("ping", "urn:xmpp:ping") != nil {
                site.send("<iq type='result' id='\(ping["id"] ?? "")' to='\(ping["from"] ?? "")'/>", on: connection)
            }
        }
        for user in users { site.send("<message to='\(user)@pilsen.example'><body>2</body></message>", on: connections[0]) }
        #expect(takePings() == 0)
        site.now += 6000
        var batches: [Int] = []
        while let wake = site.driver.nextWake, wake <= site.now, batches.count < 10 {
            site.handle(.tick)
            batches.append(takePings())
        }
        #expect(batches.reduce(0, +) == users.count, "\(batches)")
        #expect(batches.allSatisfy { $0 <= 200 }, "\(batches)")
        site.send("<message to='user1@pilsen.example'><body>3</body></message>", on: connections[0])
        #expect(site.take(connections[1]).count { $0.name == "message" } == 1)
    }
}
