import HTTPTypes
import HummingbirdCore
import MartletNetwork
import NIOCore
import NIOHTTPTypes
import XMPPStreams

/// A request, as those who serve at a path see it.
public struct WebRequest: Sendable {
    /// What is to be done.
    public var method: HTTPRequest.Method { request.method }
    /// The path as it was sent, escapes included, without what follows a question mark.
    public let path: String
    /// What follows the question mark.
    public let query: String?
    /// What was asked, all of it.
    var head: HTTPRequest { request.head }
    /// The headers.
    public var headers: HTTPFields { request.headers }
    /// Where it comes from, as limits count it; a proxy that is trusted has said so.
    public let address: RemoteAddress
    /// Whose connection it came on.
    public let visitor: WebVisitor
    /// The domain that was asked for, in lower case and without its port; empty if none was.
    public let host: String
    /// The body's length, if the request says it.
    public var length: Int? { headers[.contentLength].flatMap { Int($0) } }

    private let request: Request
    private let channel: any Channel
    let door: NIOLoopBound<HTTPDoor>

    init(
        _ request: Request, on channel: any Channel, _ door: NIOLoopBound<HTTPDoor>, _ visitor: WebVisitor,
        proxies: [RemoteAddress]
    ) {
        self.request = request
        self.channel = channel
        self.door = door
        self.visitor = visitor
        let target = request.head.path ?? "/"
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        query = parts.count > 1 ? String(parts[1]) : nil
        host = Self.host(request.head.authority ?? "")
        address = Self.client(of: visitor.address, request.headers, proxies)
    }

    /// The body, read as it is asked for. A client that waits to be asked (`Expect: 100-continue`) is asked now: what is not wanted is to be
    /// refused before. To be called once; what is left unread ends the connection behind the answer.
    public func body() async throws -> RequestBody {
        if let expected = headers[.expect], expected.lowercased() == "100-continue" {
            try await channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)))
        }
        return request.body
    }

    /// Ends the connection at once: whoever is at its other end does not read, or does not go on.
    func abort() { visitor.eventLoop.execute { [door] in door.value.abort() } }

    /// All of the body, if it is not longer than that and comes in time.
    public func wholeBody(upTo limit: Int, within time: Duration = .seconds(30)) async throws -> [UInt8] {
        if let length, length > limit { throw WebError(.contentTooLarge, "at most \(limit) bytes are taken here") }
        let body = try await body()
        // Whoever sends a byte now and then would hold a connection for ever.
        let late = channel.eventLoop.scheduleTask(in: TimeAmount(time)) { [door] in door.value.abort() }
        defer { late.cancel() }
        var bytes: [UInt8] = []
        for try await part in body {
            guard bytes.count + part.readableBytes <= limit else {
                throw WebError(.contentTooLarge, "at most \(limit) bytes are taken here")
            }
            bytes += part.readableBytesView
        }
        return bytes
    }

    /// The domain of a `Host` header.
    private static func host(_ authority: String) -> String {
        if authority.hasPrefix("[") { return authority.split(separator: "]").first.map { $0 + "]" } ?? "" }
        return authority.split(separator: ":").first.map { $0.lowercased() } ?? ""
    }

    /// The last address that a proxy of ours has entered: what stands before it may be anybody's words.
    static func client(of peer: RemoteAddress, _ headers: HTTPFields, _ proxies: [RemoteAddress]) -> RemoteAddress {
        guard proxies.contains(peer), let name = HTTPField.Name("X-Forwarded-For"), let said = headers[name] else {
            return peer
        }
        var address = peer
        for word in said.split(separator: ",").reversed() {
            guard let next = IPAddress(word.filter { $0 != " " }) else { break }
            address = next.remote
            if !proxies.contains(address) { break }
        }
        return address
    }
}
