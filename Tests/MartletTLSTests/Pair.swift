import MartletTLS
import Testing

/// A client's and a server's engine joined in memory, with the bytes between them cut into pieces.
final class Pair {
    let client: TLSEngine
    let server: TLSEngine
    /// What each end has read.
    var atClient: [UInt8] = []
    var atServer: [UInt8] = []
    /// The ciphertext seen so far.
    var sentByClient: [UInt8] = []
    var sentByServer: [UInt8] = []

    init(_ client: TLSEngine, _ server: TLSEngine) {
        self.client = client
        self.server = server
    }

    convenience init(
        client: TLSContext, server: TLSContext, serverName: String = "pilsen.example", alpn: [String] = [], time: Int64? = nil
    ) throws(TLSError) {
        self.init(
            try TLSEngine(connecting: client, serverName: serverName, alpn: alpn, verificationTime: time),
            try TLSEngine(accepting: server, verificationTime: time))
    }

    /// Carries bytes both ways, at most `piece` at a time, until neither side has any.
    func pump(piece: Int = .max) throws(TLSError) {
        while client.hasOutput || server.hasOutput {
            let up = client.takeOutput()
            sentByClient += up
            for part in Self.cut(up, piece) { _ = try server.receive(part, plaintext: &atServer) }
            let down = server.takeOutput()
            sentByServer += down
            for part in Self.cut(down, piece) { _ = try client.receive(part, plaintext: &atClient) }
        }
    }

    static func cut(_ bytes: [UInt8], _ piece: Int) -> [[UInt8]] {
        guard bytes.count > piece else { return bytes.isEmpty ? [] : [bytes] }
        return stride(from: 0, to: bytes.count, by: piece).map { Array(bytes[$0..<min($0 + piece, bytes.count)]) }
    }
}

/// The certificates that the tests share; making keys is the slow part.
enum Fixture {
    /// 2026-01-01 00:00:00 UTC: when the tests take place.
    static let now: Int64 = 1_767_225_600
    static let year = CertificateValidity.days(365, from: now)

    static let authority = Result { () throws(TLSError) in
        try CertificateAuthority(name: "Test Authority", validity: year)
    }
    static let pilsen = Result { () throws(TLSError) in
        try issue(names: ["pilsen.example", "conference.pilsen.example"])
    }
    static let brno = Result { () throws(TLSError) in try issue(names: ["brno.example"]) }

    static func issue(
        names: [String], services: [String] = [], addresses: [String] = [], validity: CertificateValidity = year,
        usage: CertificateUsage = .serverAndClient
    ) throws(TLSError) -> TLSIdentity {
        identity(
            try authority.get().issue(
                names: names, serviceNames: services, xmppAddresses: addresses, validity: validity, usage: usage))
    }

    static func identity(_ issued: IssuedCertificate) -> TLSIdentity {
        do {
            return try TLSIdentity(
                certificateChainPEM: [UInt8](issued.certificatePEM.utf8), keyPEM: [UInt8](issued.keyPEM.utf8))
        } catch {
            preconditionFailure("a certificate just made is unusable: \(error)")
        }
    }

    static func trust() throws(TLSError) -> TrustStore {
        try TrustStore(system: false, additionalPEM: [UInt8](authority.get().pem.certificatePEM.utf8))
    }

    /// A pair with the identity on the server's end, certificate judged by the client at `now`.
    static func judged(_ identity: TLSIdentity, trust: TrustStore? = nil, time: Int64 = now) throws(TLSError)
        -> PeerCertificate?
    {
        let store = if let trust { trust } else { try Fixture.trust() }
        let pair = try Pair(client: TLSContext(trust: store), server: TLSContext(server: identity), time: time)
        try pair.pump()
        return pair.client.peerCertificate
    }
}

/// A small seeded generator (SplitMix64), so that a failure can be repeated.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
