// XEP-0474: SASL SCRAM Downgrade Protection, version 0.5.0, complete
// XEP-0515: TLS Channel-Binding Downgrade Protection, version 0.1.0, complete

import MartletCrypto

/// What a SCRAM exchange says of the offer that led to it, inside what both ends sign: who has taken something out of the offer on the
/// way, or speaks another version of TLS with each end, is found out by a client that compares.
enum DowngradeProtection {
    /// The optional attributes of server-first: `h`, the hash of what was offered, and `t`, the version of TLS.
    static func attributes(_ digest: DigestAlgorithm, mechanisms: [String], bindings: [String], tls: TLSFacts?) -> String {
        var attributes = ",h=" + Base64.encode(Digest.hash(digest, offer(mechanisms, bindings).utf8))
        if let version = tls?.version { attributes += ",t=" + Hex.encode([UInt8(version >> 8), UInt8(version & 0xFF)]) }
        return attributes
    }

    /// XEP-0474 §"Server Sends Downgrade Protection Hash", steps 1 to 4: what is sorted is sorted by its bytes (i;octet).
    static func offer(_ mechanisms: [String], _ bindings: [String]) -> String {
        let names = sorted(mechanisms).joined(separator: "\u{1E}")
        return bindings.isEmpty ? names : names + "\u{1F}" + sorted(bindings).joined(separator: "\u{1E}")
    }

    private static func sorted(_ names: [String]) -> [String] {
        names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
