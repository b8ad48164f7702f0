import HTTPTypes
import HummingbirdCore
import Logging
import MartletConfiguration
import MartletNetwork
import NIOCore
import Synchronization
import XMPPAddress
import XMPPStreams

/// Serves HTTP on the connections of the listeners for the web: which route answers, and what is the same for all of them.
///
/// One per node, from its start to its end; a reload replaces what it knows of the configuration.
public final class WebServer: WebAcceptor {
    /// What the configuration says.
    struct Settings: Sendable {
        var configuration: SiteConfiguration
        var web: SiteConfiguration.Web { configuration.web }
        /// From whom it is believed where a request comes from.
        var proxies: [RemoteAddress]

        init(_ configuration: SiteConfiguration) {
            self.configuration = configuration
            proxies = configuration.web.proxies.compactMap { IPAddress($0.description)?.remote }
        }

        /// Whether pages from there may use what is for pages.
        func allows(origin: String) -> Bool { web.origins?.contains(origin.lowercased()) ?? true }
    }

    /// All headers of a request, and one of them, bytes; and how many there are: browsers send one or two thousand bytes in twenty.
    private static let headersLimit = 16 << 10
    private static let headerLimit = 8 << 10
    private static let headerCount = 100

    /// The name of the first handler behind TLS.
    static let firstOfHTTP = "http"

    private let current: SettingsBox
    private let routes: [WebRoute]
    private let logger: Logger

    /// A server with these routes, the first of which that has a path answers there; and its own.
    public init(_ configuration: SiteConfiguration, routes: [WebRoute] = [], logger: Logger) {
        let current = SettingsBox(Settings(configuration))
        self.current = current
        self.logger = logger
        self.routes = routes + HostMeta.routes { current.settings } + [Self.front]
    }

    /// The configuration was read anew.
    public func reload(_ configuration: SiteConfiguration) { current.settings = Settings(configuration) }

    /// What holds now.
    var settings: Settings { current.settings }

    public func accept(_ channel: any Channel, _ visitor: WebVisitor) throws {
        let door = NIOLoopBound(HTTPDoor { _, _ in nil }, eventLoop: channel.eventLoop)
        var http = HTTP1Channel.Configuration(
            additionalChannelHandlers: [door.value], idleTimeout: TimeAmount(settings.web.idleTime))
        http.httpDecoder = .init(
            maxHeaderFieldSize: Self.headerLimit, maxHeaderListSize: Self.headersLimit, maxHeaderFieldCount: Self.headerCount)
        let server = HTTP1Channel(
            responder: { [self] request, writer, channel in
                try await respond(to: request, writer, channel, door, visitor)
            }, configuration: http)
        try channel.pipeline.syncOperations.addHandler(HTTPBeginning(), name: Self.firstOfHTTP)
        server.setup(channel: channel, logger: logger).whenSuccess { [logger] value in
            Task { await server.handle(value: value, logger: logger) }
        }
    }

    // MARK: requests

    private func respond(
        to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel, _ door: NIOLoopBound<HTTPDoor>,
        _ visitor: WebVisitor
    ) async throws {
        let settings = settings
        let asked = WebRequest(request, on: channel, door, visitor, proxies: settings.proxies)
        var response = await answer(asked, settings)
        if let name = HTTPField.Name("X-Content-Type-Options") { response.headers[name] = "nosniff" }
        logger.debug(
            "request",
            metadata: [
                "method": "\(asked.method)", "status": "\(response.status.code)", "address": "\(asked.address.text)",
            ])
        if asked.method == .head { return try await writer.writeResponse(response.head) }
        try await writer.write(response: response.head, body: response.body)
    }

    private func answer(_ request: WebRequest, _ settings: Settings) async -> Response {
        do {
            let here = routes.filter { $0.place.contains(request.path) }
            guard let first = here.first else { throw WebError(.notFound, "there is nothing at this path") }
            if request.method == .options, first.isForPages { return Self.preflight(request, here, settings) }
            guard let route = here.first(where: { $0.takes(request.method) }) else {
                throw WebError(
                    .methodNotAllowed, "that cannot be done here", headers: [.allow: Self.methods(of: here)])
            }
            var response = try await route.answer(request)
            if route.isForPages { Self.admitPages(request, &response, settings) }
            return response
        } catch let error as WebError {
            var response = Response.text(error.words, error.status, headers: error.headers)
            if routes.contains(where: { $0.isForPages && $0.place.contains(request.path) }) {
                Self.admitPages(request, &response, settings)
            }
            return response
        } catch {
            logger.error("a request could not be answered", metadata: ["path": "\(request.path)", "reason": "\(error)"])
            return .text("the server has failed to answer", .internalServerError)
        }
    }

    private static func methods(of routes: [WebRoute]) -> String {
        routes.flatMap(\.methods).flatMap { $0 == .get ? [.get, .head] : [$0] }.map(\.rawValue).joined(separator: ", ")
    }

    // MARK: pages of other servers

    /// Says that a page may read the answer.
    private static func admitPages(_ request: WebRequest, _ response: inout Response, _ settings: Settings) {
        guard settings.web.origins != nil else { return response.headers[.accessControlAllowOrigin] = "*" }
        response.headers[.vary] = "Origin"
        if let origin = request.headers[.origin], settings.allows(origin: origin) {
            response.headers[.accessControlAllowOrigin] = origin
        }
    }

    /// What a page may do, as the browser asks before it lets it.
    private static func preflight(_ request: WebRequest, _ routes: [WebRoute], _ settings: Settings) -> Response {
        var response = Response(status: .noContent)
        admitPages(request, &response, settings)
        response.headers[.accessControlAllowMethods] = methods(of: routes) + ", OPTIONS"
        response.headers[.accessControlAllowHeaders] = (["Content-Type"] + routes.flatMap(\.pageHeaders)).joined(
            separator: ", ")
        response.headers[.accessControlMaxAge] = "86400"
        return response
    }

    /// What a person sees who tries the address.
    private static let front = WebRoute(.at("/"), [.get]) { _ in
        .text("This is an XMPP server. Clients find their way by /.well-known/host-meta.")
    }
}

/// What the configuration says, for all event loops.
final class SettingsBox: Sendable {
    private let held: Mutex<WebServer.Settings>

    init(_ settings: WebServer.Settings) { held = Mutex(settings) }

    var settings: WebServer.Settings {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }
}

/// Marks where HTTP begins in a channel.
private final class HTTPBeginning: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
}
