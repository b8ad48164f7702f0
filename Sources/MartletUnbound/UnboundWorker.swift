internal import CUnbound
import Glibc
import Synchronization
import XMPPStreams

/// A lookup from its question to its answer.
final class UnboundLookup: Sendable {
    let query: ResolutionQuery
    let deadline: ContinuousClock.Instant
    let completion: @Sendable (ResolverAnswer) -> Void

    init(query: ResolutionQuery, deadline: ContinuousClock.Instant, completion: @escaping @Sendable (ResolverAnswer) -> Void) {
        self.query = query
        self.deadline = deadline
        self.completion = completion
    }
}

/// The resolver's thread: sleeps in `poll` until libunbound has answers, a new lookup is left, or a deadline passes.
final class UnboundWorker: @unchecked Sendable {
    // SAFETY: `shared` has its lock, and the pipe is only written and read. Everything else is touched by the thread alone,
    // except before it starts and after it was joined.

    private struct Shared {
        var arrived: [UnboundLookup] = []
        var outstanding = 0
        var isStopping = false
        var thread: pthread_t?
    }

    /// What `libunbound` gives back with an answer.
    private final class Ticket {
        unowned let worker: UnboundWorker
        let lookup: UnboundLookup
        var identifier: Int32 = -1

        init(_ worker: UnboundWorker, _ lookup: UnboundLookup) {
            self.worker = worker
            self.lookup = lookup
        }
    }

    private let context: UnboundContext
    private let outstandingLimit: Int
    private let shared = Mutex(Shared())
    private var wakeReader: Int32 = -1
    private var wakeWriter: Int32 = -1
    /// Waiting for libunbound, by its number.
    private var tickets: [Int32: Ticket] = [:]

    init(_ context: UnboundContext, outstandingLimit: Int) {
        self.context = context
        self.outstandingLimit = outstandingLimit
    }

    deinit {
        for descriptor in [wakeReader, wakeWriter] where descriptor >= 0 { close(descriptor) }
    }

    func start() throws(UnboundFailure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw UnboundFailure(description: "no pipe for the resolver: \(String(cString: strerror(errno)))")
        }
        (wakeReader, wakeWriter) = (ends[0], ends[1])
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        var thread = pthread_t()
        // The thread keeps the worker alive until it ends.
        let argument = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<UnboundWorker>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument.toOpaque())
        if code != 0 {
            argument.release()
            throw UnboundFailure(description: "no thread for the resolver: \(String(cString: strerror(code)))")
        }
        shared.withLock { $0.thread = thread }
    }

    /// Takes a lookup over, from any thread.
    func accept(_ lookup: UnboundLookup) {
        let refusal: String? = shared.withLock { shared in
            if shared.isStopping { return "the resolver is shut down" }
            if shared.outstanding >= outstandingLimit { return "too many lookups are outstanding" }
            shared.outstanding += 1
            shared.arrived.append(lookup)
            return nil
        }
        if let refusal { lookup.completion(.failure(refusal)) } else { wake() }
    }

    /// Ends the thread and waits for it, unless it is the thread itself that asks.
    func stop() {
        let thread = shared.withLock { shared in
            shared.isStopping = true
            let thread = shared.thread
            shared.thread = nil
            return thread
        }
        guard let thread else { return }
        wake()
        if pthread_equal(thread, pthread_self()) != 0 { pthread_detach(thread) } else { pthread_join(thread, nil) }
    }

    private func wake() {
        // A full pipe wakes as well.
        _ = write(wakeWriter, [0 as UInt8], 1)
    }

    // MARK: on the thread

    private func run() {
        let answers = ub_fd(context.context)
        while true {
            var descriptors = [
                pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0),
                pollfd(fd: answers, events: Int16(POLLIN), revents: 0),
            ]
            poll(&descriptors, 2, millisecondsToDeadline())
            if descriptors[0].revents != 0 { emptyPipe() }
            let (arrived, isStopping) = shared.withLock { shared in
                defer { shared.arrived.removeAll() }
                return (shared.arrived, shared.isStopping)
            }
            for lookup in arrived { begin(lookup, isStopping: isStopping) }
            if descriptors[1].revents != 0 { ub_process(context.context) }
            endOverdue(isStopping: isStopping)
            if isStopping { return }
        }
    }

    private func begin(_ lookup: UnboundLookup, isStopping: Bool) {
        if isStopping { return end(lookup, .failure("the resolver is shut down")) }
        let ticket = Ticket(self, lookup)
        let type: Int32 =
            switch lookup.query.type {
            case .a: 1
            case .aaaa: 28
            case .srv: 33
            case .tlsa: 52
            }
        let code = ub_resolve_async(
            context.context, lookup.query.name + ".", type, 1, Unmanaged.passRetained(ticket).toOpaque(),
            { argument, code, result in
                defer { ub_resolve_free(result) }
                guard let argument else { return }
                let ticket = Unmanaged<Ticket>.fromOpaque(argument).takeRetainedValue()
                ticket.worker.answered(ticket, code, result)
            }, &ticket.identifier)
        if code == UB_NOERROR.rawValue {
            tickets[ticket.identifier] = ticket
        } else {
            Unmanaged.passUnretained(ticket).release()
            end(lookup, .failure(String(cString: ub_strerror(code))))
        }
    }

    private func answered(_ ticket: Ticket, _ code: Int32, _ result: UnsafeMutablePointer<ub_result>?) {
        tickets[ticket.identifier] = nil
        if code == UB_NOERROR.rawValue, let result {
            end(ticket.lookup, ResolverAnswer(result.pointee, ticket.lookup.query.type))
        } else {
            end(ticket.lookup, .failure(String(cString: ub_strerror(code))))
        }
    }

    /// Gives up the lookups whose time is over, or all.
    private func endOverdue(isStopping: Bool) {
        if tickets.isEmpty { return }
        let now = ContinuousClock.now
        for (identifier, ticket) in tickets where isStopping || ticket.lookup.deadline <= now {
            tickets[identifier] = nil
            // Cancelled, the answer will not be given back: its ticket is ours again.
            if ub_cancel(context.context, identifier) == UB_NOERROR.rawValue { Unmanaged.passUnretained(ticket).release() }
            end(ticket.lookup, .failure(isStopping ? "the resolver is shut down" : "no answer in time"))
        }
    }

    private func end(_ lookup: UnboundLookup, _ answer: ResolverAnswer) {
        shared.withLock { $0.outstanding -= 1 }
        lookup.completion(answer)
    }

    private func millisecondsToDeadline() -> Int32 {
        guard let next = tickets.values.map(\.lookup.deadline).min() else { return -1 }
        let left = (next - .now).components
        return Int32(clamping: max(0, left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000 + 1))
    }

    private func emptyPipe() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(wakeReader, &bytes, bytes.count) > 0 {}
    }
}
