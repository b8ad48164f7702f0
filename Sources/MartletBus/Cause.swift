/// Who made us do something, and what he is to the site: out of whose part of what is shared it is done.
public struct Cause: Hashable, Sendable {
    /// In which class.
    public var standing: Standing
    /// Who, of that class.
    public var party: Party

    /// That party's doing.
    public init(_ standing: Standing, _ party: Party) {
        self.standing = standing
        self.party = party
    }
}
