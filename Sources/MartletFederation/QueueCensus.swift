import MartletPrimitives
import MartletStore
import XMPPAddress

/// Whose messages wait on a link: counted when the link goes down, in slices, and kept until it is up again.
///
/// Not kept while the link is up, since then every message would pay for a question that nobody asks. Owned by a
/// ``PeerLink``.
struct QueueCensus {
    /// An entry by the place of its lane in the link and its number.
    struct Place {
        /// The place of the lane.
        var lane: Int
        /// The number of the entry.
        var number: UInt64
    }

    /// Entries looked at in one turn: about a millisecond.
    static let slice = 512
    /// Milliseconds between two slices: a long queue delays nobody.
    static let pause: Int64 = 20
    /// Entries counted, at 16 bytes each. A longer queue is not told apart by its senders.
    static let limit = 200_000

    /// Tells the timers of this census from those of an earlier one.
    let generation: UInt64
    /// The next number to look at, for each lane.
    var next: [UInt64]
    /// Everything is counted; what is accepted from now on is counted as it comes.
    var isComplete = false
    private var counted = 0
    /// Look-up only.
    private var places: [JID: [Place]] = [:]

    /// Begins behind the last acknowledged entry of each lane.
    init(_ lanes: [OutgoingLane], generation: UInt64) {
        self.generation = generation
        next = lanes.map { ($0.row?.acked ?? 0) + 1 }
    }

    /// Too much waits to be told apart.
    var isFull: Bool { counted >= Self.limit }

    /// The entries of a sender, oldest first within each lane; some may be void by now.
    func entries(of sender: JID) -> [Place] { places[sender] ?? [] }

    /// Counts an entry of a sender, by the bare address.
    mutating func count(_ number: UInt64, lane: Int, of sender: JID) {
        guard !isFull else {
            isComplete = false
            return
        }
        counted += 1
        places[sender, default: []].append(Place(lane: lane, number: number))
    }
}
