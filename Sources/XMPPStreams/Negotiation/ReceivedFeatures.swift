import XMPPStanzas
import XMPPXML

/// The `<stream:features/>` of a server that we connected to, as far as they concern us.
struct ReceivedFeatures: Equatable {
    /// STARTTLS is offered.
    var startTLS = false
    /// SASL EXTERNAL is offered.
    var external = false
    /// XEP-0220 is announced as a feature.
    var dialback = false
    /// XEP-0198.
    var streamManagement = false
    /// `urn:martlet:relay:0`.
    var relay = false
    /// XEP-0288.
    var bidi = false
    /// The most bytes of a stanza that the peer takes (XEP-0478); nil where it does not say.
    var announcedBytes: Int?

    /// A server before XMPP 1.0 has none.
    init() {}

    /// Reads the element.
    init(_ features: Element) {
        startTLS = features.first("starttls", Namespaces.tls) != nil
        let mechanisms = features.first("mechanisms", Namespaces.sasl)?.all("mechanism", Namespaces.sasl) ?? []
        external = mechanisms.contains { $0.text == "EXTERNAL" }
        dialback = features.first("dialback", Namespaces.dialbackFeature) != nil
        streamManagement = features.first("sm", Namespaces.streamManagement) != nil
        relay = features.first("relay", Namespaces.relay) != nil
        bidi = features.first("bidi", Namespaces.bidiFeature) != nil
        announcedBytes = StreamLimits.announced(in: features)
    }
}
