// XEP-0357: Push Notifications, version 0.4.1, complete; how many messages there are is all that is told
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Where messages of accounts are announced whose clients are not connected. The service learns how many there are, and neither who wrote
/// them nor what they say.
///
/// The site owns one. One notification at a time is under way to each registration: what comes meanwhile is counted, and told with the next.
/// Rows in the store, and all of them here, within bounds for each account. Look-up only.
public struct Push {
    struct Registration {
        let number: UInt64
        let service: JID
        var row: PushTable.Row
        /// The notification under way, and since when.
        var request: (id: String, at: Instant)?
        /// Messages of which it was not told.
        var count = 0
        /// Errors in a row that may pass.
        var failures = 0
    }

    struct Account {
        let number: AddressNumber
        var registrations: [Registration] = []
    }

    /// By bare JID; never empty ones. Look-up only.
    var accounts: [JID: Account] = [:]

    /// Somebody wants his messages to be announced.
    public var isUsed: Bool { !accounts.isEmpty }

    /// Bytes of a node's name, and of the form that is sent along: what services give out is a tenth of it.
    private static let nodeBytes = 1023
    private static let optionBytes = 4096
    /// A notification without an answer is given up after so long, milliseconds: many times the way there and back.
    static let patience: Int64 = 120_000
    /// Errors in a row that may pass, until a registration is given up: those of a service that is restarted, and not of one that is gone.
    static let failures = 8

    /// Nobody wants it; ``boot(_:)`` follows.
    public init() {}

    /// For each account about itself.
    public static let declaration = ServiceDeclaration(
        "Push", features: [.init(Namespaces.push, of: [.account, .host(.people)])],
        requests: ["enable", "disable"].map { .init($0, Namespaces.push, [.set], to: .ownAccount) })

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        PushTable.forEach(in: turn.store) { account, number, row in
            guard AccountTable.exists(account, in: turn.store), let service = try? JID(row.service) else { return }
            let jid = AddressTable.address(account, in: turn.store)
            accounts[jid, default: Account(number: account)].registrations.append(
                Registration(number: number, service: service, row: row))
        }
    }

    /// An account is gone; its rows go with the rest.
    public mutating func accountRemoved(_ account: AccountName) { accounts[account.jid] = nil }

    // MARK: requests

    /// §5, §6.
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard let account = request.account, let from = request.stanza.from, request.session != nil else {
            return .error(StanzaError(.forbidden))
        }
        guard let text = request.payload["jid"] else { return .error(StanzaError(.badRequest)) }
        guard let service = try? JID(text) else { return .error(StanzaError(.jidMalformed)) }
        let node = request.payload["node"]
        if request.payload.name == "disable" {
            remove(of: account, turn) { $0.service == service && (node == nil || $0.row.node == node) }
            return .result()
        }
        guard !service.hasSameBare(as: account.jid) else { return .error(StanzaError(.notAllowed)) }
        var options: [UInt8] = []
        if let form = request.payload.first("x", Namespaces.dataForms) {
            guard DataForm(form)?.values("FORM_TYPE") == [Namespaces.nodes + "#publish-options"] else {
                return .error(StanzaError(.badRequest))
            }
            form.write(to: &options, within: Namespaces.nodes)
        }
        guard (node ?? "").utf8.count <= Self.nodeBytes, options.count <= Self.optionBytes else {
            return .error(StanzaError(.policyViolation, text: "Node or options are too long"))
        }
        let row = PushTable.Row(
            service: service.description, node: node ?? "", options: options, resource: from.resourcepart ?? "")
        return enable(row, service, account, turn)
    }

    private mutating func enable(_ row: PushTable.Row, _ service: JID, _ account: AccountName, _ turn: Turn) -> Answer {
        var own = accounts[account.jid] ?? Account(number: account.number)
        let known = own.registrations.firstIndex { $0.service == service && $0.row.node == row.node }
        guard known != nil || own.registrations.count < turn.policy.limits.pushRegistrations else {
            return .error(
                StanzaError(
                    .resourceConstraint, text: "No more than \(turn.policy.limits.pushRegistrations) devices can be told"))
        }
        guard turn.admits(.state, bytes: row.options.count) else { return .error(.diskNearlyFull) }
        if let known {
            // §5: the last request counts.
            own.registrations[known].row = row
            own.registrations[known].failures = 0
            PushTable.put(account.number, own.registrations[known].number, row, in: turn.store)
        } else {
            let number = (own.registrations.map(\.number).max() ?? 0) + 1
            own.registrations.append(Registration(number: number, service: service, row: row))
            PushTable.put(account.number, number, row, in: turn.store)
        }
        accounts[account.jid] = own
        return .result()
    }

    /// Removes the registrations of an account for which `condition` holds.
    mutating func remove(of account: AccountName, _ turn: Turn, where condition: (Registration) -> Bool) {
        guard var own = accounts[account.jid] else { return }
        for registration in own.registrations where condition(registration) {
            PushTable.remove(account.number, registration.number, in: turn.store)
        }
        own.registrations.removeAll(where: condition)
        accounts[account.jid] = own.registrations.isEmpty ? nil : own
    }
}
