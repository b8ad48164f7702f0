// XEP-0050: Ad-Hoc Commands, version 1.3.0, for one command on the server: my waiting messages
import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The command by which people see which of their own messages wait for other offices, and cancel some. First words of
/// messages are not shown: the sender knows them, and whoever looks over the shoulder need not.
///
/// Nothing is kept between the two steps: the form says everything, so a session cannot expire, nor be taken over.
enum QueueCommand {
    /// The node.
    static let node = "urn:martlet:queue"
    /// What people read.
    static let name = "My waiting messages"
    /// Entries that one form can cancel: what one form shows.
    private static let selectionLimit = 100
    private static let field = "entries"

    /// The first answer to a request: an error, an end, or a question that federation has to answer.
    enum Step {
        case question(QueueQuestion)
        case reply(Stanza)
    }

    /// A request of somebody; `isOwn` if a client of this site sent it.
    static func received(_ command: Element, _ stanza: Stanza, isOwn: Bool, _ turn: Turn) -> Step {
        guard command["node"] == node, turn.policy.federates else { return refusal(stanza, .itemNotFound) }
        guard isOwn, let account = stanza.from?.bare, stanza.to?.domainpart == account.domainpart else {
            return refusal(stanza, .forbidden)
        }
        guard let session = command["sessionid"] else {
            guard command["action"] ?? "execute" == "execute" else { return refusal(stanza, .badRequest, "bad-action") }
            return .question(QueueQuestion(request: stanza, account: account, session: turn.random.identifier(), cancelled: []))
        }
        let form = command.first("x", Namespaces.dataForms).flatMap(DataForm.init)
        switch (command["action"] ?? "execute", form?.kind) {
        case ("cancel", _), ("execute", .cancel), ("complete", .cancel), ("next", .cancel):
            return .reply(stanza.result(answer(session, status: "canceled")))
        case ("execute", .submit?), ("complete", .submit?), ("next", .submit?):
            let chosen = Array((form?.values(field) ?? []).prefix(selectionLimit))
            guard !chosen.isEmpty else {
                return .reply(stanza.result(answer(session, status: "completed", note: "No message was chosen.")))
            }
            return .question(QueueQuestion(request: stanza, account: account, session: session, cancelled: chosen))
        case ("execute", _), ("complete", _), ("next", _): return refusal(stanza, .badRequest, "bad-payload")
        case ("prev", _): return refusal(stanza, .badRequest, "bad-action")
        default: return refusal(stanza, .badRequest, "malformed-action")
        }
    }

    /// The answer to a question.
    static func answer(_ question: QueueQuestion, _ cancelled: [Cancellation], _ entries: OwnEntries) -> Stanza {
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
                    DataForm.Option("to \($0.to.bare), \(age($0.age)), \($0.bytes) bytes", value: $0.id)
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

    /// XEP-0050 §4.4: an error with a condition of its own beside that of RFC 6120.
    private static func refusal(_ stanza: Stanza, _ condition: StanzaError.Condition, _ own: String? = nil) -> Step {
        var error = StanzaError(condition).element()
        if let own { error.append(Element(own, Namespaces.commands)) }
        return .reply(
            Stanza(.iq, from: stanza.to, to: stanza.from, id: stanza.id, type: "error", payloads: [error]))
    }
}

/// A request of the command that only federation can answer; the site carries it there.
public struct QueueQuestion: Sendable, Equatable {
    /// The request.
    public var request: Stanza
    /// Whose messages.
    public var account: JID
    /// The `sessionid` of the answer.
    var session: String
    /// Entries to cancel; none for a list.
    public var cancelled: [String]
}
