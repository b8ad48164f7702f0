import Logging
import MartletBus
import MartletConfiguration
import MartletStore
import MartletTLS
import NIOEmbedded
import Testing
import XMPPAddress
import XMPPStreams

@testable import MartletNetwork
@testable import MartletSessions

/// The C library's, which its module does not show.
@_silgen_name("malloc_usable_size") private func sizeOfBlock(_ block: UnsafeMutableRawPointer) -> Int

/// What an idle session costs, by type. A field that is added to one of them shows here, times the number of people.
///
/// Not on the list, but in what `make bench` measures as memory per idle connection: NIO's channel and its pipeline, and OpenSSL's
/// own state of a TLS connection, of which nothing is ours to save.
@Suite struct SessionCostTests {
    /// A part of what one session holds, in bytes.
    private struct Part {
        let name: String
        let bytes: Int
        let bound: Int
    }

    @Test("an idle session holds no more than this, by type, and less than 3 KiB of ours together")
    func byType() throws {
        let eventLoop = EmbeddedEventLoop()
        let configuration = try SiteConfiguration.parse("[site]\ndomain = \"pilsen.example\"\n", fileName: "test.toml")
        let loop = ConnectionLoop(
            index: 0, eventLoop: eventLoop, site: Recorder(), passwords: WorkPool(.passwords),
            settings: NetworkSettings(configuration, dialbackSecret: [1]), contexts: try TestContexts.make(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let listener = NetworkSettings.Listener(
            kind: .client, path: "listeners.client[0]", address: "127.0.0.1", port: 5222, directTLS: true)
        let handler = loop.accept(listener, from: RemoteAddress("192.0.2.1"))
        let tls = try TLSEngine(accepting: loop.contexts.client)
        let table = [
            Part(name: "ConnectionHandler, its stream engine in it", bytes: heap(handler), bound: 1200),
            Part(name: "DirectWriter", bytes: heap(DirectWriter(EmbeddedChannel(loop: eventLoop))), bound: 48),
            Part(name: "of that, StreamEngine", bytes: MemoryLayout<StreamEngine>.size, bound: 1000),
            Part(name: "TLSEngine, without OpenSSL's state", bytes: heap(tls), bound: 240),
            Part(name: "Session", bytes: MemoryLayout<Session>.stride, bound: 640),
            Part(name: "OnlineAccount", bytes: MemoryLayout<OnlineAccount>.stride, bound: 160),
            Part(
                name: "an entry of Sessions.connections", bytes: entry(ConnectionID.self, Sessions.Connection.self), bound: 160),
            Part(name: "the account's place", bytes: JIDIndex.bytesPerJID, bound: 40),
            Part(name: "the same by number", bytes: entry(AddressNumber.self, Int32.self), bound: 24),
        ]
        for part in table { #expect(part.bytes <= part.bound, "\(part.name)") }
        let total = table.reduce(0) { $0 + $1.bytes } - MemoryLayout<StreamEngine>.size
        #expect(total <= 3 << 10, "\(table.map { "\($0.name): \($0.bytes)" })")
        handler.abort("over")
    }

    @Test("events, effects and commands are a few words: what is rare and large is elsewhere")
    func messages() {
        #expect(MemoryLayout<ClientStreamEvent>.size <= 17)
        #expect(MemoryLayout<PeerStreamEvent>.size <= 17)
        #expect(MemoryLayout<SiteEvent>.stride <= 40)
        #expect(MemoryLayout<StreamCommand>.size <= 9)
        #expect(MemoryLayout<Effect>.stride <= 32)
        #expect(MemoryLayout<StreamAction>.size <= 25)
    }

    /// What the allocator gave for an object.
    private func heap(_ object: AnyObject) -> Int {
        sizeOfBlock(Unmanaged.passUnretained(object).toOpaque())
    }

    /// An entry of a dictionary that is three quarters full, which is as full as one becomes.
    private func entry<Key, Value>(_: Key.Type, _: Value.Type) -> Int {
        (MemoryLayout<Key>.stride + MemoryLayout<Value>.stride) * 4 / 3
    }
}
