import MartletBus
import MartletStore
import XMPPStanzas
import XMPPXML

/// The configuration of a node as a form (XEP-0060 §16.4.4), one list for both directions.
extension NodeConfiguration {
    /// A field of the form.
    private struct Setting: Sendable {
        let name: String
        let type: String
        let label: String
        var options: [String] = []
        /// What it says now.
        let value: @Sendable (NodeConfiguration) -> [String]
        /// Takes what was submitted; false where it cannot be.
        let take: @Sendable (inout NodeConfiguration, [String]) -> Bool
    }

    /// What nodes of a service are like where nobody says anything: those of accounts are what XEP-0163 wants, those of hosts are open.
    static func defaults(of service: PubSub.Service, _ name: String) -> NodeConfiguration {
        var configuration = NodeConfiguration()
        guard !service.isAccount else {
            // XEP-0402: nobody else's business, and all of them are kept.
            if name == Namespaces.bookmarks || name == Namespaces.bookmarkStorage {
                configuration.access = .whitelist
                if name == Namespaces.bookmarks { configuration.maxItems = unbounded }
            }
            return configuration
        }
        configuration.access = .open
        configuration.sendLast = .onSubscription
        configuration.maxItems = 20
        return configuration
    }

    /// Items that are kept at most.
    func mostItems(_ policy: PubSubPolicy) -> Int { min(Int(maxItems), policy.itemsPerNode) }

    /// The form, filled in.
    func form(_ kind: DataForm.Kind) -> DataForm {
        var form = DataForm(kind)
        form.fields = [DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.nodeConfiguration])]
        for setting in Self.settings {
            form.fields.append(
                DataForm.Field(
                    setting.name, type: kind == .form ? setting.type : nil, label: kind == .form ? setting.label : nil,
                    values: setting.value(self),
                    options: kind == .form ? setting.options.map { DataForm.Option($0, value: $0) } : []))
        }
        return form
    }

    /// Takes what a form says. Names the field that says what cannot be, nil where all is well. What is not known is left out, or,
    /// where that `isStrict`, cannot be.
    mutating func take(_ form: DataForm, _ policy: PubSubPolicy, isStrict: Bool = false) -> String? {
        for field in form.fields where field.name != "FORM_TYPE" && field.type != "fixed" {
            guard let setting = Self.settings.first(where: { $0.name == field.name }) else {
                if Self.isRefusal(field) || !isStrict { continue }
                return field.name
            }
            guard setting.take(&self, field.values) else { return field.name }
        }
        return nil
    }

    /// XEP-0060 §7.1.5: whether the configuration is what the options ask for.
    func meets(_ options: DataForm, _ policy: PubSubPolicy) -> Bool {
        var wanted = self
        guard wanted.take(options, policy, isStrict: true) == nil else { return false }
        var own = self
        // A number beyond the bound and the bound itself are the same.
        (wanted.maxItems, own.maxItems) = (UInt32(wanted.mostItems(policy)), UInt32(own.mostItems(policy)))
        return wanted == own
    }

    /// Something that is not there, and is not wanted.
    private static func isRefusal(_ field: DataForm.Field) -> Bool {
        field.values.allSatisfy { $0.isEmpty || $0 == "0" || $0 == "false" || $0 == "leaf" }
    }

    // MARK: the fields

    private static let settings: [Setting] =
        [
            text("title", "A name for people", \.title), text("description", "What it is for", \.description),
            text("language", "The language of what is published", \.language),
            text("type", "The namespace of what is published", \.type),
            flag("deliver_notifications", "Subscribers are notified", .deliversNotifications),
            flag("deliver_payloads", "Notifications carry what was published", .deliversPayloads),
            flag("notify_config", "Subscribers hear of a new configuration", .notifiesConfiguration),
            flag("notify_delete", "Subscribers hear that the node is deleted", .notifiesDeletion),
            flag("notify_retract", "Subscribers hear that items are taken back", .notifiesRetraction),
            flag("notify_sub", "Owners hear of subscriptions", .notifiesSubscriptions),
            flag("persist_items", "Items are kept", .persists),
            flag("subscribe", "Subscriptions are allowed", .takesSubscriptions),
            flag("presence_based_delivery", "Only who is there is notified", .needsPresence),
            number("max_items", "Items that are kept", \.maxItems, least: 1),
            number("item_expire", "Seconds after which an item goes", \.itemLifetime, least: 0),
            Setting(
                name: prefix + "max_payload_size", type: "text-single", label: "Bytes of an item",
                value: { [String($0.maxPayload)] },
                take: {
                    guard let size = UInt32($1.first ?? "0") else { return false }
                    $0.maxPayload = size
                    return true
                }),
        ] + choices

    private static let choices: [Setting] = [
        Setting(
            name: prefix + "access_model", type: "list-single", label: "Who may subscribe and read",
            options: Access.allCases.map(\.word), value: { [$0.access.word] },
            take: { configuration, values in
                guard let access = Access.allCases.first(where: { [$0.word] == values }) else { return false }
                configuration.access = access
                return true
            }),
        Setting(
            name: prefix + "publish_model", type: "list-single", label: "Who may publish",
            options: Publishing.allCases.map(\.word), value: { [$0.publishing.word] },
            take: { configuration, values in
                guard let publishing = Publishing.allCases.first(where: { [$0.word] == values }) else { return false }
                configuration.publishing = publishing
                return true
            }),
        Setting(
            name: prefix + "send_last_published_item", type: "list-single", label: "When the last item is sent",
            options: SendLast.allCases.map(\.word), value: { [$0.sendLast.word] },
            take: { configuration, values in
                guard let sendLast = SendLast.allCases.first(where: { [$0.word] == values }) else { return false }
                configuration.sendLast = sendLast
                return true
            }),
        Setting(
            name: prefix + "notification_type", type: "list-single", label: "Whether notifications wait for their readers",
            options: ["headline", "normal"], value: { [$0.flags.contains(.isKept) ? "normal" : "headline"] },
            take: { configuration, values in
                guard values == ["headline"] || values == ["normal"] else { return false }
                if values == ["normal"] { configuration.flags.insert(.isKept) } else { configuration.flags.remove(.isKept) }
                return true
            }),
        Setting(
            name: prefix + "roster_groups_allowed", type: "list-multi", label: "Roster groups that may read",
            value: { $0.groups },
            take: { configuration, values in
                guard values.count <= PubSubLimits.groups, values.allSatisfy({ $0.utf8.count <= PubSubPolicy.nameBytes }) else {
                    return false
                }
                configuration.groups = values
                return true
            }),
    ]

    private static let prefix = "pubsub#"

    private static func text(_ name: String, _ label: String, _ path: WritableKeyPath<NodeConfiguration, String> & Sendable)
        -> Setting
    {
        Setting(
            name: prefix + name, type: "text-single", label: label,
            value: { $0[keyPath: path].isEmpty ? [] : [$0[keyPath: path]] },
            take: {
                let value = $1.first ?? ""
                guard value.utf8.count <= PubSubPolicy.nameBytes else { return false }
                $0[keyPath: path] = value
                return true
            })
    }

    private static func flag(_ name: String, _ label: String, _ flag: Flags) -> Setting {
        Setting(
            name: prefix + name, type: "boolean", label: label, value: { [$0.flags.contains(flag) ? "1" : "0"] },
            take: {
                switch $1.first {
                case "1", "true": $0.flags.insert(flag)
                case "0", "false": $0.flags.remove(flag)
                default: return false
                }
                return true
            })
    }

    /// A number, or `max`.
    private static func number(
        _ name: String, _ label: String, _ path: WritableKeyPath<NodeConfiguration, UInt32> & Sendable, least: UInt32
    ) -> Setting {
        Setting(
            name: prefix + name, type: "text-single", label: label,
            value: { [$0[keyPath: path] == unbounded ? "max" : String($0[keyPath: path])] },
            take: {
                if $1.first == "max" {
                    $0[keyPath: path] = unbounded
                } else {
                    guard let number = UInt32($1.first ?? ""), number >= least else { return false }
                    $0[keyPath: path] = number
                }
                return true
            })
    }
}

extension NodeConfiguration.Access {
    /// As forms have it.
    var word: String {
        switch self {
        case .open: "open"
        case .presence: "presence"
        case .roster: "roster"
        case .whitelist: "whitelist"
        case .authorize: "authorize"
        }
    }
}

extension NodeConfiguration.Publishing {
    /// As forms have it.
    var word: String {
        switch self {
        case .publishers: "publishers"
        case .subscribers: "subscribers"
        case .open: "open"
        }
    }
}

extension NodeConfiguration.SendLast {
    /// As forms have it.
    var word: String {
        switch self {
        case .never: "never"
        case .onSubscription: "on_sub"
        case .onPresence: "on_sub_and_presence"
        }
    }
}
