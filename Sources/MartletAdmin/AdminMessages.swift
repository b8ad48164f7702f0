import MartletBus
import XMPPAddress

/// What the command line asks over the control socket: one JSON object on one line.
public enum AdminRequest: Codable, Sendable, Equatable {
    case addUser(account: String, keys: AdminKeys)
    case changePassword(account: String, keys: AdminKeys)
    case removeUser(account: String)
    case disableUser(account: String)
    case enableUser(account: String)
    case invite(address: String, days: Int)
    case listUsers
    case listArchives(account: String?, after: UInt64?)
    /// Milliseconds, 0 for ever; nil for the site's rule.
    case setRetention(account: String, milliseconds: Int64?)
    case exportArchive(account: String, after: UInt64?)
    /// Files, or those of one account or office.
    case listUploads(owner: String?, after: UInt64?)
    /// Everything of an account, or of an office that it was copied from.
    case purgeUploads(owner: String)
    /// One file, by the token in its address.
    case purgeUpload(token: String)
    case listLinks
    case showLink(peer: String, from: String? = nil)
    case retryLinks(peer: String?)
    case forgetCertificate(peer: String)
    case listQueue(filter: AdminFilter, after: String?)
    case listAges(after: String?)
    case holdEntries(entries: [AdminClaim])
    case releaseEntries(entries: [AdminClaim])
    case purgeEntries(entries: [AdminClaim])
    case planResync(peer: String)
    case resync(peer: String, uncertain: String?)
    case exportEntries(peer: String, from: String? = nil, after: String?)
    /// Of a bundle whose signature was checked by whoever asks.
    case importRecords(records: [String], origin: String, destination: String)
    /// Takes away a part of what waits for an account, or counts it.
    case clear(account: String, what: String, after: UInt64, isRehearsal: Bool)
    case status
    /// How much work everybody has caused.
    case limits
    case drain(otherHost: String)
    /// Which rules would judge a stanza, and who would decide about it.
    case explain(from: String, to: String)
    /// Read configuration and certificates anew: answered by the process, not by the site.
    case reload
}

/// What the node answers: one JSON object on one line.
public enum AdminAnswer: Codable, Sendable, Equatable {
    case done(words: String)
    case refused(words: String)
    case users(rows: [User])
    case links(rows: [Link])
    case link(LinkDetail)
    case queue(rows: [Entry], next: String?)
    case ages(rows: [Ages], next: String?)
    case desk(Outcome)
    case resync(rows: [Stopped])
    case bundle(Part)
    case imported(Imported)
    case cleared(Cleared)
    case status(Status)
    case archives(rows: [Archive], next: UInt64?)
    case archivePart(results: [String], next: UInt64?)
    case uploads(rows: [Upload], next: UInt64?)
    case limits(Limits)
    case explanation(lines: [String])

    /// One account.
    public struct User: Codable, Sendable, Equatable {
        /// The bare JID.
        public var account: String
        /// Bound resources.
        public var sessions: Int
        /// What waits, in stanzas.
        public var waiting: Int
        /// Whether it may not log in.
        public var isDisabled = false
    }

    /// One link; units as in ``LinkRow``.
    public struct Link: Codable, Sendable, Equatable {
        /// Our domain.
        public var local: String
        /// The other domain.
        public var peer: String
        /// As in the site's row.
        public var state: String
        /// How the peer acknowledges; empty while unknown.
        public var acknowledgement: String
        /// What waits, in stanzas.
        public var waiting: Int
        /// Entries kept aside for a human.
        public var held: Int
        /// Milliseconds; 0 where nothing waits.
        public var oldestAge: Int64
        /// Milliseconds until then; 0 where none is due.
        public var nextAttempt: Int64
        /// In words.
        public var lastError: String
    }

    /// Figures of the node.
    public struct Status: Codable, Sendable, Equatable {
        /// The domains whose people live here, the site's name first.
        public var domains: [String]
        /// Accounts there are.
        public var accounts: Int
        /// Bound resources.
        public var sessions: Int
        /// Links there are.
        public var links: Int
        /// Entries of all link queues.
        public var waitingEntries: Int
        /// Components that the configuration names.
        public var components = 0
        /// How many of them are connected.
        public var connectedComponents = 0
        /// Bytes that wait in memory for others.
        public var heldBytes = 0
        /// How many may: from there on whoever holds most is refused first.
        public var memoryCeiling = 0
        /// Who holds most.
        public var holders: [Holder] = []
    }

    /// Somebody for whom, or because of whom, something waits in memory.
    public struct Holder: Codable, Sendable, Equatable {
        /// An account, another server, or the site itself.
        public var owner: String
        /// Bytes.
        public var bytes: Int
    }

    /// A part of what was taken away.
    public struct Cleared: Codable, Sendable, Equatable {
        /// How many.
        public var count: Int
        /// Their bytes.
        public var bytes: Int
        /// Where the next part begins.
        public var next: UInt64?
    }
}

extension AdminRequest {
    /// The site's command, `nil` for what the process itself answers.
    public func command() throws(AdminFailure) -> Command? {
        switch self {
        case .addUser(let account, let keys): .accounts(.add(try Self.account(account), try Self.keys(keys)))
        case .changePassword(let account, let keys):
            .accounts(.changePassword(try Self.account(account), try Self.keys(keys)))
        case .removeUser(let account): .accounts(.remove(try Self.account(account)))
        case .disableUser(let account): .accounts(.disable(try Self.account(account)))
        case .enableUser(let account): .accounts(.enable(try Self.account(account)))
        case .invite(let address, let days):
            .accounts(.invite(try Self.address(address), lifetime: Int64(min(max(days, 1), 366)) * 86_400_000))
        case .listUsers: .listUsers
        case .clear(let account, let what, let after, let isRehearsal):
            .clear(try Self.account(account), try Self.clearance(what), after: after, isRehearsal: isRehearsal)
        case .status: .status
        case .limits: .karma
        case .drain(let host): .drain(otherHost: host)
        case .explain(let from, let to): .explain(from: try Self.address(from), to: try Self.address(to))
        case .reload: nil
        case .listArchives, .setRetention, .exportArchive: try archiveCommand().map { .archive($0) }
        case .listUploads, .purgeUploads, .purgeUpload: try uploadCommand().map { .uploads($0) }
        case .listLinks, .showLink, .retryLinks, .forgetCertificate, .listQueue, .listAges, .holdEntries, .releaseEntries,
            .purgeEntries,
            .planResync,
            .resync, .exportEntries, .importRecords:
            try linkCommand().map { .links($0) }
        }
    }

    /// What concerns links and their queues; `nil` for everything else.
    private func linkCommand() throws(AdminFailure) -> LinkCommand? {
        switch self {
        case .listLinks: .listLinks
        case .showLink(let peer, let local): .showLink(try AdminDesk.domain(peer), from: try Self.ours(local))
        case .retryLinks(nil): .retryLinks(nil)
        case .retryLinks(let peer?): .retryLinks(try AdminDesk.domain(peer))
        case .forgetCertificate(let peer): .forgetCertificate(try AdminDesk.domain(peer))
        case .listQueue(let filter, let after): .listQueue(try filter.filter(), after: try Self.cursor(after))
        case .listAges(let after): .listAges(after: try Self.cursor(after))
        case .holdEntries(let entries): .holdEntries(try AdminDesk.claims(entries))
        case .releaseEntries(let entries): .releaseEntries(try AdminDesk.claims(entries))
        case .purgeEntries(let entries): .purgeEntries(try AdminDesk.claims(entries))
        case .planResync(let peer): .planResync(try AdminDesk.domain(peer))
        case .resync(let peer, nil): .resync(try AdminDesk.domain(peer), uncertain: nil)
        case .resync(let peer, let choice?):
            .resync(try AdminDesk.domain(peer), uncertain: try AdminDesk.choice(choice))
        case .exportEntries(let peer, let local, let after):
            .exportEntries(try AdminDesk.domain(peer), from: try Self.ours(local), after: try Self.cursor(after))
        case .importRecords(let records, let origin, let destination):
            try AdminDesk.carried(records, origin: origin, destination: destination)
        case .addUser, .changePassword, .removeUser, .disableUser, .enableUser, .invite, .listUsers, .clear, .status, .limits,
            .drain, .explain, .reload,
            .listArchives, .setRetention, .exportArchive, .listUploads, .purgeUploads, .purgeUpload:
            nil
        }
    }

    private static func ours(_ domain: String?) throws(AdminFailure) -> JID? {
        guard let domain else { return nil }
        return try AdminDesk.domain(domain)
    }

    private static func cursor(_ text: String?) throws(AdminFailure) -> EntryName? {
        guard let text else { return nil }
        return try AdminDesk.name(text)
    }

    private static func address(_ text: String) throws(AdminFailure) -> JID {
        do {
            return try JID(text)
        } catch {
            throw AdminFailure("\(text) is not an address: give name@domain, a domain, or name@domain/resource")
        }
    }

    static func account(_ text: String) throws(AdminFailure) -> JID {
        do {
            let account = try JID(text)
            guard account.localpart != nil, account.isBare else { throw AdminFailure("\(text) is not of the form name@domain") }
            return account
        } catch let failure as AdminFailure {
            throw failure
        } catch {
            throw AdminFailure("\(text) is not an address: it is of the form name@domain")
        }
    }

    private static func clearance(_ text: String) throws(AdminFailure) -> Clearance {
        guard let what = Clearance(rawValue: text) else { throw AdminFailure("\(text) is nothing that waits for an account") }
        return what
    }

    private static func keys(_ keys: AdminKeys) throws(AdminFailure) -> PasswordKeys {
        guard let keys = keys.passwordKeys else { throw AdminFailure("the keys are not SCRAM keys") }
        return keys
    }
}

extension AdminAnswer {
    /// The site's answer.
    public init(_ answer: CommandAnswer) {
        switch answer {
        case .done(let words): self = .done(words: words)
        case .refused(let words): self = .refused(words: words)
        case .users(let rows):
            self = .users(
                rows: rows.map {
                    User(account: $0.account, sessions: $0.sessions, waiting: $0.waiting, isDisabled: $0.isDisabled)
                })
        case .links(let rows):
            self = .links(rows: rows.map(Link.init))
        case .link(let details): self = .link(LinkDetail(details))
        case .queue(let page): self = .queue(rows: page.rows.map(Entry.init), next: page.next?.description)
        case .ages(let ages): self = .ages(rows: ages.rows.map(Ages.init), next: ages.next?.description)
        case .desk(let outcome): self = .desk(Outcome(outcome))
        case .resync(let rows): self = .resync(rows: rows.map(Stopped.init))
        case .bundle(let part): self = .bundle(Part(part))
        case .imported(let outcome): self = .imported(Imported(outcome))
        case .archives(let list): self = .archives(rows: list.rows.map(Archive.init), next: list.next?.value)
        case .archivePart(let part):
            self = .archivePart(results: part.results.map { String(decoding: $0, as: UTF8.self) }, next: part.next)
        case .upload(.list(let rows, let next)): self = .uploads(rows: rows.map(Upload.init), next: next)
        // What nobody asks at the control socket.
        case .upload: self = .done(words: "")
        case .karma(let report): self = .limits(Limits(report))
        case .explanation(let lines): self = .explanation(lines: lines)
        case .cleared(let outcome):
            self = .cleared(Cleared(count: outcome.count, bytes: outcome.bytes, next: outcome.next))
        case .status(let row):
            self = .status(
                Status(
                    domains: row.domains, accounts: row.accounts, sessions: row.sessions, links: row.links,
                    waitingEntries: row.waitingEntries, components: row.components,
                    connectedComponents: row.connectedComponents, heldBytes: row.heldBytes, memoryCeiling: row.memoryCeiling,
                    holders: row.holders.map { Holder(owner: $0.owner, bytes: $0.bytes) }))
        }
    }
}

/// Why something could not be asked or done, in words for the person at the terminal.
public struct AdminFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The words.
    public var description: String

    /// A failure in these words.
    public init(_ description: String) { self.description = description }
}
