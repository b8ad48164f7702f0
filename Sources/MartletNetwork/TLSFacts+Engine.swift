import MartletTLS
import XMPPStreams

extension TLSFacts {
    /// What a finished handshake says to the stream.
    init(_ tls: TLSEngine) {
        self.init(
            exporter: tls.protocolVersion == .tls13 ? { tls.tlsExporter() } : nil, serverEndPoint: tls.serverEndPoint(),
            peer: tls.peerCertificate.map(CertificateIdentity.init))
    }
}
