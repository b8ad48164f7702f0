import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// A person's client that knows XEP-0198 with resumption: keeps what the server has not acknowledged and hands it over
/// again. Speaks stanzas; streams are simulated beneath it.
struct SimulatedClient {
    /// Where its stream stands.
    enum State: Equatable {
        case offline
        case authenticating(ConnectionID)
        case opening(ConnectionID)
        case online(ConnectionID)
    }

    let account: JID
    let site: Int
    var state = State.offline
    private var resumption: String?
    /// Handed over and not acknowledged, oldest first.
    private var unacknowledged: [[UInt8]] = []
    private var acknowledged: UInt32 = 0
    private var received: UInt32 = 0
    private var isManaged = false
    /// Typed by the person and not yet handed over.
    private var typed: [[UInt8]] = []

    init(account: JID, site: Int) {
        self.account = account
        self.site = site
    }

    var connection: ConnectionID? {
        switch state {
        case .offline: nil
        case .authenticating(let connection), .opening(let connection), .online(let connection): connection
        }
    }

    /// Nothing waits in the client.
    var isIdle: Bool { typed.isEmpty && unacknowledged.isEmpty }

    /// The person wrote a message.
    mutating func type(_ message: Stanza) -> [[UInt8]] {
        typed.append(message.serialized())
        return flush()
    }

    /// The stream is authenticated: resume or bind.
    mutating func streamOpened(_ connection: ConnectionID) -> [[UInt8]] {
        state = .opening(connection)
        if let resumption {
            let resume = Element(
                "resume", Namespaces.streamManagement, [("h", String(received)), ("previd", resumption)])
            return [resume.serialized(within: Namespaces.client)]
        }
        return [Self.bind]
    }

    /// The connection is gone, in whatever way.
    mutating func streamLost() {
        state = .offline
        if !isManaged { unacknowledged.removeAll() }
    }

    private static let bind: [UInt8] = {
        let bind = Stanza(.iq, id: "bind", type: "set", payloads: [Element("bind", Namespaces.bind)])
        return bind.serialized()
    }()

    /// An element from the server; gives what to answer, and messages that arrived.
    mutating func received(_ element: Element, bytes: [UInt8]) -> (send: [[UInt8]], message: Element?) {
        switch (element.name, element.namespace) {
        case ("enabled", Namespaces.streamManagement):
            resumption = element["id"]
            return ([], nil)
        case ("resumed", Namespaces.streamManagement):
            guard let connection else { return ([], nil) }
            forget(upTo: element["h"].flatMap { UInt32($0) } ?? acknowledged)
            state = .online(connection)
            return (unacknowledged + flush(), nil)
        case ("failed", Namespaces.streamManagement):
            if let h = element["h"].flatMap({ UInt32($0) }) { forget(upTo: h) }
            typed = unacknowledged.filter(Self.isMessage) + typed
            unacknowledged = []
            resumption = nil
            isManaged = false
            return ([Self.bind], nil)
        case ("a", Namespaces.streamManagement):
            forget(upTo: element["h"].flatMap { UInt32($0) } ?? acknowledged)
            return ([], nil)
        case ("r", Namespaces.streamManagement):
            return ([Array("<a xmlns='\(Namespaces.streamManagement)' h='\(received)'/>".utf8)], nil)
        case ("iq", _) where element["id"] == "bind" && element["type"] == "result":
            return (bound(), nil)
        case ("iq", _):
            if isManaged { received &+= 1 }
            return (answer(element), nil)
        case ("message", _):
            if isManaged { received &+= 1 }
            return ([], element)
        default:
            if isManaged { received &+= 1 }
            return ([], nil)
        }
    }

    private mutating func bound() -> [[UInt8]] {
        guard let connection else { return [] }
        state = .online(connection)
        isManaged = true
        received = 0
        acknowledged = 0
        unacknowledged = []
        let enable = Element("enable", Namespaces.streamManagement, [("resume", "true")])
        let presence = Stanza(.presence).serialized()
        unacknowledged.append(presence)
        return [enable.serialized(within: Namespaces.client), presence] + flush()
    }

    private mutating func answer(_ iq: Element) -> [[UInt8]] {
        guard iq["type"] == "get" || iq["type"] == "set" else { return [] }
        let result = Stanza(.iq, to: iq["from"].flatMap { try? JID($0) }, id: iq["id"], type: "result").serialized()
        unacknowledged.append(result)
        return [result]
    }

    private mutating func flush() -> [[UInt8]] {
        guard case .online = state else { return [] }
        let ready = typed
        typed = []
        unacknowledged += ready
        return ready.isEmpty ? [] : ready + [Array("<r xmlns='\(Namespaces.streamManagement)'/>".utf8)]
    }

    private mutating func forget(upTo h: UInt32) {
        let count = Int(h &- acknowledged)
        guard count <= unacknowledged.count else { return }
        unacknowledged.removeFirst(count)
        acknowledged = h
    }

    private static func isMessage(_ bytes: [UInt8]) -> Bool { bytes.starts(with: "<message".utf8) }
}
