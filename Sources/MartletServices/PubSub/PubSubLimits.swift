/// The bounds of nodes that no operator needs to change, each with the reason for its number.
enum PubSubLimits {
    /// Items that one request may name: more than fit on a screen.
    static let itemsAtOnce = 100
    /// Items that give way at once when another comes; the others follow in slices.
    static let removedAtOnce = 16
    /// News of one owner that may be on their way: more than a person causes in the time in which they go out.
    static let newsPerOwner = 32
    /// Stanzas of one slice of news: as for presence.
    static let stanzas = 256
    /// Bytes of one slice of news: what a line takes at once.
    static let bytes = 1 << 20
    /// Contacts, nodes or subscriptions looked at in one slice: a few milliseconds.
    static let visits = 1024
    /// Rows removed in one slice.
    static let removals = 256
    /// Milliseconds between two slices.
    static let pause: Int64 = 5
    /// Resources of one address whose capabilities are remembered: as many as an account may have.
    static let resources = 32
    /// Bytes of all that is remembered of one server's people that is none of our offices.
    static let bytesPerPeer = 8 << 20
    /// Hashes of capabilities that are kept: all versions of all clients that a company meets in years.
    static let hashes = 2000
    /// Names of wanted nodes in one answer, and bytes of them: many times what any client asks for.
    static let wanted = 128
    static let wantedBytes = 8 << 10
    /// Questions about capabilities on their way; one server's part of them.
    static let questions = 256
    static let questionsPerServer = 32
    /// Milliseconds after which a question that was not answered may be asked again.
    static let questionTime: Int64 = 60_000
    /// Who waits for the answer to one question.
    static let waiting = 1000
    /// Rows of an answer about affiliations and subscriptions: as many as a node may have.
    static let listed = 1000
    /// Greetings that wait for their turn, of one account: one for each resource of each contact after a line was down.
    static let greetings = 4096
    /// Elements and bytes of private storage: notes, and settings of some clients.
    static let privateElements = 100
    static let privateBytes = 256 << 10
    /// Bookmarks that are shown in the older ways: a list of all has to be written anew with each.
    static let bookmarks = 500
    /// Roster groups of a configuration.
    static let groups = 64
    /// Subscriptions of one address to one node: one for each of its devices.
    static let subscriptionsPerAddress = 16
}
