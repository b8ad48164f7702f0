import XMPPStanzas

/// The `<stream:features/>` that we send (RFC 6120 §4.3.2), in the order in which they are offered.
struct OfferedFeatures {
    private var content = ""

    /// RFC 6120 §5.4.1.
    mutating func offerSTARTTLS(isRequired: Bool) {
        content += "<starttls xmlns='\(Namespaces.tls)'"
        content += isRequired ? "><required/></starttls>" : "/>"
    }

    /// RFC 6120 §6.4.1.
    mutating func offerMechanisms(_ names: [String]) {
        guard !names.isEmpty else { return }
        content += "<mechanisms xmlns='\(Namespaces.sasl)'>"
        for name in names { content += "<mechanism>\(name)</mechanism>" }
        content += "</mechanisms>"
    }

    /// XEP-0440 §2.
    mutating func offerChannelBindings(_ names: [String]) {
        guard !names.isEmpty else { return }
        content += "<sasl-channel-binding xmlns='\(Namespaces.saslChannelBinding)'>"
        for name in names { content += "<channel-binding type='\(name)'/>" }
        content += "</sasl-channel-binding>"
    }

    /// An empty element in that namespace.
    mutating func offer(_ name: String, _ namespace: String) {
        content += "<\(name) xmlns='\(namespace)'/>"
    }

    /// RFC 3921's session establishment, which does nothing any more: "optional" spares new clients the round trip.
    mutating func offerSession() {
        content += "<session xmlns='\(Namespaces.session)'><optional/></session>"
    }

    /// XEP-0220 §2.4.2: dialback whose errors leave the stream alive.
    mutating func offerDialback() {
        content += "<dialback xmlns='\(Namespaces.dialbackFeature)'><errors/></dialback>"
    }

    /// The element.
    var serialized: String { content.isEmpty ? "<stream:features/>" : "<stream:features>\(content)</stream:features>" }
}
