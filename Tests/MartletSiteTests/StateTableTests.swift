import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

@Suite struct StateTableTests {
    /// A lane with the entries 1, 2 and 3, and the stream it is on.
    struct Lane {
        var harness = FederationHarness()
        var connection: ConnectionID?
        /// Requests to dial that stay among the effects until they succeed or fail, and were seen.
        var dialsSeen = 0

        init() {
            harness.policy.delayWarning = 0
            harness.policy.retryMinimum = 1000
            harness.step { $0.boot($1) }
        }

        var row: LaneRow? { harness.federation.links[0].lanes[1].row }

        mutating func connect() throws {
            if harness.federation.links[0].connection == nil { harness.pass(120_000) }
            connection = try harness.dialSucceeds(relay: true)
        }

        /// A have of the peer; false where no stream could bring it.
        mutating func have(_ mark: RelayMark?, ended: Bool = false) -> Bool {
            guard let connection, harness.federation.links[0].isUp else { return false }
            var have = FederationHarness.have(mark)
            if ended, let row { have["ended"] = row.epoch.text }
            harness.receive(.nonza(have), on: connection)
            return true
        }

        /// The mark of one of our numbers.
        mutating func mark(_ number: UInt64) -> RelayMark? {
            guard let row, let id = harness.federation.links[0].lanes[1].id, number > 0 else { return nil }
            let entry = EntryTable.entry(id, number, in: harness.store.begin())
            harness.store.abort()
            let tag = number == row.acked ? row.ackedTag : entry?.tag ?? 77
            return RelayMark(lane: .chat, epoch: row.epoch, number: number, tag: tag, after: nil)
        }

        /// Time passes and one timer fires, not those before it.
        mutating func fire(_ timer: SiteTimer, after milliseconds: Int64) {
            harness.now += milliseconds
            harness.step { $0.timerFired(timer, $1) }
        }
    }

    private static func accepted() -> Lane {
        var lane = Lane()
        for text in ["a", "b", "c"] { lane.harness.acceptMessage(text) }
        return lane
    }

    private static func asked() throws -> Lane {
        var lane = accepted()
        try lane.connect()
        return lane
    }

    private static func open() throws -> Lane {
        var lane = try asked()
        _ = lane.have(nil)
        _ = lane.have(lane.mark(2))
        return lane
    }

    private static func askedAgain() throws -> Lane {
        var lane = try open()
        if let connection = lane.connection { lane.harness.receive(.closed("cut"), on: connection) }
        try lane.connect()
        return lane
    }

    private static func stopped() throws -> Lane {
        var lane = try askedAgain()
        _ = lane.have(nil)
        return lane
    }

    /// The name of the state, and what was let out since the last look.
    private static func observe(_ lane: inout Lane) -> (state: String, deeds: [String]) {
        var deeds: [String] = []
        for effect in lane.harness.effects {
            switch effect {
            case .stream(_, .send(let bytes)):
                guard let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.client) else { continue }
                let number = (element.first("seq", Namespaces.relay) ?? element)["n"]
                deeds.append(number.map { "sends \(element.name) \($0)" } ?? "sends \(element.name)")
            case .stream(_, .close): deeds.append("closes the stream")
            case .stream(_, .abort): deeds.append("drops the stream")
            case .note(.laneStopped(_, _, let reason)): deeds.append("tells the operator: \(reason)")
            case .note(.newEpoch): deeds.append("tells the operator: new numbering")
            case .note(.entryExpired(_, let entry)): deeds.append("entry \(entry.split(separator: "/").last ?? "") expires")
            case .note(.entryHeld(_, let entry, _)): deeds.append("holds entry \(entry.split(separator: "/").last ?? "")")
            default: break
            }
        }
        for stanza in lane.harness.routed where stanza.isError {
            let text = stanza.payload("error", Namespaces.client)?.first("text", Namespaces.stanzaErrors)?.text ?? ""
            deeds.append(
                "answers \(stanza.id ?? ""): \(text.contains("may have arrived") ? "may have arrived" : "not delivered")")
        }
        let dials = lane.harness.effects.filter { if case .dial = $0 { true } else { false } }
        if dials.count > lane.dialsSeen { deeds.append("dials") }
        lane.dialsSeen = dials.count
        lane.harness.effects = dials
        lane.harness.routed = []
        return (state(lane), deeds)
    }

    private static func state(_ lane: Lane) -> String {
        guard let row = lane.row else { return "absent" }
        let link = lane.harness.federation.links[0]
        let name =
            if row.isStopped { "stopped" } else if link.lanes[1].isOpen { "open" } else if link.isUp { "asked" } else {
                "waiting"
            }
        return "\(name), \(row.acked) of \(row.assigned)"
    }

    private static let link = LinkID(slot: 0)

    private static var table: StateTable<Lane> {
        StateTable<Lane>(
            title: "Lanes",
            states: [
                ("absent: nothing was ever sent", { Lane() }),
                ("waiting: no stream, 0 of 3 acknowledged", { accepted() }),
                ("asked: a stream, the peer has not said what it has, 0 of 3", { try asked() }),
                ("open: 2 of 3", { try open() }),
                ("asked again: after another stream, 2 of 3", { try askedAgain() }),
                ("stopped: the peer went back in time, 2 of 3", { try stopped() }),
            ],
            inputs: [
                (
                    "a message is accepted",
                    {
                        $0.harness.acceptMessage("d"); return true
                    }
                ),
                (
                    "the stream is ready",
                    { lane in
                        guard !lane.harness.federation.links[0].isUp else { return false }
                        try lane.connect()
                        return true
                    }
                ),
                ("have: nothing", { $0.have(nil) }),
                ("have: what was acknowledged", { lane in lane.have(lane.mark(lane.row?.acked ?? 0)) }),
                ("have: the last", { lane in lane.have(lane.mark(lane.row?.assigned ?? 0)) }),
                (
                    "have: less than was acknowledged",
                    { lane in
                        guard let row = lane.row, row.acked > 1 else { return false }
                        return lane.have(RelayMark(lane: .chat, epoch: row.epoch, number: 1, tag: 1, after: nil))
                    }
                ),
                (
                    "have: more than was given",
                    { lane in
                        guard let row = lane.row else { return false }
                        return lane.have(RelayMark(lane: .chat, epoch: row.epoch, number: 9, tag: 1, after: nil))
                    }
                ),
                (
                    "have: another tag",
                    { lane in
                        guard var mark = lane.mark(3) else { return false }
                        mark.tag ^= 1
                        return lane.have(mark)
                    }
                ),
                (
                    "have: another epoch",
                    { $0.have(RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil)) }
                ),
                (
                    "have: our epoch has ended",
                    { lane in
                        lane.row == nil
                            ? false
                            : lane.have(
                                RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil),
                                ended: true)
                    }
                ),
                (
                    "the stream dies",
                    { lane in
                        guard let connection = lane.connection, lane.harness.federation.links[0].isUp else { return false }
                        lane.harness.receive(.closed("cut"), on: connection)
                        return true
                    }
                ),
                (
                    "the peer is silent",
                    { lane in
                        guard lane.harness.federation.links[0].owedSince != nil else { return false }
                        for _ in 0..<2 {
                            let generation = lane.harness.federation.links[0].generation
                            lane.fire(.linkSilence(link, generation: generation), after: lane.harness.policy.silenceTimeout)
                        }
                        return true
                    }
                ),
                (
                    "the lifetime is over",
                    { lane in
                        lane.fire(.linkExpiry(link, generation: 0), after: lane.harness.policy.entryLifetime + 1)
                        return true
                    }
                ),
                (
                    "the operator purges what waits",
                    { lane in
                        guard lane.row != nil else { return false }
                        _ = lane.harness.deskPurge(lane.harness.rows())
                        return true
                    }
                ),
                (
                    "the operator holds what waits",
                    { lane in
                        guard lane.row != nil else { return false }
                        _ = lane.harness.deskHold(lane.harness.rows())
                        return true
                    }
                ),
                (
                    "the operator begins it anew",
                    { lane in
                        guard lane.row != nil else { return false }
                        lane.harness.step { _ = $0.resync(FederationHarness.peer, uncertain: .resend, $1) }
                        return true
                    }
                ),
                (
                    "the process starts anew",
                    {
                        $0.dialsSeen = 0
                        $0.harness.restart(); return true
                    }
                ),
            ], observe: observe)
    }

    @Test("every state of a lane under every input is what Docs/reference/state-tables.md says")
    func lanes() throws {
        let head = """
            # State tables

            What becomes of each state under each input, and what it does. Made by the tests from the code, compared cell by cell in
            every run: `MARTLET_WRITE_DOCS=1 swift test --filter StateTableTests` writes it anew. The rules are in
            [the relay protocol](../relay-protocol.md), sections 3 and 4; "2 of 3" means: acknowledged, of all numbers given. Inputs that
            cannot come in a state have no row.


            """
        try expectPage("Docs/reference/state-tables.md", head + Self.table.render())
    }
}
