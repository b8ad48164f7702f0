extension SiteConfiguration {
    /// `[limits]`: every bound of the server. The reason for each number stands in the annotated file.
    public struct Limits: Equatable, Sendable {
        /// The most bytes of a stanza from a client.
        public var clientStanzaBytes = 256 << 10
        /// The most bytes of a stanza from a server.
        public var serverStanzaBytes = 512 << 10
        /// The most elements open at a time, the stream's root included.
        public var stanzaDepth = 64
        /// The most attributes of one element.
        public var attributesPerElement = 64
        /// The most bytes a connection may send before it is authenticated.
        public var preauthenticationBytes = 16 << 10
        /// How long a connection may take to authenticate.
        public var preauthenticationTime = Duration.seconds(30)
        /// The most connections from one IPv4 address, or one /64 of IPv6, that have not said who they are.
        public var connectionsPerAddress = 100
        /// The most failed logins from one address to one account within `failedLoginWindow`.
        public var failedLoginsPerAccount = 10
        /// The most failed logins from one IPv4 address, or one /64 of IPv6, within `failedLoginWindow`.
        public var failedLoginsPerAddress = 50
        /// The time in which failed logins are counted.
        public var failedLoginWindow = Duration.seconds(300)
        /// The most stanzas of one connection that wait for the site; reading stops there.
        public var unhandledStanzasPerConnection = 64
        /// The most bytes that wait for a slow connection; its session hibernates there.
        public var outboundBytesPerConnection = 1 << 20
        /// The free space below which nothing new is taken over but what people who are here say to each other.
        public var diskReserve = 512 << 20
        /// The free space below which nothing more is kept, not even for people who are here.
        public var diskFloor = 64 << 20
        /// The address space of the database, which is the most it can grow to.
        public var mapSize = 256 << 30
        /// The most items of one roster.
        public var rosterItems = 5000
        /// The most bytes of one roster.
        public var rosterBytes = 2 << 20
        /// The most messages kept for one account that is offline.
        public var offlineMessagesPerAccount = 2000
        /// The bytes of those messages.
        public var offlineBytesPerAccount = 64 << 20
        /// The most bytes that wait for one of our offices.
        public var officeQueueBytes = 1 << 30
        /// The most bytes that wait for any other server.
        public var queueBytes = 64 << 20
        /// The most addresses that one account may block.
        public var blockedAddresses = 1000
        /// The most bytes of those addresses.
        public var blockedBytes = 64 << 10
        /// The most devices of one account whose messages are announced.
        public var pushRegistrations = 16
        /// The most addresses of one stanza to several.
        public var multicastAddresses = 50
        /// The bytes that may wait in memory for others before whoever holds most is refused.
        public var memoryCeiling = 192 << 20
        /// The most dialback requests a stream may have unanswered.
        public var pendingDialbacksPerStream = 16
        /// The most dialback requests one address may have unanswered.
        public var pendingDialbacksPerAddress = 64
        /// The most bytes of one account's archive; beyond it the oldest messages go.
        public var archiveBytesPerAccount = 256 << 20
        /// The most messages on one page of an archive.
        public var archivePage = 100
        /// The most bytes on one page of an archive.
        public var archivePageBytes = 512 << 10
        /// The most searches of one session that wait for their turn.
        public var archiveSearchesPerSession = 16
        /// The most messages that a search for words looks at.
        public var archiveSearchedMessages = 20_000
        /// The most addresses in an account's preferences of what is kept.
        public var archivePreferenceAddresses = 1000

        /// The most nodes of one account.
        public var publishedNodesPerAccount = 250
        /// The most items of one node.
        public var publishedItemsPerNode = 2000
        /// The most bytes of one item.
        public var publishedItemBytes = 256 << 10
        /// The most bytes of everything that an account has published.
        public var publishedBytesPerAccount = 16 << 20
        /// The most nodes at the host for nodes.
        public var publishedNodesAtHost = 10_000
        /// The most bytes there.
        public var publishedBytesAtHost = 1 << 30
        /// The most subscriptions of one node.
        public var subscriptionsPerNode = 1000
        /// The most bytes of what one account was shown of its contacts elsewhere.
        public var knownBytesPerAccount = 8 << 20
        /// The most bytes of that of all accounts.
        public var knownBytes = 256 << 20
        /// The most bytestreams of one account.
        public var bytestreamsPerAccount = 8
        /// The most bytes that they move in a second.
        public var bytestreamBytesPerSecond = 8 << 20
        /// How long one may stand still.
        public var bytestreamIdleTime = Duration.seconds(300)

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            // RFC 6120 §13.12: a stanza of 10,000 bytes must be accepted.
            clientStanzaBytes = section.value("client_stanza_bytes", .size(10_000...(16 << 20)), default: clientStanzaBytes)
            serverStanzaBytes = section.value("server_stanza_bytes", .size(10_000...(16 << 20)), default: serverStanzaBytes)
            stanzaDepth = section.value("stanza_depth", .integer(8...250), default: stanzaDepth)
            attributesPerElement = section.value("attributes_per_element", .integer(16...1000), default: attributesPerElement)
            preauthenticationBytes = section.value(
                "preauth_bytes", .size((4 << 10)...(1 << 20)), default: preauthenticationBytes)
            preauthenticationTime = section.value(
                "preauth_time", .duration(.seconds(1) ... .seconds(600)), default: preauthenticationTime)
            connectionsPerAddress = section.value(
                "connections_per_address", .integer(1...1_000_000), default: connectionsPerAddress)
            failedLoginsPerAccount = section.value(
                "failed_logins_per_account", .integer(1...10_000), default: failedLoginsPerAccount)
            failedLoginsPerAddress = section.value(
                "failed_logins_per_address", .integer(1...10_000), default: failedLoginsPerAddress)
            failedLoginWindow = section.value(
                "failed_login_window", .duration(.seconds(1) ... .seconds(86400)), default: failedLoginWindow)
            unhandledStanzasPerConnection = section.value(
                "unhandled_stanzas_per_connection", .integer(1...10_000), default: unhandledStanzasPerConnection)
            outboundBytesPerConnection = section.value(
                "outbound_bytes_per_connection", .size((64 << 10)...(1 << 30)), default: outboundBytesPerConnection)
            diskReserve = section.value("disk_reserve", .size(0...(1 << 44)), default: diskReserve)
            diskFloor = section.value("disk_floor", .size(0...(1 << 44)), default: diskFloor)
            mapSize = section.value("map_size", .size((16 << 20)...(1 << 46)), default: mapSize)
            rosterItems = section.value("roster_items", .integer(1...100_000), default: rosterItems)
            rosterBytes = section.value("roster_bytes", .size((64 << 10)...(64 << 20)), default: rosterBytes)
            offlineMessagesPerAccount = section.value(
                "offline_messages_per_account", .integer(0...1_000_000), default: offlineMessagesPerAccount)
            offlineBytesPerAccount = section.value(
                "offline_bytes_per_account", .size((1 << 20)...(1 << 40)), default: offlineBytesPerAccount)
            blockedAddresses = section.value("blocked_addresses", .integer(0...5000), default: blockedAddresses)
            blockedBytes = section.value("blocked_bytes", .size((4 << 10)...(1 << 20)), default: blockedBytes)
            pushRegistrations = section.value("push_registrations", .integer(0...100), default: pushRegistrations)
            multicastAddresses = section.value("multicast_addresses", .integer(0...100), default: multicastAddresses)
            officeQueueBytes = section.value("office_queue_bytes", .size((1 << 20)...(1 << 44)), default: officeQueueBytes)
            queueBytes = section.value("queue_bytes", .size((1 << 20)...(1 << 44)), default: queueBytes)
            memoryCeiling = section.value("memory_ceiling", .size((16 << 20)...(1 << 40)), default: memoryCeiling)
            pendingDialbacksPerStream = section.value(
                "pending_dialbacks_per_stream", .integer(1...10_000), default: pendingDialbacksPerStream)
            pendingDialbacksPerAddress = section.value(
                "pending_dialbacks_per_address", .integer(1...10_000), default: pendingDialbacksPerAddress)
            readArchive(&section)
            readPublishing(&section)
        }

        private mutating func readPublishing(_ section: inout Section) {
            publishedNodesPerAccount = section.value(
                "published_nodes_per_account", .integer(1...1000), default: publishedNodesPerAccount)
            publishedItemsPerNode = section.value(
                "published_items_per_node", .integer(1...2500), default: publishedItemsPerNode)
            publishedItemBytes = section.value(
                "published_item_bytes", .size((1 << 10)...(4 << 20)), default: publishedItemBytes)
            publishedBytesPerAccount = section.value(
                "published_bytes_per_account", .size((64 << 10)...(1 << 40)), default: publishedBytesPerAccount)
            publishedNodesAtHost = section.value(
                "published_nodes_at_host", .integer(1...1_000_000), default: publishedNodesAtHost)
            publishedBytesAtHost = section.value(
                "published_bytes_at_host", .size((64 << 10)...(1 << 44)), default: publishedBytesAtHost)
            subscriptionsPerNode = section.value(
                "subscriptions_per_node", .integer(1...100_000), default: subscriptionsPerNode)
            knownBytesPerAccount = section.value(
                "known_bytes_per_account", .size(0...(1 << 40)), default: knownBytesPerAccount)
            knownBytes = section.value("known_bytes", .size(0...(1 << 44)), default: knownBytes)
            bytestreamsPerAccount = section.value("bytestreams_per_account", .integer(0...24), default: bytestreamsPerAccount)
            bytestreamBytesPerSecond = section.value(
                "bytestream_bytes_per_second", .size((1 << 10)...(1 << 34)), default: bytestreamBytesPerSecond)
            bytestreamIdleTime = section.value(
                "bytestream_idle_time", .duration(.seconds(10) ... .seconds(86_400)), default: bytestreamIdleTime)
        }

        private mutating func readArchive(_ section: inout Section) {
            archiveBytesPerAccount = section.value(
                "archive_bytes_per_account", .size((1 << 20)...(1 << 44)), default: archiveBytesPerAccount)
            archivePage = section.value("archive_page", .integer(10...250), default: archivePage)
            archivePageBytes = section.value("archive_page_bytes", .size((16 << 10)...(8 << 20)), default: archivePageBytes)
            archiveSearchesPerSession = section.value(
                "archive_searches_per_session", .integer(1...1000), default: archiveSearchesPerSession)
            archiveSearchedMessages = section.value(
                "archive_searched_messages", .integer(100...10_000_000), default: archiveSearchedMessages)
            archivePreferenceAddresses = section.value(
                "archive_preference_addresses", .integer(0...10_000), default: archivePreferenceAddresses)
        }
    }
}
