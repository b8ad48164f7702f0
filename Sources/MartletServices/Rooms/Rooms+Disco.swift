import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What service discovery says of hosts of rooms and of rooms (XEP-0045 §6).
extension Rooms {
    /// Nodes of a room at which more is said.
    private enum Node {
        static let traffic = "http://jabber.org/protocol/muc#traffic"
        static let ownNick = "x-roomuser-item"
    }

    /// The answer where a request is about rooms; nil where it is about something else, or about the host as such.
    public mutating func discover(_ request: Request, _ turn: Turn) -> Answer? {
        guard let to = request.stanza.to, let host = request.host, host.kind == .rooms else { return nil }
        let isItems = request.payload.namespace == Namespaces.discoItems
        let node = request.payload["node"].flatMap { $0.isEmpty ? nil : $0 }
        guard request.scope == .room else { return isItems && node == nil ? list(request, host, turn) : nil }
        var query = Element("query", request.payload.namespace)
        if let node { query["node"] = node }
        guard let place = place(of: to, turn), let from = request.stanza.from else {
            return .refusal(of: query, StanzaError(.itemNotFound))
        }
        let number = rooms[place].number
        defer { settle(number, turn) }
        let isHere = rooms[place].place(of: from) != nil
        if rooms[place].row.isLocked, !isHere { return .refusal(of: query, StanzaError(.itemNotFound)) }
        if node == Node.ownNick { return .result(ownNick(of: from, at: place, query, turn)) }
        guard node == nil || node == Node.traffic else { return .refusal(of: query, StanzaError(.itemNotFound)) }
        if node == Node.traffic { return .result(query) }
        if isItems { return .result(occupants(at: place, isHere: isHere, query)) }
        return .result(information(at: place, query, turn))
    }

    /// §6.3: rooms that are listed, in pages (XEP-0059).
    private func list(_ request: Request, _ host: Host, _ turn: Turn) -> Answer {
        var query = Element("query", Namespaces.discoItems)
        guard let from = request.stanza.from else { return .result(query) }
        let isOurs = turn.policy.hasPeople(at: from.domainpart) || turn.policy.isOffice(from.domainpart)
        guard isOurs || turn.policy.rooms.isListedElsewhere else { return .result(query) }
        var page = ResultSetRequest()
        let asked = request.payload.first("set", Namespaces.resultSet)
        if let asked {
            guard let read = ResultSetRequest(asked) else { return .error(StanzaError(.badRequest)) }
            page = read
        }
        var after = AddressNumber(0)
        switch page.start {
        case .first: break
        case .after(let text):
            guard let jid = try? JID(text), let number = AddressTable.number(of: jid, in: turn.store) else {
                return .error(StanzaError(.itemNotFound))
            }
            after = number
        case .before, .index: return .error(StanzaError(.featureNotImplemented))
        }
        let limit = min(page.limit ?? RoomLimits.listed, RoomLimits.listed)
        let found = RoomTable.listed(atHost: host.domain, after: after, limit: limit, in: turn.store)
        var set = ResultSet()
        for number in found {
            let jid = AddressTable.address(number, in: turn.store).description
            var item = Element("item", Namespaces.discoItems, [("jid", jid)])
            if let name = RoomTable.row(number, in: turn.store)?.configuration.name, !name.isEmpty { item["name"] = name }
            query.append(item)
            set.first = set.first ?? jid
            set.last = jid
        }
        if asked != nil || found.count == limit { query.append(set.element) }
        return .result(query)
    }

    /// §6.5: who is there, to those who are there themselves.
    private func occupants(at place: Int, isHere: Bool, _ query: Element) -> Element {
        guard isHere else { return query }
        var query = query
        for (index, occupant) in rooms[place].occupants.enumerated() {
            guard query.children.count < RoomLimits.listed else { break }
            guard !occupant.isSuspended, rooms[place].place(ofNick: occupant.nick) == index else { continue }
            query.append(Element("item", Namespaces.discoItems, [("jid", rooms[place].address(of: occupant.nick).description)]))
        }
        return query
    }

    /// §6.4, §15.5.4.
    private func information(at place: Int, _ query: Element, _ turn: Turn) -> Element {
        let row = rooms[place].row
        let configuration = row.configuration
        var query = query
        let name = configuration.name.isEmpty ? rooms[place].jid.localpart ?? "" : configuration.name
        query.append(
            Element("identity", Namespaces.discoInfo, [("category", "conference"), ("type", "text"), ("name", name)]))
        var features = [
            Namespaces.discoInfo, Namespaces.discoItems, Namespaces.rooms, Namespaces.ping, Namespaces.selfPing,
            Namespaces.occupantID, Namespaces.stanzaID, Namespaces.vCardTemp,
        ]
        if configuration.flags.contains(.takesRegistrations) { features.append(Namespaces.register) }
        if turn.policy.archive.isEnabled, configuration.flags.contains(.isArchived) {
            features += [Namespaces.archive, Namespaces.archiveExtended, Namespaces.moderation]
        }
        func add(_ flag: RoomConfiguration.Flags, _ yes: String, _ no: String) {
            features.append(configuration.flags.contains(flag) ? yes : no)
        }
        add(.hasPassword, "muc_passwordprotected", "muc_unsecured")
        add(.isPublic, "muc_public", "muc_hidden")
        add(.isMembersOnly, "muc_membersonly", "muc_open")
        add(.isModerated, "muc_moderated", "muc_unmoderated")
        add(.isPersistent, "muc_persistent", "muc_temporary")
        features.append(configuration.whois == .anyone ? "muc_nonanonymous" : "muc_semianonymous")
        for feature in features { query.append(Element("feature", Namespaces.discoInfo, [("var", feature)])) }
        var form = DataForm(.result)
        func field(_ name: String, _ value: String, _ type: String = "text-single") {
            form.fields.append(DataForm.Field(name, type: type, values: [value]))
        }
        field("FORM_TYPE", Namespaces.roomInformation, "hidden")
        field("muc#roominfo_description", configuration.description)
        field("muc#roominfo_subject", row.subject?.text ?? "")
        field("muc#roominfo_occupants", String(rooms[place].shownCount))
        if !configuration.language.isEmpty { field("muc#roominfo_lang", configuration.language) }
        field("muc#roominfo_changesubject", configuration.flags.contains(.allowsSubject) ? "1" : "0", "boolean")
        if let hash = AvatarTable.hash(of: rooms[place].number, in: turn.store) {
            field("muc#roominfo_avatarhash", hash, "text-multi")
        }
        if !configuration.node.isEmpty { field("muc#roominfo_pubsub", configuration.node) }
        field("muc#maxhistoryfetch", String(turn.policy.rooms.history))
        query.append(form.element)
        return query
    }

    /// §7.12: the nickname that is kept for somebody, or that he has.
    private func ownNick(of from: JID, at place: Int, _ query: Element, _ turn: Turn) -> Element {
        var query = query
        let kept = RoomAffiliationTable.row(rooms[place].number, from.bare, in: turn.store)?.nick
        if let kept {
            query.append(
                Element("identity", Namespaces.discoInfo, [("category", "conference"), ("type", "text"), ("name", kept)]))
        }
        return query
    }
}
