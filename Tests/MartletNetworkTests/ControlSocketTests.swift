import Glibc
import Logging
import MartletBus
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XMPPAddress

@testable import MartletAdmin

@Suite struct ControlSocketTests {
    /// A server whose site is `answer`.
    private func withServer(
        _ answer: @escaping @Sendable (Command) -> CommandAnswer, _ body: (_ path: String) throws -> Void
    ) throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/control.sock"
        let held = Mutex<AdminServer?>(nil)
        let server = AdminServer(path: path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) { id, command in
            let answer = answer(command)
            held.withLock { $0 }?.answered(id, answer)
        } reload: {
            .refused(words: "nothing was changed: line 3")
        }
        held.withLock { $0 = server }
        try server.start(group: MultiThreadedEventLoopGroup.singleton)
        defer { server.stop() }
        try body(path)
    }

    private let keys = PasswordKeys(
        sha1: .init(
            salt: Array(repeating: 1, count: 16), iterations: 10_000, storedKey: Array(repeating: 2, count: 20),
            serverKey: Array(repeating: 3, count: 20)),
        sha256: .init(
            salt: Array(repeating: 4, count: 16), iterations: 10_000, storedKey: Array(repeating: 5, count: 32),
            serverKey: Array(repeating: 6, count: 32)))

    @Test("a command reaches the site as it was asked, and its answer comes back")
    func roundTrip() throws {
        let account = try JID("anna@pilsen.example")
        let expected = Command.accounts(.add(account, keys))
        try withServer {
            $0 == expected ? .done("added") : .refused("something else came")
        } _: { path in
            let answer = try AdminClient(path: path).ask(.addUser(account: "Anna@pilsen.example", keys: AdminKeys(keys)))
            #expect(answer == .done(words: "added"))
        }
    }

    @Test("rows of every kind survive the socket")
    func rows() throws {
        try withServer { command in
            switch command {
            case .listUsers: .users([UserRow(account: "a@b", sessions: 1, waiting: 2)])
            case .status: .status(StatusRow(domains: ["a", "b"], accounts: 1, sessions: 2, links: 3, waitingEntries: 4))
            default: .refused("no")
            }
        } _: { path in
            let client = AdminClient(path: path)
            let users = try client.ask(.listUsers)
            #expect(users == .users(rows: [.init(account: "a@b", sessions: 1, waiting: 2)]))
            let status = try client.ask(.status)
            #expect(status == .status(.init(domains: ["a", "b"], accounts: 1, sessions: 2, links: 3, waitingEntries: 4)))
            let links = try client.ask(.listLinks)
            #expect(links == .refused(words: "no"))
        }
    }

    @Test("what is no address or no SCRAM key is refused before the site hears of it")
    func refusals() throws {
        try withServer { _ in
            .done("the site was asked")
        } _: { path in
            let client = AdminClient(path: path)
            for text in ["", "pilsen.example", "anna@pilsen.example/desk", "a@@b"] {
                guard case .refused = try client.ask(.removeUser(account: text)) else {
                    Issue.record("\(text) was let through")
                    continue
                }
            }
            var weak = AdminKeys(keys)
            weak.sha256.iterations = 1
            guard case .refused = try client.ask(.addUser(account: "a@b.example", keys: weak)) else {
                Issue.record("one iteration was let through")
                return
            }
        }
    }

    @Test("a failed reload says why")
    func reload() throws {
        try withServer { _ in
            .done("")
        } _: { path in
            let answer = try AdminClient(path: path).ask(.reload)
            #expect(answer == .refused(words: "nothing was changed: line 3"))
        }
    }

    @Test("the socket is its owner's alone")
    func mode() throws {
        try withServer { _ in
            .done("")
        } _: { path in
            var figures = stat()
            #expect(stat(path, &figures) == 0)
            #expect(figures.st_mode & 0o777 == 0o600)
        }
    }

    @Test("where nobody listens there is no answer, which is no error")
    func stopped() throws {
        let directory = TemporaryDirectory()
        let answer = try AdminClient(path: directory.path + "/control.sock").ask(.status)
        #expect(answer == nil)
    }
}
