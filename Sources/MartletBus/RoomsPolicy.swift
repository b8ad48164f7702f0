/// What rooms there may be, and how much of everything in them (XEP-0045).
public struct RoomsPolicy: Sendable, Equatable {
    /// Who may make rooms.
    public var creators = Creators.people
    /// Addresses and domains that may in any case.
    public var namedCreators: [String] = []
    /// Rooms that one person has made and that are still there: one for each thing that somebody works at, some times over.
    public var roomsPerCreator = 100
    /// Rooms of one host: one for each team, project and customer of a company of 500 people, many times over.
    public var roomsPerHost = 10_000
    /// Occupants of one room: everybody in a large company, with two devices.
    public var occupants = 5000
    /// Sessions that one person has in one room: each device, some times over.
    public var sessionsPerPerson = 20
    /// Addresses with an affiliation to one room: everybody in a large company.
    public var affiliations = 5000
    /// Bytes of a nickname; more is no name that somebody reads. A resourcepart may have 1,023.
    public var nickBytes = 256
    /// Bytes of a subject: a long paragraph. It is shown to everybody who enters.
    public var subjectBytes = 4096
    /// Messages of history that whoever enters gets at most, and without asking for a number. What is older is in the archive.
    public var history = 50
    /// Whether rooms are listed to people of other servers.
    public var isListedElsewhere = true

    /// Who may make rooms.
    public enum Creators: String, Sendable, CaseIterable {
        /// Only who is named.
        case nobody
        /// Our own people.
        case people
        /// They, and the people of our offices.
        case offices
    }

    /// The defaults.
    public init() {}
}
