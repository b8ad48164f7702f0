/// Publish-subscribe, and what stands on it.
extension Namespaces {
    /// XEP-0060: what subscribers and publishers ask for.
    public static let pubsub = "http://jabber.org/protocol/pubsub"
    /// XEP-0060: what owners ask for.
    public static let pubsubOwner = "http://jabber.org/protocol/pubsub#owner"
    /// XEP-0060: notifications.
    public static let pubsubEvent = "http://jabber.org/protocol/pubsub#event"
    /// XEP-0060: conditions beside those of RFC 6120.
    public static let pubsubErrors = "http://jabber.org/protocol/pubsub#errors"
    /// XEP-0060 §16.4.4: the form of a node's configuration.
    public static let nodeConfiguration = "http://jabber.org/protocol/pubsub#node_config"
    /// XEP-0060 §7.1.5: the form of options of a publication.
    public static let publishOptions = "http://jabber.org/protocol/pubsub#publish-options"
    /// XEP-0060 §6.3: the form of a subscription's options.
    public static let subscribeOptions = "http://jabber.org/protocol/pubsub#subscribe_options"
    /// XEP-0060 §8.6: the form by which an owner lets somebody subscribe.
    public static let subscribeAuthorization = "http://jabber.org/protocol/pubsub#subscribe_authorization"
    /// XEP-0060 §5.4: the form in which service discovery tells about a node.
    public static let nodeMetadata = "http://jabber.org/protocol/pubsub#meta-data"
    /// XEP-0054: vcard-temp.
    public static let vCardTemp = "vcard-temp"
    /// XEP-0153: the hash of a picture in presence.
    public static let vCardUpdate = "vcard-temp:x:update"
    /// XEP-0292: vCard4.
    public static let vCard4 = "urn:ietf:params:xml:ns:vcard-4.0"
    /// XEP-0084: a picture.
    public static let avatarData = "urn:xmpp:avatar:data"
    /// XEP-0084: what a picture is.
    public static let avatarMetadata = "urn:xmpp:avatar:metadata"
    /// XEP-0398: pictures are shown in both ways.
    public static let avatarConversion = "urn:xmpp:pep-vcard-conversion:0"
    /// XEP-0049: Private XML Storage.
    public static let privateStorage = "jabber:iq:private"
    /// XEP-0048: bookmarks.
    public static let bookmarkStorage = "storage:bookmarks"
    /// XEP-0402: bookmarks, one item each.
    public static let bookmarks = "urn:xmpp:bookmarks:1"
    /// XEP-0411: bookmarks are shown in both ways.
    public static let bookmarksConversion = "urn:xmpp:bookmarks-conversion:0"
    /// XEP-0115: Entity Capabilities.
    public static let capabilities = "http://jabber.org/protocol/caps"
    /// XEP-0390: Entity Capabilities 2.0.
    public static let capabilityHashes = "urn:xmpp:caps"
    /// XEP-0300: hashes as elements.
    public static let hashes = "urn:xmpp:hashes:2"
}
