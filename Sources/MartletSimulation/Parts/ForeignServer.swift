import XMPPAddress

/// A server of other software, as little of it as sites can see: takes stanzas, answers ping fences, acknowledges if it
/// knows XEP-0198, keeps everything in memory and forgets it when it crashes.
struct ForeignServer {
    /// Its own stream to a site.
    struct Outbound {
        var pipe: Int?
        var isDialling = false
        /// Written when the stream is up: the bytes, and the message they are.
        var queue: [(bytes: [UInt8], message: Int?)] = []
        /// Written and not acknowledged, with XEP-0198.
        var unacknowledged: [(bytes: [UInt8], message: Int?)] = []
    }

    let name: String
    let domain: JID
    /// Knows XEP-0198 between servers.
    let acknowledges: Bool
    var isUp = true
    var incarnation: UInt32 = 1
    /// Indexed by the site.
    var outbound: [Outbound]
    /// Stanzas taken on each incoming pipe with XEP-0198.
    var handled: [Int: UInt32] = [:]
    /// What sites have acknowledged of its own pipes.
    var outboundAcknowledged: [Int: Int] = [:]
    /// Parsed, acknowledged perhaps, and not shown to anybody yet.
    var unread: [Int] = []

    init(name: String, domain: JID, acknowledges: Bool, sites: Int) {
        self.name = name
        self.domain = domain
        self.acknowledges = acknowledges
        outbound = Array(repeating: Outbound(), count: sites)
    }
}
