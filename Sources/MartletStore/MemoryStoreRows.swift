/// The rows of one table of ``MemoryStore``, sorted: an array of short sorted arrays.
///
/// Copies share everything (copy on write), and a write after a copy copies one short array, so that a snapshot costs
/// nothing. Insertion and removal at any place move at most one short array.
struct MemoryStoreRows: Equatable {
    struct Row: Equatable {
        /// The first eight bytes of the key as a number: decides most comparisons without following a pointer.
        let head: UInt64
        let key: [UInt8]
        var value: [UInt8]
    }

    /// The place of a row, or of where it would be. `chunk` may be the number of chunks: after the last row.
    struct Position {
        var chunk: Int
        var index: Int
    }

    /// Rows per chunk at most.
    static let chunkRows = 128

    /// No chunk is empty.
    private var chunks: [[Row]] = []
    private(set) var count = 0

    /// The position of the first row not less than `key`.
    func lowerBound(_ key: [UInt8]) -> Position {
        let head = Self.head(of: key)
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            let last = chunks[middle].count - 1
            if Self.isLess(chunks[middle][last], head, key) { low = middle + 1 } else { high = middle }
        }
        guard low < chunks.count else { return Position(chunk: low, index: 0) }
        var first = 0
        var end = chunks[low].count
        while first < end {
            let middle = (first + end) / 2
            if Self.isLess(chunks[low][middle], head, key) { first = middle + 1 } else { end = middle }
        }
        return Position(chunk: low, index: first)
    }

    /// The row at a position, `nil` after the last.
    func row(at position: Position) -> Row? {
        position.chunk < chunks.count ? chunks[position.chunk][position.index] : nil
    }

    /// The row before a position, `nil` before the first.
    func row(before position: Position) -> Row? {
        if position.index > 0 { return chunks[position.chunk][position.index - 1] }
        return position.chunk > 0 ? chunks[position.chunk - 1].last : nil
    }

    /// The position after that of a row.
    func position(after position: Position) -> Position {
        position.index + 1 < chunks[position.chunk].count
            ? Position(chunk: position.chunk, index: position.index + 1) : Position(chunk: position.chunk + 1, index: 0)
    }

    /// The row with the greatest key.
    var last: Row? { chunks.last?.last }

    /// The value of `key`.
    func value(of key: [UInt8]) -> [UInt8]? {
        guard let row = row(at: lowerBound(key)), row.key == key else { return nil }
        return row.value
    }

    /// Writes a row and returns the value it replaced.
    mutating func put(_ key: [UInt8], _ value: [UInt8]) -> [UInt8]? {
        let position = lowerBound(key)
        if let row = row(at: position), row.key == key {
            chunks[position.chunk][position.index].value = value
            return row.value
        }
        insert(Row(head: Self.head(of: key), key: key, value: value), at: position)
        return nil
    }

    /// Writes a row after all others.
    mutating func append(_ key: [UInt8], _ value: [UInt8]) {
        insert(Row(head: Self.head(of: key), key: key, value: value), at: Position(chunk: chunks.count, index: 0))
    }

    /// Removes a row and returns its value.
    mutating func remove(_ key: [UInt8]) -> [UInt8]? {
        let position = lowerBound(key)
        guard let row = row(at: position), row.key == key else { return nil }
        count -= 1
        let chunk = position.chunk
        chunks[chunk].remove(at: position.index)
        if chunks[chunk].isEmpty {
            chunks.remove(at: chunk)
        } else if chunk + 1 < chunks.count, chunks[chunk].count + chunks[chunk + 1].count <= Self.chunkRows / 2 {
            let next = chunks.remove(at: chunk + 1)
            chunks[chunk].append(contentsOf: next)
        }
        return row.value
    }

    private mutating func insert(_ row: Row, at position: Position) {
        count += 1
        if position.chunk == chunks.count {
            // After all rows: fill the last chunk, then begin a new one, so that appended tables have full chunks.
            if let last = chunks.indices.last, chunks[last].count < Self.chunkRows {
                chunks[last].append(row)
            } else {
                var chunk: [Row] = []
                chunk.reserveCapacity(Self.chunkRows)
                chunk.append(row)
                chunks.append(chunk)
            }
            return
        }
        chunks[position.chunk].insert(row, at: position.index)
        let size = chunks[position.chunk].count
        if size > Self.chunkRows {
            let upper = Array(chunks[position.chunk][(size / 2)...])
            chunks[position.chunk].removeSubrange((size / 2)...)
            chunks.insert(upper, at: position.chunk + 1)
        }
    }

    private static func head(of key: [UInt8]) -> UInt64 {
        var head: UInt64 = 0
        var shift: UInt64 = 64
        for index in 0..<min(8, key.count) {
            shift -= 8
            head |= UInt64(key[index]) << shift
        }
        return head
    }

    private static func isLess(_ row: Row, _ head: UInt64, _ key: [UInt8]) -> Bool {
        if row.head != head { return row.head < head }
        // Equal heads may hide that one key ended within the first eight bytes: the loop then starts at its end, and its
        // missing bytes were zero, so that the bytes before the start are equal and the length decides.
        var index = 8
        let end = min(row.key.count, key.count)
        while index < end {
            if row.key[index] != key[index] { return row.key[index] < key[index] }
            index += 1
        }
        return row.key.count < key.count
    }
}
