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
    /// How long changes of offices are collected before they are shown, milliseconds.
    static let delay: Int64 = 50
}
