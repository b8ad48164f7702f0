import MartletPrimitives
import MartletRuntime
import XMPPStreams
import XMPPXML

/// The stream environments of one event loop: one for each kind of listener, made when first used, and one for the streams
/// that we open. Confined to the loop.
final class StreamEnvironments {
    /// For streams that we open.
    let opening: StreamEnvironment
    private var settings: NetworkSettings
    /// What clients are not offered, as the site says. Before it has said anything, what needs keys that not every account has.
    var withheld: [SASLMechanism] = [.scramSHA512] {
        didSet { for (_, environment) in listeners { environment.configuration.withheldMechanisms = withheld } }
    }
    private var listeners: [(listener: NetworkSettings.Listener, environment: StreamEnvironment)] = []
    /// One libxml2 context for all streams of the loop.
    private let validator = XMLValidator()

    init(_ settings: NetworkSettings) {
        self.settings = settings
        opening = StreamEnvironment(settings.opening, random: Self.random(), validator: validator)
    }

    /// For streams that `listener` accepts.
    func accepting(_ listener: NetworkSettings.Listener) -> StreamEnvironment {
        if let known = listeners.first(where: { $0.listener == listener }) { return known.environment }
        let environment = StreamEnvironment(configuration(listener), random: Self.random(), validator: validator)
        listeners.append((listener, environment))
        return environment
    }

    /// Streams that exist obey the new settings too.
    func reload(_ settings: NetworkSettings) {
        self.settings = settings
        opening.configuration = settings.opening
        for (listener, environment) in listeners { environment.configuration = configuration(listener) }
    }

    private func configuration(_ listener: NetworkSettings.Listener) -> StreamConfiguration {
        var configuration = settings.accepting(listener)
        configuration.withheldMechanisms = withheld
        return configuration
    }

    private static func random() -> RandomStream { RandomStream(key: KernelRandom.bytes(32)) }
}
