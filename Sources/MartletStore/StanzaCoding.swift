import MartletPrimitives
import XMPPAddress
import XMPPStanzas

/// A stanza as a value of a row, or as the end of one.
///
/// Its first byte says in its upper half by which schema it was written, from schema 2 on (``StoreMigration``), and in its lower
/// half of which kind the stanza is.
enum StanzaCoding {
    /// The upper half of the first byte.
    static let mark: UInt8 = 0x20

    static func encode(_ stanza: Stanza) -> [UInt8] {
        var writer = ByteWriter(capacity: size(of: stanza))
        write(stanza, to: &writer)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) -> Stanza {
        var reader = ByteReader(bytes)
        return read(&reader)
    }

    /// The bytes that ``write(_:to:)`` needs.
    static func size(of stanza: Stanza) -> Int {
        9 + size(of: stanza.from) + size(of: stanza.to) + ByteWriter.size(of: stanza.id) + ByteWriter.size(of: stanza.type)
            + ByteWriter.size(of: stanza.lang) + stanza.content.count
    }

    static func write(_ stanza: Stanza, to writer: inout ByteWriter) {
        writer.put(mark | stanza.kind.rawValue)
        writer.put(stanza.traits.rawValue)
        put(stanza.from, to: &writer)
        put(stanza.to, to: &writer)
        writer.put(stanza.id)
        writer.put(stanza.type)
        writer.put(stanza.lang)
        writer.put(stanza.content)
    }

    static func read(_ reader: inout ByteReader) -> Stanza {
        let first = reader.take(UInt8.self)
        guard first & 0xF0 == mark, let kind = Stanza.Kind(rawValue: first & 0x0F) else {
            ourFault("a stored stanza begins with \(first)")
        }
        let traits = Stanza.Traits(rawValue: reader.take())
        var stanza = Stanza(kind, from: takeAddress(&reader), to: takeAddress(&reader))
        stanza.id = reader.takeOptionalString()
        stanza.type = reader.takeOptionalString()
        stanza.lang = reader.takeOptionalString()
        stanza.content = reader.takeBytes()
        stanza.traits = traits
        return stanza
    }

    /// Reads as far as the sender.
    static func readSender(_ reader: inout ByteReader) -> JID? {
        _ = reader.take(UInt8.self)
        _ = reader.take(UInt32.self)
        return takeAddress(&reader)
    }

    private static func put(_ address: JID?, to writer: inout ByteWriter) {
        writer.put(address?.localpart)
        writer.put(address?.domainpart)
        writer.put(address?.resourcepart)
    }

    private static func size(of address: JID?) -> Int {
        ByteWriter.size(of: address?.localpart) + ByteWriter.size(of: address?.domainpart)
            + ByteWriter.size(of: address?.resourcepart)
    }

    private static func takeAddress(_ reader: inout ByteReader) -> JID? {
        let localpart = reader.takeOptionalString()
        let domainpart = reader.takeOptionalString()
        let resourcepart = reader.takeOptionalString()
        return domainpart.map {
            JID(preparedLocalpart: localpart, preparedDomainpart: $0, preparedResourcepart: resourcepart)
        }
    }
}
