import XMPPStreams

/// Which addresses may be dialled. Whoever controls a DNS record chooses where we connect: without a rule, to anything
/// inside the company.
struct AddressPolicy: Sendable {
    /// Networks in which peers may be although they are not of global scope.
    private let allowed: [IPNetwork]
    /// Where this site listens itself.
    private let listeners: [(address: IPAddress, port: UInt16)]

    init(allowed: [IPNetwork], listeners: [(address: IPAddress, port: UInt16)]) {
        self.allowed = allowed
        self.listeners = listeners
    }

    /// Why `endpoint` may not be dialled, in words for the operator; nil if it may. `own` are this machine's addresses.
    func objection(to endpoint: Endpoint, own: [IPAddress]) -> String? {
        let address = endpoint.address.unmapped
        if listens(at: address, endpoint.port, own) { return "\(endpoint) is this server itself" }
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        let what =
            switch address.scope {
            case .global: nil as String?
            case .unspecified: "no destination"
            case .loopback: "a loopback address"
            case .linkLocal: "a link-local address"
            case .multicast: "a multicast address"
            case .privateUse: "a private address"
            case .reserved: "a reserved address"
            }
        return what.map { "\(endpoint) is \($0), which federation.allow_networks does not allow" }
    }

    private func listens(at address: IPAddress, _ port: UInt16, _ own: [IPAddress]) -> Bool {
        listeners.contains { listener in
            guard listener.port == port else { return false }
            if listener.address.unmapped == address { return true }
            guard listener.address.scope == .unspecified else { return false }
            return address.scope == .loopback || own.contains(address)
        }
    }
}
