import MartletBus
import MartletPrimitives
import MartletStore
import Testing

@testable import MartletFiles

/// What is said to whoever asks for a file.
@Suite struct FileAnswerTests {
    private func file(_ type: String = "image/png", _ name: String = "a b.png", size: UInt64 = 1000) -> UploadedFile {
        var row = UploadRow(
            token: UploadToken(high: 1, low: 2), owner: .init(1), size: size, type: type, name: name,
            created: WallTime(milliseconds: 1_700_000_000_123), accepted: Instant(milliseconds: 0))
        row.digest = [UInt8](repeating: 0x0f, count: 32)
        return UploadedFile(row)
    }

    private func header(_ name: String, _ answer: FileAnswer) -> String? { answer.headers.first { $0.name == name }?.value }

    private func ask(_ file: UploadedFile? = nil, _ change: (inout FileAnswer.Question) -> Void = { _ in }) -> FileAnswer {
        var question = FileAnswer.Question()
        change(&question)
        return FileAnswer(file ?? self.file(), question)
    }

    @Test("the whole of it, with what keeps a program from running it")
    func all() {
        let answer = ask()
        #expect(answer.status == 200 && answer.range == 0..<1000)
        #expect(header("ETag", answer) == "\"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\"")
        #expect(header("Last-Modified", answer) == "Tue, 14 Nov 2023 22:13:20 GMT")
        #expect(header("Content-Length", answer) == "1000" && header("Accept-Ranges", answer) == "bytes")
        #expect(header("Content-Disposition", answer) == "inline; filename*=UTF-8''a%20b.png")
        #expect(header("X-Content-Type-Options", answer) == "nosniff" && header("Referrer-Policy", answer) == "no-referrer")
        #expect(header("Content-Security-Policy", answer)?.hasSuffix("sandbox") == true)
        #expect(header("Cache-Control", answer)?.contains("immutable") == true)
    }

    @Test("what a browser could run is saved and not shown, whatever it is called")
    func types() {
        for type in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/javascript", "a/b"] {
            let answer = ask(file(type, "x\"\r\nSet-Cookie: a=b.html"))
            #expect(header("Content-Type", answer) == "application/octet-stream", "\(type)")
            #expect(
                header("Content-Disposition", answer) == "attachment; filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20a%3Db.html")
        }
        #expect(header("Content-Type", ask(file("text/plain"))) == "text/plain; charset=utf-8")
        #expect(header("Content-Disposition", ask(file("application/pdf")))?.hasPrefix("attachment") == true)
        #expect(header("Content-Type", ask(file("application/pdf"))) == "application/pdf")
    }

    @Test(
        "RFC 9110 §14: a part, what cannot be given, and what is no range",
        arguments: [
            ("bytes=0-0", 206, 0..<1), ("bytes=10-19", 206, 10..<20), ("bytes=990-", 206, 990..<1000),
            ("bytes=990-5000", 206, 990..<1000), ("bytes=-10", 206, 990..<1000), ("bytes=-5000", 206, 0..<1000),
            ("bytes=0-18446744073709551615", 206, 0..<1000), ("bytes=1000-", 416, 0..<0), ("bytes=-0", 416, 0..<0),
            ("bytes=5-4", 200, 0..<1000), ("bytes=0-0,2-2", 200, 0..<1000), ("bytes=", 200, 0..<1000),
            ("bytes=a-b", 200, 0..<1000), ("items=0-1", 200, 0..<1000), ("bytes=--1", 200, 0..<1000),
            ("bytes=0-" + String(repeating: "9", count: 80), 200, 0..<1000), ("bytes=99999999999999999999-", 200, 0..<1000),
        ] as [(String, Int, Range<UInt64>)])
    func ranges(_ text: String, _ status: Int, _ range: Range<UInt64>) {
        let answer = ask { $0.range = text }
        #expect(answer.status == status && answer.range == range)
        if status == 206 {
            #expect(header("Content-Range", answer) == "bytes \(range.lowerBound)-\(range.upperBound - 1)/1000")
            #expect(header("Content-Length", answer) == "\(range.count)")
        }
        if status == 416 { #expect(header("Content-Range", answer) == "bytes */1000") }
    }

    @Test("RFC 9110 §13: whoever has it is told so; a part of something else is not given")
    func conditions() {
        let tag = "\"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\""
        for known in [tag, "W/\(tag)", "\"x\", \(tag)", "*"] {
            let answer = ask { $0.ifNoneMatch = known }
            #expect(answer.status == 304 && answer.range.isEmpty && header("ETag", answer) == tag, "\(known)")
        }
        #expect(ask { $0.ifNoneMatch = "\"x\"" }.status == 200)
        #expect(ask { $0.ifModifiedSince = "Tue, 14 Nov 2023 22:13:20 GMT" }.status == 304)
        #expect(
            ask {
                $0.ifModifiedSince = "Tue, 14 Nov 2023 22:13:20 GMT"
                $0.ifNoneMatch = "\"x\""
            }.status == 200)
        for (condition, status) in [(tag, 206), ("Tue, 14 Nov 2023 22:13:20 GMT", 206), ("\"x\"", 200), ("W/\(tag)", 200)] {
            #expect(
                ask {
                    $0.range = "bytes=0-1"
                    $0.ifRange = condition
                }.status == status, "\(condition)")
        }
    }
}
