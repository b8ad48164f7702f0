import MartletBus
import MartletStore
import XMPPStanzas

/// The rules that judge stanzas on their way, in the order that the configuration names. A place where none is in force costs a count.
///
/// Owned by the site. Each rule is a stored value of its own type, changed in place.
public struct Interceptors {
    private var repeatedMessages = RepeatedMessages()

    /// The rules in force at each checkpoint, by its place among all cases.
    private var inForce: [[InterceptorKind]] = Checkpoint.allCases.map { _ in [] }
    /// Stanzas that each rule has sent back or dropped since the start, by its place among all cases.
    private var stopped = [Int](repeating: 0, count: InterceptorKind.allCases.count)

    /// None in force; ``boot(_:)`` follows.
    public init() {}

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        repeatedMessages = RepeatedMessages(in: turn.store)
        policyChanged(turn)
    }

    /// The configuration names other rules, or another order.
    public mutating func policyChanged(_ turn: Turn) {
        for (index, checkpoint) in Checkpoint.allCases.enumerated() {
            inForce[index] = turn.policy.interceptors.filter { Self.checkpoints(of: $0).contains(checkpoint) }
        }
    }

    /// The verdict of all rules together; what one has replaced the next ones see.
    public mutating func judge(_ envelope: borrowing Envelope, at checkpoint: Checkpoint, _ turn: Turn) -> Verdict {
        if checkpoint == .toAccount, envelope.stanza.isError { repeatedMessages.noteFailure(envelope, turn) }
        let place = checkpoint.index
        var replaced: Envelope?
        for index in 0..<inForce[place].count {
            let rule = inForce[place][index]
            let verdict =
                if let replaced { judge(rule, replaced, turn) } else {
                    judge(rule, envelope, turn)
                }
            switch verdict {
            case .pass: continue
            case .replace(let stanza): replaced = Envelope(stanza, from: envelope.origin, entrance: envelope.entrance)
            case .reject, .drop:
                stopped[rule.index] += 1
                return verdict
            }
        }
        return replaced.map { .replace($0.stanza) } ?? .pass
    }

    private mutating func judge(_ rule: InterceptorKind, _ envelope: borrowing Envelope, _ turn: Turn) -> Verdict {
        switch rule {
        case .repeatedMessages: repeatedMessages.judge(envelope, turn)
        }
    }

    private static func checkpoints(of rule: InterceptorKind) -> [Checkpoint] {
        switch rule {
        case .repeatedMessages: RepeatedMessages.checkpoints
        }
    }

    /// At the end of a batch: what is written once for all of it.
    public mutating func writeBatch(_ turn: Turn) {
        repeatedMessages.write(in: turn.store)
    }

    /// The rules in force at a place, and how many stanzas each has stopped since the start.
    public func rules(at checkpoint: Checkpoint) -> [(kind: InterceptorKind, stopped: Int)] {
        inForce[checkpoint.index].map { ($0, stopped[$0.index]) }
    }
}

extension Checkpoint {
    /// The place among all cases.
    fileprivate var index: Int {
        switch self {
        case .fromClient: 0
        case .fromPeer: 1
        case .toAccount: 2
        case .toPeer: 3
        }
    }
}

extension InterceptorKind {
    /// The place among all cases.
    fileprivate var index: Int {
        switch self {
        case .repeatedMessages: 0
        }
    }
}
