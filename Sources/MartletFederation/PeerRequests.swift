import Collections
import XMPPAddress

/// IQ requests carried beside the lanes of a link, so that each is answered once: by the peer, or with an error when its
/// stream dies (`Docs/relay-protocol.md` §5). Owned by its ``PeerLink``.
struct PeerRequests {
    /// An IQ request that the peer has not answered.
    struct Request: Equatable {
        /// The id that it was sent with.
        var id: String
        /// Who asked.
        var from: JID
        /// Who was asked.
        var to: JID
    }

    /// What an answer is to us.
    enum Answer: Equatable {
        /// To a request on the stream in use, or to none that is remembered: it is delivered.
        case expected
        /// Its request has failed already: nobody hears an answer twice.
        case tooLate
    }

    /// Requests remembered per link, and failed ones: what a busy office asks within a silence timeout.
    static let limit = 1024

    /// Not answered yet, oldest first; bounded by ``limit``.
    private var open: Deque<Request> = []
    /// Answered with an error when their stream died, oldest first; bounded by ``limit``.
    private var failed: Deque<Request> = []

    /// A request was written; beyond the limit the oldest is forgotten.
    mutating func wrote(_ request: Request) {
        if open.count == Self.limit { open.removeFirst() }
        open.append(request)
    }

    /// Whether an answer to it is awaited.
    func isOpen(_ request: Request) -> Bool { open.contains(request) }

    /// An answer came.
    mutating func answered(_ request: Request) -> Answer {
        if let index = open.firstIndex(of: request) {
            open.remove(at: index)
        } else if let index = failed.firstIndex(of: request) {
            failed.remove(at: index)
            return .tooLate
        }
        return .expected
    }

    /// The stream is gone: the requests that have failed with it, to be answered with an error.
    mutating func streamLost() -> Deque<Request> {
        let excess = failed.count + open.count - Self.limit
        if excess > 0 { failed.removeFirst(min(excess, failed.count)) }
        failed.append(contentsOf: open)
        defer { open = [] }
        return open
    }
}
