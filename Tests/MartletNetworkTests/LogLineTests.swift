import Logging
import MartletPrimitives
import Testing

@testable import MartletAdmin

@Suite struct LogLineTests {
    @Test("nothing a peer sends can begin a line, move a cursor or turn the direction of text")
    func escapes() {
        var line = LogLine()
        line.put(message: "link down")
        line.put(key: "reason", value: "a\nb\u{1B}[2J\u{85}\u{202E}\"x\\")
        let text = String(decoding: line.bytes, as: UTF8.self)
        #expect(text == #"link down reason="a\nb\u{1b}[2J\u{85}\u{202e}\"x\\""#)
    }

    @Test("plain values stand without quotation marks, those with spaces with")
    func quotes() {
        var line = LogLine()
        line.put(level: .info)
        line.put(message: "x")
        line.put(key: "jid", value: "anna@pilsen.example/ü")
        line.put(key: "words", value: "two words")
        line.put(key: "none", value: "")
        #expect(
            String(decoding: line.bytes, as: UTF8.self) == #" info    x jid=anna@pilsen.example/ü words="two words" none="""#)
    }
}
