/// The bounds of stanzas to several that no operator needs to change, each with the reason for its number.
enum MulticastLimits {
    /// Addresses in one stanza, with those that others have delivered to: XEP-0033 §11 has any server send less than a hundred.
    static let addresses = 100
    /// Bytes of copies in one turn: each may go to all resources that an account may have.
    static let sliceBytes = 256 << 10
    /// Milliseconds between two slices.
    static let pause: Int64 = 5
    /// Stanzas of one party that are under way in slices: each is larger than 5 KiB.
    static let perParty = 4
    /// And of all.
    static let all = 64
    /// Servers of which it is known whether they deliver to several: a company's, and those of its customers.
    static let peers = 1000
    /// How long that is believed, milliseconds (§2.3: no more than a day); and where there is no answer, or it was no.
    static let known: Int64 = 86_400_000
    static let unknown: Int64 = 3_600_000
}
