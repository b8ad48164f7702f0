import MartletStore

/// What is kept of people's messages, and how much of it may be asked for.
public struct ArchivePolicy: Sendable, Equatable {
    /// Whether there are archives at all.
    public var isEnabled = true
    /// What is kept for an account that has said nothing itself. Everything: a second device shows what the first one does only then.
    public var rule = ArchivePreferences.Rule.always
    /// How long messages are kept, milliseconds, 0 for ever: a year, as long as people look for what was agreed on.
    public var retention: Int64 = 365 * 86_400_000
    /// Bytes of one archive; beyond it the oldest messages go. Somebody who writes a hundred messages a day fills it in ten years, a
    /// stranger who writes without end fills nothing else.
    public var bytesPerAccount: UInt64 = 256 << 20
    /// Messages on one page at most: more than a window shows.
    public var page = 100
    /// Bytes on one page at most, but for a single message: a page of large messages is short, so that nothing has to be kept for who
    /// asks and does not read.
    public var pageBytes = 512 << 10
    /// Searches of one session that wait for their turn; a client needs one for each conversation that it shows.
    public var searchesPerSession = 16
    /// Addresses on the lists of one account, both together.
    public var preferenceAddresses = 1000
    /// Messages that one search for words looks at; the client asks on from there. Seconds at the pace at which it may go on.
    public var searchedMessages = 20_000

    /// The defaults.
    public init() {}
}
