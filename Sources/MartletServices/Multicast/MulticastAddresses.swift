import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The addresses of a stanza to several, as they came (XEP-0033 §4).
struct MulticastAddresses {
    /// One that the stanza is to be brought to.
    struct Addressee: Equatable {
        let jid: JID
        /// Where its element stands.
        let place: Int
        /// Nobody else sees it.
        let isBlind: Bool
    }

    /// The elements, in order.
    var elements: [Element]
    /// Those that nobody has delivered to, in order.
    private(set) var pending: [Addressee] = []
    /// Primary, secondary and blind ones, delivered or not.
    private(set) var receivers = 0

    /// Those of a stanza; nil where it has none that anybody has to deliver to.
    init?(_ stanza: Stanza) throws(StanzaError) {
        guard let addresses = stanza.payload("addresses", Namespaces.addresses) else { return nil }
        elements = addresses.all("address", Namespaces.addresses)
        // Before they are looked at: preparing an address is work.
        guard elements.count <= MulticastLimits.addresses else { throw StanzaError(.notAcceptable, text: "Too many addresses") }
        for (place, element) in elements.enumerated() {
            guard let type = element["type"], Self.types.contains(type) else {
                throw StanzaError(.badRequest, text: "An address without a type")
            }
            guard ["to", "cc", "bcc"].contains(type) else { continue }
            receivers += 1
            if element["uri"] != nil { throw StanzaError(.jidMalformed, text: "Only addresses of XMPP are understood") }
            guard let text = element["jid"] else { throw StanzaError(.badRequest, text: "An address without a JID") }
            guard let jid = try? JID(text) else { throw StanzaError(.jidMalformed, text: "One of the addresses is none") }
            if element["delivered"] == "true" { continue }
            pending.append(Addressee(jid: jid, place: place, isBlind: type == "bcc"))
        }
        if pending.isEmpty { return nil }
    }

    private static let types: Set<String> = ["to", "cc", "bcc", "replyto", "replyroom", "noreply", "ofrom"]

    /// As everybody sees them: delivered, and nobody who is not to be seen; `also` one of these as it came.
    func shown(also blind: Addressee? = nil) -> Element {
        var addresses = Element("addresses", Namespaces.addresses)
        for (place, element) in elements.enumerated() {
            if element["type"] == "bcc" {
                if place == blind?.place { addresses.append(element) }
                continue
            }
            addresses.append(Self.delivered(element))
        }
        return addresses
    }

    /// As another server is to deliver to these (§7): all others are delivered to.
    func handed(_ addressees: [Addressee]) -> Element {
        let theirs = Set(addressees.map(\.place))
        var addresses = Element("addresses", Namespaces.addresses)
        for (place, element) in elements.enumerated() {
            if theirs.contains(place) {
                addresses.append(element)
            } else if element["type"] != "bcc" {
                addresses.append(Self.delivered(element))
            }
        }
        return addresses
    }

    /// Somebody else delivers to these.
    mutating func remove(_ addressees: [Addressee]) {
        for addressee in addressees { elements[addressee.place] = Self.delivered(elements[addressee.place]) }
        pending.removeAll { addressees.contains($0) }
    }

    /// To be kept: as it came, but for whom somebody else delivers to.
    var element: Element { Element("addresses", Namespaces.addresses, elements: elements) }

    private static func delivered(_ element: Element) -> Element {
        guard ["to", "cc", "bcc"].contains(element["type"]) else { return element }
        var element = element
        element["delivered"] = "true"
        return element
    }
}
