// XEP-0012: Last Activity, version 2.0, complete for a server and its accounts
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// When somebody was there last, for contacts who see his presence, and how long the server has been running, for everybody.
extension Sessions {
    /// For domains and accounts. Whoever does not see an account is told the same whether there is one or not.
    public static let lastActivity = ServiceDeclaration(
        "LastActivity", features: [.init(Namespaces.lastActivity, of: [.account] + ServiceDeclaration.Subject.everyHost)],
        requests: [
            .init(
                "query", Namespaces.lastActivity, [.get], to: [.ownAccount, .contact, .stranger, .host], at: Host.Kind.allCases)
        ])

    /// The bytes of the last words that are kept: a sentence.
    private static let statusBytes = 200

    /// §3, §5.
    public func answerLastActivity(_ request: Request, _ turn: Turn) -> Answer {
        if request.scope == .host { return .result(Self.answer(since: turn.now - startedAt, "")) }
        guard request.scope != .stranger, let account = request.account else { return .error(StanzaError(.forbidden)) }
        if let place = online.place(of: account.number), !online[place].sessions.isEmpty {
            return .result(Self.answer(since: 0, ""))
        }
        guard let row = LastActivityTable.row(account.number, in: turn.store) else {
            return .error(StanzaError(.itemNotFound, text: "Was never there"))
        }
        return .result(Self.answer(since: turn.wall.milliseconds - row.time.milliseconds, row.status))
    }

    private static func answer(since milliseconds: Int64, _ status: String) -> Element {
        Element("query", Namespaces.lastActivity, [("seconds", String(max(0, milliseconds) / 1000))], text: status)
    }

    /// §4: a resource is asked only by who may see it.
    public func mayAskLastActivity(_ envelope: borrowing Envelope, _ turn: Turn) -> Bool {
        guard envelope.stanza.kind == .iq, envelope.stanza.iqType?.isRequest == true, let from = envelope.stanza.from,
            let to = envelope.stanza.to?.bare
        else { return true }
        if from.hasSameBare(as: to) { return true }
        return accountNumber(of: to, turn).map { isSubscribed(from, to: $0, turn) } ?? false
    }

    /// An account has become unavailable, and has said that at last.
    func noteLastActivity(_ account: AddressNumber, _ presence: Stanza, _ turn: Turn) {
        guard turn.admits(.note) else { return }
        let words = presence.payload("status", Namespaces.client)?.text ?? ""
        var status = ""
        for character in words {
            guard status.utf8.count + character.utf8.count <= Self.statusBytes else { break }
            status.append(character)
        }
        turn.lazily { LastActivityTable.put(account, .init(time: turn.wall, status: status), in: turn.store) }
    }
}
