import MartletBus
import MartletPrimitives
import MartletUnbound
import Synchronization
import XMPPStreams

/// Puts questions to DNS. The real one is libunbound; tests have tables.
protocol NameResolver: Sendable {
    /// Asks one question because of `cause`; `completion` is called once, on any thread, within seconds.
    func lookup(
        _ query: ResolutionQuery, for cause: Cause, completion: @escaping @Sendable (ResolverAnswer) -> Void)
}

/// The resolver of libunbound with its usual deadline, and a line before it: whoever has many questions waits for one of each
/// other party, and strangers for none of ours. One per process, for all loops.
final class SystemResolver: NameResolver {
    private struct Question: Sendable {
        var query: ResolutionQuery
        /// Whoever asked has another plan by then.
        var deadline: ContinuousClock.Instant
        var completion: @Sendable (ResolverAnswer) -> Void
    }

    /// As many as libunbound takes. A peer costs 2 to 34 (see `PeerResolution`), of a stranger up to 10.
    static let shares = Shares<Standing, Party>(total: UnboundResolver.outstandingLimit) { standing in
        switch standing {
        case .office: .init(reserved: 64, most: 256)
        case .person: .init(reserved: 64, most: 160)
        case .knownPeer: .init(reserved: 24, most: 64)
        case .stranger: .init(reserved: 24, most: 48)
        }
    }
    /// Questions that wait, of one class: more than all its attempts have.
    private static let waiting = 1024

    private let resolver: UnboundResolver
    private let line = Mutex(
        FairLine<Standing, Party, Question>(SystemResolver.shares, waitingPerOwner: waiting, waitingPerGroup: waiting))

    init(_ resolver: UnboundResolver) {
        self.resolver = resolver
    }

    func lookup(
        _ query: ResolutionQuery, for cause: Cause, completion: @escaping @Sendable (ResolverAnswer) -> Void
    ) {
        guard query.isPossibleName else { return completion(.nameDoesNotExist) }
        let question = Question(
            query: query, deadline: .now + UnboundResolver.defaultDeadline, completion: completion)
        guard line.withLock({ $0.add(question, cause.party, of: cause.standing) }) else {
            return completion(.failure("too many questions to DNS wait"))
        }
        askNext()
    }

    private func askNext() {
        while let turn = line.withLock({ $0.next() }) {
            let question = turn.item
            guard question.deadline > .now else {
                line.withLock { $0.ended(turn.owner, of: turn.group) }
                question.completion(.failure("too many questions to DNS were before it"))
                continue
            }
            resolver.lookup(question.query) { [self] answer in
                line.withLock { $0.ended(turn.owner, of: turn.group) }
                question.completion(answer)
                askNext()
            }
        }
    }
}
