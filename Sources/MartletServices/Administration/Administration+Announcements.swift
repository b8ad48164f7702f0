import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Words for everybody (XEP-0133 §4.23 to §4.26).
extension Administration {
    /// One that not everybody was told.
    struct Announcement {
        let number: UInt64
        var row: AnnouncementTable.Row
        var audience: AnnouncementAudience { AnnouncementAudience(rawValue: row.audience) ?? .online }
    }

    /// The message of the day.
    struct DayMessage: Equatable {
        var number: UInt64
        /// The domain that says it.
        var from: String
        var text: String

        init(number: UInt64, from: String, text: String) {
            (self.number, self.from, self.text) = (number, from, text)
        }

        /// As it stands in the store.
        init(_ bytes: [UInt8]) {
            var reader = ByteReader(bytes)
            number = reader.take()
            from = reader.takeString()
            text = reader.takeString()
        }

        var bytes: [UInt8] {
            var writer = ByteWriter(capacity: 32 + text.utf8.count)
            writer.put(number)
            writer.put(from)
            writer.put(text)
            return writer.bytes
        }
    }

    /// Accounts whose turn it is to be told something.
    public struct Slice: Sendable, Equatable {
        /// In the order of their numbers.
        public let accounts: [AddressNumber]
        /// Who pays.
        public let payer: Party
    }

    private static let idPrefix = "announcement-"

    // MARK: wishes

    /// An administrator wants to tell people something.
    public mutating func tell(_ question: AdminQuestion, _ turn: Turn) {
        let domain = question.request.to?.domainpart ?? turn.policy.name.domainpart
        switch question.wish {
        case .announce(let text, let audience):
            let row = AnnouncementTable.Row(
                audience: audience.rawValue, from: domain, domain: domain, text: text, author: question.admin.value,
                time: turn.wall.milliseconds)
            guard begin(row, turn) else { return refuse(question, turn) }
            let whom = audience == .online ? "Everybody who is online" : "Everybody"
            reply(AdministrationCommands.completed(question, note: .info("\(whom) at \(domain) is being told.")), turn)
        case .announceAt(let office, let text, let audience):
            guard turn.admits(.message, bytes: text.utf8.count) else { return refuse(question, turn) }
            send(text, audience, to: office, from: domain, by: question.admin, turn)
            reply(AdministrationCommands.completed(question, note: .info("This is on its way to \(office).")), turn)
        case .setMessageOfTheDay(let text, let isNew): setDayMessage(text, isNew: isNew, domain, question, turn)
        case .deleteMessageOfTheDay:
            guard dayMessage != nil else {
                return reply(
                    AdministrationCommands.failed(question, StanzaError(.itemNotFound, text: "There is no message of the day")),
                    turn)
            }
            dayMessage = nil
            MetaTable.remove(.dayMessage, in: turn.store)
            reply(AdministrationCommands.completed(question, note: .info("There is no message of the day any more.")), turn)
        case .showMessageOfTheDay: reply(AdministrationCommands.dayMessageForm(question, dayMessage?.text), turn)
        default: break
        }
    }

    private func refuse(_ question: AdminQuestion, _ turn: Turn) {
        let error =
            turn.admits(.message)
            ? StanzaError(.resourceConstraint, .wait, text: "Other announcements are on their way: try again in a moment")
            : StanzaError.diskNearlyFull
        reply(AdministrationCommands.failed(question, error), turn)
    }

    private mutating func setDayMessage(_ text: String, isNew: Bool, _ domain: String, _ question: AdminQuestion, _ turn: Turn)
    {
        guard turn.admits(.state, bytes: text.utf8.count) else { return refuse(question, turn) }
        var message = dayMessage ?? DayMessage(number: 0, from: domain, text: "")
        if isNew || message.number == 0 { message.number = max(message.number + 1, UInt64(max(1, turn.wall.milliseconds))) }
        (message.from, message.text) = (domain, text)
        if isNew {
            // Whoever is online sees it now (§4.24).
            let row = AnnouncementTable.Row(
                audience: AnnouncementAudience.unseen.rawValue, from: domain, domain: "", text: text,
                author: question.admin.value, time: turn.wall.milliseconds)
            guard begin(row, turn) else { return refuse(question, turn) }
        }
        dayMessage = message
        MetaTable.set(.dayMessage, message.bytes, in: turn.store)
        let words = isNew ? "Everybody is shown this once." : "Whoever has not seen the last one is shown this."
        reply(AdministrationCommands.completed(question, note: .info(words)), turn)
    }

    /// Somebody is here, and may have asked for the roster: he is shown the message of the day if he has not seen it.
    public func sessionBecameReady(_ jid: JID, _ account: AccountName, _ turn: Turn) {
        guard let dayMessage, DayMessageTable.shown(account.number, in: turn.store) != dayMessage.number else { return }
        show(dayMessage, to: jid, account.number, turn)
    }

    private func show(_ message: DayMessage, to jid: JID, _ account: AddressNumber, _ turn: Turn) {
        guard turn.admits(.note), let from = try? JID(localpart: nil, domainpart: message.from) else { return }
        // Lazy: after a crash it may be seen once more.
        turn.lazily { DayMessageTable.put(account, message.number, in: turn.store) }
        turn.route(Self.message(message.text, from: from, to: jid, isKept: false, turn), from: .service)
    }

    private static func message(_ text: String, from: JID, to: JID, isKept: Bool, _ turn: Turn) -> Stanza {
        Stanza(
            .message, from: from, to: to, id: turn.random.identifier(), type: isKept ? "normal" : "headline",
            payloads: [Element("body", Namespaces.client, text: text)])
    }

    // MARK: other offices

    /// Words for everybody at another office go the way of all messages: they wait for it, and arrive once.
    private func send(
        _ text: String, _ audience: AnnouncementAudience, to office: JID, from domain: String, by admin: AddressNumber,
        _ turn: Turn
    ) {
        guard let from = try? JID(localpart: nil, domainpart: domain) else { return }
        var announcement = Element("announcement", Namespaces.announcement, [("time", String(turn.wall.milliseconds))])
        if audience == .online { announcement["audience"] = "online" }
        let id = "\(Self.idPrefix)\(admin.value)-\(turn.random.identifier())"
        let body = Element("body", Namespaces.client, text: text)
        turn.route(
            Stanza(.message, from: from, to: office, id: id, type: "normal", payloads: [announcement, body]), from: .service)
    }

    /// A message to one of our domains: true where another office announces something, or what was announced there came back.
    public mutating func takes(_ stanza: Stanza, _ origin: Origin, at host: JID, _ turn: Turn) -> Bool {
        guard let from = stanza.from, from.isDomain, turn.policy.isOffice(from.domainpart) else { return false }
        switch origin {
        case .peer, .bundle: break
        // What could not be sent comes back from ourselves, in the name of the office.
        case .site where stanza.isError: break
        default: return false
        }
        if stanza.isError { return returned(stanza, from, turn) }
        guard let announcement = stanza.payload("announcement", Namespaces.announcement),
            let text = stanza.payload("body", Namespaces.client)?.text,
            text.utf8.count <= AdministrationLimits.announcementBytes, turn.policy.admin.takesAnnouncements
        else { return false }
        let audience: AnnouncementAudience = announcement["audience"] == "online" ? .online : .everybody
        let row = AnnouncementTable.Row(
            audience: audience.rawValue, from: from.domainpart, domain: host.domainpart, text: text, author: 0,
            time: announcement["time"].flatMap { Int64($0) } ?? turn.wall.milliseconds)
        if !begin(row, turn) { turn.bounce(stanza, StanzaError(.resourceConstraint, .wait, text: "Too many announcements")) }
        return true
    }

    /// The administrator who has announced it hears why it was not.
    private func returned(_ stanza: Stanza, _ office: JID, _ turn: Turn) -> Bool {
        guard let id = stanza.id, id.hasPrefix(Self.idPrefix),
            let number = id.dropFirst(Self.idPrefix.utf8.count).split(separator: "-").first.flatMap({ UInt64($0) }),
            let admin = turn.policy.admin.accounts.first(where: {
                AddressTable.number(of: $0, in: turn.store)?.value == number
            })
        else { return false }
        let error = stanza.payload("error", Namespaces.client)
        let why = error?.first("text", Namespaces.stanzaErrors)?.text ?? error?.elements.first?.name ?? "no reason given"
        let text = "What you announced at \(office) was not told to anybody there: \(why.prefix(200))"
        turn.route(
            Self.message(text, from: stanza.to?.domain ?? turn.policy.name, to: admin, isKept: true, turn), from: .service)
        return true
    }

    // MARK: slices

    private mutating func begin(_ row: AnnouncementTable.Row, _ turn: Turn) -> Bool {
        guard announcements.count < AdministrationLimits.announcements, turn.admits(.message, bytes: row.text.utf8.count) else {
            return false
        }
        let number = (announcements.map(\.number).max() ?? 0) + 1
        AnnouncementTable.put(number, row, in: turn.store)
        announcements.append(Announcement(number: number, row: row))
        scheduleAnnouncements(turn)
        return true
    }

    mutating func scheduleAnnouncements(_ turn: Turn, after pause: Int64 = AdministrationLimits.slicePause) {
        guard !isAnnouncementTimerSet, !announcements.isEmpty else { return }
        isAnnouncementTimerSet = true
        turn.schedule(.administration(.announcements), after: pause)
    }

    /// The timer fired: whose turn it is; nil where nothing can be told now. ``announce(_:to:_:)`` follows.
    public mutating func nextSlice(_ turn: Turn) -> Slice? {
        isAnnouncementTimerSet = false
        guard let row = announcements.first?.row else { return nil }
        guard turn.admits(.message, bytes: row.text.utf8.count) else {
            scheduleAnnouncements(turn, after: AdministrationLimits.fullPause)
            return nil
        }
        let accounts = AccountTable.accounts(
            after: AddressNumber(row.after), limit: AdministrationLimits.toldPerSlice, in: turn.store)
        let payer: Party = row.author == 0 ? Self.peer(row.from) : .account(AddressNumber(row.author))
        return Slice(accounts: accounts, payer: payer)
    }

    private static func peer(_ domain: String) -> Party {
        (try? JID(localpart: nil, domainpart: domain)).map { .peer($0) } ?? .site
    }

    /// Tells the accounts of a slice; these of them are online.
    public mutating func announce(_ slice: Slice, to online: Set<AddressNumber>, _ turn: Turn) {
        guard var announcement = announcements.popFirst() else { return }
        let row = announcement.row
        if let from = try? JID(localpart: nil, domainpart: row.from) {
            for account in slice.accounts where announcement.audience == .everybody || online.contains(account) {
                let jid = AddressTable.address(account, in: turn.store)
                guard row.domain.isEmpty ? turn.policy.hasPeople(at: jid.domainpart) : jid.domainpart == row.domain else {
                    continue
                }
                tell(announcement, jid, account, from, turn)
            }
        }
        if let last = slice.accounts.last, slice.accounts.count == AdministrationLimits.toldPerSlice {
            announcement.row.after = last.value
            AnnouncementTable.put(announcement.number, announcement.row, in: turn.store)
            // The others' turn comes between.
            announcements.append(announcement)
        } else {
            AnnouncementTable.remove(announcement.number, in: turn.store)
        }
        scheduleAnnouncements(turn)
    }

    private func tell(_ announcement: Announcement, _ jid: JID, _ account: AddressNumber, _ from: JID, _ turn: Turn) {
        if announcement.audience == .unseen {
            guard let dayMessage, DayMessageTable.shown(account, in: turn.store) != dayMessage.number else { return }
            return show(dayMessage, to: jid, account, turn)
        }
        let row = announcement.row
        var message = Self.message(row.text, from: from, to: jid, isKept: announcement.audience == .everybody, turn)
        if turn.wall.milliseconds - row.time > AdministrationLimits.delayed {
            message.stamp(from: from, WallTime(milliseconds: row.time))
        }
        turn.route(message, from: .service)
    }
}
