import XMPPAddress

/// The last messages of an account of which copies were made (XEP-0280): an error that answers one of them is copied too. By a mark of
/// id and correspondent, since an error need not show what it answers (RFC 6120 §8.3.1).
///
/// An ``OnlineAccount`` owns it. Who finds another message with the same mark has an error shown to one more device of its addressee.
struct CopiedMessages {
    /// Messages that are remembered: those of a busy hour, in two kilobytes. What comes back later goes to the account anyway.
    private static let limit = 512
    private var marks: [UInt32] = []
    private var next = 0

    /// A copy was made of a message to or from somebody.
    mutating func note(_ id: String, with other: JID) {
        let mark = Self.mark(id, other)
        if marks.count < Self.limit { return marks.append(mark) }
        marks[next] = mark
        next = (next + 1) % Self.limit
    }

    /// Whether there was such a message.
    func contains(_ id: String, with other: JID) -> Bool { marks.contains(Self.mark(id, other)) }

    /// FNV-1a.
    private static func mark(_ id: String, _ other: JID) -> UInt32 {
        var mark: UInt32 = 0x811C_9DC5
        func add(_ text: String) { for byte in text.utf8 { mark = (mark ^ UInt32(byte)) &* 0x0100_0193 } }
        add(id)
        add("\u{0}")
        add(other.localpart ?? "")
        add("@")
        add(other.domainpart)
        return mark
    }
}
