/// Numbers by JID: what `[JID: Int]` does, for the one look-up that every stanza makes, in less memory and without the JIDs.
///
/// An open hash table, at most half full, whose cells hold a number and part of a hash; whoever asks says whether the JID of a number
/// is the right one, and is asked about hardly any other. Swift's dictionary copies each key that a search passes by, and a JID is
/// three strings. The hash is seeded by the process: nobody outside can choose addresses that collide. It cannot be walked: the order
/// of hashes, another in each process, is nobody's business.
public struct JIDIndex: Sendable {
    private struct Cell {
        var tag: UInt32 = 0
        /// -1: free.
        var number: Int32 = -1

        var isFree: Bool { number < 0 }
    }

    private var cells = [Cell](repeating: Cell(), count: 8)
    /// How many JIDs have a number.
    public private(set) var count = 0

    /// Bytes for each JID at most, once there are more than a few: the table is between a quarter and half full.
    public static let bytesPerJID = 4 * MemoryLayout<Cell>.stride

    /// An empty index.
    public init() {}

    /// The number of a JID; nil if it has none. `isRight` says whether this number's JID is the one.
    public func number(of jid: JID, _ isRight: (Int) -> Bool) -> Int? {
        let tag = Self.tag(of: jid)
        var place = home(of: tag)
        while !cells[place].isFree {
            if cells[place].tag == tag, isRight(Int(cells[place].number)) { return Int(cells[place].number) }
            place = after(place)
        }
        return nil
    }

    /// Gives a JID that has none a number, 0 to 2³¹ - 1.
    public mutating func insert(_ jid: JID, _ number: Int) {
        guard let number = Int32(exactly: number), number >= 0 else { preconditionFailure("no number for a JID: \(number)") }
        count += 1
        if 2 * count > cells.count { grow() }
        place(Cell(tag: Self.tag(of: jid), number: number))
    }

    /// Takes a JID's number, which it must have, away.
    public mutating func remove(_ jid: JID, _ number: Int) {
        let tag = Self.tag(of: jid)
        var hole = home(of: tag)
        while cells[hole].tag != tag || Int(cells[hole].number) != number {
            precondition(!cells[hole].isFree, "a JID loses a number that it does not have")
            hole = after(hole)
        }
        count -= 1
        // Whoever stands behind the hole and would not be found any more moves into it.
        var next = hole
        while true {
            next = after(next)
            if cells[next].isFree { break }
            if distance(home(of: cells[next].tag), next) < distance(hole, next) { continue }
            cells[hole] = cells[next]
            hole = next
        }
        cells[hole] = Cell()
    }

    private mutating func place(_ cell: Cell) {
        var place = home(of: cell.tag)
        while !cells[place].isFree { place = after(place) }
        cells[place] = cell
    }

    private mutating func grow() {
        let old = cells
        cells = Array(repeating: Cell(), count: 2 * old.count)
        for cell in old where !cell.isFree { place(cell) }
    }

    private func home(of tag: UInt32) -> Int { Int(tag) & (cells.count - 1) }

    private func after(_ place: Int) -> Int { (place + 1) & (cells.count - 1) }

    /// Steps from one place on to another, around the end.
    private func distance(_ from: Int, _ to: Int) -> Int { (to - from) & (cells.count - 1) }

    private static func tag(of jid: JID) -> UInt32 { UInt32(truncatingIfNeeded: jid.hashValue) }
}
