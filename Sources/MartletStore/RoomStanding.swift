/// What an address is to a room (XEP-0045 §5.2), also while nobody is there. The numbers stand in the store, the greater the more.
public enum RoomAffiliation: UInt8, Sendable, CaseIterable, Comparable {
    case outcast = 0
    case none = 1
    case member = 2
    case admin = 3
    case owner = 4

    /// The order of what they may.
    public static func < (left: RoomAffiliation, right: RoomAffiliation) -> Bool { left.rawValue < right.rawValue }

    /// As it stands in XML.
    public var name: String {
        switch self {
        case .outcast: "outcast"
        case .none: "none"
        case .member: "member"
        case .admin: "admin"
        case .owner: "owner"
        }
    }

    /// The affiliation of that name.
    public init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

/// What an occupant may do while he is there (XEP-0045 §5.1). The numbers stand in the store, the greater the more.
public enum RoomRole: UInt8, Sendable, CaseIterable, Comparable {
    case none = 0
    case visitor = 1
    case participant = 2
    case moderator = 3

    /// The order of what they may.
    public static func < (left: RoomRole, right: RoomRole) -> Bool { left.rawValue < right.rawValue }

    /// As it stands in XML.
    public var name: String {
        switch self {
        case .none: "none"
        case .visitor: "visitor"
        case .participant: "participant"
        case .moderator: "moderator"
        }
    }

    /// The role of that name.
    public init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}
