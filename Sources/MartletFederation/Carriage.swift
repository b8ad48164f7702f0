import XMPPStanzas

/// How a stanza for another domain travels (`Docs/relay-protocol.md` §5).
enum Carriage: Equatable {
    /// Durable: takes a number in a lane and waits on disk.
    case entry
    /// Unnumbered, on a stream that is up or about to be; with `fails` its sender hears when it cannot go.
    case beside(fails: Bool)
    /// Only on a stream that is up, an answer also on one that can be opened at once; else dropped without a word: what it says is stale by then.
    case fleeting

    /// The rule for `stanza`.
    init(of stanza: Stanza) {
        switch stanza.kind {
        case .message:
            if stanza.forbids(.noStore) {
                self = .beside(fails: true)
            } else if stanza.traits.contains(.chatState) && !stanza.traits.contains(.substance) {
                self = .fleeting
            } else {
                self = .entry
            }
        case .presence:
            // Who wants to enter a room waits for an answer; all other availability is told anew at recovery.
            let entersRoom = stanza.presenceType == .available && stanza.traits.contains(.roomEntry)
            self = stanza.presenceType?.managesSubscription == true ? .entry : .beside(fails: entersRoom)
        case .iq:
            self = stanza.iqType?.isRequest == true ? .beside(fails: true) : .fleeting
        }
    }
}
