import MartletBus
import XMPPAddress

extension AdminDesk {
    /// Records of a bundle as the site takes them; each must be of that pair, or nothing is done.
    static func carried(_ records: [String], origin: String, destination: String) throws(AdminFailure) -> LinkCommand {
        let from = try domain(origin)
        let to = try domain(destination)
        var carried: [CarriedRecord] = []
        for (index, record) in records.enumerated() {
            guard let read = CarriedRecord(parsing: Array(record.utf8), origin: from, destination: to) else {
                throw AdminFailure("record \(index + 1) is not a numbered stanza from \(origin) to \(destination)")
            }
            carried.append(read)
        }
        return .importRecords(carried, origin: from, destination: to)
    }
}

extension AdminAnswer {
    /// A part of what waits for a peer, for a bundle.
    public struct Part: Codable, Sendable, Equatable {
        /// Our domain.
        public var origin: String
        /// The peer's.
        public var destination: String
        /// Stanzas, voids and haves as on the wire.
        public var records: [String]
        /// How many of them are stanzas.
        public var stanzas: Int
        /// Ask again with this; nil at the end.
        public var next: String?

        init(_ part: BundlePart) {
            origin = part.origin
            destination = part.destination
            records = part.records.map { String(decoding: $0, as: UTF8.self) }
            stanzas = part.stanzas
            next = part.next?.description
        }
    }

    /// What became of the records of a bundle.
    public struct Imported: Codable, Sendable, Equatable {
        /// Taken over now.
        public var taken = 0
        /// Here already.
        public var duplicates = 0
        /// Refused, since something before them is missing.
        public var behindGap = 0
        /// The first number that is missing; 0 where none is.
        public var missing: UInt64 = 0
        /// Entries of ours that the other side turned out to have.
        public var acknowledged = 0
        /// Haves that say nothing new.
        public var ignoredHaves = 0

        /// Nothing yet.
        public init() {}

        init(_ outcome: ImportOutcome) {
            taken = outcome.taken
            duplicates = outcome.duplicates
            behindGap = outcome.behindGap
            missing = outcome.missing
            acknowledged = outcome.acknowledged
            ignoredHaves = outcome.ignoredHaves
        }

        /// Adds another part.
        public mutating func add(_ part: Imported) {
            taken += part.taken
            duplicates += part.duplicates
            behindGap += part.behindGap
            if missing == 0 { missing = part.missing }
            acknowledged += part.acknowledged
            ignoredHaves += part.ignoredHaves
        }
    }
}
