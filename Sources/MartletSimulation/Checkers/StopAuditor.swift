import XMPPStreams

/// No lane stops unless a store went back in time (`Docs/relay-protocol.md` §9.7).
struct StopAuditor {
    private var rolledBack: Set<Int> = []
    private(set) var faults: [Fault] = []
    /// Stops that a restored backup explains.
    private(set) var explained = 0

    mutating func rollback(_ site: Int) { rolledBack.insert(site) }

    mutating func stopped(_ pair: DomainPair, local: Int, peer: Int?, reason: String) {
        if rolledBack.contains(local) || peer.map(rolledBack.contains) == true {
            explained += 1
        } else {
            faults.append(Fault(.stopped, "\(pair.local) → \(pair.peer): \(reason)"))
        }
    }
}
