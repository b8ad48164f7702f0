/// Writes the fixed-width big-endian fields of keys and values in the store.
public struct ByteWriter: Sendable {
    /// What was written so far.
    public var bytes: [UInt8]

    /// An empty writer with room for `capacity` bytes.
    @inlinable
    public init(capacity: Int = 32) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Appends an integer, most significant byte first, so that keys sort as numbers.
    @inlinable
    public mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Appends a length (4 bytes) and the bytes.
    @inlinable
    public mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Appends a length (4 bytes) and the UTF-8 of the text.
    @inlinable
    public mutating func put(_ value: String) {
        put(UInt32(value.utf8.count))
        // As one piece of memory: several times faster than appending the view.
        if value.utf8.withContiguousStorageIfAvailable({ bytes.append(contentsOf: $0) }) == nil {
            bytes.append(contentsOf: value.utf8)
        }
    }

    /// Appends a presence byte and, where there is text, the text.
    @inlinable
    public mutating func put(_ value: String?) {
        bytes.append(value == nil ? 0 : 1)
        if let value { put(value) }
    }
}

/// Reads what ``ByteWriter`` wrote. A row that ends early is corruption of the store, which is not to be survived.
public struct ByteReader: Sendable {
    @usableFromInline let bytes: [UInt8]
    @usableFromInline var position: Int

    /// A reader from the byte at `position` on.
    @inlinable
    public init(_ bytes: [UInt8], from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// Whether everything was read.
    @inlinable
    public var isAtEnd: Bool { position == bytes.count }

    /// Reads one big-endian integer.
    @inlinable
    public mutating func take<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T {
        let width = T.bitWidth / 8
        need(width)
        // In one concrete type: not specialised for its caller's module, arithmetic on T is a call for each operation.
        var value: UInt64 = 0
        for index in 0..<width { value = value << 8 | UInt64(bytes[position + index]) }
        position += width
        return T(truncatingIfNeeded: value)
    }

    /// Reads a length and as many bytes.
    @inlinable
    public mutating func takeBytes() -> [UInt8] {
        let count = Int(take(UInt32.self))
        need(count)
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    /// Reads a length and as much text.
    @inlinable
    public mutating func takeString() -> String {
        let count = Int(take(UInt32.self))
        need(count)
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }

    /// Reads text that may be absent.
    @inlinable
    public mutating func takeOptionalString() -> String? {
        take(UInt8.self) == 0 ? nil : takeString()
    }

    @usableFromInline
    func need(_ count: Int) {
        precondition(bytes.count - position >= count, "a stored row ends at byte \(bytes.count), \(position + count) wanted")
    }
}
