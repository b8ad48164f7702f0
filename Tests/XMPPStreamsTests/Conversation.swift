import MartletCrypto
import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import XMPPStreams

/// One engine and somebody who plays everything around it from a script.
///
/// A script's line begins with what it is; indented lines continue it, joined without white space.
///
///     > what the peer sends
///     < what the engine must write; {x} stands for a word that is remembered under that name
///     ! what else the engine must do, in the words of `describe`
///
/// Whatever the engine does that the script does not say is a failure.
struct Conversation {
    var engine: StreamEngine
    let environment: StreamEnvironment
    /// Words that `{name}` stood for.
    var words: [String: String] = [:]
    /// What the engine did and no script line has named: writes joined.
    private(set) var deeds: [Deed] = []
    private(set) var timers: [StreamTimer] = []
    private(set) var derivations: [KeyDerivation] = []
    /// The client that was believed last.
    private(set) var authenticated: AuthenticatedClient?
    /// The token that was shown last.
    private(set) var token: TokenProof?

    enum Deed: Equatable {
        case written(String)
        case done(String)
    }

    init(
        _ role: StreamRole, domains: [String] = ["im.example.com"], seed: UInt64 = 1,
        _ change: (inout StreamConfiguration) -> Void = { _ in }
    ) {
        var configuration = StreamConfiguration(
            domains: domains.map { jid($0) }, dialbackSecret: DialbackSecret(Array("s3cr3tf0rd14lb4ck".utf8)))
        change(&configuration)
        environment = StreamEnvironment(configuration, random: RandomStream(seed: seed), validator: XMLValidator())
        engine = StreamEngine(role, address: RemoteAddress("192.0.2.7"), environment: environment)
    }

    // MARK: Inputs

    mutating func connect(directTLS: Bool = false) {
        var actions: [StreamAction] = []
        engine.connected(directTLS: directTLS, into: &actions)
        record(actions)
    }

    mutating func receive(_ text: String) { receive(Array(text.utf8)) }

    mutating func receive(_ bytes: [UInt8]) {
        var actions: [StreamAction] = []
        engine.received(bytes, into: &actions)
        record(actions)
    }

    mutating func secure(_ facts: TLSFacts = TLSFacts()) {
        var actions: [StreamAction] = []
        engine.tlsEstablished(facts, into: &actions)
        record(actions)
    }

    mutating func perform(_ command: StreamCommand) {
        var actions: [StreamAction] = []
        engine.perform(command, into: &actions)
        record(actions)
    }

    /// Does the derivation that was asked for last.
    mutating func derive(succeeding: Bool = true) {
        guard let derivation = derivations.popLast() else {
            Issue.record("no derivation was asked for")
            return
        }
        var actions: [StreamAction] = []
        engine.keysDerived(succeeding ? derivation.run() : nil, for: derivation.id, into: &actions)
        record(actions)
    }

    /// Lets every timer fire that was set, the stale ones too.
    mutating func fireTimers() {
        let due = timers
        timers = []
        for timer in due {
            var actions: [StreamAction] = []
            engine.timerFired(timer, into: &actions)
            record(actions)
        }
    }

    mutating func disconnect(_ words: String = "connection reset") {
        var actions: [StreamAction] = []
        engine.connectionClosed(words, into: &actions)
        record(actions)
    }

    // MARK: Outputs

    private mutating func record(_ actions: [StreamAction]) {
        for action in actions {
            switch action {
            case .write(let bytes):
                let text = String(decoding: bytes, as: UTF8.self)
                if case .written(let before)? = deeds.last {
                    deeds[deeds.count - 1] = .written(before + text)
                } else {
                    deeds.append(.written(text))
                }
            case .setTimer(let timer, _):
                timers.append(timer)
            case .deriveKeys(let derivation):
                derivations.append(derivation)
                deeds.append(.done("derive keys"))
            case .startTLS(let asServer, let serverName):
                deeds.append(.done("start TLS" + (asServer ? " as server" : " with \(serverName ?? "nobody")")))
            case .client(let event):
                if case .authenticated(let client) = event { authenticated = client }
                if case .tokenShown(let proof) = event { token = proof }
                deeds.append(.done(describe(event)))
            case .peer(let event):
                deeds.append(.done(describe(event)))
            case .attempt(let event):
                deeds.append(.done(describe(event)))
            case .place(let place):
                deeds.append(.done("place \(place)"))
            case .close:
                deeds.append(.done("close"))
            case .reset:
                deeds.append(.done("reset"))
            }
        }
    }

    /// Everything since the last time, as one text.
    mutating func takeDeeds() -> [Deed] {
        defer { deeds = [] }
        return deeds
    }

    /// Everything written since the last time; nothing else may have been done.
    mutating func takeWritten() -> String {
        takeDeeds().map { if case .written(let text) = $0 { text } else { "[\($0)]" } }.joined()
    }

    // MARK: Scripts

    mutating func play(_ script: String, at location: SourceLocation = #_sourceLocation) {
        var lines: [String] = []
        for line in script.split(separator: "\n") {
            if line.hasPrefix(" "), !lines.isEmpty {
                lines[lines.count - 1] += line.drop { $0 == " " }
            } else {
                lines.append(String(line))
            }
        }
        for line in lines {
            let rest = line.hasPrefix("<") ? String(line.dropFirst(2)) : filled(String(line.dropFirst(2)))
            switch line.first {
            case ">":
                expectNothing(before: line, location)
                receive(rest)
            case "<":
                guard case .written(let text)? = deeds.first else {
                    Issue.record("expected \(rest), got \(deeds)", sourceLocation: location)
                    return
                }
                guard let end = match(rest, text) else {
                    Issue.record("expected \(rest)\n but got \(text)", sourceLocation: location)
                    return
                }
                let left = String(text[end...])
                if left.isEmpty { deeds.removeFirst() } else { deeds[0] = .written(left) }
            case "!":
                guard deeds.first == .done(rest) else {
                    Issue.record("expected \(rest), got \(deeds)", sourceLocation: location)
                    return
                }
                deeds.removeFirst()
            default:
                Issue.record("no script line: \(line)", sourceLocation: location)
            }
        }
        expectNothing(before: "the end", location)
    }

    private mutating func expectNothing(before line: String, _ location: SourceLocation) {
        if !deeds.isEmpty { Issue.record("before \(line) came \(deeds)", sourceLocation: location) }
        deeds = []
    }

    /// Replaces known `{name}` by their words.
    private func filled(_ text: String) -> String {
        var text = text
        for name in words.keys.sorted() { text = text.replacing("{\(name)}", with: words[name] ?? "") }
        return text
    }

    /// The end of what matches `pattern` at the beginning of `text`.
    private mutating func match(_ pattern: String, _ text: String) -> String.Index? {
        var rest = pattern[...]
        var position = text.startIndex
        while !rest.isEmpty {
            if rest.first == "{", let close = rest.firstIndex(of: "}") {
                let name = String(rest[rest.index(after: rest.startIndex)..<close])
                let end =
                    text[position...].firstIndex { !($0.isLetter || $0.isNumber || "-_+/=".contains($0)) } ?? text.endIndex
                words[name] = String(text[position..<end])
                position = end
                rest = rest[rest.index(after: close)...]
            } else {
                guard position < text.endIndex, text[position] == rest.first else { return nil }
                position = text.index(after: position)
                rest = rest.dropFirst()
            }
        }
        return position
    }
}

/// A JID of a test.
func jid(_ text: String) -> JID {
    do {
        return try JID(text)
    } catch {
        Issue.record("\(text) is no JID: \(error)")
        return JID(preparedLocalpart: nil, preparedDomainpart: "invalid", preparedResourcepart: nil)
    }
}

/// A certificate that names what it is told to.
struct TestIdentity: PeerIdentity {
    var isVerified = true
    var failure = "self-signed"
    var names: [String]
    func matches(_ domain: String) -> Bool { names.contains(domain) }
}

/// A client's event in a script's words.
func describe(_ event: ClientStreamEvent) -> String {
    switch event {
    case .credentialsWanted(let localpart, let domain, let mechanism, let address):
        "credentials wanted \(localpart)@\(domain) \(mechanism.rawValue) \(address.text)"
    case .authenticated(let client): "client authenticated \(client.account)\(client.isSecure ? " secure" : "")"
    case .tokenShown(let proof): "token shown \(proof.localpart)@\(proof.domain) \(proof.mechanism.rawValue)"
    case .authenticationFailed(let localpart, let domain, _): "authentication failed \(localpart ?? "?")@\(domain)"
    case .registrationRequested(let stanza, let domain, _, let invitation):
        "registration \(domain) \(text(stanza))" + (invitation.map { " invited \($0)" } ?? "")
    case .stanza(let stanza): "stanza \(text(stanza))"
    case .stanzaRefused(let stanza, let error): "stanza refused \(error.condition.rawValue) \(text(stanza))"
    case .nonza(let element): "nonza \(String(decoding: element.serialized(within: ""), as: UTF8.self))"
    case .spent(let work): "spent \(work)"
    case .arrived(let mark): "arrived \(mark)"
    case .streamEnded: "stream ended"
    case .closed(let words): "closed \(words)"
    case .congested: "congested"
    }
}

/// Another server's event in a script's words.
func describe(_ event: PeerStreamEvent) -> String {
    switch event {
    case .dialbackKeyReceived(let pair, let key, let id, _): "dialback key \(pair.local) \(pair.peer) \(key) \(id)"
    case .peerVerified(let pair, let proof, let bidirection, let bytes):
        "peer verified \(pair.local) \(pair.peer) \(proof)" + (bidirection == .none ? "" : " bidi \(bidirection)")
            + (bytes.map { $0 == 262_144 ? "" : " \($0) bytes" } ?? "")
    case .componentShown(let domain, true, _): "component shown \(domain)"
    case .componentShown(let domain, false, _): "wrong secret of \(domain)"
    case .stanza(let stanza): "stanza \(text(stanza))"
    case .stanzaRefused(let stanza, let error): "stanza refused \(error.condition.rawValue) \(text(stanza))"
    case .nonza(let element): "nonza \(String(decoding: element.serialized(within: ""), as: UTF8.self))"
    case .spent(let work): "spent \(work)"
    case .errorReceived(let condition): "error \(condition)"
    case .errorSent(let condition): "objected \(condition)"
    case .streamEnded: "stream ended"
    case .closed(let words): "closed \(words)"
    case .congested: "congested"
    }
}

/// An attempt's event in a script's words.
func describe(_ event: AttemptEvent) -> String {
    switch event {
    case .ready(let features):
        "ready \(features.proof)\(features.relay ? " relay" : "")\(features.streamManagement ? " sm" : "")"
            + (features.peerCertificateVerified ? " verified" : "") + (features.isBidirectional ? " bidi" : "")
            + (features.announcedBytes.map { $0 == 262_144 ? "" : " \($0) bytes" } ?? "")
    case .failed(.unreachable(let words)): "failed unreachable (\(words))"
    case .failed(.refused(let words)): "failed refused (\(words))"
    case .failed(.noSuchDomain): "failed no such domain"
    case .failed(.serviceNotOffered): "failed no service"
    case .verified(.valid): "verdict valid"
    case .verified(.invalid): "verdict invalid"
    case .verified(.error(let condition, let words)): "verdict \(condition.rawValue) (\(words))"
    }
}

private func text(_ stanza: Stanza) -> String { String(decoding: stanza.serialized(), as: UTF8.self) }
