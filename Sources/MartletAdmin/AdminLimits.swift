import MartletBus

extension AdminAnswer {
    /// How much work everybody has caused, and who was held back for it.
    public struct Limits: Codable, Sendable, Equatable {
        /// One class of parties.
        public struct Class: Codable, Sendable, Equatable {
            /// `office`, `person`, `known_server`, `stranger`, `login`.
            public var name: String
            /// Parties that have caused something lately.
            public var parties: Int
            /// Of those, in debt now.
            public var resting: Int
            /// How often a connection was told to rest since the start.
            public var rests: Int
            /// For how long together, milliseconds.
            public var rested: Int64
        }

        /// One party.
        public struct Party: Codable, Sendable, Equatable {
            /// An account, a domain or an address.
            public var name: String
            /// Its class.
            public var standing: String
            /// Milliseconds of work within `time`.
            public var work: Int64
            /// Milliseconds since it had caused nothing that was still counted.
            public var time: Int64
            /// Rows of the store within that time.
            public var rows: Int
            /// Commands for connections within that time.
            public var deliveries: Int
            /// Bytes sent within that time.
            public var bytes: Int
            /// How long it still has to rest, milliseconds.
            public var rest: Int64
        }

        /// Every class.
        public var classes: [Class]
        /// The parties with most work, most first.
        public var worst: [Party]

        init(_ report: KarmaReport) {
            classes = report.classes.map {
                Class(name: $0.name, parties: $0.parties, resting: $0.resting, rests: $0.rests, rested: $0.rested)
            }
            worst = report.worst.map {
                Party(
                    name: $0.name, standing: $0.standing, work: $0.work, time: $0.time, rows: $0.count.rows,
                    deliveries: $0.count.deliveries, bytes: $0.count.bytes, rest: $0.rest)
            }
        }
    }
}
