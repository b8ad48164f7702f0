/// The identities that a certificate names and how they are compared with a domain (RFC 6120 §13.7.1.2, RFC 9525 §6;
/// `Docs/decisions/0010-names-in-certificates.md`).
public struct CertificateNames: Sendable, Equatable {
    /// The services that SRV-IDs are about.
    public enum Service: String, Sendable {
        /// `_xmpp-server`: servers among themselves.
        case server = "_xmpp-server"
        /// `_xmpp-client`: a server towards clients.
        case client = "_xmpp-client"
    }

    /// DNS-IDs, lower case.
    public internal(set) var dns: [String] = []
    /// SRV-IDs (RFC 4985), lower case, like "_xmpp-server.pilsen.example".
    public internal(set) var srv: [String] = []
    /// id-on-xmppAddr names as they are written.
    public internal(set) var xmpp: [String] = []
    /// The subject's commonNames as they are written: for words to the operator, they name nobody.
    public internal(set) var common: [String] = []

    /// Whether one of the names is the domain.
    ///
    /// `asciiName` is the domain prepared and in its A-label form. DNS-IDs may have `*` as their whole left-most label, standing
    /// for exactly one label, with at least two labels behind it; they name no addresses. SRV-IDs count for `service`, and have no `*`. An
    /// xmppAddr counts when it is the ASCII name or `unicodeName`, the same domain in U-labels. A commonName is no name (RFC 9525 §2).
    public func matches(domain asciiName: String, unicodeName: String? = nil, service: Service = .server) -> Bool {
        let domain = asciiName.lowercased()
        guard !domain.isEmpty else { return false }
        if !Self.isAddress(domain), dns.contains(where: { Self.dnsName($0, matches: domain) }) { return true }
        if srv.contains("\(service.rawValue).\(domain)") { return true }
        let accepted = [domain, unicodeName?.lowercased() ?? domain]
        return xmpp.contains { accepted.contains($0.lowercased()) }
    }

    /// Whether there is a commonName and nothing that counts: as certificates were made before 2000.
    public var isCommonNameOnly: Bool { !common.isEmpty && dns.isEmpty && srv.isEmpty && xmpp.isEmpty }

    /// RFC 9525 §6.3: a DNS-ID is a name of the DNS. A domain may be an address instead (RFC 7622 §3.2), which no `*` stands for.
    private static func isAddress(_ domain: String) -> Bool {
        domain.utf8.contains(UInt8(ascii: ":"))
            || domain.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// The names for a sentence to the operator: the first few DNS names, or what else there is.
    public var summary: String {
        let all = dns.isEmpty ? (srv + xmpp).isEmpty ? common : srv + xmpp : dns
        switch all.count {
        case 0: return "nobody"
        case 1...3: return all.joined(separator: ", ")
        default: return all[..<3].joined(separator: ", ") + " and \(all.count - 3) more"
        }
    }

    /// A DNS-ID against a domain, both lower case.
    static func dnsName(_ pattern: String, matches domain: String) -> Bool {
        guard pattern.utf8.starts(with: "*.".utf8) else { return pattern == domain }
        let suffix = pattern.utf8.dropFirst()
        guard suffix.dropFirst().contains(UInt8(ascii: ".")), !suffix.contains(UInt8(ascii: "*")) else { return false }
        guard let dot = domain.utf8.firstIndex(of: UInt8(ascii: ".")), dot > domain.utf8.startIndex else { return false }
        return domain.utf8[dot...].elementsEqual(suffix)
    }

    /// Names with anything but visible ASCII in them are no domain names; a NUL in one has been used for deceit.
    static func isPlausible(_ bytes: some Collection<UInt8>) -> Bool {
        !bytes.isEmpty && bytes.count <= 1_023 && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }
}
