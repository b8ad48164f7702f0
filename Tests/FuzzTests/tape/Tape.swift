// The fuzz target for the tape and for stanzas: whatever bytes a stanza has, what is read from the tape, from the tree that is built of it
// and from the stanza's own fields is the same, also after it was written again and read once more.
//
// The first byte of an input chooses the namespace in force, the rest is one element.

import MartletPrimitives
import MartletStore
import XMPPStanzas
import XMPPXML

private func expect(_ condition: Bool, _ rule: StaticString) {
    if !condition { fatalError("disagreement: \(rule)") }
}

private func compare(_ tape: ElementTape, _ index: ElementTape.Index, _ element: Element, depth: Int = 0) {
    expect(tape.name(of: index) == element.name, "tape and tree agree on the name")
    expect(tape.namespace(of: index) == element.namespace, "tape and tree agree on the namespace")
    expect(tape.attributes(of: index) == element.attributes, "tape and tree agree on the attributes")
    expect(tape.text(of: index) == element.text, "tape and tree agree on the text")
    let (whole, inner) = (tape.range(of: index), tape.contentRange(of: index))
    expect(whole.lowerBound <= inner.lowerBound && inner.upperBound <= whole.upperBound, "an element surrounds its content")
    let children = Array(tape.children(of: index))
    expect(children.count == element.elements.count, "tape and tree agree on the children")
    for (child, node) in zip(children, element.elements) { compare(tape, child, node, depth: depth + 1) }
}

private func checkStanza(_ bytes: [UInt8], _ namespace: String) {
    guard
        let stanza = try? Stanza(parsing: bytes, contentNamespace: namespace, context: NamespaceContext(namespace))
    else { return }
    let written = stanza.serialized()
    guard
        let again = try? Stanza(
            parsing: written, contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
    else { fatalError("disagreement: a stanza that was written cannot be read") }
    expect(again.serialized() == written, "what was written is written the same once more")
    expect(again.to == stanza.to && again.from == stanza.from && again.id == stanza.id, "addresses and id survive")
    // As the store keeps it.
    let store = MemoryStore()
    let logged = LoggedStanza(
        stanza: stanza, acceptedAt: WallTime(milliseconds: 1), acceptedInstant: Instant(milliseconds: 1))
    let transaction = store.begin()
    let sequence = StanzaLog.append(logged, in: transaction)
    expect(StanzaLog.stanza(sequence, in: transaction) == logged, "a stanza comes out of the log as it went in")
    store.abort()
    _ = stanza.errorReply(StanzaError(.badRequest))?.serialized()
    _ = MessageExpiry(of: stanza, acceptedAt: WallTime(milliseconds: 1))
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTape(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    let namespace = input[0] & 1 == 0 ? Namespaces.client : Namespaces.server
    let bytes = Array(input[1...])
    guard let tape = try? ElementTape(parsing: bytes, context: NamespaceContext(namespace)) else { return 0 }
    compare(tape, .root, tape.element())
    let written = tape.element().serialized(within: namespace)
    guard let again = try? Element(parsing: written, within: NamespaceContext(namespace)) else {
        fatalError("disagreement: an element that was written cannot be read")
    }
    expect(again == tape.element(), "an element survives being written")
    checkStanza(bytes, namespace)
    return 0
}
