import XMPPAddress
import XMPPStreams

/// What sessions need to know of a link: federation notes it, the site carries it over, since parts of the site never
/// call one another.
public struct LinkChange: Sendable, Equatable {
    /// What became of the link.
    public enum Kind: Sendable, Equatable {
        /// A stream is authenticated. With `wantsRefresh` the peer may have missed availability.
        case up(wantsRefresh: Bool)
        /// The stream ended and nobody has tried to reach the peer since.
        case lost
        /// The peer cannot be reached; attempts go on.
        case failing
        /// It is known how many messages of each account wait for the peer; of one account where only that changed.
        case counted(JID?)
        /// A store went back in time, the peer's or ours, and the link has put right what that did to messages.
        case healed(ofPeer: Bool)
    }

    /// Whose link.
    public var pair: DomainPair
    /// What became of it.
    public var kind: Kind

    /// That change.
    public init(_ pair: DomainPair, _ kind: Kind) {
        self.pair = pair
        self.kind = kind
    }
}
