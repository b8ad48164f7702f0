import MartletPrimitives

/// How much work parties may cause, by what they are to the site (`Docs/decisions/0009-karma.md` measures what people and offices need).
public struct KarmaPolicy: Sendable, Equatable {
    /// One of our offices: four fifths of a processor for ever, a minute at full speed. Its queue after an outage runs as fast as the
    /// machine does; only a broken or hostile machine gets beyond.
    public var office = WorkBudget(perSecond: 800_000, burst: 60_000_000, longestRest: serverRest)
    /// A person with all devices: a quarter of a processor for ever, a second at once. The most that a client asks for at a
    /// login takes a twentieth of that.
    public var person = WorkBudget(perSecond: 250_000, burst: 1_000_000, longestRest: 10_000)
    /// Another server with which something was exchanged: a community's server sends a large room's messages. Half a minute of full
    /// speed is less than two fifths of a processor.
    public var knownPeer = WorkBudget(perSecond: 300_000, burst: 2_000_000, longestRest: serverRest)
    /// A server that nobody here has spoken to.
    public var stranger = WorkBudget(perSecond: 50_000, burst: 1_000_000, longestRest: serverRest)

    /// Another Martlet that hears nothing for two seconds believes the line dead (`LinePace.shortest`); so it hears something sooner.
    private static let serverRest: Int64 = 1000

    /// The defaults.
    public init() {}

    /// The budget of one party.
    public func budget(of standing: Standing) -> WorkBudget {
        switch standing {
        case .office: office
        case .person: person
        case .knownPeer: knownPeer
        case .stranger: stranger
        }
    }
}

/// How parties of one class were held back since the start.
public struct KarmaClassRow: Sendable, Equatable {
    /// `office`, `person`, `known_server`, `stranger`; `login` for addresses from which somebody has not logged in.
    public var name: String
    /// Parties that are remembered: they have caused something lately.
    public var parties: Int
    /// Of those, in debt now.
    public var resting: Int
    /// How often a connection was told to rest.
    public var rests: Int
    /// For how long together, milliseconds.
    public var rested: Int64

    /// No such party.
    public init(name: String) {
        (self.name, parties, resting, rests, rested) = (name, 0, 0, 0, 0)
    }
}

/// How everybody was held back, and who causes most.
public struct KarmaReport: Sendable, Equatable {
    /// One row for each class.
    public var classes: [KarmaClassRow]
    /// The parties with most work lately, most first.
    public var worst: [KarmaPartyRow]

    /// A report.
    public init(classes: [KarmaClassRow], worst: [KarmaPartyRow]) {
        self.classes = classes
        self.worst = worst
    }
}

/// A party that causes much.
public struct KarmaPartyRow: Sendable, Equatable {
    /// An account, a domain or an address.
    public var name: String
    /// Its class.
    public var standing: String
    /// Milliseconds of work in that time.
    public var work: Int64
    /// Rows, deliveries and bytes of that.
    public var count: WorkCount
    /// The time since its bucket was full last, milliseconds.
    public var time: Int64
    /// How long it still has to rest, milliseconds.
    public var rest: Int64

    /// A row.
    public init(name: String, standing: String, work: Int64, count: WorkCount, time: Int64, rest: Int64) {
        self.name = name
        self.standing = standing
        self.work = work
        self.count = count
        self.time = time
        self.rest = rest
    }
}
