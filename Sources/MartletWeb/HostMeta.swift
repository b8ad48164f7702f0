// XEP-0156: Discovering Alternative XMPP Connection Methods, version 1.4.1, complete
import HTTPTypes
import HummingbirdCore
import MartletConfiguration

/// How clients that speak HTTP find the ways to this site: `host-meta` of each people's domain, as XRD (RFC 6415) and as JSON.
enum HostMeta {
    /// The two files, for whoever asks by the name of one of our domains, or of the proxy in front of us.
    static func routes(_ settings: @escaping @Sendable () -> WebServer.Settings) -> [WebRoute] {
        [
            WebRoute(.at("/.well-known/host-meta"), [.get], isForPages: true) { request in
                .bytes(Array(xrd(links(request.host, settings().configuration)).utf8), "application/xrd+xml; charset=utf-8")
            },
            WebRoute(.at("/.well-known/host-meta.json"), [.get], isForPages: true) { request in
                .bytes(Array(json(links(request.host, settings().configuration)).utf8), "application/json")
            },
        ]
    }

    /// The ways there are, each with its relation. No character of an address would need an escape.
    static func links(_ host: String, _ configuration: SiteConfiguration) -> [(relation: String, address: String)] {
        let domain = configuration.domains.first { $0 == host } ?? configuration.domain
        guard let address = configuration.webAddress(for: domain) else { return [] }
        var links: [(String, String)] = []
        if configuration.web.offersWebSocket {
            links.append(
                ("urn:xmpp:alt-connections:websocket", "wss" + address.dropFirst("https".count) + WebPaths.webSocket))
        }
        if configuration.web.offersBOSH { links.append(("urn:xmpp:alt-connections:xbosh", address + WebPaths.bosh)) }
        return links
    }

    private static func xrd(_ links: [(relation: String, address: String)]) -> String {
        var text = "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n"
        for link in links { text += "  <Link rel='\(link.relation)' href='\(link.address)'/>\n" }
        return text + "</XRD>\n"
    }

    private static func json(_ links: [(relation: String, address: String)]) -> String {
        let parts = links.map { "{\"rel\": \"\($0.relation)\", \"href\": \"\($0.address)\"}" }
        return "{\"links\": [\(parts.joined(separator: ", "))]}\n"
    }
}

/// Where everything is.
enum WebPaths {
    static let webSocket = "/xmpp-websocket"
    static let bosh = "/http-bind"
}
