// XEP-0049: Private XML Storage, version 1.2, complete
import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// What clients keep for themselves, by the name of the element. Bookmarks are kept with those of newer clients.
extension PubSub {
    /// For the own account; that others ask is refused as if nobody knew of it.
    public static let privateStorage = ServiceDeclaration(
        "PrivateStorage", features: [.init(Namespaces.privateStorage, of: [.account, .host(.people)])],
        requests: [.init("query", Namespaces.privateStorage, [.get, .set], to: .ownAccount)])

    /// Reads or writes.
    public mutating func answerPrivate(_ request: Request, _ turn: Turn) -> Answer {
        guard let account = request.account, let from = request.stanza.from else { return .error(StanzaError(.forbidden)) }
        let elements = request.payload.elements
        guard elements.count == 1, let element = elements.first, !element.namespace.isEmpty else {
            return .error(StanzaError(elements.isEmpty ? .badRequest : .notAcceptable))
        }
        let asker = Asker(
            jid: from, service: Service(jid: account.jid, number: account.number, isAccount: true), isSelf: true,
            party: .account(account.number))
        let name = "\(element.namespace) \(element.name)"
        let isBookmarks = element.is("storage", Namespaces.bookmarkStorage) && turn.policy.pubsub.isEnabled
        if request.type == .get {
            var found = isBookmarks ? storedBookmarks(asker, turn) : nil
            if found == nil, let kept = PrivateStorageTable.value(of: name, account.number, in: turn.store) {
                found = ContentReader.elements(in: kept).first
            }
            return .result(
                Element("query", Namespaces.privateStorage, elements: [found ?? Element(element.name, element.namespace)]))
        }
        if isBookmarks { return setBookmarks(element, asker, turn) ?? .result() }
        let text = element.serialized(within: Namespaces.client)
        let others = PrivateStorageTable.size(of: account.number, without: name, in: turn.store)
        guard others.count < PubSubLimits.privateElements, others.bytes + text.count <= PubSubLimits.privateBytes else {
            let text = "No more than \(PubSubLimits.privateBytes) bytes can be kept there"
            return .error(StanzaError(.resourceConstraint, .cancel, text: text))
        }
        guard turn.admits(.state, bytes: text.count) else { return .error(.diskNearlyFull) }
        PrivateStorageTable.put(name, account.number, text, in: turn.store)
        return .result()
    }
}
