import MartletPrimitives
import XMPPXML

/// What the streams of one event loop share: configuration, randomness and libxml2.
///
/// Owned by the loop and confined to it. There is one for each kind of listener and one for the streams that we open.
public final class StreamEnvironment {
    /// Read anew at every decision, so that a reload reaches streams that are being negotiated.
    public var configuration: StreamConfiguration
    /// Stream identifiers and nonces.
    var random: RandomStream
    /// The second opinion on every stanza.
    let validator: XMLValidator

    /// The environment of a loop's streams. In a running site `random` is keyed from the kernel: nonces must not be
    /// guessable.
    public init(_ configuration: StreamConfiguration, random: RandomStream, validator: XMLValidator) {
        self.configuration = configuration
        self.random = random
        self.validator = validator
    }
}
