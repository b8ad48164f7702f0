import XMPPXML

/// Fills memory from its beginning on.
///
/// A stanza is a dozen short pieces, and appending each to an array costs several times what copying it does: a stanza is
/// written into memory that is certainly large enough, and then becomes an array of just its size.
struct ByteFill {
    private let room: UnsafeMutableBufferPointer<UInt8>
    private(set) var count = 0

    /// Fills `room`, which belongs to the caller.
    init(_ room: UnsafeMutableBufferPointer<UInt8>) { self.room = room }

    /// The next `count` bytes, all of which must be initialised.
    @inline(__always)
    mutating func take(_ count: Int) -> UnsafeMutableBufferPointer<UInt8> {
        // SAFETY: checked here, since such memory is not.
        precondition(room.count - self.count >= count, "\(self.count + count) bytes in a room for \(room.count)")
        defer { self.count += count }
        return UnsafeMutableBufferPointer(rebasing: room[self.count..<self.count + count])
    }

    /// Puts bytes as they are.
    @inline(__always)
    mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) { _ = take(bytes.count).initialize(fromContentsOf: bytes) }

    /// Puts bytes as they are.
    @inline(__always)
    mutating func put(_ bytes: [UInt8]) { bytes.withUnsafeBufferPointer { put($0) } }

    /// Puts what stands in the program's text.
    @inline(__always)
    mutating func put(_ literal: StaticString) { literal.withUTF8Buffer { put($0) } }

    /// Puts text as it is.
    @inline(__always)
    mutating func put(text: String) {
        if text.utf8.withContiguousStorageIfAvailable({ put($0) }) == nil { put(Array(text.utf8)) }
    }

    /// Puts the inside of an attribute's value, escaped: at most `XMLWriter.largestEscape` bytes for each.
    @inline(__always)
    mutating func put(attribute value: String) {
        let isDone = value.utf8.withContiguousStorageIfAvailable { utf8 in
            guard XMLWriter.standsForItself(utf8) else { return false }
            put(utf8)
            return true
        }
        if isDone == true { return }
        var escaped: [UInt8] = []
        XMLWriter.escapeAttribute(value, to: &escaped)
        put(escaped)
    }
}
