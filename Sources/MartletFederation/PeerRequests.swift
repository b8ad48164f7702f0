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

        /// What remembering it takes in memory.
        var bytes: Int { id.utf8.count + from.bytes + to.bytes + 64 }
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
    /// The bytes that either may take: so many with addresses and ids of the length that they have.
    static let byteLimit = 512 << 10
    /// The longest id with which a request goes out, bytes: it has to be remembered until the answer comes. Programs make ids of 8 to 64.
    static let idLimit = 1024

    /// Not answered yet, oldest first; bounded by ``limit`` and ``byteLimit``.
    private var open = Requests()
    /// Answered with an error when their stream died, oldest first; bounded by the same.
    private var failed = Requests()

    /// What remembering all of them takes in memory.
    var bytes: Int { open.bytes + failed.bytes }

    /// A request was written; beyond the limits one is forgotten: the oldest, or the oldest of who asks where half of them are his.
    mutating func wrote(_ request: Request) {
        while open.isFull(with: request) {
            let isOwn = { (other: Request) in other.from.hasSameBare(as: request.from) }
            let own = open.list.count(where: isOwn)
            open.remove(at: 2 * own > open.list.count ? open.list.firstIndex(where: isOwn) ?? 0 : 0)
        }
        open.append(request)
    }

    /// Whether an answer to it is awaited.
    func isOpen(_ request: Request) -> Bool { open.list.contains(request) }

    /// An answer came.
    mutating func answered(_ request: Request) -> Answer {
        if let index = open.list.firstIndex(of: request) {
            open.remove(at: index)
        } else if let index = failed.list.firstIndex(of: request) {
            failed.remove(at: index)
            return .tooLate
        }
        return .expected
    }

    /// The stream is gone: the requests that have failed with it, to be answered with an error.
    mutating func streamLost() -> Deque<Request> {
        let lost = open.list
        for request in lost {
            while failed.isFull(with: request) { failed.remove(at: 0) }
            failed.append(request)
        }
        open = Requests()
        return lost
    }

    /// A list of them, and what it takes.
    private struct Requests {
        private(set) var list: Deque<Request> = []
        private(set) var bytes = 0

        /// There is something, and no room for another one beside it.
        func isFull(with request: Request) -> Bool {
            !list.isEmpty && (list.count >= limit || bytes + request.bytes > byteLimit)
        }

        mutating func append(_ request: Request) {
            list.append(request)
            bytes += request.bytes
        }

        mutating func remove(at index: Int) { bytes -= list.remove(at: index).bytes }
    }
}
