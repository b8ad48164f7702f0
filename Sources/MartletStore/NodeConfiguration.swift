import MartletPrimitives

/// How a node behaves (XEP-0060 §16.4.4), as stored.
public struct NodeConfiguration: Sendable, Equatable {
    /// Who may subscribe and read (§4.5). The numbers stand in the store.
    public enum Access: UInt8, Sendable, CaseIterable { case open, presence, roster, whitelist, authorize }
    /// Who may publish.
    public enum Publishing: UInt8, Sendable, CaseIterable { case publishers, subscribers, open }
    /// When the last item is sent to whom.
    public enum SendLast: UInt8, Sendable, CaseIterable { case never, onSubscription, onPresence }

    /// What is on or off. The bits stand in the store.
    public struct Flags: OptionSet, Sendable, Hashable {
        /// As stored.
        public let rawValue: UInt16
        /// The flags of these bits.
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// Subscribers are notified at all.
        public static let deliversNotifications = Flags(rawValue: 1)
        /// Notifications carry what was published.
        public static let deliversPayloads = Flags(rawValue: 2)
        /// Items are kept.
        public static let persists = Flags(rawValue: 4)
        /// Subscribers hear of a new configuration.
        public static let notifiesConfiguration = Flags(rawValue: 8)
        /// Subscribers hear that the node goes.
        public static let notifiesDeletion = Flags(rawValue: 16)
        /// Subscribers hear that items go.
        public static let notifiesRetraction = Flags(rawValue: 32)
        /// Owners hear of subscriptions.
        public static let notifiesSubscriptions = Flags(rawValue: 64)
        /// Subscriptions are allowed.
        public static let takesSubscriptions = Flags(rawValue: 128)
        /// Only subscribers who are there are notified.
        public static let needsPresence = Flags(rawValue: 256)
        /// Notifications are messages of type `normal`, which wait for their readers, and not `headline`.
        public static let isKept = Flags(rawValue: 512)
    }

    /// A number without an end: as much as the service allows.
    public static let unbounded = UInt32.max

    /// Words for people.
    public var title = ""
    /// More words.
    public var description = ""
    /// The language of what is published.
    public var language = ""
    /// The namespace of what is published.
    public var type = ""
    /// Who may subscribe and read.
    public var access = Access.presence
    /// Who may publish.
    public var publishing = Publishing.publishers
    /// When the last item is sent.
    public var sendLast = SendLast.onPresence
    /// What is on.
    public var flags: Flags = [
        .deliversNotifications, .deliversPayloads, .persists, .notifiesDeletion, .notifiesRetraction, .takesSubscriptions,
    ]
    /// Items that are kept; the oldest give way.
    public var maxItems: UInt32 = 1
    /// Seconds after which an item goes; 0 never.
    public var itemLifetime: UInt32 = 0
    /// Bytes of an item; 0 where the service's bound holds.
    public var maxPayload: UInt32 = 0
    /// The roster groups that may read, with ``Access/roster``.
    public var groups: [String] = []

    /// The defaults of XEP-0163.
    public init() {}

    init(_ reader: inout ByteReader) {
        title = reader.takeString()
        description = reader.takeString()
        language = reader.takeString()
        type = reader.takeString()
        access = Access(rawValue: reader.take()) ?? .whitelist
        publishing = Publishing(rawValue: reader.take()) ?? .publishers
        sendLast = SendLast(rawValue: reader.take()) ?? .never
        flags = Flags(rawValue: reader.take())
        maxItems = reader.take()
        itemLifetime = reader.take()
        maxPayload = reader.take()
        for _ in 0..<reader.take(UInt16.self) { groups.append(reader.takeString()) }
    }

    func write(to writer: inout ByteWriter) {
        writer.put(title)
        writer.put(description)
        writer.put(language)
        writer.put(type)
        writer.put(access.rawValue)
        writer.put(publishing.rawValue)
        writer.put(sendLast.rawValue)
        writer.put(flags.rawValue)
        writer.put(maxItems)
        writer.put(itemLifetime)
        writer.put(maxPayload)
        writer.put(UInt16(clamping: groups.count))
        for group in groups { writer.put(group) }
    }
}
