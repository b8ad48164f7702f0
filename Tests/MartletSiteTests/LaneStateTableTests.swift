import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletFederation

extension StateTableTests {
    @Suite struct LaneStateTableTests {
        private static var table: StateTable<LaneSubject> {
            StateTable<LaneSubject>(
                title: "Lanes",
                words: """
                    An outgoing lane with its stream ([the relay protocol](../relay-protocol.md), sections 3 and 4). "2 of 3" means:
                    acknowledged, of all numbers given.
                    """,
                states: [
                    ("absent: nothing was ever sent", { LaneSubject() }),
                    ("waiting: no stream, 0 of 3 acknowledged", { LaneSubject.accepted() }),
                    ("asked: a stream, the peer has not said what it has, 0 of 3", { try LaneSubject.asked() }),
                    ("open: 2 of 3", { try LaneSubject.open() }),
                    ("asked again: after another stream, 2 of 3", { try LaneSubject.askedAgain() }),
                    ("parting: the peer was asked for its tags, 2 of 3", { try LaneSubject.parting() }),
                    ("stopped: an older build received another numbering, 2 of 3", { try LaneSubject.stopped() }),
                ],
                inputs: [
                    .init("a message is accepted") {
                        $0.harness.acceptMessage("d"); return true
                    },
                    .init("the stream is ready", needs: "no stream") { lane in
                        guard !lane.harness.federation.links[0].isUp else { return false }
                        try lane.connect()
                        return true
                    },
                    .init("have: nothing", needs: "a stream") { $0.have(nil) },
                    .init("have: what was acknowledged", needs: "a stream") { lane in lane.have(lane.mark(lane.row?.acked ?? 0))
                    },
                    .init("have: the last", needs: "a stream") { lane in lane.have(lane.mark(lane.row?.assigned ?? 0)) },
                    .init("have: less than was acknowledged", needs: "a stream, and two acknowledged") { lane in
                        guard let row = lane.row, row.acked > 1 else { return false }
                        return lane.have(lane.mark(1))
                    },
                    .init("have: less, with another tag", needs: "a stream, and two acknowledged") { lane in
                        guard let row = lane.row, row.acked > 1 else { return false }
                        return lane.have(RelayMark(lane: .chat, epoch: row.epoch, number: 1, tag: 1, after: nil))
                    },
                    .init("have: more than was given", needs: "a stream, and a number given") { lane in
                        guard let row = lane.row else { return false }
                        return lane.have(RelayMark(lane: .chat, epoch: row.epoch, number: 9, tag: 1, after: nil))
                    },
                    .init("have: another tag", needs: "a stream, and a third number") { lane in
                        guard var mark = lane.mark(3) else { return false }
                        mark.tag ^= 1
                        return lane.have(mark)
                    },
                    .init("have: another epoch", needs: "a stream") {
                        $0.have(RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil))
                    },
                    .init("have: another epoch, from an older build", needs: "a stream") {
                        let mark = RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil)
                        return $0.have(mark, remembersTags: false)
                    },
                    .init("tags: our first", needs: "a stream, and the question for them") { $0.tags(ofFirst: 1) },
                    .init("tags: our last", needs: "a stream, and the question for them") { $0.tags(ofFirst: 3) },
                    .init("tags: none of ours, and that are all", needs: "a stream, and the question for them") {
                        $0.tags(ofFirst: 0)
                    },
                    .init("tags: none of ours, and there were more", needs: "a stream, and the question for them") {
                        $0.tags(ofFirst: 0, isAll: false)
                    },
                    .init("have: our epoch has ended", needs: "a stream, and a number given") { lane in
                        lane.row == nil
                            ? false
                            : lane.have(
                                RelayMark(lane: .chat, epoch: Epoch(high: 1, low: 2), number: 5, tag: 6, after: nil),
                                ended: true)
                    },
                    .init("the stream dies", needs: "a stream") { lane in
                        guard let connection = lane.connection, lane.harness.federation.links[0].isUp else { return false }
                        lane.harness.receive(.closed("cut"), on: connection)
                        return true
                    },
                    .init("the peer is silent", needs: "a stream on which the peer owes an answer") { lane in
                        guard lane.harness.federation.links[0].stream?.life.owedSince != nil else { return false }
                        for _ in 0..<2 {
                            let generation = lane.harness.federation.links[0].generation
                            lane.fire(
                                .link(.silence(LaneSubject.link, generation: generation)),
                                after: lane.harness.policy.federation.silenceTimeout)
                        }
                        return true
                    },
                    .init("the lifetime is over") { lane in
                        lane.fire(.link(.expiry(LaneSubject.link)), after: lane.harness.policy.federation.entryLifetime + 1)
                        return true
                    },
                    .init("the operator purges what waits", needs: "a lane") { lane in
                        guard lane.row != nil else { return false }
                        _ = lane.harness.deskPurge(lane.harness.rows())
                        return true
                    },
                    .init("the operator holds what waits", needs: "a lane") { lane in
                        guard lane.row != nil else { return false }
                        _ = lane.harness.deskHold(lane.harness.rows())
                        return true
                    },
                    .init("the operator begins it anew", needs: "a lane") { lane in
                        guard lane.row != nil else { return false }
                        lane.harness.step { _ = $0.resync(FederationHarness.peer, uncertain: .resend, $1) }
                        return true
                    },
                    .init("the process starts anew") {
                        $0.dialsSeen = 0
                        $0.harness.restart(); return true
                    },
                ],
                observe: { lane in
                    let deeds = lane.takeDeeds()
                    return (lane.state, deeds)
                })
        }

        @Test("every state of a lane under every input is what Docs/reference/state-tables.md says")
        func lanes() throws { try Self.table.expectSection() }
    }
}
