import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

/// Two engines and the line between them, which cuts the bytes where it likes.
struct TwoEngines {
    struct End {
        var talk: Conversation
        var events: [String] = []
        /// What TLS shows about the other end.
        var identity: TestIdentity?
        var awaitsTLS = false
        var isClosed = false
    }

    var initiating: End
    var receiving: End
    var random: RandomStream
    /// Longest piece that arrives at once.
    let pieces: Int

    init(_ initiating: Conversation, _ receiving: Conversation, pieces: Int, seed: UInt64) {
        self.initiating = End(talk: initiating)
        self.receiving = End(talk: receiving)
        self.pieces = pieces
        random = RandomStream(seed: seed)
    }

    /// Runs until nothing moves any more; `site` answers the receiving end's events.
    mutating func run(_ site: (String) -> StreamCommand? = { _ in nil }) {
        initiating.talk.connect()
        receiving.talk.connect()
        for _ in 0..<1000 {
            var moved = Self.deliver(from: &initiating, to: &receiving, pieces, &random, site)
            moved = Self.deliver(from: &receiving, to: &initiating, pieces, &random, { _ in nil }) || moved
            if initiating.awaitsTLS, receiving.awaitsTLS {
                initiating.awaitsTLS = false
                receiving.awaitsTLS = false
                receiving.talk.secure(TLSFacts(exporter: { [1] }, serverEndPoint: [2], peer: receiving.identity))
                initiating.talk.secure(TLSFacts(exporter: { [1] }, serverEndPoint: [2], peer: initiating.identity))
                moved = true
            }
            if !moved { return }
        }
        Issue.record("the two engines never come to rest")
    }

    private static func deliver(
        from sender: inout End, to receiver: inout End, _ pieces: Int, _ random: inout RandomStream,
        _ site: (String) -> StreamCommand?
    ) -> Bool {
        let deeds = sender.talk.takeDeeds()
        for deed in deeds {
            switch deed {
            case .written(let text):
                var rest = Array(text.utf8)[...]
                while !rest.isEmpty {
                    let count = Int.random(in: 1...pieces, using: &random)
                    receiver.talk.receive(Array(rest.prefix(count)))
                    rest = rest.dropFirst(count)
                    collect(&receiver, site)
                }
            case .done("close"): sender.isClosed = true
            case .done(let text) where text.hasPrefix("start TLS"): sender.awaitsTLS = true
            case .done(let text): sender.events.append(text)
            }
        }
        collect(&receiver, site)
        return !deeds.isEmpty
    }

    /// Lets the site answer what the end reports, at once.
    private static func collect(_ end: inout End, _ site: (String) -> StreamCommand?) {
        for deed in end.talk.deeds {
            if case .done(let text) = deed, let command = site(text) { end.talk.perform(command) }
        }
    }
}

@Suite("Two engines")
struct TwoEnginesTests {
    static let pair = DomainPair(local: jid("capulet.example"), peer: jid("montague.example"))
    static let theirs = DomainPair(local: jid("montague.example"), peer: jid("capulet.example"))

    func engines(
        _ role: StreamRole, identity: TestIdentity?, pieces: Int, seed: UInt64,
        _ change: (inout StreamConfiguration) -> Void = { _ in }
    ) -> TwoEngines {
        var engines = TwoEngines(
            Conversation(role, domains: ["capulet.example"], seed: seed, change),
            Conversation(.serverReceiving, domains: ["montague.example"], seed: seed &+ 1, change), pieces: pieces, seed: seed)
        engines.receiving.identity = identity
        engines.initiating.identity = TestIdentity(names: ["montague.example"])
        return engines
    }

    @Test("by certificate, however the bytes are cut", arguments: [1, 2, 7, 50, 5000])
    func certificate(pieces: Int) {
        for seed in 1...5 as ClosedRange<UInt64> {
            var engines = engines(
                .link(Self.pair, requiresCertificate: true), identity: TestIdentity(names: ["capulet.example"]),
                pieces: pieces, seed: seed)
            engines.run()
            #expect(engines.initiating.events == ["ready certificate relay sm verified bidi"])
            #expect(engines.receiving.events == ["peer verified montague.example capulet.example certificate bidi relay"])
        }
    }

    @Test("by dialback, however the bytes are cut", arguments: [1, 3, 20, 5000], [true, false])
    func dialback(pieces: Int, overTLS: Bool) {
        var engines = engines(.link(Self.pair, requiresCertificate: false), identity: nil, pieces: pieces, seed: 9) {
            if !overTLS { $0.tls = .unavailable }
        }
        var isAsked = false
        engines.run { event in
            guard event.hasPrefix("dialback key"), !isAsked else { return nil }
            isAsked = true
            return .dialbackVerdict(Self.theirs, .valid)
        }
        #expect(engines.initiating.events == ["ready dialback relay sm" + (overTLS ? " verified" : "") + " bidi"])
        #expect(engines.receiving.events.last == "peer verified montague.example capulet.example dialback bidi relay")
    }

    @Test("a key made by one engine is confirmed by another of the same secret", arguments: [true, false])
    func verification(isGenuine: Bool) {
        let secret = DialbackSecret(Array("s3cr3tf0rd14lb4ck".utf8))
        let key = secret.dialbackKey(
            receiving: "capulet.example", originating: "montague.example", streamID: isGenuine ? "abc" : "abd")
        var engines = engines(
            .verification(Self.pair, key: key, streamID: "abc", requiresCertificate: false), identity: nil, pieces: 9, seed: 4)
        engines.run()
        #expect(engines.initiating.events == ["verdict \(isGenuine ? "valid" : "invalid")"])
        #expect(engines.initiating.isClosed)
        #expect(engines.receiving.isClosed)
    }
}
