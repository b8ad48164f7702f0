import MartletConfiguration
import MartletPrimitives

/// What happens in one run: who writes to whom, and what goes wrong. Made from a topology and a seed; shrinking takes
/// parts away.
public struct RunPlan: Equatable, Sendable {
    /// Something that a person does.
    public struct Deed: Equatable, Sendable {
        /// What.
        public enum Kind: Equatable, Sendable {
            /// A message to the account.
            case message
            /// A message to the device that the other one uses.
            case messageToDevice
            /// A question to that device, which answers it.
            case query
        }

        /// When, in milliseconds from the start of the run.
        public var at: Int64
        /// Who, and to whom: numbers of people, those of sites first, then those of foreign servers.
        public var from: Int
        /// The addressee.
        public var to: Int
        /// What.
        public var kind: Kind

        /// That deed.
        public init(at: Int64, from: Int, to: Int, kind: Kind) {
            self.at = at
            self.from = from
            self.to = to
            self.kind = kind
        }
    }

    /// Decides what is left open: delays, jitter, names.
    public var seed: UInt64
    /// What goes wrong.
    public var faults: [PlannedFault]
    /// What people do.
    public var deeds: [Deed]
    /// Whose presence people subscribe to, at the beginning.
    public var contacts: [(from: Int, to: Int)]

    /// When everything planned is over.
    var length: Int64 {
        max(faults.map(\.end).max() ?? 0, deeds.map(\.at).max() ?? 0) + 3000
    }

    /// Equal plans give equal runs.
    public static func == (left: RunPlan, right: RunPlan) -> Bool {
        left.seed == right.seed && left.faults == right.faults && left.deeds == right.deeds
            && left.contacts.elementsEqual(right.contacts, by: ==)
    }

    /// The plan that a topology has for a seed. What the file plans is moved by the seed by up to half its time, so that
    /// each seed meets it at another moment; `[chaos]` is added.
    public init(_ topology: Topology, seed: UInt64) {
        self.seed = seed
        faults = []
        deeds = []
        contacts = []
        var maker = PlanMaker(topology, seed: seed)
        faults = maker.faults()
        deeds = maker.deeds()
        contacts = maker.contacts()
    }
}
