import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Requests to contacts elsewhere, and what becomes of their answers.
extension LastKnown {
    /// A session asks a contact's account for something.
    public mutating func asked(_ envelope: borrowing Envelope, _ turn: Turn) {
        let stanza = envelope.stanza
        guard turn.policy.pubsub.knownBytesPerAccount > 0, case .session(let origin) = envelope.origin, stanza.iqType == .get,
            let id = stanza.id, id.utf8.count <= LastKnownLimits.idBytes, let from = stanza.from, let to = stanza.to, to.isBare,
            to.localpart != nil, let wanted = Wanted(stanza), contact(to, of: origin.account, turn) != nil
        else { return }
        questions.put(Question(id: id, from: from, to: to), wanted)
    }

    /// An answer or an error on its way to a session. Gives what goes there in its place; nil where it goes as it is.
    public mutating func answered(_ envelope: borrowing Envelope, for account: AddressNumber, _ turn: Turn) -> Stanza? {
        let stanza = envelope.stanza
        guard let id = stanza.id, let from = stanza.from, let to = stanza.to else { return nil }
        let wanted = questions[Question(id: id, from: to, to: from)]
        if envelope.origin == .site {
            guard stanza.isError, Self.isUnreached(stanza) else { return nil }
            if let wanted, let contact = contact(from, of: account, turn),
                let answer = answer(wanted, contact, account, by: to.domain, turn)
            {
                return Stanza(.iq, from: from, to: to, id: id, type: "result", payloads: [answer])
            }
            return explained(stanza, turn)
        }
        guard envelope.origin.isPeer, let wanted, let contact = contact(from, of: account, turn) else { return nil }
        if stanza.isError {
            if Self.isRefusal(stanza) { forget(contact, of: account, turn) { wanted.means($0) } }
        } else if let payload = stanza.payloads.first {
            hear(payload, wanted, contact, account, turn)
        }
        return nil
    }

    private func hear(
        _ payload: Element, _ wanted: Wanted, _ contact: AddressNumber, _ account: AddressNumber, _ turn: Turn
    ) {
        guard wanted.kind == .item else {
            guard wanted.isAnswered(by: payload) else { return }
            var known = LastKnownTable.rows(account, contact, in: turn.store)
            return keep(LastKnownTable.Row(wanted.kind, at: turn.wall), payload, contact, account, &known, turn)
        }
        guard payload.is("pubsub", Namespaces.pubsub), let items = payload.first("items", Namespaces.pubsub),
            items["node"] == wanted.node
        else { return }
        heard(items: items, wanted.node, contact, account, Namespaces.pubsub, turn)
    }

    /// What was shown before, marked with the time at which it was last known to be so (XEP-0203).
    private func answer(
        _ wanted: Wanted, _ contact: AddressNumber, _ account: AddressNumber, by domain: JID, _ turn: Turn
    ) -> Element? {
        var known = LastKnownTable.rows(account, contact, in: turn.store).map(\.row).filter { wanted.means($0) }
        if wanted.kind == .item, wanted.ids.isEmpty {
            // What came together is how the node was: of most nodes an item takes the place of the one before, and says so nowhere.
            let newest = known.map(\.arrival).max()
            known = known.filter { $0.arrival == newest }.suffix(wanted.most)
        }
        var bytes = 0
        known = known.reversed().filter { row in
            bytes += row.bytes
            return bytes == row.bytes || bytes <= turn.policy.pubsub.answerBytes
        }.reversed()
        guard let since = known.map(\.at).min() else { return nil }
        let texts = known.map { LastKnownTable.text($0, in: turn.store) }
        let delay = Element("delay", Namespaces.delay, [("from", domain.description), ("stamp", since.description)])
        guard wanted.kind == .item else {
            guard var answer = texts.first.flatMap({ ContentReader.elements(in: $0).first }) else { return nil }
            answer.append(delay)
            return answer
        }
        var items = Element("items", Namespaces.pubsub, [("node", wanted.node)])
        for (row, text) in zip(known, texts) {
            items.append(
                Element(
                    "item", Namespaces.pubsub, row.id.isEmpty ? [] : [("id", row.id)],
                    elements: ContentReader.elements(in: text)))
        }
        return Element("pubsub", Namespaces.pubsub, elements: [items, delay])
    }

    /// The error with words: that the office is cut off, and since when.
    private func explained(_ stanza: Stanza, _ turn: Turn) -> Stanza? {
        guard let error = stanza.payloads.first(where: { $0.is("error", Namespaces.client) }),
            error.first("text", Namespaces.stanzaErrors) == nil, let from = stanza.from, let to = stanza.to
        else { return nil }
        let text = words(DomainPair(local: to.domain, peer: from.domain), turn)
        let said = StanzaError(.remoteServerTimeout, text: text)
        return Stanza(.iq, from: from, to: to, id: stanza.id, type: "error", payloads: [said.element()])
    }

    /// Whether nobody there could be asked.
    private static func isUnreached(_ stanza: Stanza) -> Bool {
        condition(of: stanza) == StanzaError.Condition.remoteServerTimeout.rawValue
    }

    /// Whether whoever was asked says that there is nothing, or nothing for this account.
    private static func isRefusal(_ stanza: Stanza) -> Bool {
        switch condition(of: stanza).flatMap(StanzaError.Condition.init(rawValue:)) {
        case .forbidden, .notAuthorized, .itemNotFound, .serviceUnavailable, .notAllowed, .gone, .subscriptionRequired: true
        default: false
        }
    }

    private static func condition(of stanza: Stanza) -> String? {
        stanza.payloads.first { $0.is("error", Namespaces.client) }?.elements.first { $0.namespace == Namespaces.stanzaErrors }?
            .name
    }
}

extension LastKnown.Wanted {
    /// What a request wants, where that is something that is kept.
    init?(_ stanza: Stanza) {
        let payloads = stanza.payloads
        guard payloads.count == 1 else { return nil }
        let payload = payloads[0]
        switch (payload.name, payload.namespace) {
        case ("vCard", Namespaces.vCardTemp): self.init(kind: .vCardTemp)
        case ("vcard", Namespaces.vCard4): self.init(kind: .vCard4)
        case ("query", Namespaces.discoInfo) where payload["node"] == nil: self.init(kind: .info)
        case ("query", Namespaces.discoItems) where payload["node"] == nil: self.init(kind: .nodes)
        case ("pubsub", Namespaces.pubsub):
            guard let items = payload.elements.first, items.is("items", Namespaces.pubsub), let node = items["node"],
                node.utf8.count <= PubSubPolicy.nameBytes
            else { return nil }
            let ids = items.all("item", Namespaces.pubsub).map { $0["id"] ?? "" }
            guard ids.count <= LastKnownLimits.ids, ids.reduce(0, { $0 + $1.utf8.count }) <= LastKnownLimits.idsBytes else {
                return nil
            }
            self.init(kind: .item, node: node, ids: ids)
            if let text = items["max_items"] {
                guard let number = Int(text), number > 0 else { return nil }
                most = number
            }
        default: return nil
        }
    }

    /// Whether it is about that.
    func means(_ row: LastKnownTable.Row) -> Bool {
        row.kind == kind && row.node == node && (ids.isEmpty || ids.contains(row.id))
    }

    /// Whether that is an answer to it.
    func isAnswered(by payload: Element) -> Bool {
        switch kind {
        case .item: payload.is("pubsub", Namespaces.pubsub)
        case .vCardTemp: payload.is("vCard", Namespaces.vCardTemp)
        case .vCard4: payload.is("vcard", Namespaces.vCard4)
        case .info: payload.is("query", Namespaces.discoInfo)
        case .nodes: payload.is("query", Namespaces.discoItems)
        }
    }
}
