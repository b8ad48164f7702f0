import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

/// A lane with the entries 1, 2 and 3, and the stream it is on.
struct LaneSubject {
    var harness = FederationHarness()
    var connection: ConnectionID?
    /// Requests to dial that stay among the effects until they succeed or fail, and were seen.
    var dialsSeen = 0
    /// What somebody was answered, for the page.
    var said: [String] = []

    static let link = LinkID(slot: 0)

    init() {
        harness.policy.federation.delayWarning = 0
        harness.policy.federation.retryMinimum = 1000
        harness.policy.federation.keep = KeepLimit(time: 86_400_000, bytes: 1 << 20)
        harness.step { $0.boot($1) }
    }

    var row: LaneRow? { harness.federation.links[0].lanes[1].row }

    mutating func connect() throws {
        if harness.federation.links[0].connection == nil { harness.pass(120_000) }
        connection = try harness.dialSucceeds(relay: true)
    }

    /// A have of the peer; false where no stream could bring it.
    mutating func have(_ mark: RelayMark?, ended: Bool = false, remembersTags: Bool = true) -> Bool {
        guard let connection, harness.federation.links[0].isUp else { return false }
        var have = FederationHarness.have(mark)
        if remembersTags, mark != nil { have["tags"] = "1024" }
        if ended, let row { have["ended"] = row.epoch.text }
        harness.receive(.nonza(have), on: connection)
        return true
    }

    /// The mark of one of our numbers.
    mutating func mark(_ number: UInt64) -> RelayMark? {
        guard let row, let entries = harness.federation.links[0].lanes[1].entries, number > 0 else { return nil }
        let entry = EntryTable.entry(entries, number, in: harness.store.begin())
        harness.store.abort()
        let tag = number == row.acked ? row.ackedTag : entry?.tag ?? 77
        return RelayMark(lane: .chat, epoch: row.epoch, number: number, tag: tag, after: nil)
    }

    /// Time passes and one timer fires, not those before it.
    mutating func fire(_ timer: SiteTimer, after milliseconds: Int64) {
        harness.now += milliseconds
        harness.step { if case .link(let timer) = timer { $0.timerFired(timer, $1) } }
    }

    static func accepted() -> LaneSubject {
        var lane = LaneSubject()
        for text in ["a", "b", "c"] { lane.harness.acceptMessage(text) }
        return lane
    }

    static func asked() throws -> LaneSubject {
        var lane = accepted()
        try lane.connect()
        return lane
    }

    static func open() throws -> LaneSubject {
        var lane = try asked()
        _ = lane.have(nil)
        _ = lane.have(lane.mark(2))
        return lane
    }

    static func askedAgain() throws -> LaneSubject {
        var lane = try open()
        if let connection = lane.connection { lane.harness.receive(.closed("cut"), on: connection) }
        try lane.connect()
        return lane
    }

    static func parting() throws -> LaneSubject {
        var lane = try askedAgain()
        _ = lane.have(RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil))
        return lane
    }

    static func stopped() throws -> LaneSubject {
        var lane = try askedAgain()
        let mark = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil)
        _ = lane.have(mark, remembersTags: false)
        return lane
    }

    /// The peer answers the question for its tags: it remembers those of our first numbers, and one that is not ours.
    mutating func tags(ofFirst count: UInt64, isAll: Bool = true) -> Bool {
        guard let connection, harness.federation.links[0].isUp, let row, harness.federation.links[0].lanes[1].isParting else {
            return false
        }
        let entries = LaneEntries(harness.federation.links[0].lanes[1].id ?? LaneID(0), base: 0)
        let store = harness.store.begin()
        let ours = (0..<count).map { EntryTable.entry(entries, $0 + 1, in: store)?.tag ?? 0 }
        harness.store.abort()
        let mark = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil)
        var have = FederationHarness.have(mark)
        var runs = [TagRun(epoch: mark.epoch, first: 5, tags: [6])]
        if count > 0 { runs.insert(TagRun(epoch: row.epoch, first: 1, tags: ours), at: 0) }
        for element in LaneHistory(runs: runs, isAll: isAll).elements([("lane", "chat")]) {
            harness.receive(.nonza(element), on: connection)
        }
        have["all"] = isAll ? "true" : "false"
        harness.receive(.nonza(have), on: connection)
        return true
    }

    /// What was let out since the last look.
    mutating func takeDeeds() -> [String] {
        var deeds = said
        said = []
        for effect in harness.effects {
            switch effect {
            case .stream(_, .send(let bytes)):
                guard let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.client) else { continue }
                let number = (element.first("seq", Namespaces.relay) ?? element)["n"]
                if element.name == "ask", element["lane"] != nil {
                    deeds.append("asks for the tags")
                    continue
                }
                deeds.append(number.map { "sends \(element.name) \($0)" } ?? "sends \(element.name)")
            case .stream(_, .close): deeds.append("closes the stream")
            case .stream(_, .abort): deeds.append("drops the stream")
            case .note(.laneStopped(_, _, let reason)): deeds.append("tells the operator: \(reason)")
            case .note(.sentAgain(_, _, let entries, let lost)):
                deeds.append("tells the operator: \(entries) sent again, \(lost) not kept")
            case .note(.historiesParted(_, _, let delivered, let waiting)):
                deeds.append("tells the operator: \(delivered) were there, \(waiting) wait")
            case .note(.newEpoch): deeds.append("tells the operator: new numbering")
            case .note(.entryExpired(_, let entry)): deeds.append("entry \(entry.split(separator: "/").last ?? "") expires")
            case .note(.entryHeld(_, let entry, _)): deeds.append("holds entry \(entry.split(separator: "/").last ?? "")")
            default: break
            }
        }
        for stanza in harness.routed where stanza.isError {
            let text = stanza.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text ?? ""
            deeds.append(
                "answers \(stanza.id ?? ""): \(text.contains("may have arrived") ? "may have arrived" : "not delivered")")
        }
        let dials = harness.effects.filter { if case .dial = $0 { true } else { false } }
        if dials.count > dialsSeen { deeds.append("dials") }
        dialsSeen = dials.count
        harness.effects = dials
        harness.routed = []
        return deeds
    }

    /// The state of the lane in words.
    var state: String {
        guard let row else { return "absent" }
        let link = harness.federation.links[0]
        let name =
            if row.isStopped { "stopped" } else if link.lanes[1].isOpen { "open" } else if link.isUp { "asked" } else {
                "waiting"
            }
        return "\(name), \(row.acked) of \(row.assigned)"
    }
}
