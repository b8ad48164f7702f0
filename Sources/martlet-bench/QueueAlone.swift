import MartletBus
import MartletFederation
import MartletLMDB
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas

/// The queue of a link by itself: `Federation` over a store, without sessions, routing and stream management. What a durable entry
/// costs once somebody hands it over.
enum QueueAlone {
    /// What it costs to take over `entries` messages for an office that is cut off, in commits of `batch`. The store in
    /// `directory` stays for the caller to remove.
    static func cost(directory: String, entries: Int, batch: Int, message: (Int) -> Stanza) throws -> Cost {
        let store = try LMDBStore(directory: directory, tables: Table.all)
        var policy = SitePolicy(domains: [LoadedSite.domain])
        var federation = Federation()
        var random = RandomStream(seed: 11)
        var cost = Cost()
        var number = 0
        while number < entries {
            let messages = (number..<min(number + batch, entries)).map(message)
            if let peer = messages.first?.to?.domain, policy.federation.knownPeers.isEmpty {
                policy.federation.knownPeers = [peer]
            }
            number += messages.count
            let now = Meter.wall / 1_000_000
            let start = Reading()
            let turn = Turn(
                now: Instant(milliseconds: now), wall: WallTime(milliseconds: 1_795_300_000_000 + now), random: random,
                store: store.begin(), policy: policy)
            for stanza in messages { federation.accept(Envelope(stanza, from: .site), turn) }
            federation.endBatch(turn)
            federation.writeBatch(turn)
            try store.commit()
            cost.add(Cost(since: start))
            random = turn.random
        }
        return cost
    }
}
