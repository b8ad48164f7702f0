/// What may be published, and how much of it.
public struct PubSubPolicy: Sendable, Equatable {
    /// Whether accounts have nodes at all (XEP-0163).
    public var isEnabled = true
    /// Who may make nodes at a host for them.
    public var creators = Creators.people
    /// Addresses and domains that may in any case.
    public var namedCreators: [String] = []
    /// Nodes of one account: each kind of thing that a client publishes is one, and there are some dozens of kinds.
    public var nodesPerAccount = 250
    /// Nodes of one host: one for each thing that a company of 500 people watches.
    public var nodesPerHost = 10_000
    /// Items of one node at most, also where it says `max`: as many rooms as bookmarks, and as many conversations whose
    /// last read message is noted.
    public var itemsPerNode = 2000
    /// Bytes of one item: the largest stanza of a client. A picture of 150 KiB fits, or the keys of some hundred devices.
    public var itemBytes = 256 << 10
    /// Bytes of everything that one account has published: a picture, keys of ten devices, bookmarks and notes take a tenth of it.
    public var bytesPerAccount: UInt64 = 16 << 20
    /// Bytes of everything at one host.
    public var bytesPerHost: UInt64 = 1 << 30
    /// Subscriptions of one node: everybody in a company, each with two of them.
    public var subscriptionsPerNode = 1000
    /// Addresses with an affiliation to one node.
    public var affiliationsPerNode = 1000
    /// Items on one page, and in an answer to whoever asks for all of them.
    public var page = 500
    /// Bytes of an answer beyond which no further item is put into it: half of what servers take.
    public var answerBytes = 192 << 10

    /// Bytes of what one account was shown of its contacts elsewhere, kept for when a line is cut; 0 keeps nothing. Pictures, profiles and
    /// keys of two hundred contacts.
    public var knownBytesPerAccount: UInt64 = 8 << 20
    /// Bytes of that of all accounts, each text once: of two thousand contacts, and a row for each of them and each of 500 accounts.
    public var knownBytes: UInt64 = 256 << 20

    /// Who may make nodes at a host.
    public enum Creators: String, Sendable, CaseIterable {
        /// Only who is named.
        case nobody
        /// Our own people.
        case people
        /// They, and the people of our offices.
        case offices
    }

    /// The bytes of a name, of an id, of a title: parts of addresses have as many.
    public static let nameBytes = 1023

    /// The defaults.
    public init() {}
}
