import XMPPAddress
import XMPPXML

extension Stanza {
    /// Reads a stanza from the bytes of exactly one element, as it stands in a stream whose header gives `context`.
    ///
    /// `contentNamespace` is the stream's: `jabber:client` or `jabber:server`.
    public init(
        parsing bytes: [UInt8], contentNamespace: String, context: NamespaceContext, limits: XMLLimits = XMLLimits()
    ) throws(StanzaFailure) {
        let tape: ElementTape
        do {
            tape = try ElementTape(parsing: bytes, context: context, limits: limits)
        } catch {
            throw .unacceptableXML(error)
        }
        try self.init(parsing: tape, contentNamespace: contentNamespace, limits: limits)
    }

    /// Reads a stanza from a tape: the attributes become values, the content stays the bytes that were received.
    ///
    /// Children in the relay's namespace never become content. The last child, if it is a `<seq/>` and the stream is a
    /// server's, is the ``relayMark``; a client has no lanes, and the server of a client that forges one does not know
    /// about it, so that everything else of the kind is dropped without a word.
    public init(
        parsing tape: borrowing ElementTape, contentNamespace: String, limits: XMLLimits = XMLLimits()
    ) throws(StanzaFailure) {
        guard let kind = Self.kind(of: tape, contentNamespace) else { throw .notAStanza }
        let attributes = tape.commonAttributes()
        let (from, isFromMalformed) = Self.address(attributes.from, tape)
        let (to, isToMalformed) = Self.address(attributes.to, tape)
        var fields = Fields(
            kind: kind, traits: [], from: from, to: to, id: attributes.id.map { tape.value(of: $0) },
            type: attributes.type.map { tape.value(of: $0) }, lang: attributes.lang.map { tape.value(of: $0) })
        if isFromMalformed || isToMalformed {
            fields.relayMark = Self.mark(tape, contentNamespace)
            box = [fields]
            let domain = Self.domain(isFromMalformed ? "from" : "to", tape)
            throw .malformedAddress(.init(isTo: !isFromMalformed, domain: domain, head: self))
        }
        if !tape.contentRange().isEmpty {
            do throws(XMLFailure) {
                try Self.readContent(tape, contentNamespace, limits, into: &fields)
            } catch {
                box = [fields]
                throw .grown(error, head: answerableHead)
            }
        }
        box = [fields]
    }

    private static func readContent(
        _ tape: ElementTape, _ contentNamespace: String, _ limits: XMLLimits, into fields: inout Fields
    ) throws(XMLFailure) {
        var marks: [ElementTape.Index] = []
        var last: ElementTape.Index?
        for child in tape.children() {
            last = child
            if tape.is(inNamespace: Namespaces.relay, at: child) {
                marks.append(child)
            } else {
                fields.traits.formUnion(Traits(tape, child, contentNamespace))
            }
        }
        if last == marks.last { fields.relayMark = mark(tape, contentNamespace) }
        fields.content = try content(tape, without: marks, contentNamespace, limits)
    }

    /// The bytes between the tags without the elements `marks`; rebuilt only if they would mean something else elsewhere.
    private static func content(
        _ tape: ElementTape, without marks: [ElementTape.Index], _ contentNamespace: String, _ limits: XMLLimits
    ) throws(XMLFailure) -> [UInt8] {
        let range = tape.contentRange()
        if tape.isForwardable(contentNamespace: contentNamespace) {
            if marks.isEmpty { return Array(tape.bytes[range]) }
            var content: [UInt8] = []
            content.reserveCapacity(range.count)
            var position = range.lowerBound
            for mark in marks {
                let cut = tape.range(of: mark)
                content += tape.bytes[position..<cut.lowerBound]
                position = cut.upperBound
            }
            content += tape.bytes[position..<range.upperBound]
            return content
        }
        var root = tape.element().translated(from: contentNamespace, to: Namespaces.client)
        root.removeElements { $0.namespace == Namespaces.relay }
        var content: [UInt8] = []
        for child in root.children {
            switch child {
            case .element(let element): element.write(to: &content, within: Namespaces.client)
            case .text(let text): XMLWriter.escapeText(text, to: &content)
            }
            // A prefix of one byte can stand for a namespace of 256, at every element: small to send, large to keep.
            guard content.count <= 4 * tape.bytes.count + 4096 else { throw .oversized }
        }
        // Each namespace of an attribute is declared where the attribute stands, and quotes are escaped: what was within bounds need
        // not be any more.
        _ = try ContentReader.tape(of: content, limits: limits)
        return content
    }

    /// The relay's mark, if the last child is one and the stream is a server's.
    private static func mark(_ tape: ElementTape, _ contentNamespace: String) -> RelayMark? {
        guard contentNamespace == Namespaces.server, !tape.contentRange().isEmpty else { return nil }
        var last: ElementTape.Index?
        for child in tape.children() { last = child }
        guard let last, tape.is("seq", Namespaces.relay, at: last) else { return nil }
        // In place; another implementation may write references, which are resolved then.
        return RelayMark { tape.rawAttribute($0, of: last).map { tape.bytes[$0] } }
            ?? RelayMark { tape.attribute($0, of: last).map { Array($0.utf8)[...] } }
    }

    /// The domain of an address of which another part cannot be read.
    private static func domain(_ name: String, _ tape: ElementTape) -> JID? {
        guard let value = tape.attribute(name) else { return nil }
        let bare = value.prefix { $0 != "/" }
        return try? JID(String(bare[(bare.firstIndex(of: "@").map { bare.index(after: $0) } ?? bare.startIndex)...]))
    }

    /// The prepared address in an attribute; whether there is one that is malformed.
    private static func address(_ place: AttributePlace?, _ tape: ElementTape) -> (JID?, isMalformed: Bool) {
        guard let place else { return (nil, false) }
        let jid = if let plain = tape.plainValue(of: place) { try? JID(utf8: plain) } else { try? JID(tape.value(of: place)) }
        return (jid, jid == nil)
    }

    /// The kind of the tape's root; nil if it is no stanza of the content namespace.
    private static func kind(of tape: ElementTape, _ contentNamespace: String) -> Kind? {
        if tape.is("message", contentNamespace) { return .message }
        if tape.is("presence", contentNamespace) { return .presence }
        return tape.is("iq", contentNamespace) ? .iq : nil
    }
}

extension Stanza.Traits {
    /// What a child on a tape says about a message; the content namespace reads as `jabber:client`.
    init(_ tape: ElementTape, _ child: ElementTape.Index, _ contentNamespace: String) {
        // Nearly every message has one, and no names need be made to see it.
        if tape.is("body", contentNamespace, at: child) {
            self.init(of: "body", Namespaces.client)
            return
        }
        let namespace = tape.namespace(of: child)
        self.init(of: tape.name(of: child), namespace == contentNamespace ? Namespaces.client : namespace)
    }
}
