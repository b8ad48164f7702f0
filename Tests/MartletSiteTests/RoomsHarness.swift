import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// What people in rooms do and see, in short words.
extension SessionsHarness {
    static let roomHost = "rooms.pilsen.example"
    static let coven = "coven@rooms.pilsen.example"

    /// A site with rooms and archives, and the witches of XEP-0045.
    static func withRooms(_ users: [String] = ["crone1", "wiccarocks", "hag66"]) -> SessionsHarness {
        let host = JID(preparedLocalpart: nil, preparedDomainpart: roomHost, preparedResourcepart: nil)
        return SessionsHarness(users: users, hosts: [Host(domain), Host(host, .rooms)], archives: true)
    }

    /// What somebody says who wants to enter; `more` stands inside of the wish.
    mutating func enter(_ client: Client, _ nick: String, _ more: String = "", room: String = Self.coven) {
        send(client, "<presence to='\(room)/\(nick)'><x xmlns='http://jabber.org/protocol/muc'>\(more)</x></presence>")
        pass(20)
    }

    /// Makes a room as it is by default, with an owner in it who has read everything.
    mutating func makeRoom(_ user: String = "crone1", _ nick: String = "firstwitch", room: String = Self.coven) -> Client {
        let owner = login(user, "desktop")
        enter(owner, nick, room: room)
        let form = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
        #expect(ask(owner, "set", to: room, form)["type"] == "result")
        _ = take(owner)
        return owner
    }

    /// Somebody who has entered the room and has read everything.
    mutating func guest(_ user: String, _ nick: String, resource: String = "pda", room: String = Self.coven) -> Client {
        let client = login(user, resource)
        enter(client, nick, room: room)
        _ = take(client)
        return client
    }

    /// Changes how a room is, as its owner's form would.
    mutating func configure(_ room: String = Self.coven, _ change: (inout RoomConfiguration) -> Void) {
        step { site, turn in
            guard let jid = try? JID(room), let place = site.rooms.place(of: jid, turn) else {
                Issue.record("no room \(room)")
                return
            }
            change(&site.rooms.rooms[place].row.configuration)
            site.rooms.write(place, turn)
        }
    }

    /// Says what an address is to a room.
    mutating func affiliate(_ jid: String, _ affiliation: RoomAffiliation, room: String = Self.coven) {
        step { site, turn in
            guard let room = try? JID(room), let place = site.rooms.place(of: room, turn) else {
                Issue.record("no room \(room)")
                return
            }
            let row = RoomAffiliationRow(jid: jid, affiliation: affiliation)
            site.rooms.rooms[place].row.affiliations += RoomAffiliationTable.put(
                site.rooms.rooms[place].number, row, in: turn.store)
            site.rooms.write(place, turn)
        }
    }

    mutating func say(_ client: Client, _ text: String, id: String? = nil, room: String = Self.coven) {
        let id = id.map { " id='\($0)'" } ?? ""
        send(client, "<message type='groupchat' to='\(room)'\(id)><body>\(text)</body></message>")
        pass(20)
    }

    /// What somebody has seen of rooms, in short words.
    mutating func seen(_ client: Client) -> [String] {
        pass(20)
        return take(client).compactMap(\.inRoom)
    }

    /// What a check of the store finds.
    mutating func findings() -> [String] {
        commit()
        let rows = store.begin()
        defer { store.abort() }
        var check = StoreCheck()
        for table in Table.all { check.readRows(of: table, in: rows) { _ in } }
        check.compareRows(in: rows) { _ in }
        return check.findings.map(\.words)
    }

    /// What the rooms have sent to other domains, in short words.
    mutating func seenElsewhere() -> [String] {
        takeRemote().compactMap { stanza in
            let element = ContentReader.elements(in: stanza.serialized()).first
            return element?.inRoom.map { "\(stanza.to?.description ?? "") < \($0)" }
        }
    }
}

extension Element {
    /// `nick affiliation/role 110`, `nick: body`, `nick # subject`, `nick error condition`.
    var inRoom: String? {
        guard let from = self["from"].flatMap({ try? JID($0) }), from.domainpart.hasPrefix("rooms.") else { return nil }
        let nick = from.resourcepart ?? "room"
        if let condition { return "\(nick) error \(condition)" }
        let x = first("x", Namespaces.roomUser)
        switch name {
        case "presence":
            let item = x?.first("item", Namespaces.roomUser)
            var words = [nick]
            if self["type"] == "unavailable" { words.append("gone") }
            words.append("\(item?["affiliation"] ?? "")/\(item?["role"] ?? "")")
            if let jid = item?["jid"] { words.append(jid) }
            if let new = item?["nick"] { words.append("-> \(new)") }
            let codes = x?.all("status", Namespaces.roomUser).compactMap { $0["code"] } ?? []
            if !codes.isEmpty { words.append(codes.sorted().joined(separator: ",")) }
            if let status = first("status", Namespaces.client)?.text { words.append("(\(status))") }
            return words.joined(separator: " ")
        case "message":
            if let invite = x?.first("invite", Namespaces.roomUser) { return "\(nick) invite from \(invite["from"] ?? "")" }
            if let decline = x?.first("decline", Namespaces.roomUser) { return "\(nick) decline from \(decline["from"] ?? "")" }
            let late = first("delay", Namespaces.delay) == nil ? "" : " late"
            if let body = first("body", Namespaces.client) {
                return self["type"] == "groupchat" ? "\(nick)\(late): \(body.text)" : "\(nick) privately: \(body.text)"
            }
            if let subject = first("subject", Namespaces.client) { return "\(nick) # \(subject.text)" }
            return "\(nick) \(elements.map(\.name).joined(separator: ","))"
        default: return "\(nick) \(name) \(self["type"] ?? "")"
        }
    }
}
