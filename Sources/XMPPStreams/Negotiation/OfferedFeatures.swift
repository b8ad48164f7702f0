import XMPPStanzas
import XMPPXML

/// The `<stream:features/>` that we send (RFC 6120 §4.3.2), in the order in which they are offered.
struct OfferedFeatures {
    private var content: [UInt8] = []

    /// Appends pieces of XML.
    private mutating func put(_ pieces: String...) {
        for piece in pieces { content.append(utf8: piece) }
    }

    /// RFC 6120 §5.4.1.
    mutating func offerSTARTTLS(isRequired: Bool) {
        put("<starttls xmlns='", Namespaces.tls, isRequired ? "'><required/></starttls>" : "'/>")
    }

    /// RFC 6120 §6.4.1.
    mutating func offerMechanisms(_ names: [String]) {
        guard !names.isEmpty else { return }
        put("<mechanisms xmlns='", Namespaces.sasl, "'>")
        for name in names { put("<mechanism>", name, "</mechanism>") }
        put("</mechanisms>")
    }

    /// XEP-0440 §2.
    mutating func offerChannelBindings(_ names: [String]) {
        guard !names.isEmpty else { return }
        put("<sasl-channel-binding xmlns='", Namespaces.saslChannelBinding, "'>")
        for name in names { put("<channel-binding type='", name, "'/>") }
        put("</sasl-channel-binding>")
    }

    /// XEP-0478 §3.1.
    mutating func offerLimits(_ limits: XMLLimits) { put(StreamLimits.announcement(of: limits)) }

    /// A feature that is XML already.
    mutating func offer(_ xml: String) { put(xml) }

    /// An empty element in that namespace.
    mutating func offer(_ name: String, _ namespace: String) {
        put("<", name, " xmlns='", namespace, "'/>")
    }

    /// RFC 3921's session establishment, which does nothing any more: "optional" spares new clients the round trip.
    mutating func offerSession() {
        put("<session xmlns='", Namespaces.session, "'><optional/></session>")
    }

    /// XEP-0220 §2.4.2: dialback whose errors leave the stream alive.
    mutating func offerDialback() {
        put("<dialback xmlns='", Namespaces.dialbackFeature, "'><errors/></dialback>")
    }

    /// The element.
    var serialized: [UInt8] {
        var element: [UInt8] = []
        element.append(literal: content.isEmpty ? "<stream:features/>" : "<stream:features>")
        if content.isEmpty { return element }
        element += content
        element.append(literal: "</stream:features>")
        return element
    }
}
