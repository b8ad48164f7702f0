// XEP-0133: Service Administration, version 1.3.1, accounts, sessions, lists, numbers, announcements and the message of the day; what is configured is not changed
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What administrators do with their clients: the commands, their forms, and what was filled in. What comes of it is
/// ``Administration``'s.
///
/// Beside those of the specification there are announcements to whoever has an account, and to another office, and the figures of the site.
public enum AdministrationCommands {
    static let all =
        accountCommands + [password(adding: true), password(adding: false), user, status] + counts + lists + announcements
        + dayMessages

    private static func node(_ name: String) -> String { Namespaces.administration + "#" + name }

    private static func command(
        _ node: String, _ name: String, _ take: @escaping @Sendable (CommandRequest, Turn) -> CommandReply
    ) -> AdHocCommand {
        AdHocCommand(
            node: node, name: name, audience: .admins, isOffered: { !$0.admin.accounts.isEmpty }, take: take)
    }

    private static func ask(_ asked: CommandRequest, _ wish: AdminWish) -> CommandReply {
        guard let admin = asked.request.session?.account else { return .error(StanzaError(.forbidden)) }
        return .ask(
            .administer(
                AdminQuestion(
                    request: asked.request.stanza, admin: admin, node: asked.node, session: asked.session, wish: wish)))
    }

    private static func form(_ title: String, _ instructions: String, _ fields: [DataForm.Field]) -> CommandReply {
        .form(form(.form, title, instructions.isEmpty ? nil : instructions, fields), actions: [.complete])
    }

    static func form(
        _ kind: DataForm.Kind, _ title: String?, _ instructions: String? = nil, _ fields: [DataForm.Field]
    ) -> DataForm {
        var form = DataForm(kind, title: title, instructions: instructions)
        form.fields = [DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.administration])] + fields
        return form
    }

    private static func required(_ name: String, _ type: String, _ label: String) -> DataForm.Field {
        var field = DataForm.Field(name, type: type, label: label)
        field.isRequired = true
        return field
    }

    /// What was filled in, if it is a form of ours.
    private static func submitted(_ asked: CommandRequest) -> DataForm? {
        guard let form = asked.form, [[], [Namespaces.administration]].contains(form.values("FORM_TYPE")) else { return nil }
        return form
    }

    // MARK: accounts

    private static let accountCommands = [
        each("delete-user", "Delete accounts", .remove, "Everything that these accounts have goes with them."),
        each("disable-user", "Disable accounts", .disable, "Nobody can log in to these accounts; what they have stays."),
        each("reenable-user", "Enable accounts again", .enable, "Their owners can log in again."),
        each(
            "end-user-session", "End sessions", .endSessions,
            "All sessions of an account end, or the one whose full address is given. Their owners may log in again."),
    ]

    private static func each(_ name: String, _ title: String, _ act: AdminAct, _ instructions: String) -> AdHocCommand {
        command(node(name), title) { asked, turn in
            if asked.isFirst { return form(title, instructions, [required("accountjids", "jid-multi", "The addresses")]) }
            guard let form = submitted(asked) else { return .refusal(.badPayload) }
            let texts = form.values("accountjids").filter { !$0.isEmpty }
            guard !texts.isEmpty else { return .refusal(.badPayload) }
            guard texts.count <= AdministrationLimits.accountsPerOrder else {
                return .error(
                    StanzaError(
                        .notAcceptable, text: "No more than \(AdministrationLimits.accountsPerOrder) accounts at a time"))
            }
            var accounts: [JID] = []
            for text in texts {
                guard let jid = try? JID(text), jid.localpart != nil, jid.isBare || act == .endSessions else {
                    return .error(StanzaError(.jidMalformed, text: "One of the addresses is none of an account"))
                }
                // Whoever did that could not undo it.
                if jid.bare == asked.account, act == .remove || act == .disable {
                    return .error(StanzaError(.notAllowed, text: "This is your own account"))
                }
                if !accounts.contains(jid) { accounts.append(jid) }
            }
            return ask(asked, .each(act, accounts))
        }
    }

    private static func password(adding isNew: Bool) -> AdHocCommand {
        let title = isNew ? "Add an account" : "Change the password of an account"
        let account = required("accountjid", "jid-single", "The address")
        let password = required("password", "text-private", "The password")
        let again = required("password-verify", "text-private", "The password again")
        return command(node(isNew ? "add-user" : "change-user-password"), title) { asked, turn in
            if asked.isFirst { return form(title, "", isNew ? [account, password, again] : [account, password]) }
            guard let form = submitted(asked), let text = form.values("accountjid").first,
                let chosen = form.values("password").first, !chosen.isEmpty
            else { return .refusal(.badPayload) }
            if isNew, let second = form.values("password-verify").first, second != chosen {
                return .error(StanzaError(.notAcceptable, text: "The two passwords are not the same"))
            }
            guard let jid = try? JID(text), jid.localpart != nil, jid.isBare else {
                return .error(StanzaError(.jidMalformed, text: "This is no address of an account"))
            }
            do throws(JIDError) {
                let prepared = Array(try SASLprep.prepare(chosen).utf8)
                return ask(asked, isNew ? .add(jid, password: prepared) : .changePassword(jid, password: prepared))
            } catch {
                return .error(StanzaError(.notAcceptable, text: "This password cannot be used: \(SASLprep.words(error))"))
            }
        }
    }

    private static let user = command(node("user-stats"), "About an account") { asked, turn in
        if asked.isFirst { return form("About an account", "", [required("accountjid", "jid-single", "The address")]) }
        guard let text = submitted(asked)?.values("accountjid").first else { return .refusal(.badPayload) }
        guard let jid = try? JID(text), jid.localpart != nil else {
            return .error(StanzaError(.jidMalformed, text: "This is no address of an account"))
        }
        return ask(asked, .user(jid.bare))
    }

    // MARK: numbers and lists

    private static let status = command("urn:martlet:status", "Figures of this server") { asked, _ in
        asked.isFirst ? ask(asked, .status) : .refusal(.badPayload)
    }

    private static let counts: [AdHocCommand] = [AdminList.registered, .disabled, .online].map { list in
        command(node("get-\(list.rawValue)-users-num"), "Number of \(list.words)") { asked, _ in
            asked.isFirst ? ask(asked, .count(list)) : .refusal(.badPayload)
        }
    }

    /// XEP-0133 §4.18: choices of how many are shown at a time.
    private static let choices = ["25", "50", "75", "100", "150", "200", "none"]

    private static let lists: [AdHocCommand] = [AdminList.registered, .disabled, .online].map { list in
        command(node("get-\(list.rawValue)-users-list"), "List of \(list.words)") { asked, _ in
            if asked.isFirst {
                let most = DataForm.Field(
                    "max_items", type: "list-single", label: "How many at a time", values: ["100"],
                    options: choices.map { DataForm.Option($0, value: $0) })
                return form("List of \(list.words)", "", [most])
            }
            if let cursor = ListCursor(asked.session) {
                // The next page, or no more of it.
                if asked.action == .complete { return .done(nil) }
                return ask(asked, .list(list, after: cursor.after, limit: cursor.limit))
            }
            guard let form = submitted(asked) else { return .refusal(.badPayload) }
            let most = form.values("max_items").first ?? "none"
            guard most == "none" || Int(most).map({ $0 > 0 }) == true else { return .refusal(.badPayload) }
            let limit = min(Int(most) ?? AdministrationLimits.page, AdministrationLimits.page)
            return ask(asked, .list(list, after: 0, limit: limit))
        }
    }

    // MARK: words

    private static let words = required("announcement", "text-multi", "The words")

    /// The words of a form; nil where there are none, or too many.
    private static func text(_ form: DataForm?, _ name: String) -> Result<String, StanzaError>? {
        guard let form else { return nil }
        let text = form.values(name).joined(separator: "\n")
        guard text.contains(where: { !$0.isWhitespace }) else { return nil }
        guard text.utf8.count <= AdministrationLimits.announcementBytes else {
            let most = AdministrationLimits.announcementBytes
            return .failure(StanzaError(.notAcceptable, text: "No more than \(most) bytes"))
        }
        return .success(text)
    }

    private static let announcements = [
        announcement("announce", "Tell everybody who is online", .online),
        announcement("announce-all", "Tell everybody, also whoever is away", .everybody),
        command(node("announce-office"), "Tell everybody at another office") { asked, turn in
            let offices = turn.policy.federation.isEnabled ? turn.policy.federation.knownPeers : []
            guard !offices.isEmpty else {
                return .error(StanzaError(.itemNotFound, text: "No other office is configured"))
            }
            if asked.isFirst {
                let names = turn.policy.federation.officeNames
                var office = required("office", "list-single", "The office")
                office.options = offices.map { DataForm.Option(names[$0] ?? $0.description, value: $0.description) }
                let online = DataForm.Field("online-only", type: "boolean", label: "Only who is online", values: ["0"])
                let waits = "If the office cannot be reached now, this waits like any message."
                return form("Tell everybody at another office", waits, [office, words, online])
            }
            let form = submitted(asked)
            guard let text = text(form, "announcement"), let name = form?.values("office").first,
                let office = offices.first(where: { $0.description == name })
            else { return .refusal(.badPayload) }
            let isOnline = ["1", "true"].contains(form?.values("online-only").first)
            switch text {
            case .failure(let error): return .error(error)
            case .success(let text): return ask(asked, .announceAt(office, text, isOnline ? .online : .everybody))
            }
        },
    ]

    private static func announcement(_ name: String, _ title: String, _ audience: AnnouncementAudience) -> AdHocCommand {
        command(node(name), title) { asked, _ in
            if asked.isFirst { return form(title, "", [words]) }
            switch text(submitted(asked), "announcement") {
            case nil: return .refusal(.badPayload)
            case .failure(let error)?: return .error(error)
            case .success(let text)?: return ask(asked, .announce(text, audience))
            }
        }
    }

    private static let dayMessages = [
        dayMessage("set-motd", "Set the message of the day", isNew: true),
        dayMessage("edit-motd", "Edit the message of the day", isNew: false),
        command(node("delete-motd"), "Delete the message of the day") { asked, _ in
            asked.isFirst ? ask(asked, .deleteMessageOfTheDay) : .refusal(.badPayload)
        },
    ]

    private static func dayMessage(_ name: String, _ title: String, isNew: Bool) -> AdHocCommand {
        command(node(name), title) { asked, _ in
            if asked.isFirst {
                if !isNew { return ask(asked, .showMessageOfTheDay) }
                return form(title, "", [required("motd", "text-multi", "The words")])
            }
            switch text(submitted(asked), "motd") {
            case nil: return .refusal(.badPayload)
            case .failure(let error)?: return .error(error)
            case .success(let text)?: return ask(asked, .setMessageOfTheDay(text, isNew: isNew))
            }
        }
    }
}

extension AdminList {
    /// For people.
    var words: String {
        switch self {
        case .registered: "accounts"
        case .disabled: "disabled accounts"
        case .online: "accounts that are online"
        }
    }
}

/// How far somebody has read a list: stands in the name of the command's session, so that nobody has to remember it.
struct ListCursor: Equatable {
    /// Without the cursor.
    let session: String
    /// Where the next page begins.
    let after: UInt64
    /// Accounts on a page.
    let limit: Int

    init(session: String, after: UInt64, limit: Int) {
        self.session = session
        self.after = after
        self.limit = limit
    }

    /// The cursor in a session's name; nil where there is none.
    init?(_ name: String) {
        let parts = name.split(separator: "~", omittingEmptySubsequences: false)
        guard parts.count == 3, let after = UInt64(parts[1]), let limit = Int(parts[2]), limit > 0,
            limit <= AdministrationLimits.page
        else { return nil }
        self.init(session: String(parts[0]), after: after, limit: limit)
    }

    /// The session's name.
    var name: String { "\(session)~\(after)~\(limit)" }
}
