extension Span<UInt8> {
    /// Whether the UTF-8 of `text` stands at `index`.
    @inline(__always)
    func matches(_ text: String, at index: Int) -> Bool {
        let utf8 = text.utf8
        guard index + utf8.count <= count else { return false }
        var position = index
        for byte in utf8 {
            if self[position] != byte { return false }
            position += 1
        }
        return true
    }

    /// Whether the `length` bytes at two indices are equal.
    @inline(__always)
    func equals(_ one: Int, _ other: Int, _ length: Int) -> Bool {
        for offset in 0..<length where self[one + offset] != self[other + offset] { return false }
        return true
    }
}
