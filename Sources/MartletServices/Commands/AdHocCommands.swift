// XEP-0050: Ad-Hoc Commands, version 1.3.0, complete for commands of people's domains
import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The commands of a people's domain: found by service discovery by whom they are for, and carried out by whoever has them. Nothing is
/// kept between the stages of one: its form, and where there is none its session's name, says everything, so a session cannot expire, nor
/// be taken over.
public enum AdHocCommands {
    /// All of them.
    static let all = [QueueCommand.command] + AdministrationCommands.all

    /// For people's domains.
    public static let declaration = ServiceDeclaration(
        "AdHocCommands",
        features: [
            .init(Namespaces.commands, of: [.host(.people)], when: { policy in all.contains { $0.isOffered(policy) } })
        ],
        requests: [.init("command", Namespaces.commands, [.set], to: .host)])

    /// The bytes of a session's name: ours have a third of that.
    private static let sessionBytes = 128

    /// A request of somebody.
    public static func answer(_ request: Request, _ turn: Turn) -> Answer {
        let element = request.payload
        guard let node = element["node"], let command = all.first(where: { $0.node == node && $0.isOffered(turn.policy) }),
            command.audience == .people || command.isFor(request, turn.policy)
        else { return .error(StanzaError(.itemNotFound)) }
        guard command.isFor(request, turn.policy), let account = request.stanza.from?.bare else {
            return .error(StanzaError(.forbidden))
        }
        guard let action = CommandAction(rawValue: element["action"] ?? "execute") else { return refusal(.malformedAction) }
        let form = element.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        let session = element["sessionid"]
        guard session?.utf8.count ?? 0 <= sessionBytes else { return refusal(.badSession) }
        if let session, action == .cancel || form?.kind == .cancel {
            return .result(Self.element(node, session, .canceled))
        }
        guard action == .execute || (session != nil && action != .prev) else { return refusal(.badAction) }
        let asked = CommandRequest(
            request: request, account: account, node: node, session: session ?? turn.random.identifier(),
            isFirst: session == nil, action: action, form: form?.kind == .submit ? form : nil)
        switch command.take(asked, turn) {
        case .form(let form, let actions):
            return .result(Self.element(node, asked.session, .executing, form: form, actions: actions))
        case .done(let words): return .result(Self.element(node, asked.session, .completed, note: words.map { .info($0) }))
        case .ask(let question): return .ask(question)
        case .refusal(let why): return refusal(why)
        case .error(let error): return .error(error)
        }
    }

    /// §4.4: a condition of its own beside that of RFC 6120.
    private static func refusal(_ why: CommandRefusal) -> Answer {
        .error(StanzaError(.badRequest), Element(why.rawValue, Namespaces.commands))
    }

    /// A stage of a command as it is answered (§3.2).
    static func element(
        _ node: String, _ session: String, _ status: CommandStatus, note: CommandNote? = nil, form: DataForm? = nil,
        actions: [CommandAction] = []
    ) -> Element {
        var command = Element(
            "command", Namespaces.commands, [("node", node), ("sessionid", session), ("status", status.rawValue)])
        if let first = actions.first {
            var element = Element("actions", Namespaces.commands, [("execute", first.rawValue)])
            for action in actions { element.append(Element(action.rawValue, Namespaces.commands)) }
            command.append(element)
        }
        if let note { command.append(Element("note", Namespaces.commands, [("type", note.type)], text: note.words)) }
        if let form { command.append(form.element) }
        return command
    }

    // MARK: discovery

    /// §2.2, §2.3: what service discovery says of the list of commands, and of each command. Of one that is not for whoever asks it says
    /// what it says of one that does not exist.
    static func info(_ node: String, _ request: Request, _ turn: Turn) -> Element? {
        let offered = all.filter { $0.isOffered(turn.policy) }
        guard request.host?.kind == .people, !offered.isEmpty else { return nil }
        let (type, name): (String, String)
        if node == Namespaces.commands {
            (type, name) = ("command-list", "Commands")
        } else if let command = offered.first(where: { $0.node == node }),
            command.audience == .people || command.isFor(request, turn.policy)
        {
            (type, name) = ("command-node", command.name)
        } else {
            return nil
        }
        let identity = [("category", "automation"), ("type", type), ("name", name)]
        var info = Element("query", Namespaces.discoInfo, [("node", node)])
        info.append(Element("identity", Namespaces.discoInfo, identity))
        for feature in [Namespaces.commands, Namespaces.dataForms] where type == "command-node" {
            info.append(Element("feature", Namespaces.discoInfo, [("var", feature)]))
        }
        return info
    }

    /// §2.2: the list of those that are for whoever asks.
    static func items(_ node: String, _ request: Request, _ turn: Turn) -> [Element] {
        guard node == Namespaces.commands, let host = request.host, host.kind == .people else { return [] }
        return all.filter { $0.isFor(request, turn.policy) }.map {
            Element(
                "item", Namespaces.discoItems,
                [("jid", host.domain.description), ("node", $0.node), ("name", $0.name)])
        }
    }
}
