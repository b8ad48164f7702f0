import COpenSSL

extension TLSEngine {
    /// Whether data flows.
    public var isEstablished: Bool { state == .established }

    /// The version agreed on, once the handshake has ended.
    public var protocolVersion: TLSVersion? {
        state == .handshaking ? nil : martlet_tls_is_version13(tls) == 1 ? .tls13 : .tls12
    }

    /// The cipher suite by its IANA name, once the handshake has ended.
    public var cipher: String? {
        state == .handshaking ? nil : martlet_tls_cipher(tls).map { String(cString: $0) }
    }

    /// The application protocol agreed on (RFC 7301), or nil.
    public var alpnProtocol: String? {
        let name = martlet_tls_alpn(tls)
        guard name.length > 0 else { return nil }
        return String(decoding: UnsafeRawBufferPointer(start: name.bytes, count: name.length), as: UTF8.self)
    }

    /// The domain the client asked for (SNI), as it was sent, or nil. Not yet checked to be a domain of ours.
    public var serverName: String? {
        martlet_tls_server_name(tls).map { String(cString: $0) }
    }

    /// Keying material bound to this connection (RFC 5705), with an empty context.
    ///
    /// Nil before the handshake has ended, and under TLS 1.2 without the extended master secret, where it would not be bound to the
    /// connection (RFC 9266 §4).
    public func exporter(label: String, length: Int) -> [UInt8]? {
        guard state != .handshaking, failure == nil, length > 0, length <= 4_096 else { return nil }
        var done: Int32 = 0
        let result = [UInt8](unsafeUninitializedCapacity: length) { bytes, count in
            done = martlet_tls_export(tls, label, label.utf8.count, bytes.baseAddress, length)
            count = done == 1 ? length : 0
        }
        return done == 1 ? result : nil
    }

    /// The channel binding "tls-exporter" (RFC 9266), or nil where it is not defined.
    public func tlsExporter() -> [UInt8]? {
        exporter(label: "EXPORTER-Channel-Binding", length: 32)
    }

    /// The channel binding "tls-server-end-point" (RFC 5929 §4): the hash of the server's certificate, own or peer's.
    ///
    /// Nil before the handshake has ended, and for signature algorithms without a single digest (Ed25519), where it is not defined.
    public func serverEndPoint() -> [UInt8]? {
        guard state != .handshaking else { return nil }
        return context.isServer ? context.serverEndPoint : martlet_tls_peer_certificate(tls).flatMap(Self.endPoint)
    }

    static func endPoint(of certificate: OpaquePointer) -> [UInt8]? {
        let hash = [UInt8](unsafeUninitializedCapacity: 64) { bytes, count in
            count = martlet_certificate_end_point(certificate, bytes.baseAddress)
        }
        return hash.isEmpty ? nil : hash
    }

    /// The other side's certificate and what it is worth, or nil when it showed none. Judged once, on first use.
    public var peerCertificate: PeerCertificate? {
        guard state != .handshaking, failure == nil else { return judgedCertificate }
        if let judgedCertificate { return judgedCertificate }
        guard let certificate = martlet_tls_peer_certificate(tls) else { return nil }
        let verification = PeerVerification.judge(
            certificate, others: martlet_tls_peer_chain(tls), asClient: context.isServer, trust: context.trust,
            time: verificationTime)
        judgedCertificate = PeerCertificate(certificate, verification: verification)
        return judgedCertificate
    }
}
