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
        bytes += serialized(addressee, nil, nil)
    }

    /// The bytes that ``write(to:relayMark:delay:)`` appends.
    public func serialized(relayMark: RelayMark? = nil, delay: (from: JID, stamp: WallTime)? = nil) -> [UInt8] {
        serialized(to, relayMark, delay)
    }

    private func serialized(_ addressee: JID?, _ relayMark: RelayMark?, _ delay: (from: JID, stamp: WallTime)?) -> [UInt8] {
        // A message is small: on the stack, where room costs nothing. Beyond 1 KiB it is memory for a moment.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: largestSize(addressee, relayMark, delay?.from)) { room in
            var fill = ByteFill(room)
            write(to: &fill, addressee, relayMark, delay)
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
    private func largestSize(_ addressee: JID?, _ relayMark: RelayMark?, _ delayedBy: JID?) -> Int {
        var values = Self.size(of: from) + Self.size(of: addressee) + Self.size(of: delayedBy)
        values += Self.size(of: id) + Self.size(of: type) + Self.size(of: lang)
        return content.count + values + (relayMark == nil && delayedBy == nil ? 128 : 512)
    }

    static func size(of address: JID?) -> Int {
        guard let address else { return 0 }
        return size(of: address.resourcepart) + address.domainpart.utf8.count + (address.localpart?.utf8.count ?? 0)
    }

    static func size(of value: String?) -> Int { XMLWriter.largestEscape * (value?.utf8.count ?? 0) }

    private func write(
        to fill: inout ByteFill, _ addressee: JID?, _ relayMark: RelayMark?, _ delay: (from: JID, stamp: WallTime)?
    ) {
        fill.put(kind.startOfTag)
        if let from { Self.writeAddress(" from='", from, to: &fill) }
        if let addressee { Self.writeAddress(" to='", addressee, to: &fill) }
        if let id { Self.writeAttribute(" id='", id, to: &fill) }
        if let type { Self.writeAttribute(" type='", type, to: &fill) }
        if let lang { Self.writeAttribute(" xml:lang='", lang, to: &fill) }
        if content.isEmpty, relayMark == nil, delay == nil {
            fill.put("/>")
            return
        }
        fill.put(">")
        fill.put(content)
        if let delay { Self.writeDelay(delay.from, delay.stamp, to: &fill) }
        relayMark?.write(to: &fill)
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
