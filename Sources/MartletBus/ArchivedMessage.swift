import MartletPrimitives
import MartletStore
import XMPPStanzas

/// A message that was written to the log for archives, in the batch in hand.
public struct ArchivedMessage: Sendable, Equatable {
    /// Its place in the log.
    public var sequence: UInt64
    /// The message.
    public var stanza: Stanza
    /// Whose archives.
    public var owners: ArchiveOwners
    /// When it was taken over.
    public var time: WallTime

    /// That message.
    public init(sequence: UInt64, stanza: Stanza, owners: ArchiveOwners, time: WallTime) {
        self.sequence = sequence
        self.stanza = stanza
        self.owners = owners
        self.time = time
    }
}
