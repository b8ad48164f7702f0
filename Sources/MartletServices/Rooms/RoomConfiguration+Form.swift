import MartletBus
import MartletStore
import XMPPStanzas

/// The configuration of a room as a form (XEP-0045 §10.2, §15.5.3), one list for both directions.
extension RoomConfiguration {
    /// A field of the form.
    private struct Setting: Sendable {
        let name: String
        let type: String
        let label: String
        var options: [String] = []
        /// Other servers call it so.
        var otherName: String?
        /// What it says now.
        let value: @Sendable (RoomConfiguration) -> [String]
        /// Takes what was submitted; false where it cannot be.
        let take: @Sendable (inout RoomConfiguration, [String]) -> Bool
    }

    /// The form, filled in.
    var form: DataForm {
        var form = DataForm(.form, title: "Configuration of the room")
        form.fields = [DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.roomConfiguration])]
        for setting in Self.settings {
            form.fields.append(
                DataForm.Field(
                    setting.name, type: setting.type, label: setting.label, values: setting.value(self),
                    options: setting.options.map { DataForm.Option($0, value: $0) }))
        }
        return form
    }

    /// Takes what a form says; what it does not say stays. Names the field that says what cannot be, nil where all is well. What is not
    /// known is left out.
    mutating func take(_ form: DataForm) -> String? {
        if form.fields.count > RoomLimits.fields { return "more than \(RoomLimits.fields) fields" }
        for field in form.fields where field.name != "FORM_TYPE" && field.type != "fixed" {
            guard let setting = Self.settings.first(where: { $0.name == field.name || $0.otherName == field.name }) else {
                continue
            }
            guard setting.take(&self, field.values) else { return setting.name }
        }
        // §10.1.3: a room that asks for a password has one.
        if flags.contains(.hasPassword), password.isEmpty { return Self.prefix + "roomsecret" }
        return nil
    }

    // MARK: the fields

    private static let prefix = "muc#roomconfig_"

    private static let settings: [Setting] =
        [
            text("roomname", "The name of the room", \.name, most: RoomLimits.nameBytes),
            text("roomdesc", "What the room is for", \.description, most: RoomLimits.descriptionBytes),
            text("lang", "The language that is spoken", \.language, most: RoomLimits.languageBytes),
            flag("persistentroom", "The room stays when everybody has gone", .isPersistent),
            flag("publicroom", "The room is listed", .isPublic),
            flag("membersonly", "Only members may enter", .isMembersOnly),
            flag("moderatedroom", "Only who has voice may speak", .isModerated),
            flag("passwordprotectedroom", "A password is asked for", .hasPassword),
            text("roomsecret", "The password", \.password, most: RoomLimits.passwordBytes, type: "text-private"),
            flag("allowinvites", "Occupants may invite others", .allowsInvites),
            flag("changesubject", "Occupants may change the subject", .allowsSubject),
            flag("allowvoicerequests", "Visitors may ask for voice", .takesVoiceRequests),
            flag("allowregistration", "People may register as members", .takesRegistrations),
            flag("enablearchiving", "What is said is kept in the archive", .isArchived, otherName: "mam"),
            number("muc#roomconfig_maxusers", "Occupants at most; 0: as many as the server allows", \.maxOccupants),
            number(
                "muc#maxhistoryfetch", "Messages of history at most; 0: as many as the server allows", \.maxHistory,
                otherName: prefix + "historylength"),
            roles("presencebroadcast", "The roles whose presence is shown", \.broadcastRoles),
            roles("getmemberlist", "The roles that may ask for the lists of members", \.listRoles),
            text("pubsub", "A node for news of the room", \.node, most: RoomLimits.descriptionBytes),
        ] + choices

    private static let choices: [Setting] = [
        Setting(
            name: prefix + "whois", type: "list-single", label: "Who may see real addresses",
            options: ["moderators", "anyone"],
            value: { [$0.whois == .anyone ? "anyone" : "moderators"] },
            take: { configuration, values in
                guard values == ["anyone"] || values == ["moderators"] else { return false }
                configuration.whois = values == ["anyone"] ? .anyone : .moderators
                return true
            }),
        Setting(
            name: prefix + "allowpm", type: "list-single", label: "Who may send private messages",
            options: PrivateMessages.allCases.map(word), value: { [word($0.privateMessages)] },
            take: { configuration, values in
                guard let found = PrivateMessages.allCases.first(where: { [word($0)] == values }) else { return false }
                configuration.privateMessages = found
                return true
            }),
    ]

    private static func word(_ messages: PrivateMessages) -> String {
        switch messages {
        case .anyone: "anyone"
        case .participants: "participants"
        case .moderators: "moderators"
        case .nobody: "none"
        }
    }

    private static func text(
        _ name: String, _ label: String, _ path: WritableKeyPath<RoomConfiguration, String> & Sendable, most: Int,
        type: String = "text-single"
    ) -> Setting {
        Setting(
            name: prefix + name, type: type, label: label,
            value: { $0[keyPath: path].isEmpty ? [] : [$0[keyPath: path]] },
            take: {
                let value = $1.first ?? ""
                guard value.utf8.count <= most else { return false }
                $0[keyPath: path] = value
                return true
            })
    }

    private static func flag(_ name: String, _ label: String, _ flag: Flags, otherName: String? = nil) -> Setting {
        Setting(
            name: prefix + name, type: "boolean", label: label, otherName: otherName,
            value: { [$0.flags.contains(flag) ? "1" : "0"] },
            take: {
                switch $1.first {
                case "1", "true": $0.flags.insert(flag)
                case "0", "false": $0.flags.remove(flag)
                default: return false
                }
                return true
            })
    }

    private static func number(
        _ name: String, _ label: String, _ path: WritableKeyPath<RoomConfiguration, UInt32> & Sendable, otherName: String? = nil
    ) -> Setting {
        Setting(
            name: name, type: "text-single", label: label, otherName: otherName, value: { [String($0[keyPath: path])] },
            take: {
                let value = $1.first ?? ""
                // §15.5.3: `none` is no bound of the room's own.
                guard let number = value == "none" || value.isEmpty ? 0 : UInt32(value) else { return false }
                $0[keyPath: path] = number
                return true
            })
    }

    private static func roles(
        _ name: String, _ label: String, _ path: WritableKeyPath<RoomConfiguration, [RoomRole]> & Sendable
    ) -> Setting {
        let all: [RoomRole] = [.moderator, .participant, .visitor]
        return Setting(
            name: prefix + name, type: "list-multi", label: label, options: all.map(\.name),
            value: { $0[keyPath: path].map(\.name) },
            take: { configuration, values in
                let chosen = values.compactMap { RoomRole(name: $0) }
                guard chosen.count == values.count, !chosen.contains(.none) else { return false }
                configuration[keyPath: path] = all.filter { chosen.contains($0) }
                return true
            })
    }
}
