/// Small numbers by JID: what `[JID: Int]` does, for the one look-up that every stanza makes.
///
/// An open hash table, at most half full, whose cells hold part of the hash: a search compares no JID but the right one. Swift's
/// dictionary copies each key that it passes by, and a JID is three strings. The hash is seeded by the process: nobody outside can
/// choose addresses that collide. It cannot be walked: the order of hashes, another in each process, is nobody's business.
public struct JIDIndex: Sendable {
    private struct Cell {
        var tag: UInt32 = 0
        /// -1: free.
        var number: Int32 = -1

        var isFree: Bool { number < 0 }
    }

    private var cells = [Cell](repeating: Cell(), count: 8)
    private var keys = [JID?](repeating: nil, count: 8)
    /// How many JIDs have a number.
    public private(set) var count = 0

    /// An empty index.
    public init() {}

    /// The number of a JID, 0 to 2³¹ - 1; nil if it has none.
    public subscript(_ jid: JID) -> Int? {
        let found = cells[place(of: jid, Self.tag(of: jid))]
        return found.isFree ? nil : Int(found.number)
    }

    /// Gives a JID that number, also instead of another.
    public mutating func set(_ jid: JID, _ number: Int) {
        guard let number = Int32(exactly: number), number >= 0 else { preconditionFailure("no number for a JID: \(number)") }
        let tag = Self.tag(of: jid)
        var place = place(of: jid, tag)
        if cells[place].isFree {
            if 2 * (count + 1) > cells.count {
                grow()
                place = self.place(of: jid, tag)
            }
            count += 1
        }
        cells[place] = Cell(tag: tag, number: number)
        keys[place] = jid
    }

    /// Takes a JID's number away; one without number may be named.
    public mutating func remove(_ jid: JID) {
        var hole = place(of: jid, Self.tag(of: jid))
        if cells[hole].isFree { return }
        count -= 1
        // Whoever stands behind the hole and would not be found any more moves into it.
        var next = hole
        while true {
            next = after(next)
            if cells[next].isFree { break }
            let wanted = Int(cells[next].tag) & (cells.count - 1)
            if distance(wanted, next) < distance(hole, next) { continue }
            cells[hole] = cells[next]
            keys[hole] = keys[next]
            hole = next
        }
        cells[hole] = Cell()
        keys[hole] = nil
    }

    /// Where the JID stands, or the free cell where it would.
    private func place(of jid: JID, _ tag: UInt32) -> Int {
        var place = Int(tag) & (cells.count - 1)
        while !cells[place].isFree, cells[place].tag != tag || keys[place] != jid { place = after(place) }
        return place
    }

    private func after(_ place: Int) -> Int { (place + 1) & (cells.count - 1) }

    /// Steps from one place on to another, around the end.
    private func distance(_ from: Int, _ to: Int) -> Int { (to - from) & (cells.count - 1) }

    private mutating func grow() {
        let old = (cells, keys)
        cells = Array(repeating: Cell(), count: 2 * cells.count)
        keys = Array(repeating: nil, count: cells.count)
        for (cell, key) in zip(old.0, old.1) {
            guard let key else { continue }
            let place = place(of: key, cell.tag)
            cells[place] = cell
            keys[place] = key
        }
    }

    private static func tag(of jid: JID) -> UInt32 { UInt32(truncatingIfNeeded: jid.hashValue) }
}
