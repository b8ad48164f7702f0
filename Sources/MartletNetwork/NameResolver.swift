import MartletUnbound
import XMPPStreams

/// Puts questions to DNS. The real one is libunbound; tests have tables.
protocol NameResolver: Sendable {
    /// Asks one question; `completion` is called once, on any thread, within seconds.
    func lookup(_ query: ResolutionQuery, completion: @escaping @Sendable (ResolverAnswer) -> Void)
}

/// The resolver of libunbound with its usual deadline.
struct SystemResolver: NameResolver {
    let resolver: UnboundResolver

    func lookup(_ query: ResolutionQuery, completion: @escaping @Sendable (ResolverAnswer) -> Void) {
        resolver.lookup(query, completion: completion)
    }
}
