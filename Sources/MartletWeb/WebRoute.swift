import HTTPTypes
import HummingbirdCore
import NIOCore

/// What is served at a path: the contract between the listener for the web and those who serve there.
///
/// The answer is made on no event loop, in a task of the connection, and may take its time: the body of a request is read as it is asked
/// for, and an answer's is sent as it is taken, so that neither is ever held in memory (``WebRequest/body()``, `ResponseBody`). A part of
/// the answer that follows from a header, such as a range, is the route's to look at.
///
/// An error that is thrown is an answer where it is a ``WebError``; another one is a 500, and an error in the log.
public struct WebRoute: Sendable {
    /// Which paths it has.
    public enum Place: Sendable, Hashable {
        /// This one.
        case at(String)
        /// Everything that begins like this, which ends with a slash.
        case below(String)

        func contains(_ path: String) -> Bool {
            switch self {
            case .at(let place): path == place
            case .below(let place): path.hasPrefix(place)
            }
        }
    }

    /// Makes an answer.
    public typealias Answer = @Sendable (WebRequest) async throws -> Response

    /// Which paths it has.
    public var place: Place
    /// What may be done there; `GET` brings `HEAD` with it, whose answer is the same without its body.
    public var methods: [HTTPRequest.Method]
    /// Whether pages of other servers may use it (CORS), those that `web.origins` allows. `OPTIONS` is answered for it then.
    public var isForPages: Bool
    /// Headers beside the usual ones that pages may send.
    public var pageHeaders: [String]
    /// Makes the answer.
    public var answer: Answer

    /// A route.
    public init(
        _ place: Place, _ methods: [HTTPRequest.Method], isForPages: Bool = false, pageHeaders: [String] = [],
        answer: @escaping Answer
    ) {
        self.place = place
        self.methods = methods
        self.isForPages = isForPages
        self.pageHeaders = pageHeaders
        self.answer = answer
    }

    func takes(_ method: HTTPRequest.Method) -> Bool {
        methods.contains(method) || method == .head && methods.contains(.get)
    }
}

/// A request is refused, in words that whoever made it may read.
public struct WebError: Error, CustomStringConvertible {
    /// The status.
    public let status: HTTPResponse.Status
    /// The body, one line of plain text.
    public let words: String
    /// Headers of the answer.
    public let headers: HTTPFields

    /// A refusal.
    public init(_ status: HTTPResponse.Status, _ words: String, headers: HTTPFields = HTTPFields()) {
        self.status = status
        self.words = words
        self.headers = headers
    }

    public var description: String { "\(status.code): \(words)" }
}

extension Response {
    /// An answer of plain text.
    public static func text(_ words: String, _ status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields())
        -> Response
    {
        bytes(Array((words + "\n").utf8), "text/plain; charset=utf-8", status, headers: headers)
    }

    /// An answer of these bytes.
    public static func bytes(
        _ bytes: [UInt8], _ type: String, _ status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields()
    ) -> Response {
        var headers = headers
        headers[.contentType] = type
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
