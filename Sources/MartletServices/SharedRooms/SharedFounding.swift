/// What a shared room begins with. It is the same in every copy: from the topology file, or from the office that invited the others.
public struct SharedFounding: Sendable, Equatable {
    /// The room's name for ever, also when another room gets its address later: 128 bits, drawn or, for a room of the topology, computed.
    public var room: String
    /// The offices, by the domain of their rooms.
    public var offices: [String: SharedOffice]
    /// Bare JIDs; at least one of an office's people.
    public var owners: [String]
    /// What its configuration says where it is not the default.
    public var settings: [String: String]

    /// That founding.
    public init(room: String, offices: [String: SharedOffice], owners: [String], settings: [String: String] = [:]) {
        self.room = room
        self.offices = offices
        self.owners = owners
        self.settings = settings
    }
}

/// What became of a change.
public enum ChangeOutcome: Hashable, Sendable {
    /// It took effect. Whether something newer has replaced it since, made by somebody who knew it, does not matter.
    case stands
    /// It did not, or is undone.
    case lost(Loss)

    /// Why.
    public enum Loss: Hashable, Sendable {
        /// Its author was not allowed to, as it turned out.
        case notAllowed
        /// Its office is not one of the room's any more.
        case officeRemoved
        /// It gave something that was taken away elsewhere meanwhile.
        case takenAway(by: RecordID)
        /// Nobody who may would be owner.
        case noOwner
        /// Something else was written for the same thing at the same time.
        case overridden(by: RecordID)
        /// The room was destroyed.
        case destroyed(by: RecordID)
    }
}
