import XMPPStanzas
import XMPPXML

/// What makes a new stream begin on the same connection: TLS and SASL; and the timers of a stream.
extension XMLStream {
    // MARK: TLS and restarts

    /// Whether nothing but white space came behind the last element: what is sent in clear behind `<starttls/>` would
    /// otherwise be read as if it had been protected.
    mutating func isQuiet() -> Bool {
        do {
            return try framer.next() == nil && framer.unreadByteCount == 0
        } catch {
            return false
        }
    }

    /// Hands the connection over to TLS (RFC 6120 §5.4.3).
    mutating func startTLS(serverName: String?) {
        act(.startTLS(asServer: !isInitiating, serverName: serverName))
        phase = .handshaking
        framer.reset()
        isHeaderWritten = false
    }

    /// Returns whether it was awaited.
    mutating func tlsEstablished(_ facts: TLSFacts) -> Bool {
        guard case .handshaking = phase else { return false }
        tls = facts
        phase = .awaitingHeader
        return true
    }

    /// Stanzas may flow from now on: the limits are those of an authenticated stream, and nobody is in a hurry.
    mutating func authenticated() {
        guard !isAuthenticated else { return }
        isAuthenticated = true
        framer.limits = configuration.limits
        // A stream between servers carries the stanzas of many: what one of them is refused for is no reason to end it.
        if !isClientStream { framer.limits.passedOverBytes = XMLLimits.passedOver * configuration.limits.stanzaBytes }
        generation &+= 1
    }

    /// A new stream follows on the same connection after SASL (RFC 6120 §6.4.6).
    mutating func restart() {
        phase = .awaitingHeader
        framer.reset(keepingUnreadBytes: true)
        isHeaderWritten = false
    }

    // MARK: Timers

    mutating func setTimer(_ purpose: StreamTimer.Purpose, _ milliseconds: Int64) {
        act(.setTimer(StreamTimer(purpose: purpose, generation: generation), afterMilliseconds: milliseconds))
    }

    mutating func timerFired(_ timer: StreamTimer) {
        guard timer.generation == generation else { return }
        switch timer.purpose {
        case .negotiation:
            fail(StreamError(.connectionTimeout), "the stream was not negotiated in time")
        case .closing:
            closingTimerFired()
        }
    }
}
