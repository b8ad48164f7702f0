extension ElementTape.Record {
    /// Bytes of the qualified name.
    @inline(__always)
    var qualifiedLength: Int {
        prefixLength == 0 ? Int(localLength) : Int(prefixLength) + 1 + Int(localLength)
    }

    /// Where the local name starts.
    @inline(__always)
    var localStart: Int {
        prefixLength == 0 ? Int(nameStart) : Int(nameStart) + Int(prefixLength) + 1
    }

    /// The content or value.
    @inline(__always)
    var content: Range<Int> {
        Int(contentStart)..<Int(contentEnd)
    }

    @inline(__always)
    func hasSameName(as other: Self, in bytes: Span<UInt8>) -> Bool {
        localLength == other.localLength && prefixLength == other.prefixLength
            && bytes.equals(Int(nameStart), Int(other.nameStart), qualifiedLength)
    }

    @inline(__always)
    func hasSameLocalName(as other: Self, in bytes: Span<UInt8>) -> Bool {
        localLength == other.localLength && bytes.equals(localStart, other.localStart, Int(localLength))
    }

    @inline(__always)
    func localNameEquals(_ name: String, in bytes: Span<UInt8>) -> Bool {
        Int(localLength) == name.utf8.count && bytes.matches(name, at: localStart)
    }

    /// Whether two declarations have the same value, references resolved; `decoded` is the other's, if it needs decoding.
    func hasSameValue(as other: Self, _ decoded: [UInt8]?, in bytes: Span<UInt8>) -> Bool {
        switch (isEncoded, decoded) {
        case (false, nil):
            content.count == other.content.count
                && bytes.equals(content.lowerBound, other.content.lowerBound, content.count)
        case (false, let decoded?): content.count == decoded.count && bytes.equals(content.lowerBound, decoded)
        case (true, let decoded?): decodedValue(in: bytes) == decoded
        case (true, nil):
            content.count >= other.content.count && other.hasSameValue(as: self, decodedValue(in: bytes), in: bytes)
        }
    }

    /// The attribute's value or the text in UTF-8, references resolved.
    func decodedValue(in bytes: Span<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(content.count)
        if isEncoded {
            XMLReference.decode(bytes, content, as: kind, into: &decoded)
        } else {
            bytes.extracting(content).withUnsafeBufferPointer { decoded.append(contentsOf: $0) }
        }
        return decoded
    }

    /// Whether the attribute's value or the text is `text`, references resolved.
    func valueEquals(_ text: String, in bytes: Span<UInt8>) -> Bool {
        if isEncoded { return value(in: bytes) == text }
        return content.count == text.utf8.count && bytes.matches(text, at: Int(contentStart))
    }

    /// Whether a declaration's value has only the characters of a URI; see ``XMLCharacters/areOfURI(_:)``.
    func isURI(in bytes: Span<UInt8>) -> Bool {
        if isEncoded { return decodedValue(in: bytes).withUnsafeBufferPointer { XMLCharacters.areOfURI($0) } }
        return bytes.extracting(content).withUnsafeBufferPointer { XMLCharacters.areOfURI($0) }
    }

    /// The attribute's value or the text, references resolved.
    func value(in bytes: Span<UInt8>) -> String {
        if isEncoded { return String(decoding: decodedValue(in: bytes), as: UTF8.self) }
        return bytes.extracting(content).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}
