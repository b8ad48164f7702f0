import XMPPStreams

/// No lane stops unless a store went back in time, and not then if what is lacking is kept and known (`Docs/relay-protocol.md` S2).
struct StopAuditor {
    /// Until when each site's store went back, the furthest; the beginning of time for one that was lost.
    private var wentBackTo: [Int: Int64] = [:]
    private(set) var faults: [Fault] = []
    /// Stops that a restored backup explains.
    private(set) var explained = 0
    /// Between which sites: what waits there waits for an operator.
    private(set) var pairs: [(local: Int, peer: Int)] = []

    /// The store of a site is as it was then.
    mutating func rollback(_ site: Int, to time: Int64) { wentBackTo[site] = min(wentBackTo[site] ?? time, time) }

    /// A lane stopped. `kept` says how long the site keeps what was acknowledged.
    mutating func stopped(_ pair: DomainPair, local: Int, peer: Int?, at time: Int64, kept: Int64, reason: String) {
        guard let peer else { return faults.append(Fault(.stopped, "\(pair.local) → \(pair.peer): \(reason)")) }
        pairs.append((local, peer))
        guard let start = wentBackTo[peer] ?? wentBackTo[local] else {
            return faults.append(Fault(.stopped, "\(pair.local) → \(pair.peer), no store went back: \(reason)"))
        }
        // No run has more numbers than a peer remembers tags: what the site itself forgot is always known.
        if wentBackTo[peer] == nil || time - start < kept {
            return faults.append(Fault(.stopped, "\(pair.local) → \(pair.peer), everything is kept and known: \(reason)"))
        }
        explained += 1
    }

    /// Whether a lane between them stopped.
    func hasStopped(_ local: Int, _ peer: Int) -> Bool { pairs.contains { $0 == (local, peer) } }
}
