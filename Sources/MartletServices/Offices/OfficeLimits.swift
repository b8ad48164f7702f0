/// The bounds of the offices as contacts, each with the reason for its number.
enum OfficeLimits {
    /// A session is told of an office at most this often, milliseconds: whoever writes a lot sees the number of waiting
    /// messages move, not race.
    static let pause: Int64 = 10_000
    /// The contact of an office answers a session at most this often, milliseconds: whoever asks again sees how things are now, and
    /// a program that answers every answer stops, since its own is not answered.
    static let answerPause: Int64 = 10_000
    /// Sessions that are told of offices in one turn, each of which may have a thousand waiting messages to count.
    static let slice = 32
    /// For so long it is said that a store went back in time and messages were put right, milliseconds: a working day.
    static let healingShown: Int64 = 8 * 3_600_000
    /// The peer's did.
    static let peerWentBack = "its server was restored from a backup; messages that it had lost were sent again"
    /// Ours did.
    static let wentBack = "our server was restored from a backup; messages that were on their way have been put right"
    /// How long changes of offices are collected before they are shown, milliseconds.
    static let delay: Int64 = 50
}
