// The fuzz target for stream engines: whatever a peer or a client says, in whatever pieces, with whatever answers of the site between: no
// crash, nothing behind the end, no stanza before authentication, one end.
//
// The first byte of an input chooses the role and whether TLS is there from the start, the second the settings; then come steps: a byte
// below 200 is that many bytes from the other side (they follow), one above is something that the site or the clock does.

import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

private func expect(_ condition: Bool, _ rule: StaticString) {
    if !condition { fatalError("disagreement: \(rule)") }
}

private func jid(_ text: String) -> JID {
    guard let jid = try? JID(text) else { fatalError("\(text) is an address") }
    return jid
}

private let ours = jid("im.example.com")
private let theirs = jid("capulet.example")
private let pair = DomainPair(local: ours, peer: theirs)
nonisolated(unsafe) private let validator = XMLValidator()

/// What was seen of one stream.
private struct Witness {
    var isClosed = false
    var isProven = false
    var ends = 0
    var timers: [StreamTimer] = []

    mutating func see(_ actions: [StreamAction]) {
        for action in actions {
            switch action {
            case .write: expect(!isClosed, "nothing is written behind the end")
            case .close, .reset: isClosed = true
            case .setTimer(let timer, _): timers.append(timer)
            case .peer(.componentShown(_, let isGenuine, _)): isProven = isProven || isGenuine
            case .client(.authenticated), .client(.tokenShown), .client(.registrationRequested), .peer(.peerVerified),
                .attempt(.verified):
                isProven = true
            case .client(.stanza), .peer(.stanza): expect(isProven, "no stanza passes before somebody is proven")
            case .client(.closed), .peer(.closed): ends += 1
            default: break
            }
        }
        expect(ends <= 1, "a stream ends once")
    }
}

private func configuration(_ choice: UInt8) -> StreamConfiguration {
    var configuration = StreamConfiguration(domains: [ours], dialbackSecret: DialbackSecret([1]))
    configuration.tls = [.unavailable, .optional, .required][Int(choice) % 3]
    configuration.componentSecrets = [theirs: []]
    configuration.allowsPlainWithoutTLS = choice & 4 != 0
    configuration.allowsInvitations = choice & 16 != 0
    if choice & 32 != 0 { configuration.withheldMechanisms = [] }
    return configuration
}

private func role(_ choice: UInt8) -> StreamRole {
    switch choice % 4 {
    case 0: choice & 64 == 0 ? .clientReceiving : .componentReceiving
    case 1: .serverReceiving
    case 2: .link(pair, requiresCertificate: choice & 8 != 0)
    default: .verification(pair, key: "k", streamID: "s", requiresCertificate: choice & 8 != 0)
    }
}

private let credentials = StoredCredentials(
    account: jid("anna@im.example.com"), salt: [1, 2, 3], iterations: 4, storedKey: [UInt8](repeating: 1, count: 32),
    serverKey: [UInt8](repeating: 2, count: 32), generation: 1, isDecoy: false)

private func perform(_ step: UInt8, _ engine: inout StreamEngine, _ witness: inout Witness, _ actions: inout [StreamAction]) {
    switch step % 11 {
    case 0: engine.tlsEstablished(TLSFacts(exporter: { [1] }, peer: nil), into: &actions)
    case 1: engine.perform(.credentials(credentials), into: &actions)
    case 2: engine.perform(.admit, into: &actions)
    case 3: engine.perform(.dialbackVerdict(pair, .valid), into: &actions)
    case 4: engine.perform(.send([0x20]), into: &actions)
    case 5: engine.perform(.close(nil), into: &actions)
    case 6: engine.perform(.refuseCredentials, into: &actions)
    case 8: engine.perform(.welcome(Welcome(jid("anna@im.example.com/x"))), into: &actions)
    case 9: engine.perform(.refuse(.notAuthorized), into: &actions)
    case 7: if let timer = witness.timers.popLast() { engine.timerFired(timer, into: &actions) }
    default: engine.takeOn(into: &actions)
    }
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzStreams(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    let environment = StreamEnvironment(configuration(input[1]), random: RandomStream(seed: 7), validator: validator)
    var engine = StreamEngine(role(input[0]), address: RemoteAddress("192.0.2.7"), environment: environment)
    var witness = Witness()
    var actions: [StreamAction] = []
    engine.connected(directTLS: input[0] & 16 != 0, into: &actions)
    witness.see(actions)
    var position = 2
    while position < input.count {
        let step = input[position]
        position += 1
        var next: [StreamAction] = []
        if step < 200 {
            let end = min(input.count, position + Int(step))
            engine.received(input[position..<end], into: &next)
            position = end
        } else {
            perform(step, &engine, &witness, &next)
        }
        witness.see(next)
    }
    var last: [StreamAction] = []
    engine.connectionClosed("over", into: &last)
    witness.see(last)
    return 0
}
