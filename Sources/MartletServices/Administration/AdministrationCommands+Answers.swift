import MartletBus
import XMPPAddress
import XMPPStanzas

/// What administrators are answered.
extension AdministrationCommands {
    /// The answer to a question about how things are.
    public static func answer(_ question: AdminQuestion, _ report: AdminReport) -> Stanza? {
        switch (question.wish, report) {
        case (.count(let list), .count(let count)):
            let label = "The number of \(list.words)"
            return completed(
                question,
                form: form(
                    .result, nil, nil,
                    [DataForm.Field("\(list.rawValue)usersnum", type: "text-single", label: label, values: [String(count)])]))
        case (.list(let list, _, let limit), .page(let page)): return answer(question, list, limit, page)
        case (_, .facts(let facts)):
            let fields = facts.map { fact in
                DataForm.Field(
                    fact.name, type: fact.values.count > 1 ? "text-multi" : "text-single", label: fact.label,
                    values: fact.values)
            }
            return completed(question, form: form(.result, nil, nil, fields))
        default: return failed(question, StanzaError(.itemNotFound, text: "There is no such account"))
        }
    }

    /// A page of a list: the last one ends the command, any other can be followed by the next.
    private static func answer(_ question: AdminQuestion, _ list: AdminList, _ limit: Int, _ page: AdminPage) -> Stanza {
        let shown = DataForm.Field(
            "\(list.rawValue)userjids", type: "jid-multi", label: "The \(list.words)", values: page.accounts.map(\.description))
        guard let next = page.next else { return completed(question, form: form(.result, nil, nil, [shown])) }
        let session = ListCursor(question.session)?.session ?? question.session
        return question.request.result(
            AdHocCommands.element(
                question.node, ListCursor(session: session, after: next, limit: limit).name, .executing,
                form: form(.form, "List of \(list.words)", "There are more.", [shown]), actions: [.next, .complete]))
    }

    static func completed(_ question: AdminQuestion, note: CommandNote? = nil, form: DataForm? = nil) -> Stanza {
        question.request.result(
            AdHocCommands.element(question.node, question.session, .completed, note: note, form: form))
    }

    static func failed(_ question: AdminQuestion, _ error: StanzaError) -> Stanza? { question.request.errorReply(error) }

    /// The form with the message of the day as it is.
    static func dayMessageForm(_ question: AdminQuestion, _ text: String?) -> Stanza {
        var field = DataForm.Field("motd", type: "text-multi", label: "The words")
        field.values = (text ?? "").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        field.isRequired = true
        return question.request.result(
            AdHocCommands.element(
                question.node, question.session, .executing, form: form(.form, "The message of the day", nil, [field]),
                actions: [.complete]))
    }
}
