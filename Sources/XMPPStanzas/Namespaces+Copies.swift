extension Namespaces {
    /// XEP-0297: Stanza Forwarding.
    public static let forward = "urn:xmpp:forward:0"
    /// XEP-0184: Message Delivery Receipts.
    public static let receipts = "urn:xmpp:receipts"
    /// XEP-0333: Displayed Markers.
    public static let chatMarkers = "urn:xmpp:chat-markers:0"
}
