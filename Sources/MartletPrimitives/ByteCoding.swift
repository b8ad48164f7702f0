/// Writes the fixed-width big-endian fields of keys and values in the store.
public struct ByteWriter: Sendable {
    /// What was written, and zeros: to write into an array costs half of appending to it.
    @usableFromInline var room: [UInt8]
    @usableFromInline var count = 0

    @usableFromInline static let zeros = [UInt8](repeating: 0, count: 1024)

    /// An empty writer with room for `capacity` bytes. With just as much as will be written ``bytes`` costs nothing.
    @inlinable
    public init(capacity: Int = 32) {
        // Copied: the compiler specialises that, and not to make new ones, which costs three times as much.
        room = capacity <= Self.zeros.count ? Array(Self.zeros[..<capacity]) : [UInt8](repeating: 0, count: capacity)
    }

    /// What was written so far.
    @inlinable
    public var bytes: [UInt8] {
        mutating get {
            if count < room.count { room.removeLast(room.count - count) }
            return room
        }
    }

    /// Appends an integer, most significant byte first, so that keys sort as numbers.
    @inlinable
    public mutating func put<T: FixedWidthInteger>(_ value: T) {
        let start = take(T.bitWidth / 8)
        room.withUnsafeMutableBytes { $0.storeBytes(of: value.bigEndian, toByteOffset: start, as: T.self) }
    }

    /// Appends a length (4 bytes) and the bytes.
    @inlinable
    public mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        value.withUnsafeBytes { append($0) }
    }

    /// Appends a length (4 bytes) and the UTF-8 of the text.
    @inlinable
    public mutating func put(_ value: String) {
        var value = value
        value.withUTF8 {
            put(UInt32($0.count))
            append(UnsafeRawBufferPointer($0))
        }
    }

    /// Appends a presence byte and, where there is text, the text.
    @inlinable
    public mutating func put(_ value: String?) {
        put(UInt8(value == nil ? 0 : 1))
        if let value { put(value) }
    }

    /// Appends bytes as they are.
    @inlinable
    public mutating func append(_ value: UnsafeRawBufferPointer) {
        let start = take(value.count)
        room.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[start...]).copyMemory(from: value) }
    }

    /// The bytes that ``put(_:)-(String?)`` needs.
    @inlinable
    public static func size(of value: String?) -> Int {
        if let value { 5 + value.utf8.count } else { 1 }
    }

    /// Makes room for that many bytes and says where it begins.
    @inlinable
    mutating func take(_ size: Int) -> Int {
        let start = count
        count += size
        if count > room.count { room.append(contentsOf: repeatElement(0, count: max(count, 2 * start) - room.count)) }
        return start
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
        require(bytes.count - position >= count, "a stored row ends at byte \(bytes.count), \(position + count) wanted")
    }
}
