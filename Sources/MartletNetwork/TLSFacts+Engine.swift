import MartletTLS
import XMPPStreams

extension TLSFacts {
    /// What a finished handshake says to the stream.
    init(_ tls: TLSEngine) {
        self.init(
            exporter: tls.protocolVersion == .tls13 ? { tls.tlsExporter() } : nil, serverEndPoint: tls.serverEndPoint(),
            version: tls.protocolVersion.map { $0 == .tls13 ? 0x0304 : 0x0303 },
            peer: tls.peerCertificate.map(CertificateIdentity.init))
    }
}
