import HTTPTypes
import HummingbirdCore
import MartletCrypto
import MartletNetwork
import NIOCore
import XMPPStreams

/// Whether a request may become a WebSocket of a stream (RFC 6455 §4.2, RFC 7395 §3.1).
enum WebSocketUpgrade {
    /// Why it may not.
    static func objection(_ request: HTTPRequest, _ settings: WebServer.Settings) -> WebError? {
        let headers = request.headerFields
        guard settings.web.offersWebSocket else { return WebError(.notFound, "there is no WebSocket here") }
        guard request.method == .get, has(headers, .upgrade, "websocket"), has(headers, .connection, "upgrade"),
            let key = headers[.secWebSocketKey], Base64.decode(key)?.count == 16
        else { return WebError(.upgradeRequired, "a WebSocket is wanted here", headers: [.upgrade: "websocket"]) }
        guard headers[.secWebSocketVersion] == "13" else {
            return WebError(.upgradeRequired, "version 13 is wanted", headers: [.secWebSocketVersion: "13"])
        }
        guard has(headers, .secWebSocketProtocol, "xmpp") else { return WebError(.badRequest, "the subprotocol is xmpp") }
        // Whatever is no browser says nothing, or what it likes.
        if let origin = headers[.origin], !settings.allows(origin: origin) {
            return WebError(.forbidden, "pages of \(origin) may not use this server")
        }
        return nil
    }

    /// The headers of the answer.
    static func acceptance(_ request: HTTPRequest) -> HTTPFields {
        let key = (request.headerFields[.secWebSocketKey] ?? "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        return [
            .upgrade: "websocket", .connection: "Upgrade", .secWebSocketProtocol: "xmpp",
            .secWebSocketAccept: Base64.encode(Digest.hash(.sha1, Array(key.utf8))),
        ]
    }

    private static func has(_ headers: HTTPFields, _ name: HTTPField.Name, _ word: String) -> Bool {
        headers[values: name].contains { value in
            value.split(separator: ",").contains { $0.filter { $0 != " " && $0 != "\t" }.lowercased() == word }
        }
    }

    /// What whoever asks without a WebSocket is told.
    static func route(_ settings: @escaping @Sendable () -> WebServer.Settings) -> WebRoute {
        WebRoute(.at(WebPaths.webSocket), [.get]) { request in
            throw objection(request.head, settings())
                ?? WebError(.badRequest, "a WebSocket begins on a connection where nothing else is under way")
        }
    }
}
