import Testing

@testable import XMPPXML

@Suite("StanzaFramer")
struct StanzaFramerTests {
    static let header =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        + "to='a.example' version='1.0' xml:lang='en'>"

    private func frames(_ framer: inout StanzaFramer, _ text: String) throws -> [StanzaFramer.Frame] {
        framer.append(Array(text.utf8))
        var frames: [StanzaFramer.Frame] = []
        while let frame = try framer.next() { frames.append(frame) }
        return frames
    }

    private func frames(_ text: String, limits: XMLLimits = XMLLimits()) throws -> [StanzaFramer.Frame] {
        var framer = StanzaFramer(limits: limits)
        return try frames(&framer, text)
    }

    @Test("A stream header is read with its attributes and namespaces")
    func streamHeader() throws {
        guard case .streamHeader(let header) = try frames(Self.header).first else {
            Issue.record("no header")
            return
        }
        #expect(header.name == "stream")
        #expect(header.namespace == XMLNamespace.streams)
        #expect(header.defaultNamespace == "jabber:client")
        #expect(header.context.prefixes == [.init(prefix: "stream", namespace: XMLNamespace.streams)])
        #expect(header.to == "a.example")
        #expect(header.from == nil)
        #expect(header.version == "1.0")
        #expect(header.lang == "en")
    }

    @Test("Stanzas come out as exactly their bytes, white space between them is dropped, nothing is kept when idle")
    func stanzas() throws {
        var framer = StanzaFramer()
        _ = try frames(&framer, Self.header + "\n ")
        let stanzas = ["<a b='/>'/>", "<m><b>x</b><![CDATA[</m>]] ]]]></m>", "<p\n>y</p >"]
        let expected = stanzas.map { StanzaFramer.Frame.element(Array($0.utf8)) }
        #expect(try frames(&framer, stanzas.joined(separator: " \r\n\t") + "  ") == expected)
        #expect(framer.unreadByteCount == 0)
        #expect(try frames(&framer, "</stream:stream\n>garbage") == [.streamEnd])
        #expect(try frames(&framer, "<more/>").isEmpty)
    }

    @Test(
        "What no stream may contain is refused with the right condition",
        arguments: [
            ("<!-- x -->", XMLFailure.restrictedXML), ("<a><!-- x --></a>", .restrictedXML), ("<?x y?>", .restrictedXML),
            ("<!DOCTYPE a>", .restrictedXML), ("<a><?xml version='1.0'?></a>", .restrictedXML), ("x", .notWellFormed),
            ("<![CDATA[x]]>", .notWellFormed), ("<a><![CDATX[", .notWellFormed), ("<a <", .notWellFormed),
            ("<a b='<", .notWellFormed),
            ("<a/ >", .notWellFormed), ("</stream>", .notWellFormed), ("</stream:streams>", .notWellFormed),
            ("< a/>", .notWellFormed),
            ("</stream:stream x>", .notWellFormed), ("\u{FEFF}<a/>", .notWellFormed),
        ])
    func refused(text: String, failure: XMLFailure) throws {
        var framer = StanzaFramer()
        _ = try frames(&framer, Self.header)
        #expect(throws: failure) { try frames(&framer, text) }
        #expect(throws: failure) { try frames(&framer, "<a/>") }
    }

    @Test(
        "Headers that cannot open a stream are refused",
        arguments: [
            ("<?xml version='1.0' encoding='ISO-8859-1'?><s>", XMLFailure.unsupportedEncoding), ("<?xml?><s>", .notWellFormed),
            ("<?xml encoding='UTF-8'?><s>", .notWellFormed), ("<?xml version='2.0'?><s>", .notWellFormed),
            ("<?php x?>", .restrictedXML),
            ("<?xml version='1.0'?><?xml version='1.0'?><s>", .restrictedXML), ("<!DOCTYPE s><s>", .restrictedXML),
            ("<s/>", .notWellFormed),
            ("</s>", .notWellFormed), ("GET / HTTP/1.1", .notWellFormed), ("<p:s>", .notWellFormed),
            ("<s a='1' a='2'>", .notWellFormed),
            ("<?xml version='1.0' standalone='yes' encoding='UTF-8'?><s>", .notWellFormed),
            ("\u{16}\u{3}\u{1}", .notWellFormed),
        ])
    func refusedHeaders(text: String, failure: XMLFailure) throws {
        #expect(throws: failure) { try frames(text) }
    }

    @Test("UTF-8 may be declared in any case")
    func encoding() throws {
        #expect(try frames("<?xml version=\"1.0\" encoding = 'utf-8' standalone='yes' ?>\n<s>").count == 1)
    }

    @Test("A stanza may be as long as the limit; one byte more is refused before the rest arrives")
    func oversized() throws {
        var limits = XMLLimits()
        limits.stanzaBytes = 20
        var framer = StanzaFramer(limits: limits)
        _ = try frames(&framer, Self.header)
        #expect(try frames(&framer, "  <a>0123456789012</a>  <a/>").count == 2)
        #expect(try frames(&framer, "<a>01234567890123456").isEmpty)
        #expect(throws: XMLFailure.oversized) { try frames(&framer, "x") }

        framer = StanzaFramer(limits: limits)
        _ = try frames(&framer, Self.header)
        #expect(throws: XMLFailure.oversized) { try frames(&framer, "<a>01234567890123</a>") }
        limits.streamHeaderBytes = 50
        #expect(throws: XMLFailure.oversized) { try frames(Self.header, limits: limits) }
    }

    @Test("Depth is limited where it is exceeded, not at the end of the stanza")
    func depth() throws {
        var limits = XMLLimits()
        limits.depth = 3
        var framer = StanzaFramer(limits: limits)
        #expect(try frames(&framer, Self.header + "<a><b><c/><c></c></b></a>").count == 2)
        #expect(throws: XMLFailure.tooDeep) { try frames(&framer, "<a><b><c><d") }
    }

    @Test("After a reset bytes sent in clear are gone; after authentication they may be kept")
    func reset() throws {
        var framer = StanzaFramer()
        framer.append(Array((Self.header + "<starttls/><evil/>").utf8))
        _ = try framer.next()
        _ = try framer.next()
        var copy = framer
        framer.reset()
        #expect(try framer.next() == nil)
        #expect(framer.unreadByteCount == 0)
        #expect(try frames(&framer, Self.header).count == 1)
        copy.reset(keepingUnreadBytes: true)
        #expect(copy.unreadByteCount == 7)
        #expect(throws: XMLFailure.notWellFormed) { try copy.next() }
    }

    @Test(
        "Who looks ahead sees the complete elements that follow at once, up to a count and a size, and they stay where they are"
    )
    func lookingAhead() throws {
        var framer = StanzaFramer()
        framer.append(Array((Self.header + "<a/><bb/><ccc/><d/> <e/><f").utf8))
        #expect(framer.lookAhead(count: 9, size: 99).ends == [], "before the header")
        _ = try framer.next()
        #expect(framer.lookAhead(count: 2, size: 99).ends == [4, 9])
        #expect(framer.lookAhead(count: 2, size: 99).ends == [], "not while some of that is left")
        #expect(framer.unreadByteCount == 26)
        #expect(try framer.next() == .element(Array("<a/>".utf8)))
        #expect(framer.unreadByteCount == 22)
        #expect(try framer.next() == .element(Array("<bb/>".utf8)))
        var kept = framer
        kept.reset(keepingUnreadBytes: true)
        #expect(kept.unreadByteCount == 17)
        var short = framer
        #expect(short.lookAhead(count: 9, size: 9).ends == [6], "the next one would be too much")
        #expect(short.lookAhead(count: 9, size: 9).ends == [])
        #expect(try short.next() == .element(Array("<ccc/>".utf8)))
        #expect(short.lookAhead(count: 9, size: 99).ends == [], "it was found already")
        #expect(try short.next() == .element(Array("<d/>".utf8)))
        #expect(try short.next() == .element(Array("<e/>".utf8)))
        let run = framer.lookAhead(count: 9, size: 10)
        #expect(Array(run.bytes) == Array("<ccc/><d/>".utf8))
        #expect(run.ends == [6, 10])
        var shortened = framer
        shortened.reset(keepingUnreadBytes: true)
        #expect(shortened.unreadByteCount == 17, "what was looked at is not lost")
        #expect(try framer.next() == .element(Array("<ccc/>".utf8)))
        #expect(try framer.next() == .element(Array("<d/>".utf8)))
        #expect(framer.lookAhead(count: 9, size: 99).ends == [], "white space ends a run")
        #expect(try framer.next() == .element(Array("<e/>".utf8)))
        #expect(framer.lookAhead(count: 9, size: 99).ends == [])
        #expect(try frames(&framer, "/></stream:stream>") == [.element(Array("<f/>".utf8)), .streamEnd])
    }

    @Test("However the bytes are cut, the frames and the failure are the same")
    func cuts() throws {
        let texts = [
            "<m to='a' x=\"'>\"><b>1 &lt; 2</b><![CDATA[ ]]]]></c> ]]></m> \n<a/></stream:stream>", "<a><b></b></a><c/ >",
            "<a/><!--",
            "<a>0123456789012345678901234567890123456789012345678901234567890123456789</a><b/>",
            "<a><b><c><d><e/></d></c></b></a>",
            "<\u{E9}\u{10000}>\u{E9}</\u{E9}\u{10000}></stream:streax>",
        ]
        var limits = XMLLimits()
        limits.stanzaBytes = 70
        limits.depth = 4
        for text in texts {
            let bytes = Array((Self.header + text).utf8)
            let whole = FramerRun(bytes, pieces: [bytes.count], limits: limits)
            #expect(FramerRun(bytes, pieces: [1], limits: limits) == whole)
            for cut in 1..<bytes.count {
                #expect(FramerRun(bytes, pieces: [cut, bytes.count], limits: limits) == whole)
                for ahead in 1...3 {
                    #expect(
                        FramerRun(bytes, pieces: [cut, bytes.count], limits: limits, ahead: ahead) == whole, "\(ahead) ahead")
                }
            }
        }
    }
}

/// All frames of some bytes, cut into pieces, and the failure that ended them.
struct FramerRun: Equatable {
    var frames: [StanzaFramer.Frame] = []
    var failure: XMLFailure?

    /// `pieces` are lengths, used in turn, over and over. So many elements are looked at `ahead` whenever one has come.
    init(_ bytes: [UInt8], pieces: [Int], limits: XMLLimits = XMLLimits(), ahead: Int = 0) {
        var framer = StanzaFramer(limits: limits)
        var start = 0
        var turn = 0
        while start < bytes.count {
            let end = min(bytes.count, start + pieces[turn % pieces.count])
            framer.append(bytes[start..<end])
            do throws(XMLFailure) {
                var expected: [StanzaFramer.Frame] = []
                while let frame = try framer.next() {
                    frames.append(frame)
                    if let next = expected.popLast(), frame != next { Issue.record("another element was seen ahead: \(next)") }
                    if ahead > 0 {
                        let run = framer.lookAhead(count: ahead, size: 40)
                        let starts = [0] + run.ends.dropLast()
                        let seen = zip(starts, run.ends).map { run.bytes.dropFirst($0).prefix($1 - $0) }
                        if !seen.isEmpty { expected = seen.reversed().map { .element(Array($0)) } }
                    }
                }
            } catch {
                failure = error
                return
            }
            start = end
            turn += 1
        }
    }
}
