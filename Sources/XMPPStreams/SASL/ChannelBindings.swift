// XEP-0440: SASL Channel-Binding Type Capability, version 1.0.0, complete

/// The channel bindings of a TLS connection: what ties a SASL exchange to it, so that nobody can stand between
/// (RFC 5056, RFC 9266, RFC 5929).
struct ChannelBindings {
    /// Name and data of each, best first; none without TLS.
    private var bindings: [(name: String, data: () -> [UInt8]?)] = []

    /// The bindings of a TLS connection.
    init(_ tls: TLSFacts?) {
        if let exporter = tls?.exporter { bindings.append(("tls-exporter", exporter)) }
        // XEP-0440 §3: servers must offer it.
        if let endPoint = tls?.serverEndPoint { bindings.append(("tls-server-end-point", { endPoint })) }
    }

    var isEmpty: Bool { bindings.isEmpty }

    /// The names, best first.
    var names: [String] { bindings.map(\.name) }

    /// The data of the binding of that name; nil if there is none.
    func data(_ name: some StringProtocol) -> [UInt8]? { bindings.first { $0.name == name }?.data() }
}
