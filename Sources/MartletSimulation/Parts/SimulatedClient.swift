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
    /// The address of its device, once it was bound.
    private(set) var device: JID?
    /// The name of its session, with which it can be resumed.
    private(set) var resumption: String?
    /// Whose presence it asks for at its first login, and who was seen: full addresses.
    private var contacts: [JID]
    private var seen: Set<String> = []
    /// The session's presence was announced.
    private(set) var isPresent = false
    private(set) var approved: Set<String> = []
    /// Handed over and not acknowledged, oldest first.
    private var unacknowledged: [[UInt8]] = []
    private var acknowledged: UInt32 = 0
    private var received: UInt32 = 0
    private var isManaged = false
    /// Typed by the person and not yet handed over.
    private var typed: [[UInt8]] = []

    init(account: JID, site: Int, contacts: [JID]) {
        self.account = account
        self.site = site
        self.contacts = contacts
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

    /// The server has another store: nothing can be resumed, and what it has not acknowledged is handed over again.
    mutating func serverForgot() {
        typed = unacknowledged.filter(Self.isMessage) + typed
        unacknowledged = []
        resumption = nil
        isManaged = false
        isPresent = false
    }

    /// Whether the message of that id is still to be handed over, perhaps again.
    func holds(_ id: String) -> Bool {
        let name = " id='\(id)'"
        return (unacknowledged + typed).contains { String(decoding: $0, as: UTF8.self).contains(name) }
    }

    private static let bind: [UInt8] = {
        let bind = Stanza(.iq, id: "bind", type: "set", payloads: [Element("bind", Namespaces.bind)])
        return bind.serialized()
    }()

    /// An element from the server; gives what to answer, and messages that arrived.
    mutating func received(_ element: Element) -> (send: [[UInt8]], message: Element?) {
        switch (element.name, element.namespace) {
        case ("enabled", Namespaces.streamManagement):
            resumption = element["id"]
            return ([], nil)
        case ("resumed", Namespaces.streamManagement):
            guard let connection else { return ([], nil) }
            forget(upTo: element["h"].flatMap { UInt32($0) } ?? acknowledged)
            state = .online(connection)
            // Questions and answers are at most once: a client gives those up that its connection took along.
            unacknowledged.removeAll { $0.starts(with: "<iq".utf8) }
            return (unacknowledged + flush(), nil)
        case ("failed", Namespaces.streamManagement):
            if let h = element["h"].flatMap({ UInt32($0) }) { forget(upTo: h) }
            typed = unacknowledged.filter(Self.isMessage) + typed
            isPresent = false
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
            device = element.first("bind", Namespaces.bind)?.first("jid", Namespaces.bind).flatMap { try? JID($0.text) }
            return (bound(), nil)
        case ("iq", _):
            if isManaged { received &+= 1 }
            return (answer(element), nil)
        case ("message", _):
            if isManaged { received &+= 1 }
            return ([], element)
        case ("presence", _):
            if isManaged { received &+= 1 }
            return (presence(element), nil)
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
        var opening = [Stanza(.presence).serialized()]
        seen = []
        isPresent = true
        for contact in contacts { opening.append(Stanza(.presence, to: contact, type: "subscribe").serialized()) }
        unacknowledged += opening
        return [enable.serialized(within: Namespaces.client)] + opening + flush()
    }

    /// Everybody may see everybody.
    private mutating func presence(_ element: Element) -> [[UInt8]] {
        guard let text = element["from"], let from = try? JID(text) else { return [] }
        switch element["type"] {
        case "subscribe":
            let answer = Stanza(.presence, to: from.bare, type: "subscribed").serialized()
            unacknowledged.append(answer)
            return [answer]
        case "subscribed":
            approved.insert(from.bare.description)
            contacts.removeAll { $0 == from.bare }
        case "unavailable" where from.isFull: seen.remove(text)
        case "unavailable": seen = seen.filter { !$0.hasPrefix(text + "/") }
        case nil: seen.insert(text)
        default: break
        }
        return []
    }

    /// The devices of `contact` that the contact list shows as present.
    func devicesSeen(of contact: JID) -> [String] {
        let prefix = contact.description + "/"
        return seen.filter { $0.hasPrefix(prefix) }.sorted()
    }

    /// The person asks another device something that only that device can answer.
    mutating func ask(_ query: Stanza) -> [[UInt8]] {
        guard case .online = state else { return [] }
        let bytes = query.serialized()
        unacknowledged.append(bytes)
        return [bytes]
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
        let count = Int(Int32(bitPattern: h &- acknowledged))
        // A server whose backup was restored counts from where it was.
        if count < 0 { acknowledged = h }
        guard count >= 0, count <= unacknowledged.count else { return }
        unacknowledged.removeFirst(count)
        acknowledged = h
    }

    /// Asks how much the server has handled.
    var request: [UInt8] { Array("<r xmlns='\(Namespaces.streamManagement)'/>".utf8) }

    private static func isMessage(_ bytes: [UInt8]) -> Bool { bytes.starts(with: "<message".utf8) }
}
