import MartletPrimitives

/// How a room behaves (XEP-0045 §15.5.3, `muc#roomconfig`), as stored.
public struct RoomConfiguration: Sendable, Equatable {
    /// Who may send private messages. The numbers stand in the store.
    public enum PrivateMessages: UInt8, Sendable, CaseIterable { case anyone, participants, moderators, nobody }
    /// Who sees real addresses.
    public enum Whois: UInt8, Sendable, CaseIterable { case moderators, anyone }

    /// What is on or off. The bits stand in the store.
    public struct Flags: OptionSet, Sendable, Hashable {
        /// As stored.
        public let rawValue: UInt32
        /// The flags of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Occupants who are no admins may invite, also into a members-only room.
        public static let allowsInvites = Flags(rawValue: 1)
        /// Participants may change the subject.
        public static let allowsSubject = Flags(rawValue: 2)
        /// What is said is kept in the room's archive.
        public static let isArchived = Flags(rawValue: 4)
        /// Only members enter.
        public static let isMembersOnly = Flags(rawValue: 8)
        /// Only who has voice speaks.
        public static let isModerated = Flags(rawValue: 16)
        /// A password is asked for.
        public static let hasPassword = Flags(rawValue: 32)
        /// The room stays when the last occupant has gone.
        public static let isPersistent = Flags(rawValue: 64)
        /// The room is listed.
        public static let isPublic = Flags(rawValue: 128)
        /// Whoever may not speak may ask for voice.
        public static let takesVoiceRequests = Flags(rawValue: 256)
        /// Each office holds a full copy, and people enter in their own.
        public static let isShared = Flags(rawValue: 512)
        /// People may ask to become members (§7.10).
        public static let takesRegistrations = Flags(rawValue: 1024)
    }

    /// Words for people.
    public var name = ""
    /// More words.
    public var description = ""
    /// The language that is spoken.
    public var language = ""
    /// Asked for where ``Flags/hasPassword``.
    public var password = ""
    /// A node for the room's news elsewhere, as `muc#roomconfig_pubsub` says it.
    public var node = ""
    /// What is on.
    public var flags: Flags = [.allowsInvites, .isArchived, .isPublic, .takesVoiceRequests, .takesRegistrations]
    /// Who may send private messages.
    public var privateMessages = PrivateMessages.anyone
    /// Who sees real addresses.
    public var whois = Whois.moderators
    /// Occupants at most; 0 where the service's bound holds.
    public var maxOccupants: UInt32 = 0
    /// Messages of history at most; 0 where the service's bound holds.
    public var maxHistory: UInt32 = 0
    /// The roles whose presence is shown; all by default.
    public var broadcastRoles: [RoomRole] = [.moderator, .participant, .visitor]
    /// The roles that may ask for the lists of members.
    public var listRoles: [RoomRole] = [.moderator, .participant, .visitor]

    /// The defaults: a public, open, unmoderated, semi-anonymous room that goes with its last occupant.
    public init() {}

    init(_ reader: inout ByteReader) {
        name = reader.takeString()
        description = reader.takeString()
        language = reader.takeString()
        password = reader.takeString()
        node = reader.takeString()
        flags = Flags(rawValue: reader.take())
        privateMessages = PrivateMessages(rawValue: reader.take()) ?? .nobody
        whois = Whois(rawValue: reader.take()) ?? .moderators
        maxOccupants = reader.take()
        maxHistory = reader.take()
        broadcastRoles = Self.roles(reader.take())
        listRoles = Self.roles(reader.take())
    }

    func write(to writer: inout ByteWriter) {
        writer.put(name)
        writer.put(description)
        writer.put(language)
        writer.put(password)
        writer.put(node)
        writer.put(flags.rawValue)
        writer.put(privateMessages.rawValue)
        writer.put(whois.rawValue)
        writer.put(maxOccupants)
        writer.put(maxHistory)
        writer.put(Self.bits(broadcastRoles))
        writer.put(Self.bits(listRoles))
    }

    private static func bits(_ roles: [RoomRole]) -> UInt8 { roles.reduce(0) { $0 | 1 << $1.rawValue } }

    private static func roles(_ bits: UInt8) -> [RoomRole] {
        RoomRole.allCases.reversed().filter { bits & 1 << $0.rawValue != 0 }
    }
}
