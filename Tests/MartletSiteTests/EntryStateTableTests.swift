import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

extension LaneSubject {
    /// What became of the message `a`, which was the first.
    var entryState: String {
        let store = harness.store.begin()
        defer { harness.store.abort() }
        let lane = harness.federation.links.first?.lanes[1]
        let stopped = lane?.row?.isStopped == true ? ", its lane is stopped" : ""
        var state: String?
        HeldTable.forEach(from: 1, in: store) { _, held in
            if isFirst(held.logSequence, store) {
                state = held.mayHaveArrived ? "held, may have arrived" : "held"
            }
            return state == nil
        }
        if let lane, let entries = lane.entries, let row = lane.row {
            EntryTable.forEach(entries, from: row.acked + 1, in: store) { number, entry in
                if entry.state == .void, number == 1 { state = state ?? "void" }
                guard entry.state == .waiting, isFirst(entry.logSequence, store) else { return true }
                let isOut = harness.federation.links[0].isUp && lane.isOpen && number < lane.nextToSend
                let word = isOut ? "sent" : lane.mayHaveArrived(number, entry) ? "sent before, waits" : "waits"
                state = "\(word) as \(number)"
                return false
            }
        }
        return (state ?? (lane?.row == nil ? "absent" : "gone")) + stopped
    }

    private func isFirst(_ sequence: UInt64, _ store: any KeyValueTransaction) -> Bool {
        StanzaLog.stanza(sequence, in: store)?.stanza.id == "a"
    }

    /// The rows that an operator sees of the message.
    private mutating func desk() -> [QueueRow] { harness.rows { $0.name.number == 1 } }

    /// An operator does something with the message; false where it is not in the list.
    mutating func desk(
        held: Bool? = nil, _ deed: (inout Federation, [EntryClaim], Turn) -> DeskOutcome
    ) -> Bool {
        let rows = desk().filter { held == nil || ($0.state == .held) == held }
        guard !rows.isEmpty else { return false }
        var outcome = DeskOutcome()
        harness.step { outcome = deed(&$0, rows.map { EntryClaim(name: $0.name, tag: $0.tag) }, $1) }
        said += outcome.refused.map { "refuses: \($0.words)" }
        return true
    }

    /// The stream is ready, and the peer says what it has.
    mutating func reconnect(_ number: UInt64) throws {
        try connect()
        _ = have(mark(number))
    }

    /// Streams end with an error, at the first that is not acknowledged.
    mutating func strike(_ times: Int) throws {
        for _ in 0..<times {
            if !harness.federation.links[0].isUp { try reconnect(row?.acked ?? 0) }
            guard let connection else { return }
            harness.receive(.errorReceived("policy-violation"), on: connection)
            harness.receive(.closed("policy-violation"), on: connection)
        }
    }

    static func sent() throws -> LaneSubject {
        var lane = accepted()
        try lane.reconnect(0)
        return lane
    }

    static func sentBefore() throws -> LaneSubject {
        var lane = try sent()
        if let connection = lane.connection { lane.harness.receive(.closed("cut"), on: connection) }
        return lane
    }

    static func void() -> LaneSubject {
        var lane = accepted()
        _ = lane.desk { $0.purge($1, $2) }
        return lane
    }

    static func voidSent() throws -> LaneSubject {
        var lane = void()
        try lane.reconnect(0)
        return lane
    }

    static func held() -> LaneSubject {
        var lane = accepted()
        _ = lane.desk { $0.hold($1, $2) }
        return lane
    }

    static func poison() throws -> LaneSubject {
        var lane = accepted()
        try lane.strike(3)
        return lane
    }

    static func gone() throws -> LaneSubject {
        var lane = try sent()
        _ = lane.have(lane.mark(1))
        return lane
    }

    /// Our store was restored: the peer knows another stanza by the number 3.
    static func uncertain() throws -> LaneSubject {
        var lane = accepted()
        lane.harness.restart()
        try lane.connect()
        guard var mark = lane.mark(3) else { return lane }
        mark.tag ^= 1
        _ = lane.have(mark, remembersTags: false)
        return lane
    }
}

extension StateTableTests {
    @Suite struct EntryStateTableTests {
        private static let hours: Int64 = 3_600_000

        private static var table: StateTable<LaneSubject> {
            StateTable<LaneSubject>(
                title: "Entries",
                words: """
                    The message *a*, the first of three (*a*, *b*, *c*) that were taken over for another office. "Waits as 1": under that
                    number of its lane. "Sent": on the stream that is up, without acknowledgement; it stays so when the stream dies, but
                    for being sent again. A void keeps the number of a message that is not there any more.
                    """,
                states: [
                    ("absent", { LaneSubject() }),
                    ("waits, never sent", { LaneSubject.accepted() }),
                    ("sent, not acknowledged", { try LaneSubject.sent() }),
                    ("sent on a stream that died", { try LaneSubject.sentBefore() }),
                    ("waits in a lane that stopped because our store went back in time", { try LaneSubject.uncertain() }),
                    ("void: cancelled by the operator, no stream", { LaneSubject.void() }),
                    ("void, sent", { try LaneSubject.voidSent() }),
                    ("held by the operator", { LaneSubject.held() }),
                    ("held: three streams ended over it", { try LaneSubject.poison() }),
                    ("gone: acknowledged", { try LaneSubject.gone() }),
                ],
                inputs: streams + desk + decisions,
                observe: { lane in
                    let deeds = lane.takeDeeds()
                    return (lane.entryState, deeds)
                })
        }

        private static var streams: [StateTable<LaneSubject>.Input] {
            [
                .init("the peer says that it has 1", needs: "a stream, and a number given") { lane in
                    lane.row == nil ? false : lane.have(lane.mark(1))
                },
                .init("the peer says that it has all three", needs: "a stream, and a number given") { lane in
                    lane.row == nil ? false : lane.have(lane.mark(lane.row?.assigned ?? 0))
                },
                .init("the stream dies", needs: "a stream") { lane in
                    guard let connection = lane.connection, lane.harness.federation.links[0].isUp else { return false }
                    lane.harness.receive(.closed("cut"), on: connection)
                    return true
                },
                .init("the stream is ready, the peer has nothing new", needs: "no stream") { lane in
                    guard !lane.harness.federation.links[0].isUp else { return false }
                    try lane.reconnect(lane.row?.acked ?? 0)
                    return true
                },
                .init("the stream is ready, the peer has 1", needs: "no stream, and a number given") { lane in
                    guard !lane.harness.federation.links[0].isUp, lane.row != nil else { return false }
                    try lane.reconnect(1)
                    return true
                },
                .init("three streams end with an error", needs: "a lane that is not stopped") { lane in
                    guard let row = lane.row, !row.isStopped else { return false }
                    try lane.strike(3)
                    return true
                },
                .init("it goes into a bundle") { lane in
                    var answer = CommandAnswer.refused("")
                    lane.harness.step { answer = $0.exportPart(FederationHarness.peer, after: nil, $1) }
                    if case .bundle(let part) = answer { lane.said.append("\(part.records.count) in the bundle") }
                    if case .refused = answer { lane.said.append("refuses") }
                    return true
                },
                .init("a bundle says that it arrived", needs: "a number given") { lane in
                    guard let mark = lane.mark(1) else { return false }
                    lane.harness.step { _ = $0.importRecords([.have(mark)], FederationHarness.outgoing, $1) }
                    return true
                },
                .init("the process starts anew") {
                    $0.dialsSeen = 0
                    $0.harness.restart()
                    return true
                },
            ]
        }

        private static var desk: [StateTable<LaneSubject>.Input] {
            [
                .init("its lifetime is over") { lane in
                    lane.fire(.link(.expiry(LaneSubject.link)), after: lane.harness.policy.federation.entryLifetime + 1)
                    return true
                },
                .init("it has waited for four hours") { lane in
                    lane.harness.policy.federation.delayWarning = 4 * hours
                    lane.fire(.link(.delayWarning(LaneSubject.link)), after: 4 * hours)
                    for stanza in lane.harness.routed where !stanza.isError {
                        let text = stanza.payload("body", Namespaces.client)?.text ?? ""
                        lane.said.append("tells \(stanza.to?.localpart ?? ""): \(text.prefix { $0 != "." && $0 != "s" })s …")
                    }
                    return true
                },
                .init("its sender cancels it") { lane in
                    lane.harness.step { federation, turn in
                        let outcome = federation.cancel(["1/1"], of: FederationHarness.alice.bare, turn)
                        lane.said += outcome.map { "says \($0)" }
                    }
                    return true
                },
                .init("the operator holds it", needs: "an entry in the list that is not held") { lane in
                    lane.desk(held: false) { $0.hold($1, $2) }
                },
                .init("the operator releases it", needs: "a held entry") { lane in
                    lane.desk(held: true) { $0.release($1, $2) }
                },
                .init("the operator purges it", needs: "an entry in the list") { lane in lane.desk { $0.purge($1, $2) } },
            ]
        }

        private static var decisions: [StateTable<LaneSubject>.Input] {
            UncertainChoice.allCases.map { choice in
                .init("the lane begins anew: \(choice.rawValue)", needs: "a stopped lane") { lane in
                    guard lane.row?.isStopped == true else { return false }
                    lane.harness.step { _ = $0.resync(FederationHarness.peer, uncertain: choice, $1) }
                    return true
                }
            }
        }

        @Test("every state of an entry under every input is what Docs/reference/state-tables.md says")
        func entries() throws { try Self.table.expectSection() }
    }
}
