import MartletPrimitives
import Testing
import XMPPStreams

@Suite struct WebSocketTests {
    /// A frame as a client writes it.
    private static func frame(_ first: UInt8, _ payload: [UInt8], mask: [UInt8] = [1, 2, 3, 4]) -> [UInt8] {
        var bytes = [first]
        switch payload.count {
        case ..<126: bytes.append(0x80 | UInt8(payload.count))
        case ..<65_536: bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default: bytes += [0x80 | 127] + (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
        }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 & 3] }
    }

    private static func events(_ bytes: [UInt8], limit: Int = 1000, step: Int = .max) -> [WebSocketReader.Event] {
        var reader = WebSocketReader(limit: limit)
        var events: [WebSocketReader.Event] = []
        for start in stride(from: 0, to: bytes.count, by: min(step, bytes.count)) {
            reader.append(bytes[start..<min(bytes.count, start + min(step, bytes.count))])
            while let event = reader.next() { events.append(event) }
        }
        return events
    }

    @Test(
        "RFC 6455 §5: messages, fragments with a ping between them, and the end, however the bytes are cut",
        arguments: [1, 3, 1000])
    func reading(step: Int) {
        let bytes =
            Self.frame(0x81, Array("<a/>".utf8)) + Self.frame(0x01, Array("<b".utf8)) + Self.frame(0x89, [7, 8])
            + Self.frame(0x00, []) + Self.frame(0x80, Array("/>".utf8)) + Self.frame(0x8A, []) + Self.frame(0x88, [0x03, 0xE8])
            + Self.frame(0x81, Array("<late/>".utf8))
        #expect(
            Self.events(bytes, step: step) == [
                .text(Array("<a/>".utf8)), .ping([7, 8]), .text(Array("<b/>".utf8)), .pong, .close(1000),
            ])
        let long = [UInt8](repeating: 0x20, count: 70_000)
        #expect(Self.events(Self.frame(0x81, long), limit: 70_000, step: 4096) == [.text(long)])
    }

    @Test("RFC 6455 §5.2: what a client may not send ends the connection with the code that says why")
    func refusals() {
        let unmasked: [UInt8] = [0x81, 4] + Array("<a/>".utf8)
        #expect(Self.events(unmasked) == [.failed(.protocolError)])
        for first: UInt8 in [0xC1, 0x83, 0x8B, 0x80, 0x09, 0x08] {
            #expect(Self.events(Self.frame(first, [1, 2])) == [.failed(.protocolError)])
        }
        #expect(Self.events(Self.frame(0x89, [UInt8](repeating: 0, count: 126))) == [.failed(.protocolError)])
        #expect(Self.events(Self.frame(0x01, [1]) + Self.frame(0x81, [1])) == [.failed(.protocolError)])
        #expect(Self.events(Self.frame(0x88, [1])) == [.failed(.protocolError)])
        #expect(Self.events(Self.frame(0x82, [1])) == [.failed(.unacceptable)])
        #expect(Self.events(Self.frame(0x81, [UInt8](repeating: 0, count: 1001))) == [.failed(.tooBig)])
        #expect(
            Self.events(
                Self.frame(0x01, [UInt8](repeating: 0, count: 600)) + Self.frame(0x80, [UInt8](repeating: 0, count: 600))) == [
                    .failed(.tooBig)
                ])
        #expect(Self.events([0x81, 0xFF] + [UInt8](repeating: 0xFF, count: 8) + [0, 0, 0, 0]) == [.failed(.tooBig)])
    }

    @Test("a reader holds no more than a message, and nothing between them")
    func memory() {
        var reader = WebSocketReader(limit: 100)
        var random = RandomStream(seed: 7)
        for _ in 0..<2000 {
            reader.append((0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            while reader.next() != nil {}
            #expect(reader.unreadByteCount <= 100 + 14 + 40)
        }
        reader = WebSocketReader(limit: 100)
        reader.append(Self.frame(0x81, [1]))
        let (first, second) = (reader.next(), reader.next())
        #expect(first == .text([1]) && second == nil)
        #expect(reader.unreadByteCount == 0)
    }

    private func received(_ message: String, awaitsHeader: Bool) -> String? {
        WebSocketFraming(limit: 1000).received(Array(message.utf8), awaitsHeader: awaitsHeader).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private static let nonsense = String(decoding: BOSHSession.nonsense, as: UTF8.self)

    @Test("RFC 7395 §3.3.3: a message is one element, and open and close stand for the root's tags")
    func framing() {
        let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a.example' version='1.0' xml:lang='de'/>"
        #expect(
            received(open, awaitsHeader: true)
                == "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a.example' version='1.0' xml:lang='de'>"
        )
        #expect(received("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", awaitsHeader: false) == "</stream:stream>")
        #expect(received("<message xmlns='jabber:client'/>", awaitsHeader: false) == "<message xmlns='jabber:client'/>")
        #expect(received("  ", awaitsHeader: false) == nil)
        for bad in ["<a/><b/>", "<a>", "</a>", "text", "<a/>text", "</s>", "<a/></s>", "<?xml version='1.0'?><a/>", open] {
            #expect(received(bad, awaitsHeader: false) == Self.nonsense, "\(bad)")
        }
        for bad in ["<message/>", "<open/>", "<open xmlns='other' to='a.example'/>"] {
            #expect(received(bad, awaitsHeader: true) == Self.nonsense, "\(bad)")
        }
    }

    @Test("RFC 7395 §3.3: what a stream writes leaves as messages that stand by themselves")
    func writing() {
        var framing = WebSocketFraming(limit: 1000)
        func wrote(_ text: String) -> [String]? { framing.wrote(Array(text.utf8))?.map { String(decoding: $0, as: UTF8.self) } }
        let header =
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='x' version='1.0' xml:lang='en'>"
        let open =
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a.example' id='x' version='1.0' xml:lang='en'/>"
        #expect(
            wrote(header + "<stream:features><x xmlns='y'/></stream:features>") == [
                open, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><x xmlns='y'/></stream:features>",
            ])
        #expect(wrote("<success xmlns='urn:s'/>") == ["<success xmlns='urn:s'/>"])
        #expect(wrote(header) == [open])
        #expect(
            wrote("<message a='>' b=\"xmlns='\"><body/></message><presence/><iq xmlns = 'jabber:client'/>") == [
                "<message xmlns='jabber:client' a='>' b=\"xmlns='\"><body/></message>", "<presence xmlns='jabber:client'/>",
                "<iq xmlns = 'jabber:client'/>",
            ])
        #expect(wrote("</stream:stream>") == ["<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"])
    }
}
