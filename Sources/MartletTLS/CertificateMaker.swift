import COpenSSL

/// The common part of self-signed certificates and authorities.
enum CertificateMaker {
    /// A new certificate with its key; whoever has it frees both.
    struct Made {
        let certificate: OpaquePointer
        let key: OpaquePointer
        let pem: IssuedCertificate

        func free() {
            martlet_certificate_free(certificate)
            martlet_key_free(key)
        }
    }

    typealias Alternative = (kind: Int, text: String)

    static func alternatives(dns: [String], srv: [String] = [], xmpp: [String] = []) -> [Alternative] {
        dns.map { (MARTLET_NAME_DNS, $0) } + srv.map { (MARTLET_NAME_SRV, $0) } + xmpp.map { (MARTLET_NAME_XMPP, $0) }
    }

    /// A certificate for a new key; without an issuer it signs itself. `uses` is a sum of `MARTLET_USE_…`.
    static func make(
        commonName: String?, names: [Alternative], validity: CertificateValidity, uses: Int,
        issuer: (certificate: OpaquePointer, key: OpaquePointer)?
    ) throws(TLSError) -> Made {
        for name in names where name.kind != MARTLET_NAME_XMPP && !CertificateNames.isPlausible(name.text.utf8) {
            throw TLSError(.certificate, "“\(name.text)” cannot stand in a certificate: an ASCII domain name is wanted")
        }
        guard let key = martlet_key_make() else { throw TLSError.queued(.key, "no key can be made: ") }
        // A commonName holds at most 64 characters; the names that count stand in the subjectAltName.
        let subject = commonName.flatMap { $0.unicodeScalars.count <= 64 ? $0 : nil }
        let certificate = withPlan(subject, names, validity, uses) { plan in
            martlet_certificate_make(plan, key, issuer?.certificate, issuer?.key)
        }
        guard let certificate else {
            martlet_key_free(key)
            throw TLSError.queued(.certificate, "no certificate can be made: ")
        }
        do {
            let pem = IssuedCertificate(
                certificatePEM: try text { martlet_certificate_pem(certificate, $0) },
                keyPEM: try text { martlet_key_pem(key, $0) })
            return Made(certificate: certificate, key: key, pem: pem)
        } catch {
            martlet_certificate_free(certificate)
            martlet_key_free(key)
            throw error
        }
    }

    private static func withPlan(
        _ commonName: String?, _ names: [Alternative], _ validity: CertificateValidity, _ uses: Int,
        _ body: (UnsafePointer<martlet_certificate_plan>) -> OpaquePointer?
    ) -> OpaquePointer? {
        let subject = commonName.map { terminated($0) }
        let kinds = names.map { Int32($0.kind) }
        let texts = names.map { UnsafePointer(terminated($0.text)) as UnsafePointer<CChar>? }
        defer {
            subject?.deallocate()
            for text in texts { text?.deallocate() }
        }
        return kinds.withUnsafeBufferPointer { kinds in
            texts.withUnsafeBufferPointer { texts in
                var plan = martlet_certificate_plan()
                plan.common_name = UnsafePointer(subject)
                plan.name_kinds = kinds.baseAddress
                plan.names = texts.baseAddress
                plan.name_count = names.count
                plan.not_before = validity.notBefore
                plan.not_after = validity.notAfter
                plan.uses = Int32(uses)
                return body(&plan)
            }
        }
    }

    private static func terminated(_ text: String) -> UnsafeMutablePointer<CChar> {
        let units = text.utf8CString
        let result = UnsafeMutablePointer<CChar>.allocate(capacity: units.count)
        for (index, unit) in units.enumerated() { (result + index).initialize(to: unit) }
        return result
    }

    private static func text(
        _ write: (UnsafeMutablePointer<Int>) -> UnsafeMutablePointer<CChar>?
    ) throws(TLSError) -> String {
        var length = 0
        guard let block = write(&length) else { throw TLSError.queued(.library) }
        defer { martlet_release(block) }
        return String(decoding: UnsafeRawBufferPointer(start: block, count: length), as: UTF8.self)
    }
}
