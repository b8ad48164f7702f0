/// Counts at the clients what was written and what arrived: the judge of the promise, separate from server code.
public struct DeliveryLedger: Sendable {
    /// A person's messages to another person.
    struct Pair: Hashable {
        var from: String
        var to: String
    }

    private var sent: [Pair: Int] = [:]
    private var arrived: [Pair: [Int]] = [:]
    private var pairs: [Pair] = []

    /// Messages that clients handed to their servers.
    public private(set) var sentCount = 0
    /// Messages that arrived for the first time.
    public private(set) var deliveredCount = 0
    /// Messages that arrived again.
    public private(set) var duplicateCount = 0
    /// Messages that arrived after a later one of the same pair.
    public private(set) var disorderCount = 0
    /// Messages that came back with an error.
    public private(set) var bouncedCount = 0

    /// Messages that neither arrived nor came back.
    public var lostCount: Int { sentCount - deliveredCount - bouncedCount }

    /// The number of the next message of a pair.
    mutating func send(from: String, to: String) -> Int {
        let pair = Pair(from: from, to: to)
        if sent[pair] == nil { pairs.append(pair) }
        sent[pair, default: 0] += 1
        sentCount += 1
        return sent[pair, default: 0]
    }

    /// Message `number` of a pair arrived at a client of the addressee.
    mutating func arrive(_ number: Int, from: String, to: String) {
        let pair = Pair(from: from, to: to)
        if arrived[pair, default: []].contains(number) {
            duplicateCount += 1
        } else {
            if let last = arrived[pair]?.last, last > number { disorderCount += 1 }
            deliveredCount += 1
        }
        arrived[pair, default: []].append(number)
    }

    /// A message came back.
    mutating func bounce() { bouncedCount += 1 }

    /// What is wrong, in words; empty when the promise held.
    var faults: [String] {
        var faults: [String] = []
        for pair in pairs {
            let got = Set(arrived[pair] ?? [])
            let missing = (1...(sent[pair] ?? 1)).filter { !got.contains($0) }
            if !missing.isEmpty, bouncedCount == 0 { faults.append("lost \(pair.from) → \(pair.to): \(missing)") }
        }
        if duplicateCount > 0 { faults.append("duplicated \(duplicateCount)") }
        if disorderCount > 0 { faults.append("out of order \(disorderCount)") }
        return faults
    }
}
