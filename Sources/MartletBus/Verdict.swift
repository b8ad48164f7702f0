import XMPPStanzas

/// What an interceptor decides about a stanza.
public enum Verdict: Sendable, Equatable {
    /// Nothing to object.
    case pass
    /// This goes on in its place.
    case replace(Stanza)
    /// It goes back to its sender with an error, where RFC 6120 §8.3.1 allows one.
    case reject(StanzaError)
    /// It ends here without a word to its sender; the operator can see why.
    case drop(DropReason)
}

/// Why a stanza ends without a word to its sender.
public enum DropReason: String, Sendable, Equatable {
    /// It was taken over before and came again.
    case repeated = "taken over before"
}

/// The rules that judge stanzas on their way. The operator's configuration says which are in force, and in which order.
public enum InterceptorKind: String, Sendable, CaseIterable {
    /// Messages that a client sends again without having resumed its session (`Docs/relay-protocol.md` §7.3).
    case repeatedMessages = "repeated-messages"
}
