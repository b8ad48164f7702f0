internal import CUnbound
import Glibc

/// A configured context of libunbound, before its first query: afterwards it takes no options.
final class UnboundContext {
    let context: OpaquePointer

    init(_ configuration: UnboundResolver.Configuration) throws(UnboundFailure) {
        guard let context = ub_ctx_create() else { throw UnboundFailure(description: "no memory for the resolver") }
        self.context = context
        // It would write to standard error; all we want to know comes with the answers.
        ub_ctx_debugout(context, nil)
        // 1 = a thread; 0 would fork this process.
        try succeed(ub_ctx_async(context, 1), "threads")
        for (option, value) in Self.options { try succeed(ub_ctx_set_option(context, option, value), option) }
        // The default of 4,096 is a fifth of the descriptors a process may have.
        try succeed(ub_ctx_set_option(context, "outgoing-range:", "\(configuration.sockets)"), "outgoing-range")
        try addServers(configuration.servers)
        if let file = configuration.hostsFile { try succeed(ub_ctx_hosts(context, file), file) }
        if let file = configuration.trustAnchorFile { try succeed(ub_ctx_add_ta_file(context, file), file) }
    }

    deinit {
        ub_ctx_delete(context)
    }

    private static let options = [
        // The site's own resolver usually listens here.
        ("do-not-query-localhost:", "no"),
        // A server found dead is asked again all the time, by one query at a time, and is forgotten to be dead after a
        // minute: by default it may take 15 minutes after the end of an outage until a name resolves again.
        ("infra-keep-probing:", "yes"),
        ("infra-host-ttl:", "60"),
        // The same for a name that somebody has just created: an hour otherwise.
        ("cache-max-negative-ttl:", "60"),
    ]

    private func addServers(_ servers: [String]) throws(UnboundFailure) {
        for server in servers { try succeed(ub_ctx_set_fwd(context, server), "server \(server)") }
        if servers.isEmpty {
            // Not there or unreadable: the root servers, which libunbound knows.
            let code = ub_ctx_resolvconf(context, nil)
            if code != UB_READFILE.rawValue { try succeed(code, "/etc/resolv.conf") }
        }
    }

    private func succeed(_ code: Int32, _ what: String) throws(UnboundFailure) {
        if code == UB_NOERROR.rawValue { return }
        throw UnboundFailure(description: "the resolver does not accept \(what): \(String(cString: ub_strerror(code)))")
    }
}
