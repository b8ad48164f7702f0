import Collections
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStreams

/// The people of other domains who are in rooms here, by the lines over which they can be reached.
struct RoomPeers {
    /// What is being done with the people of one line.
    enum Work {
        /// They are shown as gone, with these words.
        case suspend(words: String)
        /// They are asked whether they are still there.
        case check
    }

    struct Peer {
        /// A host of rooms here, and their domain.
        let pair: DomainPair
        /// Rooms in which any of them is, sorted.
        var rooms: [AddressNumber] = []
        /// How many there are in each. Look-up only.
        var counts: [AddressNumber: Int] = [:]
        /// How many there are in all.
        var total = 0
        /// How often the line has come back.
        var recoveries: UInt32 = 0
        /// The line is down, and they are told so.
        var isCut = false
        /// What is being done, and where it has come.
        var work: Work?
        var room = AddressNumber(0)
        var after: UInt64 = 0
    }

    /// Somebody who was asked.
    struct Asked {
        let room: AddressNumber
        let occupant: UInt64
        let deadline: Instant
    }

    private(set) var peers: [Peer] = []
    /// Look-up only.
    private var places: [DomainPair: Int] = [:]
    /// Those with work, in turns.
    var line: Deque<DomainPair> = []
    /// Whoever was asked and has not answered, the first first.
    var asked: Deque<Asked> = []
    /// When the next slice is due; nil where there is nothing to do.
    var next: Instant?

    func place(of pair: DomainPair) -> Int? { places[pair] }

    /// How often the line to somebody has come back.
    func recoveries(_ pair: DomainPair) -> UInt32 { places[pair].map { peers[$0].recoveries } ?? 0 }

    /// How many of a line are in a room.
    func count(_ place: Int, _ room: AddressNumber) -> Int { peers[place].counts[room] ?? 0 }

    mutating func change(_ place: Int, _ body: (inout Peer) -> Void) { body(&peers[place]) }

    /// Somebody of another domain has entered a room; true if he is the first of that line.
    mutating func add(_ pair: DomainPair, _ room: AddressNumber) -> Bool {
        let isFirst = places[pair] == nil
        let place = places[pair] ?? peers.count
        if isFirst {
            places[pair] = place
            peers.append(Peer(pair: pair))
        }
        let count = peers[place].counts[room] ?? 0
        peers[place].total += 1
        peers[place].counts[room] = count + 1
        if count == 0 { peers[place].rooms.insert(room, at: Self.place(of: room, in: peers[place].rooms)) }
        return isFirst
    }

    /// He has left it.
    mutating func remove(_ pair: DomainPair, _ room: AddressNumber) {
        guard let place = places[pair], let count = peers[place].counts[room] else { return }
        peers[place].total -= 1
        guard count == 1 else {
            peers[place].counts[room] = count - 1
            return
        }
        peers[place].counts[room] = nil
        peers[place].rooms.remove(at: Self.place(of: room, in: peers[place].rooms))
        guard peers[place].rooms.isEmpty else { return }
        places[pair] = nil
        let last = peers.removeLast()
        if place < peers.count {
            peers[place] = last
            places[last.pair] = place
        }
    }

    /// The first room of a line from one on.
    func room(_ place: Int, from room: AddressNumber) -> AddressNumber? {
        let index = Self.place(of: room, in: peers[place].rooms)
        return index < peers[place].rooms.count ? peers[place].rooms[index] : nil
    }

    /// Something is to be done with everybody of a line, from the beginning.
    mutating func begin(_ work: Work, _ place: Int) {
        if peers[place].work == nil { line.append(peers[place].pair) }
        peers[place].work = work
        (peers[place].room, peers[place].after) = (AddressNumber(0), 0)
    }

    private static func place(of room: AddressNumber, in rooms: [AddressNumber]) -> Int {
        var (low, high) = (0, rooms.count)
        while low < high {
            let middle = (low + high) / 2
            if rooms[middle] < room { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
