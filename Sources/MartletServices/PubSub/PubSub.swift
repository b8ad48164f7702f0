// XEP-0163: Personal Eventing Protocol, version 1.2.2, complete
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Nodes to which something is published (XEP-0060), of accounts (XEP-0163) and of hosts for them, and the news of it.
///
/// Owned by the site and lives as long as it. Nodes, items and subscriptions are in the store; here is who is available and wants which
/// news, and news on their way. An item is on disk before its publisher has an answer. News are not kept: whoever could not be reached
/// is told the last item when he is there again.
public struct PubSub {
    /// Who is available, and what of.
    var entities = Entities()
    /// What hashes of capabilities stand for.
    var capabilities = Capabilities()
    /// News on their way, and rows that are being removed.
    var jobs = NewsJobs()
    /// When the timer for items that go by themselves fires; nil where none is set.
    var nextExpiry: Instant?

    /// Whose nodes they are.
    struct Service: Sendable, Equatable {
        /// The account or the host.
        let jid: JID
        /// Its number in the store.
        let number: AddressNumber
        let isAccount: Bool
    }

    /// Somebody who asks for something.
    struct Asker {
        let jid: JID
        let service: Service
        /// The account itself.
        let isSelf: Bool
        let party: Party

        var bare: JID { jid.bare }
    }

    /// For accounts, and for hosts of nodes.
    public static let declaration = ServiceDeclaration(
        "PubSub",
        features: PubSubFeatures.everywhere.map {
            .init($0, of: [.account, .host(.pubsub)], when: \.pubsub.isEnabled)
        } + PubSubFeatures.ofAccounts.map { .init($0, of: [.account], when: \.pubsub.isEnabled) }
            + PubSubFeatures.ofHosts.map { .init($0, of: [.host(.pubsub)]) },
        identities: [.init("pubsub", "pep", of: .account, when: \.pubsub.isEnabled)],
        requests: [
            .init("pubsub", Namespaces.pubsub, [.get, .set], to: everybody, at: [.pubsub]),
            .init("pubsub", Namespaces.pubsubOwner, [.get, .set], to: everybody, at: [.pubsub]),
        ])

    /// Who sees what is decided by the nodes.
    private static let everybody: RequestScope = [.ownAccount, .contact, .stranger, .host]

    /// No nodes; ``boot(_:)`` follows.
    public init() {}

    /// After a start: what was being removed goes on.
    public mutating func boot(_ turn: Turn) {
        capabilities.boot(turn)
        for node in PubSubNodeTable.sweeps(in: turn.store) {
            guard let row = PubSubNodeTable.row(node, in: turn.store) else { continue }
            jobs.add(.sweep(node), of: row.owner)
        }
        scheduleExpiry(turn)
        scheduleWork(turn)
    }

    /// One of our timers fired.
    public mutating func timerFired(_ timer: PubSubTimer, _ turn: Turn) {
        switch timer {
        case .work: workDue(turn)
        case .expiry: expiryDue(turn)
        }
    }

    /// A request. To strangers of an account there are no reasons: who exists is nobody's business.
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard let asker = asker(of: request, turn) else {
            return .error(request.host == nil ? Self.noSuchNode : StanzaError(.serviceUnavailable))
        }
        let answer =
            request.payload.namespace == Namespaces.pubsubOwner
            ? answerOwner(request, asker, turn) : answerUser(request, asker, turn)
        if request.scope == .stranger {
            if request.payload.elements.first?.name == "default" { return .error(Self.noSuchNode) }
            switch answer {
            case .error, .refusal: return .error(Self.noSuchNode)
            case .result, .ask, .later: break
            }
        }
        return answer
    }

    private func asker(of request: Request, _ turn: Turn) -> Asker? {
        guard let from = request.stanza.from else { return nil }
        let service: Service
        if let account = request.account {
            guard turn.policy.pubsub.isEnabled else { return nil }
            service = Service(jid: account.jid, number: account.number, isAccount: true)
        } else if let host = request.host, host.kind == .pubsub {
            guard let number = AddressTable.number(of: host.domain, in: turn.store) else {
                guard turn.admits(.state) else { return nil }
                let made = AddressTable.makeNumber(of: host.domain, in: turn.store)
                return Asker(
                    jid: from, service: Service(jid: host.domain, number: made, isAccount: false), isSelf: false,
                    party: request.envelope.origin.party)
            }
            service = Service(jid: host.domain, number: number, isAccount: false)
        } else {
            return nil
        }
        return Asker(
            jid: from, service: service, isSelf: request.scope == .ownAccount, party: request.envelope.origin.party)
    }

    private mutating func answerUser(_ request: Request, _ asker: Asker, _ turn: Turn) -> Answer {
        let pubsub = request.payload
        guard let action = pubsub.elements.first, action.namespace == Namespaces.pubsub else {
            return .error(StanzaError(.badRequest))
        }
        switch (request.type, action.name) {
        case (.set, "publish"): return publish(action, options: pubsub.first("publish-options", Namespaces.pubsub), asker, turn)
        case (.set, "retract"): return retract(action, asker, turn)
        case (.get, "items"): return items(action, pubsub, asker, turn)
        case (.set, "create"): return create(action, pubsub.first("configure", Namespaces.pubsub), asker, turn)
        case (.set, "subscribe"): return subscribe(action, pubsub.first("options", Namespaces.pubsub), asker, turn)
        case (.set, "unsubscribe"): return unsubscribe(action, asker, turn)
        case (.get, "options"): return options(action, asker, turn)
        case (.set, "options"): return setOptions(action, asker, turn)
        case (.get, "subscriptions"): return ownSubscriptions(action, asker, turn)
        case (.get, "affiliations"): return ownAffiliations(action, asker, turn)
        case (.get, "default"): return defaultOptions(action)
        default: return .error(StanzaError(.badRequest))
        }
    }

    private mutating func answerOwner(_ request: Request, _ asker: Asker, _ turn: Turn) -> Answer {
        guard let action = request.payload.elements.first, action.namespace == Namespaces.pubsubOwner else {
            return .error(StanzaError(.badRequest))
        }
        switch (request.type, action.name) {
        case (.get, "configure"): return configuration(action, asker, turn)
        case (.set, "configure"): return configure(action, asker, turn)
        case (.get, "default"): return defaultConfiguration(asker, turn)
        case (.set, "delete"): return delete(action, asker, turn)
        case (.set, "purge"): return purge(action, asker, turn)
        case (.get, "subscriptions"): return subscriptions(action, asker, turn)
        case (.set, "subscriptions"): return setSubscriptions(action, asker, turn)
        case (.get, "affiliations"): return affiliations(action, asker, turn)
        case (.set, "affiliations"): return setAffiliations(action, asker, turn)
        default: return .error(StanzaError(.badRequest))
        }
    }
}

extension Answer {
    /// An error of XEP-0060: the condition of RFC 6120, and its own beside it.
    static func pubsub(_ condition: StanzaError.Condition, _ own: String, feature: String? = nil) -> Answer {
        .error(
            StanzaError(condition),
            Element(own, Namespaces.pubsubErrors, feature.map { [("feature", $0)] } ?? []))
    }
}
