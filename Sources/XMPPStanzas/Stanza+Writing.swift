// XEP-0203: Delayed Delivery, version 2.0, for messages that are sent later than they were accepted
import MartletPrimitives
import XMPPAddress
import XMPPXML

extension Stanza {
    /// Appends the stanza as it stands in a stream whose default namespace is the content namespace: without `xmlns`.
    ///
    /// Behind the content come the time at which somebody took it over if it could not be sent then (XEP-0203; `from` is
    /// who says so), and its place in its lane, which must be the last child.
    public func write(
        to bytes: inout [UInt8], relayMark: RelayMark? = nil, delay: (from: JID, stamp: WallTime)? = nil
    ) {
        bytes += serialized(relayMark: relayMark, delay: delay)
    }

    /// Appends the stanza with another addressee: what is sent to many differs in nothing else.
    public func write(to bytes: inout [UInt8], replacingTo addressee: JID?) {
        bytes += serialized(addressee, Additions())
    }

    /// The bytes that ``write(to:relayMark:delay:)`` appends; `stableID` is the one that the archive `by` has given (XEP-0359).
    public func serialized(
        relayMark: RelayMark? = nil, delay: (from: JID, stamp: WallTime)? = nil, stableID: (by: JID, id: StableID)? = nil
    ) -> [UInt8] {
        serialized(to, Additions(delay: delay, stableID: stableID, relayMark: relayMark))
    }

    /// The bytes as they stand inside something of another namespace (XEP-0297 §3.1): the tag says its own.
    public var forwarded: [UInt8] { forwarded(stableID: nil) }

    /// The same with the id that an archive has given.
    public func forwarded(stableID: (by: JID, id: StableID)?) -> [UInt8] {
        serialized(to, Additions(saysNamespace: true, stableID: stableID))
    }

    /// What is not part of the stanza and stands in its bytes, in this order.
    private struct Additions {
        var saysNamespace = false
        var delay: (from: JID, stamp: WallTime)?
        var stableID: (by: JID, id: StableID)?
        var relayMark: RelayMark?

        var hasChildren: Bool { delay != nil || stableID != nil || relayMark != nil }
    }

    private func serialized(_ addressee: JID?, _ additions: Additions) -> [UInt8] {
        // A message is small: on the stack, where room costs nothing. Beyond 1 KiB it is memory for a moment.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: largestSize(addressee, additions)) { room in
            var fill = ByteFill(room)
            write(to: &fill, addressee, additions)
            return Array(UnsafeBufferPointer(rebasing: room[..<fill.count]))
        }
    }

    /// Whether an XEP-0203 stamp of `domain` is there already.
    public func isStamped(by domain: JID) -> Bool {
        guard traits.contains(.delay) else { return false }
        return payloads.contains { $0.is("delay", Namespaces.delay) && $0["from"].flatMap { try? JID($0) } == domain }
    }

    /// Adds such a stamp, where there is none of that domain.
    public mutating func stamp(from domain: JID, _ time: WallTime) {
        guard !isStamped(by: domain) else { return }
        append(Element("delay", Namespaces.delay, [("from", domain.description), ("stamp", time.description)]))
    }

    /// More bytes than the stanza has: all its values, all literals, and as if every character of a value were escaped.
    private func largestSize(_ addressee: JID?, _ additions: Additions) -> Int {
        var values = Self.size(of: from) + Self.size(of: addressee)
        values += Self.size(of: additions.delay?.from) + Self.size(of: additions.stableID?.by)
        values += Self.size(of: id) + Self.size(of: type) + Self.size(of: lang)
        return content.count + values + (additions.hasChildren ? 640 : 128)
    }

    static func size(of address: JID?) -> Int {
        guard let address else { return 0 }
        return size(of: address.resourcepart) + address.domainpart.utf8.count + (address.localpart?.utf8.count ?? 0)
    }

    static func size(of value: String?) -> Int { XMLWriter.largestEscape * (value?.utf8.count ?? 0) }

    private func write(to fill: inout ByteFill, _ addressee: JID?, _ additions: Additions) {
        fill.put(kind.startOfTag)
        if additions.saysNamespace { fill.put(" xmlns='jabber:client'") }
        if let from { Self.writeAddress(" from='", from, to: &fill) }
        if let addressee { Self.writeAddress(" to='", addressee, to: &fill) }
        if let id { Self.writeAttribute(" id='", id, to: &fill) }
        if let type { Self.writeAttribute(" type='", type, to: &fill) }
        if let lang { Self.writeAttribute(" xml:lang='", lang, to: &fill) }
        if content.isEmpty, !additions.hasChildren {
            fill.put("/>")
            return
        }
        fill.put(">")
        fill.put(content)
        if let delay = additions.delay { Self.writeDelay(delay.from, delay.stamp, to: &fill) }
        if let stableID = additions.stableID { Self.writeStableID(stableID.by, stableID.id, to: &fill) }
        additions.relayMark?.write(to: &fill)
        fill.put(kind.endTag)
    }

    private static func writeAttribute(_ opening: StaticString, _ value: String, to fill: inout ByteFill) {
        fill.put(opening)
        fill.put(attribute: value)
        fill.put("'")
    }

    private static func writeAddress(_ opening: StaticString, _ address: JID, to fill: inout ByteFill) {
        fill.put(opening)
        // Neither localparts nor domainparts can hold anything that needs escaping (RFC 7622 §3.3.1).
        if let localpart = address.localpart {
            fill.put(text: localpart)
            fill.put("@")
        }
        fill.put(text: address.domainpart)
        if let resourcepart = address.resourcepart {
            fill.put("/")
            fill.put(attribute: resourcepart)
        }
        fill.put("'")
    }

    private static func writeStableID(_ by: JID, _ id: StableID, to fill: inout ByteFill) {
        fill.put("<stanza-id xmlns='urn:xmpp:sid:0")
        writeAddress("' by='", by, to: &fill)
        fill.put(" id='")
        id.write(to: fill.take(StableID.length))
        fill.put("'/>")
    }

    private static func writeDelay(_ from: JID, _ stamp: WallTime, to fill: inout ByteFill) {
        fill.put("<delay xmlns='")
        fill.put(text: Namespaces.delay)
        writeAddress("' from='", from, to: &fill)
        fill.put(" stamp='")
        var text: [UInt8] = []
        stamp.write(to: &text)
        fill.put(text)
        fill.put("'/>")
    }
}

extension Stanza.Kind {
    fileprivate var startOfTag: StaticString {
        switch self {
        case .message: "<message"
        case .presence: "<presence"
        case .iq: "<iq"
        }
    }

    fileprivate var endTag: StaticString {
        switch self {
        case .message: "</message>"
        case .presence: "</presence>"
        case .iq: "</iq>"
        }
    }
}
