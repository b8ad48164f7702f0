/// Names of files, as people give them and as they stand in addresses.
public enum UploadName {
    /// A name without what leads elsewhere or nowhere; nil where nothing is left. A long one loses its beginning, so that its ending says
    /// still what it is (XEP-0363 §4).
    public static func prepare(_ text: String) -> String? {
        guard text.utf8.count <= longest else { return nil }
        var name = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "/", "\\": name.append("_")
            default: name.append(isHidden(scalar) ? "_" : scalar)
            }
        }
        while String(name).utf8.count > UploadPolicy.nameBytes { name.removeFirst() }
        let result = String(name)
        return result.isEmpty || result == "." || result == ".." ? nil : result
    }

    /// The longest `filename` that is looked at, bytes: anything longer is no name.
    private static let longest = 4096

    /// Control characters, and what turns the direction of writing, so that an ending is not what it looks like.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFFFE...0xFFFF: true
        default: false
        }
    }

    /// As it stands in an address (RFC 3986 §2.1): what is not unreserved as its bytes.
    public static func encode(_ name: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: bytes.append(byte)
            default: bytes += [37, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What stands in an address, read; nil where that is not UTF-8 written in such a way.
    public static func decode(_ text: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == 37 else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}

/// Media types (RFC 6838 §4.2).
public enum MediaType {
    /// Of what nobody has named.
    public static let unknown = "application/octet-stream"

    /// Type and subtype in small letters, without parameters; nil where it is none.
    public static func prepare(_ text: String) -> String? {
        guard text.utf8.count <= 1024 else { return nil }
        let bare = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0]
        var bytes = bare.utf8.drop { $0 == 32 }
        while bytes.last == 32 { bytes.removeLast() }
        guard bytes.count <= UploadPolicy.typeBytes else { return nil }
        let small = bytes.map { 65...90 ~= $0 ? $0 + 32 : $0 }
        let parts = small.split(separator: 47, omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isPart) }) else { return nil }
        return String(decoding: small, as: UTF8.self)
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 97...122: true
        case 33, 35, 36, 38, 43, 45, 46, 94, 95: true
        default: false
        }
    }

    /// Whether a type is in a list, in which `image/*` stands for all images.
    public static func isOneOf(_ list: [String], _ type: String) -> Bool {
        list.contains { $0 == type || $0.hasSuffix("/*") && type.hasPrefix($0.dropLast()) }
    }
}
