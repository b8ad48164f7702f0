import XMPPAddress

/// The pairs of domains of one inbound stream: proven ones, and those whose key is being verified. Few, so that lists do.
struct DialbackPairs: Sendable {
    private(set) var proven: [DomainPair] = []
    private(set) var pending: [DomainPair] = []

    func proves(_ pair: DomainPair) -> Bool { proven.contains(pair) }
    func isPending(_ pair: DomainPair) -> Bool { pending.contains(pair) }

    mutating func await(_ pair: DomainPair) {
        pending.append(pair)
    }

    /// The verification ended; false if none was awaited.
    mutating func answered(_ pair: DomainPair) -> Bool {
        guard let index = pending.firstIndex(of: pair) else { return false }
        pending.remove(at: index)
        return true
    }

    mutating func prove(_ pair: DomainPair) {
        if !proves(pair) { proven.append(pair) }
    }
}
