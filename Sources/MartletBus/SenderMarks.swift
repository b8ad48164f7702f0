import MartletPrimitives
import MartletStore
import XMPPAddress

/// Whose share of something an incoming stanza is, as a number that can stand in a row: of people here and in our offices each has his
/// own; another server has one for everybody there, since it can invent as many people as it likes.
///
/// A multiplicative hash, eight bytes at a time, from a beginning that only this store has: whoever wanted to share a number with somebody
/// else, to use up what is his, would have to know it.
public struct SenderMarks: Sendable {
    private var beginning: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Before the store is read.
    public init() {}

    /// After a start.
    public init(in store: some KeyValueTransaction) {
        if let secret = MetaTable.bytes(.secret, in: store), secret.count >= 8 { beginning = ByteReader.first(secret) | 1 }
    }

    /// The number of whoever sends from there.
    public func mark(of sender: JID, _ turn: Turn) -> UInt64 {
        let domain = Self.hash(beginning, sender.domainpart)
        guard let localpart = sender.localpart,
            turn.policy.houses(sender.domainpart) || turn.policy.isOffice(sender.domainpart)
        else { return domain }
        return Self.hash(Self.mixed(domain, 0x40), localpart)
    }

    private static func hash(_ start: UInt64, _ text: String) -> UInt64 {
        let bytes = text.utf8.span.bytes
        var (hash, place) = (mixed(start, UInt64(bytes.byteCount)), 0)
        while place + 8 <= bytes.byteCount {
            // SAFETY: eight bytes from `place` on are within the span, and any bits are a number.
            hash = mixed(hash, UInt64(bigEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)))
            place += 8
        }
        var rest: UInt64 = 0
        while place < bytes.byteCount {
            // SAFETY: as above.
            rest = rest << 8 | UInt64(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt8.self))
            place += 1
        }
        return mixed(hash, rest)
    }

    /// Both halves of a product of 128 bits, so that every bit of what went in reaches every bit of what comes out.
    private static func mixed(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        let product = (hash ^ value).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }
}
