import Collections
import MartletPrimitives
import XMPPAddress

/// Who is told of messages that came back, and from which domain they did. The sender is a domain where all of its senders are meant.
struct BouncePair: Hashable {
    var sender: JID
    var domain: JID
}

/// How many errors each of many may still get one by one. Bounded: who came first begins anew.
struct BounceBudgets {
    /// How many somebody gets at once.
    let most: Int
    /// One more after so long, milliseconds.
    let refillTime: Int64

    private struct Budget {
        var left: Int
        var since: Instant
    }

    /// Look-up only.
    private var budgets: [BouncePair: Budget] = [:]
    /// The pairs in `budgets`, in the order in which they came.
    private var order: Deque<BouncePair> = []
    /// Bytes of the names in it.
    private var nameBytes = 0

    /// Everybody's is full.
    init(most: Int, refillTime: Int64) {
        self.most = most
        self.refillTime = refillTime
    }

    /// Takes one, if there is one.
    mutating func take(_ pair: BouncePair, _ now: Instant) -> Bool {
        var budget = budgets[pair] ?? added(pair, now)
        let refilled = min(Int((now - budget.since) / refillTime), most)
        if refilled > 0 {
            budget.left = min(budget.left + refilled, most)
            budget.since = now
        }
        defer { budgets[pair] = budget }
        guard budget.left > 0 else { return false }
        budget.left -= 1
        return true
    }

    private mutating func added(_ pair: BouncePair, _ now: Instant) -> Budget {
        while order.count >= BounceLimits.pairs || nameBytes > BounceLimits.nameBytes, let oldest = order.popFirst() {
            budgets[oldest] = nil
            nameBytes -= Self.bytes(oldest)
        }
        order.append(pair)
        nameBytes += Self.bytes(pair)
        return Budget(left: most, since: now)
    }

    private static func bytes(_ pair: BouncePair) -> Int {
        pair.sender.description.utf8.count + pair.domain.description.utf8.count
    }
}
