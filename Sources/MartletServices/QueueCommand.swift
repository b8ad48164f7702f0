import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The command by which people see which of their own messages wait for other offices, with their first words, and cancel some.
///
/// Nothing is kept between the two steps: the form says everything, so a session cannot expire, nor be taken over.
public enum QueueCommand {
    /// The node.
    static let node = "urn:martlet:queue"
    /// What people read.
    static let name = "My waiting messages"
    /// Entries that one form can cancel: what one form shows.
    private static let selectionLimit = 100
    private static let field = "entries"

    /// A request of somebody.
    static func answer(_ request: Request, _ turn: Turn) -> Answer {
        let (command, stanza) = (request.payload, request.stanza)
        guard request.session != nil, let account = stanza.from?.bare, stanza.to?.domainpart == account.domainpart else {
            return .error(StanzaError(.forbidden))
        }
        func question(_ session: String, cancelling entries: [String]) -> Answer {
            .ask(.ownEntries(QueueQuestion(request: stanza, account: account, session: session, cancelled: entries)))
        }
        guard let session = command["sessionid"] else {
            guard command["action"] ?? "execute" == "execute" else { return refusal("bad-action") }
            return question(turn.random.identifier(), cancelling: [])
        }
        let form = command.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        switch (command["action"] ?? "execute", form?.kind) {
        case ("cancel", _), ("execute", .cancel), ("complete", .cancel), ("next", .cancel):
            return .result(answer(session, status: "canceled"))
        case ("execute", .submit?), ("complete", .submit?), ("next", .submit?):
            let chosen = Array((form?.values(field) ?? []).prefix(selectionLimit))
            guard !chosen.isEmpty else {
                return .result(answer(session, status: "completed", note: "No message was chosen."))
            }
            return question(session, cancelling: chosen)
        case ("execute", _), ("complete", _), ("next", _): return refusal("bad-payload")
        case ("prev", _): return refusal("bad-action")
        default: return refusal("malformed-action")
        }
    }

    /// The answer to a question.
    public static func answer(_ question: QueueQuestion, _ cancelled: [Cancellation], _ entries: OwnEntries) -> Stanza {
        if !cancelled.isEmpty {
            return question.request.result(
                answer(
                    question.session, status: "completed", note: outcome(cancelled),
                    noteType: cancelled.contains(.mayHaveArrived) ? "warn" : "info"))
        }
        guard !entries.rows.isEmpty else {
            let note = entries.isCut ? "The queue is too long to find your messages now." : "None of your messages is waiting."
            return question.request.result(answer(question.session, status: "completed", note: note))
        }
        var command = answer(question.session, status: "executing")
        command.append(
            Element(
                "actions", Namespaces.commands, [("execute", "complete")], elements: [Element("complete", Namespaces.commands)])
        )
        command.append(form(entries).element)
        return question.request.result(command)
    }

    private static func form(_ entries: OwnEntries) -> DataForm {
        let more = entries.isCut ? " Only the oldest are shown." : ""
        var form = DataForm(
            .form, title: name,
            instructions: "These messages wait until the other office can be reached. Choose those to cancel.\(more)")
        form.fields = [
            DataForm.Field(
                field, type: "list-multi", label: "Messages to cancel",
                options: entries.rows.map {
                    DataForm.Option("to \($0.to.bare), \(age($0.age)): \($0.words)", value: $0.id)
                })
        ]
        return form
    }

    private static func age(_ milliseconds: Int64) -> String {
        let minutes = milliseconds / 60_000
        switch minutes {
        case ..<1: return "less than a minute"
        case 1: return "1 minute"
        case ..<120: return "\(minutes) minutes"
        case ..<2880: return "\(minutes / 60) hours"
        default: return "\(minutes / 1440) days"
        }
    }

    private static func outcome(_ cancelled: [Cancellation]) -> String {
        let done = cancelled.count { $0 == .cancelled }
        let unsure = cancelled.count { $0 == .mayHaveArrived }
        let gone = cancelled.count { $0 == .notFound }
        var sentences: [String] = []
        if done > 0 { sentences.append("Cancelled: \(done).") }
        if unsure > 0 { sentences.append("Not sent again, but may have arrived: \(unsure).") }
        if gone > 0 { sentences.append("Not waiting any more: \(gone).") }
        return sentences.joined(separator: " ")
    }

    private static func answer(_ session: String, status: String, note: String? = nil, noteType: String = "info") -> Element {
        var command = Element(
            "command", Namespaces.commands, [("node", node), ("sessionid", session), ("status", status)])
        if let note { command.append(Element("note", Namespaces.commands, [("type", noteType)], text: note)) }
        return command
    }

    /// XEP-0050 §4.4: a condition of its own beside that of RFC 6120.
    private static func refusal(_ condition: String) -> Answer {
        .error(StanzaError(.badRequest), Element(condition, Namespaces.commands))
    }
}
