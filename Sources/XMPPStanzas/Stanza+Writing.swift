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
        write(to: &bytes, addressee: to, relayMark: relayMark, delay: delay)
    }

    /// Appends the stanza with another addressee: what is sent to many differs in nothing else.
    public func write(to bytes: inout [UInt8], replacingTo addressee: JID?) {
        write(to: &bytes, addressee: addressee, relayMark: nil, delay: nil)
    }

    /// The bytes that ``write(to:relayMark:delay:)`` appends.
    public func serialized(relayMark: RelayMark? = nil, delay: (from: JID, stamp: WallTime)? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        // Start tag and end tag of a typical stanza have some 150 bytes, mark and delay 100 each. Only here: reserving
        // what one stanza needs in a buffer of many would copy the buffer for each.
        bytes.reserveCapacity(content.count + (relayMark == nil && delay == nil ? 192 : 384))
        write(to: &bytes, addressee: to, relayMark: relayMark, delay: delay)
        return bytes
    }

    private func write(
        to bytes: inout [UInt8], addressee: JID?, relayMark: RelayMark?, delay: (from: JID, stamp: WallTime)?
    ) {
        bytes.append(literal: kind.startOfTag)
        if let from { Self.writeAddress(" from='", from, to: &bytes) }
        if let addressee { Self.writeAddress(" to='", addressee, to: &bytes) }
        if let id { Self.writeAttribute(" id='", id, to: &bytes) }
        if let type { Self.writeAttribute(" type='", type, to: &bytes) }
        if let lang { Self.writeAttribute(" xml:lang='", lang, to: &bytes) }
        if content.isEmpty, relayMark == nil, delay == nil {
            bytes.append(literal: "/>")
            return
        }
        bytes.append(UInt8(ascii: ">"))
        bytes += content
        if let delay { Self.writeDelay(delay.from, delay.stamp, to: &bytes) }
        relayMark?.write(to: &bytes)
        bytes.append(literal: kind.endTag)
    }

    private static func writeAttribute(_ opening: StaticString, _ value: String, to bytes: inout [UInt8]) {
        bytes.append(literal: opening)
        XMLWriter.escapeAttribute(value, to: &bytes)
        bytes.append(UInt8(ascii: "'"))
    }

    private static func writeAddress(_ opening: StaticString, _ address: JID, to bytes: inout [UInt8]) {
        bytes.append(literal: opening)
        // Neither localparts nor domainparts can hold anything that needs escaping (RFC 7622 §3.3.1).
        address.writeBare(to: &bytes)
        if let resourcepart = address.resourcepart {
            bytes.append(UInt8(ascii: "/"))
            XMLWriter.escapeAttribute(resourcepart, to: &bytes)
        }
        bytes.append(UInt8(ascii: "'"))
    }

    private static func writeDelay(_ from: JID, _ stamp: WallTime, to bytes: inout [UInt8]) {
        bytes.append(literal: "<delay xmlns='")
        bytes.append(utf8: Namespaces.delay)
        writeAddress("' from='", from, to: &bytes)
        bytes.append(literal: " stamp='")
        stamp.write(to: &bytes)
        bytes.append(literal: "'/>")
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
