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

    /// For our own people, where anything can wait.
    static let command = AdHocCommand(
        node: node, name: name, audience: .people, isOffered: \.federation.isEnabled, take: { asked, _ in take(asked) })

    private static func take(_ asked: CommandRequest) -> CommandReply {
        func question(cancelling entries: [String]) -> CommandReply {
            .ask(
                .ownEntries(
                    QueueQuestion(
                        request: asked.request.stanza, account: asked.account, session: asked.session, cancelled: entries)))
        }
        if asked.isFirst { return question(cancelling: []) }
        guard let form = asked.form else { return .refusal(.badPayload) }
        let chosen = Array(form.values(field).prefix(selectionLimit))
        return chosen.isEmpty ? .done("No message was chosen.") : question(cancelling: chosen)
    }

    /// The answer to a question.
    public static func answer(_ question: QueueQuestion, _ cancelled: [Cancellation], _ entries: OwnEntries) -> Stanza {
        if !cancelled.isEmpty {
            return question.request.result(
                AdHocCommands.element(
                    node, question.session, .completed,
                    note: cancelled.contains(.mayHaveArrived) ? .warn(outcome(cancelled)) : .info(outcome(cancelled))))
        }
        guard !entries.rows.isEmpty else {
            let note = entries.isCut ? "The queue is too long to find your messages now." : "None of your messages is waiting."
            return question.request.result(AdHocCommands.element(node, question.session, .completed, note: .info(note)))
        }
        return question.request.result(
            AdHocCommands.element(node, question.session, .executing, form: form(entries), actions: [.complete]))
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
}
