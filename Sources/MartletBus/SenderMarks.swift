import MartletPrimitives
import MartletStore
import XMPPAddress

/// Whose share of something an incoming stanza is, as a number that can stand in a row: of people here and in our offices each has his
/// own; another server has one for everybody there, since it can invent as many people as it likes.
///
/// FNV-1a from a beginning that only this store has: whoever wanted to share a number with somebody else, to use up what is his, would have
/// to know it.
public struct SenderMarks: Sendable {
    private var beginning: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Before the store is read.
    public init() {}

    /// After a start.
    public init(in store: some KeyValueTransaction) {
        if let secret = MetaTable.bytes(.secret, in: store), secret.count >= 8 { beginning = ByteReader.first(secret) | 1 }
    }

    /// The number of whoever sends from there.
    public func mark(of sender: JID, _ policy: SitePolicy) -> UInt64 {
        let domain = hash(beginning, sender.domainpart)
        guard let localpart = sender.localpart, policy.serves(sender.domainpart) || policy.isOffice(sender.domainpart) else {
            return domain
        }
        return hash((domain ^ 0x40) &* 0x100_0000_01B3, localpart)
    }

    private func hash(_ start: UInt64, _ text: String) -> UInt64 {
        text.utf8.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
