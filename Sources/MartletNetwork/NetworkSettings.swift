import MartletBus
import MartletConfiguration
import MartletPrimitives
import XMPPAddress
import XMPPStreams
import XMPPXML

/// What the configuration says about sockets and streams, in the terms of this target: the one place where its keys are
/// mapped.
struct NetworkSettings: Sendable {
    /// One listening socket.
    struct Listener: Sendable, Equatable {
        /// Who connects there.
        enum Kind: Sendable, Equatable {
            case client, server, component
            /// HTTPS: browsers, mostly.
            case web
        }

        var kind: Kind
        /// The table of the file that it comes from, such as `listeners.client[0]`.
        var path: String
        /// Numeric.
        var address: String
        var port: UInt16
        /// TLS from the first byte (XEP-0368).
        var directTLS: Bool
        /// No TLS at all.
        var plain = false
        /// PLAIN without TLS.
        var allowsPlainAuthentication = false
    }

    private let configuration: SiteConfiguration
    private let secret: DialbackSecret
    /// Those of people first.
    private let domains: [JID]
    private let people: Int
    let listeners: [Listener]
    /// Those for HTTPS, which are opened where somebody serves there.
    let webListeners: [Listener]
    let addressPolicy: AddressPolicy

    /// The settings of a configuration. `dialbackSecret` outlives restarts, so that keys under way stay good.
    init(_ configuration: SiteConfiguration, dialbackSecret: [UInt8]) {
        self.configuration = configuration
        secret = DialbackSecret(dialbackSecret)
        people = configuration.domains.count
        domains = configuration.allDomains.map {
            JID(preparedLocalpart: nil, preparedDomainpart: $0, preparedResourcepart: nil)
        }
        listeners = Self.listeners(configuration)
        webListeners = Self.webListeners(configuration)
        addressPolicy = AddressPolicy(
            allowed: configuration.federation.allowedNetworks.compactMap { IPNetwork($0.description) },
            listeners: listeners.compactMap { listener in
                IPAddress(listener.address).map { (address: $0, port: listener.port) }
            })
    }

    /// The socket of the proxy for bytestreams; nil where there is none.
    var bytestreamListener: Listener? {
        let proxy = configuration.bytestreams
        guard proxy.domain != nil else { return nil }
        return Listener(
            kind: .client, path: "bytestreams", address: proxy.address.description, port: proxy.port, directTLS: false,
            plain: true)
    }

    /// How much of them there may be.
    var bytestreamLimits: BytestreamTable.Limits {
        let limits = configuration.limits
        return .init(
            streamsPerAccount: limits.bytestreamsPerAccount, bytesPerSecond: limits.bytestreamBytesPerSecond,
            idleTime: limits.bytestreamIdleTime.wholeMilliseconds)
    }

    private static func listeners(_ configuration: SiteConfiguration) -> [Listener] {
        let client = configuration.clientListeners.enumerated().map { index, listener in
            Listener(
                kind: .client, path: "listeners.client[\(index)]", address: listener.address.description, port: listener.port,
                directTLS: listener.security == .direct, plain: listener.security == .plain,
                allowsPlainAuthentication: listener.allowsPlainAuthenticationWithoutTLS)
        }
        let component =
            configuration.components.isEmpty
            ? []
            : configuration.componentListeners.enumerated().map { index, listener in
                Listener(
                    kind: .component, path: "listeners.component[\(index)]", address: listener.address.description,
                    port: listener.port, directTLS: false, plain: true)
            }
        guard configuration.federation.isEnabled else { return client + component }
        return client + component
            + configuration.serverListeners.enumerated().map { index, listener in
                Listener(
                    kind: .server, path: "listeners.server[\(index)]", address: listener.address.description,
                    port: listener.port, directTLS: listener.security == .direct)
            }
    }

    private static func webListeners(_ configuration: SiteConfiguration) -> [Listener] {
        guard configuration.web.isEnabled else { return [] }
        return configuration.webListeners.enumerated().map { index, listener in
            Listener(
                kind: .web, path: "listeners.web[\(index)]", address: listener.address.description, port: listener.port,
                directTLS: true)
        }
    }

    // MARK: streams

    /// For streams that `listener` accepts.
    func accepting(_ listener: Listener) -> StreamConfiguration {
        var result = common
        switch listener.kind {
        case .client:
            // Nobody logs in where nobody lives.
            result.domains = Array(domains[..<people])
            result.tls = listener.plain ? .unavailable : listener.allowsPlainAuthentication ? .optional : .required
            result.mechanisms = mechanisms
            result.allowsInvitations = configuration.client.allowsInvitations
            result.offersTokens = configuration.client.tokenLifetime > .zero
            result.allowsPlainWithoutTLS = listener.allowsPlainAuthentication
            result.allowsRegistration = configuration.client.allowsInBandRegistration
            result.allowsPasswordChange = configuration.client.allowsPasswordChange
            result.limits.stanzaBytes = configuration.limits.clientStanzaBytes
        case .server:
            result.tls = configuration.federation.requiresTLS ? .required : .optional
        case .web: break
        case .component:
            result.tls = .unavailable
            for component in configuration.components {
                let domain = JID(preparedLocalpart: nil, preparedDomainpart: component.domain, preparedResourcepart: nil)
                result.componentSecrets[domain] = Array(component.secret.utf8)
            }
        }
        return result
    }

    /// For streams that we open.
    var opening: StreamConfiguration {
        var result = common
        result.tls = configuration.federation.requiresTLS ? .required : .optional
        return result
    }

    private var common: StreamConfiguration {
        let limits = configuration.limits
        var result = StreamConfiguration(domains: domains, dialbackSecret: secret)
        result.allowsDialback = configuration.federation.allowsDialback
        result.offersBidi = configuration.federation.isBidirectional
        result.pendingDialbacksPerStream = limits.pendingDialbacksPerStream
        result.limits.stanzaBytes = limits.serverStanzaBytes
        result.departingBytes = limits.serverStanzaBytes
        result.limits.depth = limits.stanzaDepth
        result.limits.attributes = limits.attributesPerElement
        result.limitsBeforeAuthentication.depth = limits.stanzaDepth
        result.limitsBeforeAuthentication.attributes = limits.attributesPerElement
        result.limitsBeforeAuthentication.stanzaBytes = limits.preauthenticationBytes
        result.bytesBeforeAuthentication = limits.preauthenticationBytes
        result.negotiationTimeout = limits.preauthenticationTime.wholeMilliseconds
        return result
    }

    /// The mechanisms in the configured order, each once.
    private var mechanisms: [OfferedMechanism] {
        var result: [OfferedMechanism] = []
        for mechanism in configuration.client.saslMechanisms.compactMap(OfferedMechanism.init)
        where !result.contains(mechanism) { result.append(mechanism) }
        return result
    }

    // MARK: connections

    /// Events of one connection that may wait for the site.
    var unhandledLimit: Int { configuration.limits.unhandledStanzasPerConnection }
    /// Bytes that may wait for a reader who stands still.
    var outboundLimit: Int { configuration.limits.outboundBytesPerConnection }
    /// Bytes that may wait for any reader: more than the largest answer, which is a whole roster, or the largest stanza.
    var outboundCeiling: Int {
        let limits = configuration.limits
        // With what stands around the items.
        return outboundLimit + max(limits.rosterBytes + (64 << 10), limits.clientStanzaBytes, limits.serverStanzaBytes)
    }
    /// Connections of one IPv4 address or IPv6 /64 that have not said who they are.
    var connectionsPerAddress: Int { configuration.limits.connectionsPerAddress }

    /// What connections of one address may cause before somebody has logged in: at once as many logins as there may be connections, with
    /// half as much for what else they say. Who waits for the last of those is let in just before the time for a login is over.
    var loginBudget: WorkBudget {
        WorkBudget(
            perSecond: configuration.karma.login.wholeMicroseconds,
            burst: Int64(connectionsPerAddress) * WorkPrice.connection * 3 / 2,
            longestRest: configuration.limits.preauthenticationTime.wholeMilliseconds * 2 / 3)
    }

    /// Event loops for connections.
    var threads: Int { configuration.threads }

    // MARK: peers

    /// How long another server's machine may leave bytes unacknowledged before the kernel gives its connection up, milliseconds:
    /// twice what we bear ourselves, since a slow line may have our whole window queueing on it. For what we do not watch, such as
    /// the streams that others opened: the kernel alone would go on for a quarter of an hour.
    var unacknowledgedTime: Int { Int(2 * configuration.federation.ackTimeout.wholeMilliseconds) }
    /// The address to call from.
    var sourceAddress: String? { configuration.federation.sourceAddress?.description }
    /// DNS servers, as libunbound wants them.
    var dnsServers: [String] { configuration.federation.dnsServers.map(\.description) }

    /// Whether the configuration names a domain as one of our offices.
    func isOffice(_ domainpart: String) -> Bool { configuration.federation.sites.contains { $0.domain == domainpart } }

    /// Where the configuration says that our offices are, as far as it says so by addresses.
    var officeAddresses: [(office: JID, address: RemoteAddress)] {
        configuration.federation.sites.flatMap { site in
            let office = JID(preparedLocalpart: nil, preparedDomainpart: site.domain, preparedResourcepart: nil)
            return site.addresses.compactMap { IPAddress($0.host).map { (office, $0.remote) } }
        }
    }

    /// Where the configuration says that a peer is; empty where DNS is to be asked.
    func configuredAddresses(of domainpart: String) -> [(host: String, port: UInt16)] {
        guard let site = configuration.federation.sites.first(where: { $0.domain == domainpart }) else { return [] }
        return site.addresses.map { ($0.host, $0.port) }
    }
}

extension Duration {
    /// Whole microseconds.
    var wholeMicroseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }

    /// Whole milliseconds.
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
