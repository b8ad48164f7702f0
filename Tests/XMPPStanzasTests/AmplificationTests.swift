import MartletPrimitives
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@Suite struct AmplificationTests {
    @Test("a stanza whose prefixes would make it many times larger when rebuilt is refused")
    func prefixes() {
        let namespace = String(repeating: "n", count: 250)
        let children = String(repeating: "<p:a/>", count: 2000)
        let text = "<message xmlns:p='\(namespace)' to='a@b.example'><x xmlns='y'>z</x>\(children)</message>"
        expectGrown(text, .oversized)
    }

    @Test("what is within bounds as it came, and not as it leaves, is refused with what is needed to answer")
    func grown() {
        // Each namespace of an attribute is declared where the attribute stands.
        let prefixes = (0..<30).map { " xmlns:p\($0)='urn:\($0)'" }.joined()
        let attributes = (0..<40).map { " p\($0 % 30):a\($0)=''" }.joined()
        expectGrown("<message\(prefixes) to='a@b.example' id='i'><x xmlns='y'\(attributes)/></message>", .tooManyAttributes)
        // A quote is one byte in a namespace, and six once it is escaped.
        let quotes = String(repeating: "'", count: 60)
        expectGrown(
            "<message xmlns:p=\"urn:\(quotes)\" to='a@b.example' id='i'><p:x/></message>", .nameTooLong)
        // Forwarded as it is, all of that is within bounds.
        #expect(throws: Never.self) { try Self.parse("<message to='a@b.example'><p:x xmlns:p=\"urn:\(quotes)\"/></message>") }
    }

    @Test("size is counted as it leaves: escaped, with addresses, mark and delay")
    func sizes() {
        var stanza = Stanza(.message, to: try? JID("a@b.example"), id: String(repeating: "'", count: 600))
        #expect(stanza.objection(toMoreThan: 262_144, adding: Stanza.allowance) == nil)
        stanza.id = String(repeating: "'", count: 700)
        #expect(stanza.objection(toMoreThan: 262_144, adding: Stanza.allowance)?.condition == .policyViolation)
        #expect(stanza.answerableHead.id == nil)
        stanza.id = "i"
        for count in [249_700, 249_950] {
            stanza.content = Array(repeating: UInt8(ascii: "x"), count: count)
            #expect((stanza.objection(toMoreThan: 262_144, adding: Stanza.allowance) == nil) == (count == 249_700))
        }
        let head = stanza.answerableHead
        #expect(head.id == "i" && head.to == stanza.to && head.content.isEmpty && head.traits.isEmpty)
    }

    @Test("what one site accepts the next one does, whatever the addresses, with the first one's delay and mark")
    func agreement() throws {
        let resource = String(repeating: "'", count: 1023)
        let name = String(repeating: "n", count: 1023)
        let domain = Array(repeating: String(repeating: "d", count: 62), count: 16).joined(separator: ".")
        let sender = try JID("\(name)@\(domain)/\(resource)")
        var stanza = Stanza(.message, to: sender, id: String(repeating: "&", count: 818), type: "chat")
        let limit = 100_000
        var size = limit - Stanza.allowance - 8_000
        repeat {
            size -= 50
            stanza.content = Array("<body>\(String(repeating: "x", count: size))</body>".utf8)
        } while stanza.objection(toMoreThan: limit, adding: Stanza.allowance) != nil
        stanza.from = sender
        let mark = RelayMark(
            lane: .urgent, epoch: Epoch(high: .max, low: .max), number: .max, tag: .max, after: .max,
            acceptedAt: WallTime(milliseconds: 253_402_300_799_999))
        let written = stanza.serialized(relayMark: mark, delay: (from: sender.domain, stamp: WallTime(milliseconds: 0)))
        #expect(written.count <= limit)
        let received = try Stanza(
            parsing: written, contentNamespace: Namespaces.server, context: NamespaceContext(Namespaces.server))
        #expect(received.objection(toMoreThan: limit, adding: Stanza.additions) == nil)
    }

    private static func parse(_ text: String) throws -> Stanza {
        try Stanza(parsing: Array(text.utf8), contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
    }

    private func expectGrown(_ text: String, _ expected: XMLFailure) {
        do {
            _ = try Self.parse(text)
            Issue.record("accepted")
        } catch StanzaFailure.grown(let failure, let head) {
            #expect(failure == expected)
            #expect(head.to?.description == "a@b.example" && head.content.isEmpty)
        } catch {
            Issue.record("\(error)")
        }
    }
}
