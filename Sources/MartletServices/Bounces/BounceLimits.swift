/// The bounds of errors for messages that did not arrive, each with the reason for its number.
enum BounceLimits {
    /// Errors that a sender gets from one domain one by one: what a person has written to an office while its line was dead for days.
    static let oneByOne = 200
    /// One more after so long, milliseconds.
    static let refillTime: Int64 = 30_000
    /// The same of all senders of another domain that is none of our offices, together: their names cost it nothing. As many as ten of them
    /// get who wrote for days.
    static let forDomain = 2000
    /// One more of those after so long, milliseconds.
    static let domainRefillTime: Int64 = 3000
    /// Senders of such a domain that are owed a word at a time; what comes back to others of it is told to nobody.
    static let owedToDomain = 100
    /// Pairs of sender and domain that are remembered, and that may be owed a word: a company's, with room to spare.
    static let pairs = 10_000
    /// The same below the disk's floor, of our people and offices: at two pages each an eighth of the floor.
    static let pairsBelowFloor = 1000
    /// Bytes of the names of those that are remembered: of usual length there is room for all.
    static let nameBytes = 1 << 20
    /// How long further ones are waited for before they are told, milliseconds: what expires or is refused together is one message.
    static let pause: Int64 = 30_000
    /// Senders told in one turn.
    static let toldPerTurn = 100
    /// Milliseconds between two such turns.
    static let slicePause: Int64 = 50
    /// Bytes of the words that say why.
    static let reasonBytes = 200
}
