/// The bounds of rooms that no operator needs to change, each with the reason for its number.
enum RoomLimits {
    /// Stanzas of one slice of what is on its way in rooms: a turn of some milliseconds, and most rooms are told in one.
    static let stanzas = 256
    /// Bytes of one slice.
    static let bytes = 4 << 20
    /// Occupants that one slice looks at to whom it has nothing to say.
    static let visits = 4096
    /// Milliseconds between two slices.
    static let pause: Int64 = 5
    /// What waits in one room until more is refused to whoever wants to say it: some seconds of a large room.
    static let jobs = 256
    /// Milliseconds between two slices of looking after people of another domain.
    static let checkPause: Int64 = 50
    /// People of another domain who are asked in one slice.
    static let checks = 32
    /// Milliseconds after which whoever was asked is asked once more.
    static let checkTime: Int64 = 60_000
    /// How often somebody is asked; then he is gone.
    static let checkTries: UInt8 = 3
    /// Milliseconds between two rooms that are read after a start.
    static let restorePause: Int64 = 10
    /// Occupants of one room from one other server that is none of our offices: nobody there fills a room with names that he has made up.
    static let strangers = 500
    /// Places that the people of such a server have in all rooms: some hundreds of them in some dozens each.
    static let placesPerPeer = 20_000
    /// Affiliations that are removed with a room at once; more go in slices.
    static let removedPerSlice = 256
    /// Bytes of an id of a request that is passed on: there comes as much again before it.
    static let idBytes = 256
    /// Private messages of a room whose errors are passed on.
    static let privateMessages = 64
    /// Rooms on one page of a list.
    static let listed = 100
    /// Bytes of the reason of an invitation, and of other words that are passed on to one.
    static let reasonBytes = 1024
    /// Invitations in one message.
    static let invitations = 10
    /// Fields of a form that an owner submits: ours, some times over.
    static let fields = 100
    /// Bytes of a room's name.
    static let nameBytes = 256
    /// Bytes of what is said about a room.
    static let descriptionBytes = 2048
    /// Bytes of the name of a language.
    static let languageBytes = 64
    /// Bytes of a room's password.
    static let passwordBytes = 256
    /// People whose standing one request changes: each may be told to a whole room.
    static let deeds = 128
    /// Messages about people who are not there that one request causes beside what everybody is told.
    static let notices = 256
    /// Bytes of one answer with a list: what other servers and clients take in one stanza. More is on its next page.
    static let listBytes = 100_000
    /// Rows that are read of such a list at once.
    static let listRows = 256
    /// Moderators or admins who are asked to decide something.
    static let askedToDecide = 20
    /// Bytes of a room's profile: a picture that is small on a screen, in base64.
    static let profileBytes = 100_000
}
