import Testing

@testable import XMPPStreams

/// XEP-0065 §6.3 with RFC 1928: what a proxy says to whoever connects.
@Suite("XEP-0065: SOCKS5 as the proxy speaks it")
struct BytestreamHandshakeTests {
    private static let digest = "416781edf1ae50bad01cb8509ba35b43952bc345"
    private static let request: [UInt8] = [5, 1, 0, 3, 40] + Array(digest.utf8) + [0, 0]

    @Test("greeting and request, whole or byte by byte; the address is said again; what follows is the stream's")
    func whole() {
        let all: [UInt8] = [5, 2, 2, 0] + Self.request + [1, 2, 3]
        for size in [1, 2, 7, all.count] {
            var handshake = BytestreamHandshake()
            var steps: [BytestreamHandshake.Step] = []
            for start in stride(from: 0, to: all.count, by: size) {
                steps += handshake.received(all[start..<min(start + size, all.count)])
            }
            #expect(steps == [.send([5, 0]), .wants(Self.digest)])
            let (rest, none) = (handshake.takeRest(), handshake.takeRest())
            #expect(rest == [1, 2, 3] && none == [])
        }
        #expect(BytestreamHandshake.granted(Self.digest) == [5, 0, 0, 3, 40] + Array(Self.digest.utf8) + [0, 0])
        var large = BytestreamHandshake()
        let steps = large.received([5, 1, 0, 5, 1, 0, 3, 40] + Array(Self.digest.uppercased().utf8) + [0, 0])
        #expect(steps == [.send([5, 0]), .wants(Self.digest)])
    }

    @Test(
        "hostile: another version, only methods that we do not have, another command, kind of address, length, digit or port",
        arguments: [
            ([4, 1, 0], []), ([5, 1, 2], [5, 0xFF]), ([5, 0], [5, 0xFF]), ([71, 69, 84], []),
            ([5, 1, 0, 4, 1, 0, 3, 40], [5, 1]), ([5, 1, 0, 5, 2, 0, 3, 40], [5, 7]), ([5, 1, 0, 5, 1, 0, 1, 127], [5, 8]),
            ([5, 1, 0, 5, 1, 0, 3, 1, 65, 0, 0], [5, 2]),
            ([5, 1, 0, 5, 1, 0, 3, 40] + [UInt8](repeating: 103, count: 40) + [0, 0], [5, 2]),
            ([5, 1, 0, 5, 1, 0, 3, 40] + [UInt8](repeating: 97, count: 40) + [0, 80], [5, 2]),
        ] as [([UInt8], [UInt8])])
    func hostile(_ bytes: [UInt8], _ begin: [UInt8]) throws {
        var handshake = BytestreamHandshake()
        let steps = handshake.received(bytes)
        let last = try #require(steps.last)
        guard case .fail(let said) = last else {
            Issue.record("\(last)")
            return
        }
        #expect(said.starts(with: begin) && (said.isEmpty || said.count == 2 || said.count == 10))
        let after = handshake.received([5, 1, 0])
        #expect(after == [])
    }
}
