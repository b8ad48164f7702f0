import MartletBus
import MartletPrimitives

/// What is answered to whoever asks for a file over HTTP (RFC 9110), and how a reader's program is kept from taking it for anything else
/// than what it is to be shown as.
public struct FileAnswer: Sendable, Equatable {
    /// The status.
    public var status = 200
    /// Headers, in their order.
    public var headers: [(name: String, value: String)] = []
    /// The bytes that the answer has.
    public var range: Range<UInt64>

    /// What a request says that an answer depends on.
    public struct Question: Sendable {
        /// `Range`.
        public var range: String?
        /// `If-Range`.
        public var ifRange: String?
        /// `If-None-Match`.
        public var ifNoneMatch: String?
        /// `If-Modified-Since`.
        public var ifModifiedSince: String?

        /// A question without conditions.
        public init() {}
    }

    /// Compares what is sent.
    public static func == (left: FileAnswer, right: FileAnswer) -> Bool {
        left.status == right.status && left.range == right.range
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    /// The answer to a question about a file.
    public init(_ file: UploadedFile, _ question: Question) {
        let tag = "\"\(file.digest.prefix(16).map { Self.hex($0) }.joined())\""
        let date = HTTPDate.text(milliseconds: file.created)
        range = 0..<file.size
        headers = [
            ("ETag", tag), ("Last-Modified", date), ("Accept-Ranges", "bytes"),
            // The content of an address never changes.
            ("Cache-Control", "private, max-age=31536000, immutable"),
        ]
        if Self.isUnchanged(question, tag, date) {
            status = 304
            range = 0..<0
            return
        }
        var isPart = question.range != nil
        // RFC 9110 §13.1.5: a part of something else is of no use.
        if let condition = question.ifRange, condition != tag, condition != date { isPart = false }
        if isPart, let text = question.range, let asked = ByteRange(text) {
            guard let found = asked.range(of: file.size) else {
                status = 416
                range = 0..<0
                headers = [("Content-Range", "bytes */\(file.size)"), ("Content-Length", "0")]
                return
            }
            status = 206
            range = found
            headers.append(("Content-Range", "bytes \(found.lowerBound)-\(found.upperBound - 1)/\(file.size)"))
        }
        headers.append(("Content-Length", "\(range.count)"))
        headers += Self.shown(file)
    }

    /// §13.1.2, §13.1.3: the tag decides, and the date where none is named.
    private static func isUnchanged(_ question: Question, _ tag: String, _ date: String) -> Bool {
        guard let tags = question.ifNoneMatch else { return question.ifModifiedSince == date }
        return tags.split(separator: ",").contains { part in
            let bare = part.drop { $0 == " " }
            let known = bare.hasPrefix("W/") ? bare.dropFirst(2) : bare
            return known == tag || known == "*"
        }
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    // MARK: what it is shown as

    /// Shown in the reader's program: nothing of it runs.
    private static let shownTypes: Set<String> = [
        "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif", "image/bmp",
        "audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/opus", "audio/flac", "audio/wav", "audio/x-wav",
        "audio/webm", "audio/amr", "audio/3gpp", "audio/x-m4a", "video/mp4", "video/webm", "video/ogg", "video/quicktime",
        "video/3gpp", "video/x-matroska", "text/plain",
    ]
    /// Saved under its own type.
    private static let savedTypes: Set<String> = ["application/pdf", "application/zip"]

    private static func shown(_ file: UploadedFile) -> [(name: String, value: String)] {
        let isShown = shownTypes.contains(file.type)
        let isNamed = isShown || savedTypes.contains(file.type)
        let type = file.type == "text/plain" ? "text/plain; charset=utf-8" : isNamed ? file.type : MediaType.unknown
        return [
            ("Content-Type", type),
            // RFC 6266, RFC 8187: nothing of a name but unreserved letters stands there, the rest is escaped.
            (
                "Content-Disposition",
                (isShown ? "inline" : "attachment") + "; filename*=UTF-8''\(UploadName.encode(file.name))"
            ),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "cross-origin"),
        ]
    }
}

/// One range of bytes (RFC 9110 §14.1.2). Several in one request are answered with everything: nobody who shows or resumes a file asks for
/// them, and many small ones of a large file are a way to hurt.
public struct ByteRange: Sendable, Equatable {
    private enum Form: Sendable, Equatable {
        case from(UInt64, through: UInt64?)
        case last(UInt64)
    }

    private let form: Form

    /// Reads a `Range` header; nil where it is none that is obeyed.
    public init?(_ text: String) {
        guard text.utf8.count <= 64, text.lowercased().hasPrefix("bytes=") else { return nil }
        let parts = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { 48...57 ~= $0 } }) else { return nil }
        switch (UInt64(parts[0]), UInt64(parts[1])) {
        case (let first?, nil) where parts[1].isEmpty: form = .from(first, through: nil)
        case (let first?, let last?) where first <= last: form = .from(first, through: last)
        case (nil, let count?) where parts[0].isEmpty: form = .last(count)
        default: return nil
        }
    }

    /// The bytes of a file of that size; nil where it has none of them.
    public func range(of size: UInt64) -> Range<UInt64>? {
        switch form {
        case .from(let first, let last):
            guard first < size else { return nil }
            return first..<min(last.map { $0 == .max ? $0 : $0 + 1 } ?? size, size)
        case .last(let count):
            guard count > 0, size > 0 else { return nil }
            return (size - min(count, size))..<size
        }
    }
}

/// Dates as HTTP has them (RFC 9110 §5.6.7).
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func text(milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1000)
        // 2026-11-29T20:15:00Z
        let stamp = WallTime(milliseconds: seconds * 1000).description
        let parts = stamp.split { "-T:Z.".contains($0) }
        guard parts.count >= 6, let month = Int(parts[1]) else { return "" }
        let day = days[Int(seconds / 86_400 % 7)]
        return "\(day), \(parts[2]) \(months[month - 1]) \(parts[0]) \(parts[3]):\(parts[4]):\(parts[5]) GMT"
    }
}
