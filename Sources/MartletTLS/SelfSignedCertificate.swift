/// A certificate without an authority, for a site's first start.
public enum SelfSignedCertificate {
    /// A certificate with a P-256 key for a domain and its components.
    ///
    /// All names, A-labels, become DNS-IDs; `serviceNames` adds SRV-IDs for client and server connections.
    /// Good for TLS servers and clients.
    ///
    /// COMPAT(ejabberd 23.01): no id-on-xmppAddr, which makes it crash; SRV-IDs it passes over.
    public static func make(
        domain: String, components: [String] = [], validity: CertificateValidity, serviceNames: Bool = true
    ) throws(TLSError) -> IssuedCertificate {
        let names = [domain] + components
        let services = names.flatMap { name in
            [CertificateNames.Service.client, .server].map { "\($0.rawValue).\(name)" }
        }
        let made = try CertificateMaker.make(
            commonName: domain, names: CertificateMaker.alternatives(dns: names, srv: serviceNames ? services : []),
            validity: validity, uses: CertificateUsage.serverAndClient.flags, issuer: nil)
        defer { made.free() }
        return made.pem
    }

    /// The same, valid for a number of days from `now` (seconds since 1970; nil: the time of the machine).
    public static func make(
        domain: String, components: [String] = [], days: Int, now: Int64? = nil
    ) throws(TLSError) -> IssuedCertificate {
        try make(domain: domain, components: components, validity: .days(days, from: now))
    }
}
