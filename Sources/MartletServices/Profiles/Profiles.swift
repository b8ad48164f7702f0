// XEP-0054: vcard-temp, version 1.3.0, complete
// XEP-0292: vCard4 Over XMPP, version 0.12.0, complete for a server: the node, and one record with XEP-0054
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Profiles: one record with two views. What was written as vcard-temp is kept as it is and published as vCard4; what is published as vCard4
/// is shown as vcard-temp. The picture stands in its own nodes and is shown in both.
extension PubSub {
    /// For accounts. Strangers hear the same of an account that shows them nothing and of none.
    public static let profiles = ServiceDeclaration(
        "Profiles",
        features: [
            .init(Namespaces.vCardTemp, of: [.account, .host(.people)], when: \.pubsub.isEnabled),
            .init(Namespaces.avatarConversion, of: [.account], when: \.pubsub.isEnabled),
        ],
        requests: [.init("vCard", Namespaces.vCardTemp, [.get, .set], to: [.ownAccount, .contact, .stranger])])

    /// Reads or writes a profile.
    public mutating func answerProfile(_ request: Request, _ turn: Turn) -> Answer {
        guard turn.policy.pubsub.isEnabled, let account = request.account, let from = request.stanza.from else {
            return .error(StanzaError(.serviceUnavailable))
        }
        let service = Service(jid: account.jid, number: account.number, isAccount: true)
        let asker = Asker(
            jid: from, service: service, isSelf: request.scope == .ownAccount, party: request.envelope.origin.party)
        if request.type == .set {
            // §3.2: only one's own.
            guard asker.isSelf else {
                return .error(StanzaError(request.scope == .stranger ? .serviceUnavailable : .forbidden))
            }
            return setProfile(request.payload, asker, turn)
        }
        let card = profile(asker, turn)
        if let card { return .result(card) }
        return asker.isSelf ? .result(Element("vCard", Namespaces.vCardTemp)) : .error(StanzaError(.serviceUnavailable))
    }

    /// The profile as far as the asker may see it; nil where that is nothing.
    private func profile(_ asker: Asker, _ turn: Turn) -> Element? {
        var card: Element?
        if let node = node(named: ProfileNodes.vCard, asker, turn), objection(toReading: node, by: asker, turn) == nil {
            if let kept = VCardTable.vCard(of: asker.service.number, in: turn.store) {
                card = ContentReader.elements(in: kept).first
            } else if let item = last(node, turn), let vCard = item.first("vcard", Namespaces.vCard4) ?? vCardRoot(item) {
                card = VCardMapping.temporary(vCard)
            }
        }
        if let photo = photo(asker, turn) {
            if card == nil { card = Element("vCard", Namespaces.vCardTemp) }
            card?.append(photo)
        }
        return card
    }

    private func vCardRoot(_ element: Element) -> Element? {
        element.is("vcard", Namespaces.vCard4) ? element : nil
    }

    /// What was published to a node last.
    func last(_ node: Node, _ turn: Turn) -> Element? {
        guard node.row.items > 0, let last = PubSubItemTable.last(node.number, in: turn.store),
            last.place > node.row.removedUpTo
        else { return nil }
        return ContentReader.elements(in: last.row.payload).first
    }

    /// The picture, where the asker may see it (XEP-0398 §5).
    private func photo(_ asker: Asker, _ turn: Turn) -> Element? {
        guard let metadata = node(named: ProfileNodes.avatarMetadata, asker, turn),
            objection(toReading: metadata, by: asker, turn) == nil,
            let info = last(metadata, turn).flatMap(ProfileNodes.info), let id = info["id"],
            let data = node(named: ProfileNodes.avatarData, asker, turn),
            objection(toReading: data, by: asker, turn) == nil,
            let place = PubSubItemTable.place(of: id, data.number, removedUpTo: data.row.removedUpTo, in: turn.store),
            let item = PubSubItemTable.row(data.number, place, in: turn.store),
            let text = ContentReader.elements(in: item.payload).first?.text
        else { return nil }
        return Element(
            "PHOTO", Namespaces.vCardTemp,
            elements: [
                Element("TYPE", Namespaces.vCardTemp, text: info["type"] ?? "image/png"),
                Element("BINVAL", Namespaces.vCardTemp, text: text),
            ])
    }

    /// XEP-0054 §3.2: the whole profile anew; its picture goes where pictures are.
    private mutating func setProfile(_ given: Element, _ asker: Asker, _ turn: Turn) -> Answer {
        var card = given
        let photo = card.first("PHOTO", Namespaces.vCardTemp)
        card.removeElements { $0.is("PHOTO", Namespaces.vCardTemp) }
        let text = card.serialized(within: Namespaces.client)
        guard text.count <= turn.policy.pubsub.itemBytes else {
            return .error(StanzaError(.notAcceptable, text: "A profile has no more than \(turn.policy.pubsub.itemBytes) bytes"))
        }
        guard turn.admits(.state, bytes: given.children.isEmpty ? 0 : text.count) else { return .error(.diskNearlyFull) }
        let picture: Picture?
        do { picture = try photo.flatMap(Picture.init) } catch { return .error(StanzaError(.badRequest, text: error.words)) }
        let item = [(id: "current", payload: VCardMapping.published(card))]
        if let refused = write(item, to: ProfileNodes.vCard, asker, turn) { return refused }
        VCardTable.put(asker.service.number, text, in: turn.store)
        return setPicture(picture, asker, turn) ?? .result()
    }

    /// XEP-0398 §4.2: a picture that came with a profile is published; a profile without one has none.
    private mutating func setPicture(_ picture: Picture?, _ asker: Asker, _ turn: Turn) -> Answer? {
        let before = AvatarTable.hash(of: asker.service.number, in: turn.store)
        guard before != picture?.hash else { return nil }
        var metadata = Element("metadata", Namespaces.avatarMetadata)
        if let picture {
            let data = Element("data", Namespaces.avatarData, text: picture.text)
            if let refused = write([(picture.hash, data)], to: ProfileNodes.avatarData, asker, turn) { return refused }
            metadata.append(
                Element(
                    "info", Namespaces.avatarMetadata,
                    [("bytes", String(picture.count)), ("id", picture.hash), ("type", picture.type)]))
        }
        let item = (id: picture?.hash ?? "current", payload: metadata)
        if let refused = write([item], to: ProfileNodes.avatarMetadata, asker, turn) { return refused }
        pictureChanged(asker.service, turn)
        return nil
    }

    /// The picture's hash goes into the presence of its account (XEP-0398 §4.3).
    mutating func pictureChanged(_ service: Service, _ turn: Turn) {
        let asker = Asker(jid: service.jid, service: service, isSelf: true, party: .account(service.number))
        let info = node(named: ProfileNodes.avatarMetadata, asker, turn).flatMap { last($0, turn) }.flatMap(ProfileNodes.info)
        let hash = info?["id"].flatMap { ProfileNodes.isHash($0) ? $0 : nil }
        guard hash != AvatarTable.hash(of: service.number, in: turn.store) else { return }
        AvatarTable.set(service.number, hash, in: turn.store)
        turn.notify(.pictureChanged(AccountName(service.jid, service.number), hash: hash))
    }
}

/// The nodes that profiles stand in.
enum ProfileNodes {
    static let vCard = "urn:xmpp:vcard4"
    static let avatarData = Namespaces.avatarData
    static let avatarMetadata = Namespaces.avatarMetadata

    /// What a metadata element says of the picture that is in the node, not elsewhere (XEP-0084 §4.2).
    static func info(_ metadata: Element) -> Element? {
        metadata.all("info", Namespaces.avatarMetadata).first { $0["url"] == nil }
    }

    /// XEP-0153 §3.1: forty hexadecimal digits; what else stands there does not go into presence.
    static func isHash(_ text: String) -> Bool { text.utf8.count == 40 && text.utf8.allSatisfy(isDigit) }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
    }
}
