import MartletStore
import XMPPAddress

/// What an administrator does with archives.
public enum ArchiveCommand: Sendable, Equatable {
    /// A part of the list of archives, behind `after`; or that of one account.
    case list(JID?, after: AddressNumber?)
    /// How long the messages of an account are kept, milliseconds, 0 for ever; nil as long as those of everybody.
    case setRetention(JID, Int64?)
    /// A part of what an archive has, behind that place.
    case export(JID, after: UInt64?)
}

/// Some archives.
public struct ArchiveList: Sendable, Equatable {
    /// In the order of the accounts' numbers.
    public var rows: [ArchiveStatus] = []
    /// Ask again with this; nil at the end.
    public var next: AddressNumber?

    /// No archives.
    public init() {}
}

/// The archive of one account.
public struct ArchiveStatus: Sendable, Equatable {
    /// The bare JID.
    public var account: String
    /// Messages in it.
    public var messages: UInt64
    /// Bytes of them; a message between two people here counts for both.
    public var bytes: UInt64
    /// The time of the first; nil where there is none.
    public var first: String?
    /// How long messages are kept, milliseconds, 0 for ever.
    public var retention: Int64
    /// That was said of this account.
    public var isOwnRetention: Bool

    /// That archive.
    public init(
        account: String, messages: UInt64, bytes: UInt64, first: String?, retention: Int64, isOwnRetention: Bool
    ) {
        self.account = account
        self.messages = messages
        self.bytes = bytes
        self.first = first
        self.retention = retention
        self.isOwnRetention = isOwnRetention
    }
}

/// A part of an archive, for a file.
public struct ArchivePart: Sendable, Equatable {
    /// Elements `<result/>` of XEP-0313, as XEP-0227 §4.7 has them.
    public var results: [[UInt8]] = []
    /// Ask again with this; nil at the end.
    public var next: UInt64?

    /// Nothing.
    public init() {}
}
