extension SiteConfiguration {
    /// `[rooms]`: where people talk with several (XEP-0045).
    public struct Rooms: Equatable, Sendable {
        /// Whether there are rooms.
        public var isEnabled = true
        /// The first part of the domain of rooms, in front of each domain of people. Prepared.
        public var name = "rooms"
        /// Who may make rooms.
        public var creators = Creators.people
        /// Addresses and domains that may in any case. Prepared.
        public var namedCreators: [String] = []
        /// Whether rooms are listed to people of other servers than our offices.
        public var isListedElsewhere = true

        /// Who may make rooms.
        public enum Creators: String, CaseIterable, Sendable { case nobody, people, offices }

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            isEnabled = section.value("enabled", .boolean, default: isEnabled)
            name = section.value("name", .domain, default: name)
            creators = section.value("creators", .word, default: creators)
            namedCreators = section.list("named_creators", of: .bareAddress, default: []).map(\.description)
            isListedElsewhere = section.value("listed_elsewhere", .boolean, default: isListedElsewhere)
        }
    }

    /// The domains of rooms, one for each of people.
    public var roomDomains: [String] { rooms.isEnabled ? domains.map { "\(rooms.name).\($0)" } : [] }

    /// The bounds of rooms.
    public struct RoomLimits: Equatable, Sendable {
        /// The most rooms that one person has made.
        public var roomsPerCreator = 100
        /// The most rooms of one domain.
        public var roomsPerDomain = 10_000
        /// The most occupants of one room.
        public var occupants = 5000
        /// The most addresses with an affiliation to one room.
        public var affiliations = 5000
        /// The most sessions of one person in one room.
        public var sessionsPerPerson = 20
        /// The most bytes of a nickname.
        public var nickBytes = 256
        /// The most bytes of a subject.
        public var subjectBytes = 4096
        /// The most messages that whoever enters is told of.
        public var history = 50

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            roomsPerCreator = section.value("rooms_per_creator", .integer(0...100_000), default: roomsPerCreator)
            roomsPerDomain = section.value("rooms_per_domain", .integer(0...1_000_000), default: roomsPerDomain)
            occupants = section.value("room_occupants", .integer(2...5000), default: occupants)
            affiliations = section.value("room_affiliations", .integer(1...100_000), default: affiliations)
            sessionsPerPerson = section.value("room_sessions_per_person", .integer(1...100), default: sessionsPerPerson)
            nickBytes = section.value("room_nick_bytes", .integer(16...1023), default: nickBytes)
            subjectBytes = section.value("room_subject_bytes", .integer(64...65_536), default: subjectBytes)
            history = section.value("room_history", .integer(0...200), default: history)
        }
    }
}

/// The part of the annotated file.
extension SiteConfiguration {
    static let annotatedRooms = """
        [rooms]

        # Whether there are rooms, in which several people talk (XEP-0045). Default true.
        enabled = true

        # Rooms have a domain of their own below each domain of people, which begins with this: "rooms" makes rooms.pilsen.example of
        # pilsen.example. It needs a name in DNS and in the certificate where people of other servers are to enter. Default "rooms".
        name = "rooms"

        # Who may make rooms: "nobody", "people" who have accounts here, or people of the "offices" too; and addresses and domains that
        # may in any case. Defaults "people" and none. A room belongs to whoever has made it.
        creators = "people"
        named_creators = []

        # Whether people of other servers than our offices are shown a list of the rooms that are public. Default true.
        listed_elsewhere = true
        """

    static let annotatedRoomLimits = """
        # The most rooms that one person has made and that are still there, and of one domain. Defaults 100, one for each thing that
        # somebody works at, some times over; 10000, one for each team, project and customer of 500 people, many times over.
        rooms_per_creator = 100
        rooms_per_domain = 10000

        # The most occupants of one room, addresses with an affiliation to it, and sessions of one person in it. Defaults 5000 and 5000,
        # everybody in a large company; 20, each device some times over.
        room_occupants = 5000
        room_affiliations = 5000
        room_sessions_per_person = 20

        # The most bytes of a nickname and of a subject. Defaults 256 and 4096: longer ones nobody reads, and everybody is shown them.
        room_nick_bytes = 256
        room_subject_bytes = 4096

        # The most messages that whoever enters a room is told of; older ones are in its archive. Default 50, some screens full.
        room_history = 50
        """
}
