import CLibXML2

/// libxml2 as the second opinion on completed stanzas: the full parser beside our own tape.
///
/// Stanza smuggling lives where two parsers disagree, so nothing is routed that libxml2 would refuse. One per event loop (or thread); its
/// context is reused, and thrown away when the names seen fill its dictionary or a stanza was refused. Keeps 16 KB, whatever the number of
/// connections.
public final class XMLValidator {
    private let parser: OpaquePointer
    private var scratch: [UInt8] = []
    /// Where in the document each child of its root ends.
    private var expectedEnds: [Int] = []
    /// The synthetic root's start tag for the context seen last; the stanzas of one connection come in runs.
    private var root: [UInt8] = []
    private var rootContext: NamespaceContext?
    private static let bareRoot = Array("<r>".utf8)

    /// A validator for the calling thread's use.
    public init() {
        guard let parser = clibxml2_parser_create() else { preconditionFailure("no memory for an XML parser") }
        self.parser = parser
    }

    deinit { clibxml2_parser_destroy(parser) }

    /// Whether libxml2 finds `stanza`, one element inside `context`, well-formed, also as to namespaces, and free of what RFC 6120 §11.1
    /// forbids.
    public func validate(_ stanza: [UInt8], context: NamespaceContext) -> Bool {
        // Most stanzas use no prefix of the stream header. Without its declarations fewer stanzas are right, never more, and
        // libxml2 need not read them again for each.
        parse(stanza, inside: Self.bareRoot) || check(stanza, context, wantsDump: false)
    }

    /// Whether `validate` would accept `stanza` and each of the elements that stand in `others` one behind the other, where `ends` says
    /// that they end. False may also mean that they use prefixes of the stream header.
    public func validate(_ stanza: [UInt8], followedBy others: ArraySlice<UInt8>, endingAt ends: [Int]) -> Bool {
        let first = Self.bareRoot.count + stanza.count
        expectedEnds.removeAll(keepingCapacity: true)
        expectedEnds.append(first)
        for end in ends { expectedEnds.append(first + end) }
        return parse(stanza, others, inside: Self.bareRoot, wantsDump: false)
    }

    /// Whether libxml2 accepts the tape's bytes and reads them exactly as the tape does: names, namespaces, attributes, text.
    ///
    /// Costs several times as much as `validate`; for debug builds, the simulator and the fuzzer.
    public func agrees(with tape: ElementTape) -> Bool {
        guard check(tape.bytes, tape.context, wantsDump: true) else { return false }
        var expected: [UInt8] = []
        tape.element().dump(to: &expected)
        var length = 0
        guard let dump = clibxml2_parser_dump(parser, &length) else { return false }
        // SAFETY: the parser owns `length` bytes at `dump` until its next call; they are only compared here.
        return UnsafeBufferPointer(start: dump, count: length).elementsEqual(expected)
    }

    /// Bytes of names libxml2's dictionary holds; bounded by 1 MiB plus one document.
    var dictionaryBytes: Int { clibxml2_parser_dictionary_bytes(parser) }

    private func check(_ stanza: [UInt8], _ context: NamespaceContext, wantsDump: Bool) -> Bool {
        if rootContext != context {
            root = Self.rootStartTag(context)
            rootContext = context
        }
        return parse(stanza, inside: root, wantsDump: wantsDump)
    }

    private func parse(_ stanza: [UInt8], inside root: [UInt8], wantsDump: Bool = false) -> Bool {
        expectedEnds.removeAll(keepingCapacity: true)
        expectedEnds.append(root.count + stanza.count)
        return parse(stanza, [], inside: root, wantsDump: wantsDump)
    }

    private func parse(
        _ stanza: [UInt8], _ others: ArraySlice<UInt8>, inside root: [UInt8], wantsDump: Bool
    ) -> Bool {
        scratch.removeAll(keepingCapacity: scratch.capacity <= 65_536)
        scratch.append(contentsOf: root)
        scratch.append(contentsOf: stanza)
        scratch.append(contentsOf: others)
        scratch.append(literal: "</r>\0")
        return scratch.withUnsafeBufferPointer { document in
            guard let start = document.baseAddress else { return false }
            // SAFETY: libxml2 reads the document in place, up to the zero byte at its end, and keeps nothing of it afterwards.
            return clibxml2_parser_check(parser, start, document.count - 1, expectedEnds, expectedEnds.count, wantsDump ? 1 : 0)
                == 1
        }
    }

    /// `<r xmlns='…' xmlns:p='…'>`: it puts the stream's own declarations in force.
    private static func rootStartTag(_ context: NamespaceContext) -> [UInt8] {
        var bytes = Array("<r".utf8)
        if !context.defaultNamespace.isEmpty { XMLWriter.attribute("xmlns", context.defaultNamespace, to: &bytes) }
        for binding in context.prefixes { XMLWriter.attribute(binding.prefix, prefix: "xmlns", binding.namespace, to: &bytes) }
        bytes.append(UInt8(ascii: ">"))
        return bytes
    }
}

extension Element {
    /// The form in which `CLibXML2` writes down what it read.
    func dump(to bytes: inout [UInt8]) {
        bytes.append(1)
        Self.append(namespace, to: &bytes)
        Self.append(name, to: &bytes)
        for attribute in attributes {
            bytes.append(2)
            Self.append(attribute.namespace, to: &bytes)
            Self.append(attribute.name, to: &bytes)
            Self.append(attribute.value, to: &bytes)
        }
        bytes.append(4)
        for child in children {
            switch child {
            case .element(let element): element.dump(to: &bytes)
            case .text(let text): bytes.append(contentsOf: text.utf8)
            }
        }
        bytes.append(3)
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }
}
