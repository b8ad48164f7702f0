extension SiteConfiguration {
    /// `[publishing]`: what people and programs publish (XEP-0163, XEP-0060).
    public struct Publishing: Equatable, Sendable {
        /// Whether accounts publish anything.
        public var isEnabled = true
        /// The domain of a host for nodes of its own; nil where there is none. Prepared.
        public var host: String?
        /// Who may make nodes there.
        public var creators = Creators.people
        /// Addresses and domains that may in any case. Prepared.
        public var namedCreators: [String] = []

        /// Who may make nodes.
        public enum Creators: String, CaseIterable, Sendable { case nobody, people, offices }

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            isEnabled = section.value("enabled", .boolean, default: isEnabled)
            host = section.optional("host", .domain)
            creators = section.value("creators", .word, default: creators)
            namedCreators = section.list("named_creators", of: .bareAddress, default: []).map(\.description)
        }
    }
}

/// The part of the annotated file.
extension SiteConfiguration {
    static let annotatedPublishing = """
        [publishing]

        # Whether people publish pictures, keys, bookmarks, profiles and the like at their accounts (XEP-0163). Default true.
        enabled = true

        # A domain at which nodes of their own can be made (XEP-0060), for programs that tell people of things; it needs a name in DNS
        # and in the certificate where other offices are to see it. Default "": none.
        host = ""

        # Who may make nodes there: "nobody", "people" who have accounts here, or people of the "offices" too; and addresses and
        # domains that may in any case. Defaults "people" and none. What is made belongs to whoever has made it.
        creators = "people"
        named_creators = []
        """

    static let annotatedPublishingLimits = """
        # The most nodes of one account, items of one node, bytes of one item and of everything that an account has published.
        # Defaults 250, some times as many kinds of things as clients publish; 2000, for as many bookmarks or conversations; "256KiB", the
        # largest stanza of a client; "16MiB", ten times a picture and the keys of ten devices.
        published_nodes_per_account = 250
        published_items_per_node = 2000
        published_item_bytes = "256KiB"
        published_bytes_per_account = "16MiB"

        # The most nodes and bytes at the host for nodes. Defaults 10000 and "1GiB".
        published_nodes_at_host = 10000
        published_bytes_at_host = "1GiB"

        # The most subscriptions of one node. Default 1000: everybody in a company, each with two of them.
        subscriptions_per_node = 1000

        # What people here were shown of their contacts elsewhere (pictures, keys, profiles) is kept for when the line there is cut:
        # the most bytes for one of them, and for all together; the oldest gives way. 0 keeps nothing. Defaults "8MiB", for two hundred
        # contacts, and "256MiB": what several people were shown stands there once.
        known_bytes_per_account = "8MiB"
        known_bytes = "256MiB"
        """
}
