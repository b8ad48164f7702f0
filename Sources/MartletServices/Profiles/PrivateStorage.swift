// XEP-0049: Private XML Storage, version 1.2, complete
import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// What clients keep for themselves, by namespace: some ask for another element than they have put there, and get what is there.
/// Bookmarks are kept with those of newer clients.
extension PubSub {
    /// For the own account; that others ask is refused as if nobody knew of it.
    public static let privateStorage = ServiceDeclaration(
        "PrivateStorage", features: [.init(Namespaces.privateStorage, of: [.account, .host(.people)])],
        requests: [.init("query", Namespaces.privateStorage, [.get, .set], to: .ownAccount)])

    /// Reads or writes.
    public mutating func answerPrivate(_ request: Request, _ turn: Turn) -> Answer {
        guard let account = request.account, let from = request.stanza.from else { return .error(StanzaError(.forbidden)) }
        let elements = request.payload.elements
        // §3: more than one, but of one namespace.
        guard let element = elements.first, !element.namespace.isEmpty,
            elements.allSatisfy({ $0.namespace == element.namespace })
        else { return .error(StanzaError(elements.isEmpty ? .badRequest : .notAcceptable)) }
        let asker = Asker(
            jid: from, service: Service(jid: account.jid, number: account.number, isAccount: true), isSelf: true,
            party: .account(account.number))
        let isBookmarks = element.is("storage", Namespaces.bookmarkStorage) && turn.policy.pubsub.isEnabled
        if request.type == .get {
            var found = isBookmarks ? storedBookmarks(asker, turn).map { [$0] } ?? [] : []
            if found.isEmpty, let kept = PrivateStorageTable.value(of: element.namespace, account.number, in: turn.store) {
                found = ContentReader.elements(in: kept)
            }
            if found.isEmpty { found = [Element(element.name, element.namespace)] }
            return .result(Element("query", Namespaces.privateStorage, elements: found))
        }
        if isBookmarks, elements.count == 1 { return setBookmarks(element, asker, turn) ?? .result() }
        let text = elements.flatMap { $0.serialized(within: Namespaces.client) }
        let others = PrivateStorageTable.size(of: account.number, without: element.namespace, in: turn.store)
        guard others.count < PubSubLimits.privateElements, others.bytes + text.count <= PubSubLimits.privateBytes else {
            let text = "No more than \(PubSubLimits.privateBytes) bytes can be kept there"
            return .error(StanzaError(.resourceConstraint, .cancel, text: text))
        }
        guard turn.admits(.state, bytes: text.count) else { return .error(.diskNearlyFull) }
        PrivateStorageTable.put(element.namespace, account.number, text, in: turn.store)
        return .result()
    }
}
