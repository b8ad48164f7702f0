// XEP-0191: Blocking Command, version 1.3, complete
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// With whom accounts want to have nothing to do: addresses, all resources of them, or whole domains. Polite blocking (§4): the other
/// side sees somebody who is not there, and subscriptions stay as they are.
///
/// The site owns one. Rows in the store, and here what each stanza is held against: of all accounts, within bounds for each. Look-up only.
public struct Blocking {
    /// What one account has blocked.
    private struct List {
        let account: AddressNumber
        /// In the order in which it was done.
        var addresses: [JID] = []
        /// The same. Look-up only.
        var members: Set<JID> = []
        var bytes = 0

        /// One more; false where it is there already.
        mutating func insert(_ address: JID) -> Bool {
            guard members.insert(address).inserted else { return false }
            addresses.append(address)
            bytes += address.bytes
            return true
        }
    }

    /// By the bare JID of the account; never empty ones. Look-up only.
    private var lists: [JID: List] = [:]

    /// Somebody has blocked somebody.
    public var isUsed: Bool { !lists.isEmpty }

    /// Addresses in one request: a list that another server had is brought in a few.
    static let itemsPerRequest = 1000

    /// Nobody has blocked anybody; ``boot(_:)`` follows.
    public init() {}

    /// For each account about itself.
    public static let declaration = ServiceDeclaration(
        "Blocking", features: [.init(Namespaces.blocking, of: [.host(.people), .account])],
        requests: [
            .init("blocklist", Namespaces.blocking, [.get], to: .ownAccount),
            .init("block", Namespaces.blocking, [.set], to: .ownAccount),
            .init("unblock", Namespaces.blocking, [.set], to: .ownAccount),
        ])

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        var last: (number: AddressNumber, jid: JID?) = (AddressNumber(0), nil)
        BlockTable.forEach(in: turn.store) { account, address in
            if account != last.number {
                // What an account had that is being removed goes with that.
                let isThere = AccountTable.exists(account, in: turn.store)
                last = (account, isThere ? AddressTable.address(account, in: turn.store) : nil)
            }
            guard let jid = last.jid else { return }
            let blocked = AddressTable.address(address, in: turn.store)
            if lists[jid, default: List(account: account)].insert(blocked) {
                turn.memory.changed(by: blocked.bytes, for: .account(account))
            }
        }
    }

    /// An account is gone; its rows go with the rest.
    public mutating func accountRemoved(_ account: AccountName, _ turn: Turn) {
        guard let list = lists.removeValue(forKey: account.jid) else { return }
        turn.memory.changed(by: -list.bytes, for: .account(account.number))
    }

    /// §5: whether an account has blocked an address, by itself, with all its resources, or with its domain.
    public func blocks(_ address: JID, for account: JID) -> Bool {
        guard let list = lists[account], !address.hasSameBare(as: account) else { return false }
        let members = list.members
        return members.contains(address) || (address.isFull && members.contains(address.bare))
            || members.contains(address.domain)
    }

    // MARK: requests

    /// §3.2, §3.3, §3.4, §3.5.
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        guard let account = request.account, let session = request.session?.session else {
            return .error(StanzaError(.forbidden))
        }
        do throws(StanzaError) {
            switch request.payload.name {
            case "blocklist":
                turn.notify(.blocksAsked(session))
                return .result(Self.element("blocklist", lists[account.jid]?.addresses ?? []))
            case "block": try block(request.payload, account, session, turn)
            default: try unblock(request.payload, account, session, turn)
            }
            return .result()
        } catch {
            return .error(error)
        }
    }

    private static func element(_ name: String, _ addresses: [JID]) -> Element {
        Element(
            name, Namespaces.blocking,
            elements: addresses.map { Element("item", Namespaces.blocking, [("jid", $0.description)]) })
    }

    private static func items(_ payload: Element) throws(StanzaError) -> [(jid: JID, item: Element)] {
        var items: [(JID, Element)] = []
        for item in payload.all("item", Namespaces.blocking) {
            guard let text = item["jid"] else { throw StanzaError(.badRequest) }
            guard let jid = try? JID(text) else {
                throw StanzaError(.jidMalformed, text: "One of the addresses is none")
            }
            items.append((jid, item))
        }
        guard items.count <= itemsPerRequest else {
            throw StanzaError(.policyViolation, text: "At most \(itemsPerRequest) addresses in one request")
        }
        return items
    }

    private mutating func block(
        _ payload: Element, _ account: AccountName, _ session: SessionID, _ turn: Turn
    ) throws(StanzaError) {
        let items = try Self.items(payload)
        guard !items.isEmpty else { throw StanzaError(.badRequest) }
        var list = lists[account.jid] ?? List(account: account.number)
        let before = list.bytes
        var new: [JID] = []
        for (jid, _) in items {
            guard !jid.hasSameBare(as: account.jid) else {
                throw StanzaError(.notAllowed, text: "Nobody can block himself")
            }
            if list.insert(jid) { new.append(jid) }
        }
        guard list.addresses.count <= turn.policy.limits.blockedAddresses, list.bytes <= turn.policy.limits.blockedBytes else {
            throw StanzaError(
                .resourceConstraint, text: "No more than \(turn.policy.limits.blockedAddresses) addresses can be blocked")
        }
        guard turn.admits(.state, bytes: list.bytes - before) else { throw .diskNearlyFull }
        for jid in new {
            BlockTable.put(account.number, AddressTable.makeNumber(of: jid, in: turn.store), in: turn.store)
        }
        lists[account.jid] = list
        turn.memory.changed(by: list.bytes - before, for: .account(account.number))
        for (jid, item) in items {
            guard let report = AbuseReport(item) else { continue }
            turn.note(.abuseReported(by: account.jid, of: jid, reason: report.reason, text: report.text))
        }
        tell(
            BlockChange(isBlocked: true, addresses: new, push: Self.element("block", items.map(\.jid)), session: session),
            account, turn)
    }

    private mutating func unblock(
        _ payload: Element, _ account: AccountName, _ session: SessionID, _ turn: Turn
    ) throws(StanzaError) {
        let items = try Self.items(payload)
        guard turn.admits(.upkeep) else { throw .diskNearlyFull }
        let list = lists[account.jid] ?? List(account: account.number)
        // §3.5: without items, everybody.
        let wanted = items.isEmpty ? list.members : Set(items.map(\.jid))
        var rest = List(account: account.number)
        var gone: [JID] = []
        for jid in list.addresses {
            guard wanted.contains(jid) else {
                _ = rest.insert(jid)
                continue
            }
            gone.append(jid)
            if let number = AddressTable.number(of: jid, in: turn.store) {
                BlockTable.remove(account.number, number, in: turn.store)
            }
        }
        lists[account.jid] = rest.addresses.isEmpty ? nil : rest
        turn.memory.changed(by: rest.bytes - list.bytes, for: .account(account.number))
        tell(
            BlockChange(isBlocked: false, addresses: gone, push: Self.element("unblock", items.map(\.jid)), session: session),
            account, turn)
    }

    private func tell(_ change: BlockChange, _ account: AccountName, _ turn: Turn) {
        turn.notify(.blocksChanged(account, change))
    }
}
