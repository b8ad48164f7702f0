import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Who may do what with a node (XEP-0060 §4).
extension PubSub {
    /// A node that a request names.
    struct Node {
        let number: NodeNumber
        var row: NodeRow
        let affiliation: NodeAffiliation

        var configuration: NodeConfiguration { row.configuration }
    }

    /// There is no such node, for whoever asks.
    ///
    /// COMPAT(Profanity 0.13): publishes its first list of devices (XEP-0384) only where the error has the code of XEP-0086.
    static var noSuchNode: StanzaError {
        var error = StanzaError(.itemNotFound)
        error.code = 404
        return error
    }

    /// The node that `action` names, as it is to the asker.
    func node(_ action: Element, _ asker: Asker, _ turn: Turn) -> Result<Node, Refused> {
        guard let name = action["node"], !name.isEmpty else {
            return .failure(Refused(.pubsub(.badRequest, "nodeid-required")))
        }
        guard let node = node(named: name, asker, turn) else { return .failure(Refused(.error(Self.noSuchNode))) }
        return .success(node)
    }

    /// A node by its name, as it is to the asker.
    func node(named name: String, _ asker: Asker, _ turn: Turn) -> Node? {
        guard let (number, row) = PubSubNodeTable.node(name, of: asker.service.number, in: turn.store) else { return nil }
        return Node(number: number, row: row, affiliation: affiliation(of: asker, number, row, turn))
    }

    /// What the asker is to a node.
    func affiliation(of asker: Asker, _ number: NodeNumber, _ row: NodeRow, _ turn: Turn) -> NodeAffiliation {
        if asker.isSelf { return .owner }
        guard row.affiliations > 0 else { return .none }
        return PubSubMemberTable.affiliation(number, asker.bare, in: turn.store)
    }

    /// The node of `action`, of which the asker is an owner.
    func ownNode(_ action: Element, _ asker: Asker, _ turn: Turn) -> Result<Node, Refused> {
        switch node(action, asker, turn) {
        case .failure(let refused): .failure(refused)
        case .success(let node):
            node.affiliation == .owner ? .success(node) : .failure(Refused(.error(StanzaError(.forbidden))))
        }
    }

    /// Why the asker may not see what a node has; nil where he may.
    func objection(toReading node: Node, by asker: Asker, _ turn: Turn) -> Answer? {
        switch node.affiliation {
        case .owner, .publisher, .member: return nil
        case .outcast, .publishOnly: return .error(StanzaError(.forbidden))
        case .none: break
        }
        switch node.configuration.access {
        case .open: return nil
        case .presence:
            if rosterRow(of: asker.jid, asker.service, turn)?.flags.contains(.from) == true { return nil }
            return .pubsub(.notAuthorized, "presence-subscription-required")
        case .roster:
            if let row = rosterRow(of: asker.jid, asker.service, turn), Self.isInGroup(row, node.configuration) { return nil }
            return .pubsub(.notAuthorized, "not-in-roster-group")
        case .whitelist: return .pubsub(.notAllowed, "closed-node")
        case .authorize:
            let all = PubSubMemberTable.subscriptions(node.number, of: asker.bare, in: turn.store)
            if all.contains(where: { $0.state == .subscribed }) { return nil }
            return .pubsub(.notAuthorized, "not-subscribed")
        }
    }

    /// Whether a contact that sees the account's presence may see what a node has without having subscribed to it.
    func isVisible(
        _ configuration: NodeConfiguration, of node: NodeNumber, to contact: AddressNumber, _ bare: JID,
        _ service: Service, hasMembers: Bool, _ turn: Turn
    ) -> Bool {
        let affiliation = hasMembers ? PubSubMemberTable.affiliation(node, bare, in: turn.store) : .none
        switch affiliation {
        case .owner, .publisher, .member: return true
        case .outcast, .publishOnly: return false
        case .none: break
        }
        switch configuration.access {
        case .open, .presence: return true
        case .roster:
            return RosterTable.row(service.number, contact, in: turn.store).map { Self.isInGroup($0, configuration) } ?? false
        case .whitelist, .authorize: return false
        }
    }

    private static func isInGroup(_ row: RosterRow, _ configuration: NodeConfiguration) -> Bool {
        row.flags.contains(.from) && row.groups.contains { configuration.groups.contains($0) }
    }

    /// What an address is in the roster of an account.
    func rosterRow(of jid: JID, _ service: Service, _ turn: Turn) -> RosterRow? {
        guard service.isAccount, let number = AddressTable.number(of: jid.bare, in: turn.store) else { return nil }
        return RosterTable.row(service.number, number, in: turn.store)
    }

    /// Whether the asker may publish to a node (§7.1.3.1).
    func mayPublish(_ node: Node, _ asker: Asker, _ turn: Turn) -> Bool {
        switch node.affiliation {
        case .owner, .publisher, .publishOnly: return true
        case .outcast: return false
        case .member, .none: break
        }
        switch node.configuration.publishing {
        case .publishers: return false
        case .open: return objection(toReading: node, by: asker, turn) == nil
        case .subscribers:
            return PubSubMemberTable.subscriptions(node.number, of: asker.bare, in: turn.store)
                .contains { $0.state == .subscribed }
        }
    }

    /// Whether the asker may make a node.
    func mayCreate(_ asker: Asker, _ turn: Turn) -> Bool {
        if asker.service.isAccount { return asker.isSelf }
        let policy = turn.policy.pubsub
        let domain = asker.jid.domainpart
        if policy.namedCreators.contains(where: { $0 == domain || $0 == asker.bare.description }) { return true }
        switch policy.creators {
        case .nobody: return false
        case .people: return turn.policy.hasPeople(at: domain)
        case .offices: return turn.policy.hasPeople(at: domain) || turn.policy.isOffice(domain)
        }
    }
}

/// Why something is not done.
struct Refused: Error, CustomStringConvertible {
    let answer: Answer

    var description: String {
        if case .error(let error, _) = answer { "\(error)" } else { "refused" }
    }

    init(_ answer: Answer) { self.answer = answer }
}
