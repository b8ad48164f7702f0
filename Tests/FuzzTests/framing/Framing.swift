// The fuzz target for XML framing: whatever arrives on a stream, framer, tape, tree, libxml2 and expat must agree.
//
// Built in one module with Sources/XMPPXML by Tests/FuzzTests/run.sh; not part of the package. The first byte of an input chooses limits
// and cuts, the rest is what arrives. A disagreement ends the process, which is how libFuzzer learns of it.

import CLibXML2

private struct Run: Equatable {
    var frames: [StanzaFramer.Frame] = []
    var failure: XMLFailure?
    var unread = 0

    init(_ bytes: ArraySlice<UInt8>, limits: XMLLimits, ahead: Int = 0, piece: (Int) -> Int) {
        var framer = StanzaFramer(limits: limits)
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = min(bytes.endIndex, start + piece(start))
            framer.append(bytes[start..<end])
            do throws(XMLFailure) {
                while let frame = try framer.next() {
                    frames.append(frame)
                    if ahead > 0, case .element(let element) = frame {
                        let run = framer.lookAhead(count: ahead, size: 200)
                        checkRun(element, run.bytes, run.ends)
                    }
                }
            } catch {
                failure = error
                return
            }
            start = end
        }
        unread = framer.unreadByteCount
    }
}

nonisolated(unsafe) private let validator = XMLValidator()
nonisolated(unsafe) private let expat = Expat()

private func expect(_ condition: Bool, _ rule: StaticString) {
    if !condition { fatalError("disagreement: \(rule)") }
}

/// Refusals by our own limits, about which libxml2 has no opinion.
private func isPolicy(_ failure: XMLFailure) -> Bool { failure.streamErrorCondition == "policy-violation" }

private func checkHeader(_ header: StreamHeader) {
    // Written out again, libxml2 must accept it as the root of a document.
    var document = Array("<\(header.prefix.isEmpty ? "" : header.prefix + ":")\(header.name)".utf8)
    if !header.context.defaultNamespace.isEmpty {
        XMLWriter.attribute("xmlns", header.context.defaultNamespace, to: &document)
    }
    for binding in header.context.prefixes {
        XMLWriter.attribute(binding.prefix, prefix: "xmlns", binding.namespace, to: &document)
    }
    let end = document.count + 5
    document += Array("><a/></\(header.prefix.isEmpty ? "" : header.prefix + ":")\(header.name)>\0".utf8)
    guard let parser = clibxml2_parser_create() else { return }
    expect(
        clibxml2_parser_check(parser, document, document.count - 1, [end], 1, 0) == 1,
        "a stream header is well-formed for libxml2")
    clibxml2_parser_destroy(parser)
}

/// Several elements shown to libxml2 together are accepted just where each is.
private func checkRun(_ first: [UInt8], _ others: ArraySlice<UInt8>, _ ends: [Int]) {
    let starts = [0] + ends.dropLast()
    let rest = zip(starts, ends).map { Array(others.dropFirst($0).prefix($1 - $0)) }
    let apart = ([first] + rest).allSatisfy { validator.validate($0, context: NamespaceContext()) }
    expect(
        validator.validate(first, followedBy: others, endingAt: ends) == apart,
        "elements are accepted together just where each is")
}

private func checkStanza(_ bytes: [UInt8], _ context: NamespaceContext, _ limits: XMLLimits) {
    let tape: ElementTape
    do throws(XMLFailure) {
        tape = try ElementTape(parsing: bytes, context: context, limits: limits)
    } catch {
        if !isPolicy(error), error != .unusualName {
            expect(!validator.validate(bytes, context: context), "libxml2 accepts no more than the tape")
        }
        return
    }
    expect(validator.validate(bytes, context: context), "libxml2 accepts what the tape accepts, however little it is told")
    expect(validator.agrees(with: tape), "libxml2 accepts what the tape accepts and reads the same")
    checkExpat(tape)
    let tree = tape.element()
    var written: [UInt8] = []
    tree.write(to: &written, within: context)
    expect((try? Element(parsing: written, within: context, limits: roomy)) == tree, "a tree survives being written")
    expect(
        (try? Element(parsing: tree.serialized(within: ""), within: .init(), limits: roomy)) == tree, "without a context too")
    if tape.isForwardable(contentNamespace: context.defaultNamespace), !context.defaultNamespace.isEmpty {
        let moved = Array("<\(tape.name())>".utf8) + bytes[tape.contentRange()] + Array("</\(tape.name())>".utf8)
        var expected = tree.translated(from: context.defaultNamespace, to: "urn:another")
        expected.attributes = []
        let read = try? Element(parsing: moved, within: NamespaceContext("urn:another"), limits: roomy)
        expect(read == expected, "content moved under another start tag means what the translated tree means")
    }
}

/// Most of the field is made of expat, and each program chose what stands between namespace and name.
private func checkExpat(_ tape: ElementTape) {
    var declarations: [UInt8] = []
    if !tape.context.defaultNamespace.isEmpty { XMLWriter.attribute("xmlns", tape.context.defaultNamespace, to: &declarations) }
    for binding in tape.context.prefixes {
        XMLWriter.attribute(binding.prefix, prefix: "xmlns", binding.namespace, to: &declarations)
    }
    var dump: [UInt8] = []
    tape.element().dump(to: &dump)
    let separator = Expat.separators[tape.bytes.count % Expat.separators.count]
    expect(
        expat.read(tape.bytes, declarations: String(decoding: declarations, as: UTF8.self), separator: separator) == dump,
        "expat accepts what the tape accepts and reads the same")
}

/// Limits that our own output may need when the input just kept to its own.
private let roomy: XMLLimits = {
    var limits = XMLLimits()
    limits.stanzaBytes *= 16
    limits.attributes *= 4
    limits.namespaces *= 8
    limits.namespaceBytes *= 8
    return limits
}()

private func limits(_ choice: UInt8) -> XMLLimits {
    var limits = XMLLimits()
    guard choice & 1 == 1 else { return limits }
    limits.stanzaBytes = 120
    limits.streamHeaderBytes = 150
    limits.depth = 4
    limits.attributes = 4
    limits.namespaces = 4
    limits.nameBytes = 12
    limits.namespaceBytes = 36
    return limits
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFraming(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    let choice = input[0]
    let limits = limits(choice)
    let bytes = input[1...]

    let whole = Run(bytes, limits: limits) { _ in count }
    expect(Run(bytes, limits: limits) { _ in 1 } == whole, "byte by byte gives the same frames")
    let cut = Run(bytes, limits: limits) { 1 + (Int(choice) &* 31 &+ $0 &* 7) % 23 }
    expect(cut == whole, "any cut gives the same frames")
    let ahead = Run(bytes, limits: limits, ahead: 1 + Int(choice) % 5) { 1 + (Int(choice) &* 31 &+ $0 &* 7) % 97 }
    expect(ahead == whole, "whoever looks ahead gets the same frames")

    var context = NamespaceContext()
    for frame in whole.frames {
        switch frame {
        case .streamHeader(let header):
            checkHeader(header)
            context = header.context
        case .element(let element):
            expect(element.count <= limits.stanzaBytes, "no stanza is longer than the limit")
            checkStanza(element, context, limits)
        case .streamEnd: break
        }
    }
    // The same bytes as one stanza: what the tape accepts must have exactly one frame.
    let stanza = Array(bytes)
    checkStanza(
        stanza, NamespaceContext("jabber:client", prefixes: [.init(prefix: "stream", namespace: XMLNamespace.streams)]), limits)
    if (try? ElementTape(parsing: stanza, limits: limits)) != nil {
        let framed = Run((Array("<s>".utf8) + stanza)[...], limits: limits) { _ in count + 3 }
        expect(framed.frames.dropFirst().elementsEqual([.element(stanza)]), "what the tape accepts is framed as one stanza")
    }
    return 0
}
