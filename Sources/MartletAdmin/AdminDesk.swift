import MartletBus
import XMPPAddress

/// Which entries are meant, on the control socket: those that fit everything that is said.
public struct AdminFilter: Codable, Sendable, Equatable {
    /// The name of one entry: `1/17` or `held/5`.
    public var entry: String?
    /// The domain they wait for.
    public var peer: String?
    /// The sender: a domain, an account or a device.
    public var from: String?
    /// The addressee: likewise.
    public var to: String?
    /// Only what is held, or only what is not.
    public var isHeld: Bool?

    /// Everything that waits.
    public init() {}

    /// As the site takes it.
    func filter() throws(AdminFailure) -> QueueFilter {
        var filter = QueueFilter()
        if let entry { filter.entry = try AdminDesk.name(entry) }
        if let peer { filter.peer = try AdminDesk.domain(peer) }
        if let from { filter.from = try AdminDesk.address(from) }
        if let to { filter.to = try AdminDesk.address(to) }
        filter.isHeld = isHeld
        return filter
    }
}

/// One entry as it stood in a list.
public struct AdminClaim: Codable, Sendable, Equatable {
    /// Its name.
    public var entry: String
    /// Its tag: an entry that was given the same name since then has another.
    public var tag: UInt64

    /// That entry.
    public init(entry: String, tag: UInt64) {
        self.entry = entry
        self.tag = tag
    }
}

/// Names and addresses as people type them, in words where they are none.
enum AdminDesk {
    /// Entries in one request: their names fit into the longest request many times.
    static let claimLimit = 512

    static func name(_ text: String) throws(AdminFailure) -> EntryName {
        guard let name = EntryName(text) else {
            throw AdminFailure(
                "\(text) is not the name of an entry: they look like 1/17 or held/5, see `martlet queue list --entries`")
        }
        return name
    }

    static func address(_ text: String) throws(AdminFailure) -> JID {
        do {
            return try JID(text)
        } catch {
            throw AdminFailure("\(text) is not an address: give name@domain, a domain, or name@domain/resource")
        }
    }

    static func domain(_ text: String) throws(AdminFailure) -> JID {
        let address = try address(text)
        guard address == address.domain else { throw AdminFailure("\(text) is not a domain") }
        return address
    }

    static func claims(_ claims: [AdminClaim]) throws(AdminFailure) -> [EntryClaim] {
        guard claims.count <= claimLimit else { throw AdminFailure("more than \(claimLimit) entries in one request") }
        var result: [EntryClaim] = []
        for claim in claims { result.append(EntryClaim(name: try name(claim.entry), tag: claim.tag)) }
        return result
    }

    static func choice(_ text: String) throws(AdminFailure) -> UncertainChoice {
        guard let choice = UncertainChoice(rawValue: text) else {
            throw AdminFailure("uncertain entries can be treated in three ways: resend, drop or hold; not \(text)")
        }
        return choice
    }
}

extension AdminAnswer {
    /// One waiting entry; units as in the site's row.
    public struct Entry: Codable, Sendable, Equatable {
        /// Its name, as in the logs.
        public var entry: String
        /// Names it beyond doubt.
        public var tag: UInt64
        /// The domain it waits for.
        public var peer: String
        /// The sender.
        public var from: String
        /// The addressee.
        public var to: String
        /// The size of the stanza.
        public var bytes: Int
        /// Milliseconds since it was taken over.
        public var age: Int64
        /// `waiting`, `sent` or `held`.
        public var state: String
        /// Why it is held; else empty.
        public var reason: String

        init(_ row: QueueRow) {
            entry = row.name.description
            tag = row.tag
            peer = row.peer
            from = row.from
            to = row.to
            bytes = row.bytes
            age = row.age
            state = row.state.rawValue
            reason = row.reason
        }
    }

    /// One line of the table of ages.
    public struct Ages: Codable, Sendable, Equatable {
        /// The peer.
        public var peer: String
        /// Waiting entries by age, in the columns of ``QueueAges/names``.
        public var counts: [Int]
        /// Held entries.
        public var held: Int

        init(_ row: QueueAges.Row) {
            peer = row.peer
            counts = row.counts
            held = row.held
        }
    }

    /// What became of a deed at the desk.
    public struct Outcome: Codable, Sendable, Equatable {
        /// Done with so many entries.
        public var done: Int
        /// So many were gone already.
        public var gone: Int
        /// Those with which it could not be done.
        public var refused: [Refusal]

        /// An entry that was refused.
        public struct Refusal: Codable, Sendable, Equatable {
            /// Its name.
            public var entry: String
            /// Why.
            public var words: String
        }

        init(_ outcome: DeskOutcome) {
            done = outcome.done
            gone = outcome.gone
            refused = outcome.refused.map { Refusal(entry: $0.name.description, words: $0.words) }
        }
    }

    /// A stopped lane; units as in the site's row.
    public struct Stopped: Codable, Sendable, Equatable {
        /// The class of the lane.
        public var lane: String
        /// Why it is stopped.
        public var reason: String
        /// Our own store went back in time, not the peer's.
        public var wasOurStore: Bool
        /// Entries that wait.
        public var waiting: Int
        /// Those that may have been delivered.
        public var uncertain: Int
        /// Milliseconds.
        public var oldestAge: Int64
        /// What the peer lost and nobody can send again.
        public var lost: Int

        init(_ row: ResyncRow) {
            lane = row.lane
            reason = row.reason
            wasOurStore = row.wasOurStore
            waiting = row.waiting
            uncertain = row.uncertain
            oldestAge = row.oldestAge
            lost = row.lost
        }
    }

    /// Everything about one link.
    public struct LinkDetail: Codable, Sendable, Equatable {
        /// As in the list.
        public var link: Link
        /// Its lanes.
        public var lanes: [Lane]
        /// The addresses that worked last.
        public var addresses: [String]
        /// Milliseconds since they worked; 0 where none did.
        public var addressesAge: Int64
        /// It has shown a certificate that verified.
        public var showedCertificate: Bool
        /// What was put right after a store went back in time; empty where nothing was.
        public var healing: String
        /// The largest segments that connections to the peer have; 0 where nothing is wrong with them.
        public var segmentLimit: Int
        /// Why the link is on a stream that the peer opened; empty where it is not.
        public var detour: String

        /// One lane.
        public struct Lane: Codable, Sendable, Equatable {
            /// Its number in the names of entries.
            public var id: UInt32
            /// Its class.
            public var lane: String
            /// The name of its numbering.
            public var epoch: String
            /// The last number given.
            public var assigned: UInt64
            /// The last number acknowledged.
            public var acked: UInt64
            /// Entries on the stream that is up.
            public var inFlight: Int
            /// By what its entries were proven to have arrived.
            public var proven: String
            /// Entries that were acknowledged and are kept.
            public var kept: UInt64
            /// What they take, in bytes.
            public var keptBytes: UInt64
            /// Why it is stopped; empty while it is not.
            public var stopReason: String
        }

        init(_ details: LinkDetails) {
            link = Link(details.link)
            lanes = details.lanes.map {
                Lane(
                    id: $0.id, lane: $0.lane, epoch: $0.epoch, assigned: $0.assigned, acked: $0.acked,
                    inFlight: $0.inFlight, proven: $0.proven, kept: $0.kept, keptBytes: $0.keptBytes, stopReason: $0.stopReason)
            }
            addresses = details.addresses
            addressesAge = details.addressesAge
            showedCertificate = details.showedCertificate
            healing = details.healing
            segmentLimit = details.segmentLimit
            detour = details.detour
        }
    }
}

extension AdminAnswer.Link {
    init(_ row: LinkRow) {
        self.init(
            local: row.local, peer: row.peer, state: row.state, acknowledgement: row.acknowledgement, waiting: row.waiting,
            held: row.held, oldestAge: row.oldestAge, nextAttempt: row.nextAttempt, lastError: row.lastError)
    }
}
