import MartletBus
import MartletStore
import XMPPXML

/// The addresses of files in the content of a message, wherever they stand: in a body, in XEP-0066, XEP-0385 or XEP-0447. They are found in
/// the bytes, which are as they came: nothing in an address needs an escape of XML.
struct UploadLinks {
    /// One address.
    struct Link: Equatable {
        /// Everything before the token: scheme, host, port and path.
        var prefix: Range<Int>
        /// `https`, or `aesgcm` for what was encrypted by its sender.
        var scheme: String
        /// The host, in small letters.
        var host: String
        /// The token.
        var token: UploadToken
        /// The address without what belongs to the reader alone, its fragment; always as `https`.
        var address: String
        /// The name of the file.
        var name: String
    }

    /// So many are looked at in one message.
    static let most = 32
    /// The longest address that is one of ours: a base, a token and an encoded name.
    private static let longest = 1280
    private static let schemes = ["https", "aesgcm"].map { (name: $0, bytes: Array($0.utf8)) }

    /// Whether there is an address of any kind: what most messages answer with no, in one pass.
    static func mayHave(_ content: [UInt8]) -> Bool { firstColon(content, from: 0) != nil }

    /// Where `://` begins.
    private static func firstColon(_ content: [UInt8], from start: Int) -> Int? {
        var index = start
        // The middle one of the three is a slash: looking at each second byte finds one of the two slashes.
        while index + 2 < content.count {
            if content[index + 2] == 47 {
                if content[index] == 58, content[index + 1] == 47 { return index }
                if index + 3 < content.count, content[index + 1] == 58, content[index + 3] == 47 { return index + 1 }
            }
            index += 2
        }
        return nil
    }

    /// The addresses in a content, in their order.
    static func all(in content: [UInt8]) -> [Link] {
        var links: [Link] = []
        var next = 0
        while links.count < most, let colon = firstColon(content, from: next) {
            next = colon + 3
            if let link = link(in: content, colon: colon) { links.append(link) }
        }
        return links
    }

    private static func link(in content: [UInt8], colon: Int) -> Link? {
        guard let scheme = schemes.first(where: { isBefore(colon, $0.bytes, content) }) else { return nil }
        let start = colon - scheme.bytes.count
        var end = colon + 3
        while end < content.count, end - start < longest, !isEnd(content[end]) { end += 1 }
        var parts = content[(colon + 3)..<end].split(separator: 47, omittingEmptySubsequences: false)
        guard parts.count >= 3, let name = parts.popLast(), let token = parts.popLast(),
            let token = UploadToken(bytes: Array(token)), let authority = parts.first
        else { return nil }
        let host = authority.prefix { $0 != 58 }
        // No user, no password: an address that looks like ours and leads elsewhere.
        guard !host.isEmpty, !authority.contains(64),
            let name = UploadName.decode(String(decoding: name, as: UTF8.self)).flatMap(UploadName.prepare)
        else { return nil }
        let tokenEnd = end - (content[..<end].lastIndex(of: 47).map { end - $0 } ?? 0)
        return Link(
            prefix: start..<(tokenEnd - UploadToken.length), scheme: scheme.name,
            host: String(decoding: host, as: UTF8.self).lowercased(), token: token,
            address: "https" + String(decoding: content[colon..<end], as: UTF8.self), name: name)
    }

    private static func isBefore(_ end: Int, _ word: [UInt8], _ content: [UInt8]) -> Bool {
        end >= word.count && content[(end - word.count)..<end].elementsEqual(word)
    }

    /// White space, delimiters of XML, and where an address's query or fragment begins.
    private static func isEnd(_ byte: UInt8) -> Bool {
        switch byte {
        case 0...32, 34, 35, 38, 39, 60, 62, 63, 92, 94, 96, 123...: true
        default: false
        }
    }

    /// The content with other beginnings of these addresses.
    static func replacing(_ changes: [(link: Link, base: String)], in content: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(content.count + 64)
        var done = 0
        for (link, base) in changes {
            result += content[done..<link.prefix.lowerBound]
            result += Array(link.scheme.utf8) + base.utf8.dropFirst("https".utf8.count)
            done = link.prefix.upperBound
        }
        return result + content[done...]
    }

    /// Whether a message says that its words are for nobody but its reader: XEP-0384 in both forms, XEP-0380, XEP-0373 and XEP-0027.
    static func isEncrypted(_ content: [UInt8]) -> Bool {
        marks.contains { mark in
            guard content.count >= mark.count else { return false }
            return (0...(content.count - mark.count)).contains { start in
                content[start] == mark[0] && content[start..<(start + mark.count)].elementsEqual(mark)
            }
        }
    }

    private static let marks = [
        "urn:xmpp:omemo:", "eu.siacs.conversations.axolotl", "urn:xmpp:eme:0", "urn:xmpp:openpgp:0", "jabber:x:encrypted",
    ].map { Array($0.utf8) }
}
