/// Who is told of an announcement. The raw values are part of the store.
public enum AnnouncementAudience: UInt8, Sendable {
    /// Whoever has an account: who is away finds it in the mailbox.
    case everybody = 0
    /// Whoever is online.
    case online = 1
    /// Whoever is online and has not seen this message of the day.
    case unseen = 2
}
