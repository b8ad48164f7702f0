extension Namespaces {
    /// XEP-0313: Message Archive Management.
    public static let archive = "urn:xmpp:mam:2"
    /// XEP-0313 §7: searches by id, flipped pages, metadata.
    public static let archiveExtended = "urn:xmpp:mam:2#extended"
    /// XEP-0313 §7: the field that asks for messages of rooms is understood.
    public static let archiveGroupchatField = "urn:xmpp:mam:2#groupchat-field"
    /// XEP-0059: Result Set Management.
    public static let resultSet = "http://jabber.org/protocol/rsm"
    /// XEP-0297: Stanza Forwarding.
    public static let forward = "urn:xmpp:forward:0"
    /// XEP-0122: Data Forms Validation.
    public static let validation = "http://jabber.org/protocol/xdata-validate"
    /// XEP-0184: Message Delivery Receipts.
    public static let receipts = "urn:xmpp:receipts"
    /// XEP-0424: Message Retraction.
    public static let retraction = "urn:xmpp:message-retract:1"
    /// XEP-0425: Moderated Message Retraction.
    public static let moderation = "urn:xmpp:message-moderate:1"
    /// XEP-0333: Displayed Markers.
    public static let chatMarkers = "urn:xmpp:chat-markers:0"
}
