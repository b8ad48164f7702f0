import XMPPStanzas

/// What of XEP-0060 is there (§10), by its names.
enum PubSubFeatures {
    /// With accounts and at hosts.
    static let everywhere =
        [
            Namespaces.pubsub
        ]
        + [
            "access-authorize", "access-open", "access-whitelist", "config-node", "config-node-max", "create-and-configure",
            "create-nodes", "delete-items", "delete-nodes", "item-ids", "last-published", "manage-subscriptions",
            "member-affiliation", "meta-data", "modify-affiliations", "multi-items", "outcast-affiliation", "persistent-items",
            "publish", "publish-only-affiliation", "publish-options", "publisher-affiliation", "purge-nodes", "retract-items",
            "retrieve-affiliations", "retrieve-default", "retrieve-default-sub", "retrieve-items", "retrieve-subscriptions",
            "rsm",
            "subscribe", "subscription-notifications", "subscription-options",
        ].map { "\(Namespaces.pubsub)#\($0)" }
    /// With accounts only.
    static let ofAccounts = [
        "access-presence", "access-roster", "auto-create", "auto-subscribe", "filtered-notifications",
        "presence-subscribe",
    ].map { "\(Namespaces.pubsub)#\($0)" }
    /// At hosts only.
    static let ofHosts = ["instant-nodes"].map { "\(Namespaces.pubsub)#\($0)" }
}
