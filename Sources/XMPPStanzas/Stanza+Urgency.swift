import XMPPXML

extension Stanza {
    /// Whether nobody misses the message who does not look at his client: nobody has said anything in it. Chat states, receipts, markers,
    /// what nodes tell.
    public var canWait: Bool {
        guard kind == .message, !isError, !traits.contains(.body) else { return false }
        return !traits.contains(.substance) || payloads.allSatisfy(Self.canWait)
    }

    private static func canWait(_ payload: Element) -> Bool {
        switch payload.namespace {
        case Namespaces.chatStates, Namespaces.receipts, Namespaces.chatMarkers, Namespaces.nodeEvents, Namespaces.hints,
            Namespaces.stanzaID, Namespaces.delay:
            true
        case Namespaces.client: payload.name == "thread"
        default: false
        }
    }
}
