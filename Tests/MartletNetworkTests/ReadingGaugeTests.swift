import Logging
import MartletBus
import MartletConfiguration
import NIOCore
import NIOPosix
import Testing
import XMPPStreams

@testable import MartletNetwork

@Suite struct ReadingGaugeTests {
    private func gauge() -> ReadingGauge { ReadingGauge(bound: 100, ceiling: 1000) }

    @Test("what waits within the bound, or is read while it waits, is no congestion, however long it takes")
    func progress() {
        var gauge = gauge()
        #expect(gauge.wrote(waiting: 100) { 0 } == .calm)
        #expect(gauge.wrote(waiting: 900) { 0 } == .watch)
        for step in 1..<100 {
            #expect(gauge.wrote(waiting: 950) { 0 } == .calm, "it is watched already")
            #expect(gauge.looked(waiting: 900, progress: UInt64(step)) == .watch)
        }
        #expect(gauge.looked(waiting: 100, progress: 200) == .calm)
        #expect(gauge.wrote(waiting: 101) { 200 } == .watch, "and anew")
    }

    @Test("what stands still beyond the bound is congestion, and so is more than any answer has; it is said once")
    func congestion() {
        var still = gauge()
        #expect(still.wrote(waiting: 101) { 7 } == .watch)
        #expect(still.looked(waiting: 101, progress: 7) == .congested)
        #expect(still.looked(waiting: 101, progress: 7) == .calm)
        #expect(still.wrote(waiting: 2000) { 7 } == .calm)
        #expect(!still.isBeyondBearing(waiting: 2000))
        #expect(still.isBeyondBearing(waiting: 2001))
        var large = gauge()
        #expect(large.wrote(waiting: 1001) { 0 } == .congested)
        #expect(large.wrote(waiting: 1001) { 0 } == .calm)
    }

    @Test(
        "the ceiling is above the largest roster and the largest stanza, whatever the limits are", arguments: [1, 64])
    func limits(roster: Int) throws {
        let settings = try settings("[limits]\nroster_bytes = \"\(roster)MiB\"\nserver_stanza_bytes = \"16MiB\"\n")
        #expect(settings.outboundCeiling > settings.outboundLimit + roster << 20)
        #expect(settings.outboundCeiling >= settings.outboundLimit + (16 << 20))
    }

    private func settings(_ more: String = "") throws -> NetworkSettings {
        let text = "[site]\ndomain = \"pilsen.example\"\n\(more)"
        return NetworkSettings(try SiteConfiguration.parse(text, fileName: "test.toml"), dialbackSecret: [1])
    }

    /// A client whose stream is open, the loop of its connection, and what stops both.
    private func connection(_ recorder: Recorder) async throws -> (
        client: RawClient, loop: LoopMailbox<ConnectionLoop.Item>, server: any Channel
    ) {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        // A roster may be as large as the answer below.
        let limits = "[limits]\nroster_bytes = \"8MiB\"\npreauth_time = \"10m\"\n"
        let (settings, contexts) = (try settings(limits), try TestContexts.make())
        let bound = try await eventLoop.submit {
            let loop = ConnectionLoop(
                index: 0, eventLoop: eventLoop, site: recorder, passwords: WorkPool(.passwords), settings: settings,
                contexts: contexts, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            return NIOLoopBound(loop, eventLoop: eventLoop)
        }.get()
        let listener = NetworkSettings.Listener(
            kind: .client, path: "listeners.client[0]", address: "127.0.0.1", port: 0, directTLS: false, plain: true)
        let server = try await ServerBootstrap(group: eventLoop)
            // The kernels on both sides hold little of what is not read.
            .childChannelOption(.socketOption(.so_sndbuf), value: 64 << 10)
            .childChannelOption(.writeBufferWaterMark, value: settings.waterMark)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = bound.value.accept(listener, from: RemoteAddress("127.0.0.1"))
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(try #require(server.localAddress?.port))
        let client = try await NIOThreadPool.singleton.runIfActive {
            let client = try RawClient(port: port)
            client.send(
                "<stream:stream to='pilsen.example' version='1.0' xmlns='jabber:client' "
                    + "xmlns:stream='http://etherx.jabber.org/streams'>")
            _ = client.receive(until: "</stream:features>")
            return client
        }
        return (client, LoopMailbox(eventLoop: eventLoop) { bound.value.perform($0) }, server)
    }

    /// An answer of that many bytes.
    private func answer(_ count: Int) -> [ConnectionLoop.Item] {
        [.command(slot: 0, generation: 1, .send(Array(repeating: 0x20, count: count)))]
    }

    private func isCongested(_ event: SiteEvent) -> Bool {
        if case .client(_, .congested) = event { true } else { false }
    }

    @Test("an answer of eight times the bound reaches a client that reads it, on a real socket")
    func largeAnswer() async throws {
        let recorder = Recorder()
        let (client, loop, server) = try await connection(recorder)
        loop.post(answer(8 << 20))
        let received = try await NIOThreadPool.singleton.runIfActive { client.receive(count: 8 << 20) }
        #expect(received == 8 << 20)
        #expect(!recorder.all.contains(where: isCongested))
        try await server.close().get()
    }

    @Test("a client that reads nothing of twice the bound is congested after a while, and of more than the ceiling at once")
    func stillReader() async throws {
        for count in [2 << 20, 64 << 20] {
            let recorder = Recorder()
            let (client, loop, server) = try await connection(recorder)
            loop.post(answer(count))
            let isCongested: Bool = await recorder.first { if case .client(_, .congested) = $0 { true } else { nil } }
            #expect(isCongested)
            // It is there, and reads nothing.
            client.send(" ")
            try await server.close().get()
        }
    }
}
