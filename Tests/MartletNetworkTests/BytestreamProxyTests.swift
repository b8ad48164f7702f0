import Glibc
import Logging
import MartletBus
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XMPPAddress

@testable import MartletNetwork

/// XEP-0065: which streams run, and bytes on their way.
@Suite("XEP-0065: the proxy's streams") struct BytestreamProxyTests {
    private static let limits = BytestreamTable.Limits(streamsPerAccount: 2, bytesPerSecond: 1000, idleTime: 300_000)
    private static let romeo = JID(preparedLocalpart: "romeo", preparedDomainpart: "pilsen.example", preparedResourcepart: nil)

    private func streams(_ count: Int) -> BytestreamTable {
        var table = BytestreamTable(Self.limits)
        for number in 0..<count {
            for end in [2 * number, 2 * number + 1] {
                let isTaken = table.wants("\(number)", end, at: 0)
                #expect(isTaken)
            }
        }
        return table
    }

    @Test("a stream needs both ends, has two and no third, and begins once; an account has no more than its part")
    func begins() {
        var table = streams(3)
        let (third, half) = (table.wants("0", 99, at: 0), table.wants("half", 50, at: 0))
        #expect(!third && half)
        func outcome(_ digest: String, _ account: String) -> BytestreamOutcome { table.activate(digest, account, at: 0).0 }
        let refused = [outcome("half", "a"), outcome("none", "a")]
        #expect(refused == [.oneEnd, .unknown])
        let (first, ends) = table.activate("0", "a", at: 0)
        #expect(first == .begun && ends == [0, 1])
        let (again, none) = table.activate("0", "a", at: 0)
        #expect(again == .begun && none == [])
        let others = [outcome("1", "a"), outcome("2", "a"), outcome("2", "b")]
        #expect(others == [.begun, .tooMany, .begun])
        #expect(table.partner(of: 0) == 1 && table.partner(of: 50) == nil)
        let (other, nobody) = (table.left(0), table.left(1))
        #expect(other == 1 && nobody == nil && table.partner(of: 1) == nil)
        #expect(table.count == 2)
        for end in [60, 61] { _ = table.wants("3", end, at: 0) }
        let room = outcome("3", "a")
        #expect(room == .begun)
    }

    @Test("all streams of an account share its bytes; another account has its own")
    func rate() {
        var table = streams(3)
        for (digest, account) in [("0", "a"), ("1", "a"), ("2", "b")] { _ = table.activate(digest, account, at: 0) }
        let waits = [
            table.moved(1000, from: 0, at: 0), table.moved(1000, from: 3, at: 0), table.moved(100, from: 4, at: 0),
            table.moved(100, from: 0, at: 5000),
        ]
        #expect(waits == [900, 1900, 0, 0])
    }

    @Test("who waits for too long for his stream to begin goes, and so does what stands still")
    func idle() {
        var table = streams(2)
        _ = table.activate("0", "a", at: 0)
        #expect(table.overdue(at: 59_999) == [])
        #expect(table.overdue(at: 60_000) == [2, 3])
        _ = table.moved(1, from: 0, at: 200_000)
        #expect(table.overdue(at: 499_999) == [2, 3])
        #expect(table.overdue(at: 500_000) == [0, 1, 2, 3])
    }

    private final class Outcome: Sendable { let value = Mutex<BytestreamOutcome?>(nil) }

    /// A client of the proxy that waits for each answer.
    private struct End: Sendable {
        let socket: Int32

        init(_ port: Int) throws {
            socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let done = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            try #require(done == 0)
            var patience = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        }

        func write(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let done = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if done <= 0 { return }
                rest = rest.dropFirst(done)
            }
        }

        /// So many bytes, or as many as came before the end.
        func read(_ count: Int) -> [UInt8] {
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while all.count < count {
                let got = recv(socket, &buffer, min(buffer.count, count - all.count), 0)
                if got <= 0 { break }
                all += buffer[..<got]
            }
            return all
        }

        func ask(_ digest: String) -> [UInt8] {
            write([5, 1, 0])
            guard read(2) == [5, 0] else { return [] }
            write([5, 1, 0, 3, 40] + Array(digest.utf8) + [0, 0])
            return read(47)
        }

        func close() { _ = Glibc.close(socket) }
    }

    @Test(
        "over sockets: nothing moves before the stream begins, then everything in both directions; the end of one is the end of both"
    )
    func sockets() throws {
        let census = ConnectionCensus(total: 100, perAddress: 50)
        let limits = BytestreamTable.Limits(streamsPerAccount: 2, bytesPerSecond: 1 << 30, idleTime: 300_000)
        let proxy = try BytestreamProxy(limits, census: census, logger: Logger(label: "test"))
        defer { proxy.stop() }
        let listener = NetworkSettings.Listener(
            kind: .client, path: "bytestreams", address: "127.0.0.1", port: 0, directTLS: false, plain: true)
        let port = try #require(try proxy.listen(listener).localAddress?.port)
        let digest = String(repeating: "a", count: 40)
        let (one, other, third) = (try End(port), try End(port), try End(port))
        #expect(one.ask(digest).starts(with: [5, 0]))
        #expect(other.ask(digest).starts(with: [5, 0]))
        #expect(third.ask(digest) == [5, 2, 0, 1, 0, 0, 0, 0, 0, 0])
        one.write(Array("early".utf8))
        func activate(_ digest: String) -> BytestreamOutcome? {
            let outcome = Outcome()
            proxy.activate(BytestreamActivation(digest: digest, account: Self.romeo)) { found in
                outcome.value.withLock { $0 = found }
            }
            for _ in 0..<60_000 where outcome.value.withLock({ $0 == nil }) { usleep(1000) }
            return outcome.value.withLock { $0 }
        }
        #expect(activate(String(repeating: "b", count: 40)) == .unknown)
        #expect(activate(digest) == .begun)
        let large = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(other.read(5) == Array("early".utf8))
        let sender = MultiThreadedEventLoopGroup.singleton.next().submit { one.write(large) }
        #expect(other.read(large.count) == large)
        try sender.wait()
        other.write([9, 8, 7])
        #expect(one.read(3) == [9, 8, 7])
        #expect(census.total >= 2)
        one.close()
        #expect(other.read(1) == [])
        other.close()
        third.close()
    }
}
