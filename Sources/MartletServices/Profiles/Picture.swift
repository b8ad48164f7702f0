// XEP-0084: User Avatar, version 1.1.4, complete for a server
// XEP-0153: vCard-Based Avatars, version 1.1.1, complete for a server
// XEP-0398: User Avatar to vCard-Based Avatars Conversion, version 1.0.0, complete
import MartletCrypto
import XMPPStanzas
import XMPPXML

/// A picture as it stands in a profile (XEP-0054).
struct Picture {
    /// In base 64, without blanks.
    let text: String
    /// The SHA-1 of its bytes, in hexadecimal digits: its name.
    let hash: String
    /// Its bytes.
    let count: Int
    /// The media type.
    let type: String

    /// What is wrong with one.
    struct Fault: Error, CustomStringConvertible {
        let words: String
        var description: String { words }
    }

    /// Reads a `<PHOTO/>`; nil where it has no picture of its own.
    init?(_ photo: Element) throws(Fault) {
        guard let value = photo.first("BINVAL", Namespaces.vCardTemp) else { return nil }
        let text = value.text.filter { !$0.isWhitespace }
        if text.isEmpty { return nil }
        guard let bytes = Base64.decode(text) else { throw Fault(words: "The picture is no base 64") }
        let type = photo.first("TYPE", Namespaces.vCardTemp)?.text ?? ""
        self.text = text
        hash = Hex.encode(Digest.hash(.sha1, bytes))
        count = bytes.count
        self.type = type.isEmpty || type.utf8.count > 127 ? Self.type(of: bytes) : type
    }

    /// By the first bytes of the usual kinds.
    private static func type(of bytes: [UInt8]) -> String {
        if bytes.starts(with: [0xFF, 0xD8]) { return "image/jpeg" }
        if bytes.starts(with: Array("GIF8".utf8)) { return "image/gif" }
        return "image/png"
    }
}
