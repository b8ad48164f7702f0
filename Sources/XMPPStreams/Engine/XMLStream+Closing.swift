import XMPPStanzas
import XMPPXML

/// How a stream ends (RFC 6120 §4.4, §4.9).
extension XMLStream {
    /// The site's wish: says the error if there is one, our last word, and awaits the peer's.
    mutating func close(_ error: StreamError?) {
        switch phase {
        case .closed, .closing:
            return
        case .connecting, .handshaking:
            return end(.closed("closed by us"))
        case .peerEnded:
            writeEnd(error)
            end(.closed("closed by the peer"))
        case .awaitingHeader, .open:
            writeEnd(error)
            phase = .closing(isDeaf: error != nil || !isAuthenticated)
            isPaused = false
            isHeld = false
            lastWord(.closed(error.map { "closed by us: \($0.condition.rawValue)" } ?? "closed by us"))
            generation &+= 1
            setTimer(.closing, configuration.closingTimeout)
        }
    }

    /// The peer's fault: says so and closes without waiting.
    mutating func fail(_ error: StreamError, _ words: String? = nil) {
        switch phase {
        case .closed: return
        case .closing, .connecting, .handshaking: break
        case .awaitingHeader, .open, .peerEnded:
            if isAuthenticated, !isClientStream { act(.peer(.errorSent(error.condition.rawValue))) }
            writeEnd(error)
        }
        end(.failed(.unreachable(words ?? error.text ?? error.condition.rawValue)))
    }

    /// Bytes that are refused.
    mutating func fail(_ failure: XMLFailure) {
        fail(StreamError(StreamError.Condition(rawValue: failure.streamErrorCondition) ?? .notWellFormed))
    }

    /// An attempt of ours came to nothing: closes in good order, without waiting.
    mutating func giveUp(_ failure: DialFailure) { closeAtOnce(.failed(failure)) }

    /// The stream has served its purpose: closes in good order, without waiting.
    mutating func finish(_ words: String) { closeAtOnce(.closed(words)) }

    private mutating func closeAtOnce(_ ending: StreamEnding) {
        switch phase {
        case .awaitingHeader, .open, .peerEnded: if isHeaderWritten { writeEnd(nil) }
        case .connecting, .handshaking, .closing, .closed: break
        }
        end(ending)
    }

    /// The connection ends without a word, also one whose stream has ended and that still waits for the other side.
    mutating func reset(_ words: String) {
        lastWord(.failed(.unreachable(words)))
        phase = .closed
        generation &+= 1
        act(.reset)
    }

    /// The peer sent a stream error: unrecoverable, its last word follows (RFC 6120 §4.9.1.1).
    mutating func peerFailed(_ error: Element) {
        let condition = error.elements.first { $0.namespace == Namespaces.streamErrors && $0.name != "text" }
        let name = condition?.name ?? "undefined-condition"
        var words = "the peer reports \(name)"
        if let text = error.first("text", Namespaces.streamErrors)?.text, !text.isEmpty { words += ": \(text)" }
        if case .open = phase, isAuthenticated, !isClientStream { act(.peer(.errorReceived(name))) }
        if case .closing = phase {} else { writeEnd(nil) }
        let isRefusal = StreamError.Condition(rawValue: name)?.isRefusal == true
        end(.failed(isRefusal ? .refused(words) : .unreachable(words)))
    }

    /// The peer said its last word.
    mutating func peerEnded() {
        switch phase {
        case .open where isAuthenticated:
            // RFC 6120 §4.4: what is still to be said is said before the answer. The site has the word; it hears this
            // after everything that came before.
            phase = .peerEnded
            lastWord(.closed("closed by the peer"))
            reportEnded()
            generation &+= 1
            setTimer(.closing, configuration.closingTimeout)
        case .closing(isDeaf: false):
            reportEnded()
            end(.closed("closed by us"))
        case .closing(isDeaf: true):
            end(.closed("closed by us"))
        default:
            writeEnd(nil)
            end(.closed("the peer closed the stream during negotiation"))
        }
    }

    private mutating func reportEnded() { act(isClientStream ? .client(.streamEnded) : .peer(.streamEnded)) }

    /// Tells the site that the connection is gone.
    mutating func reportClosed() {
        let words = ending?.words ?? "closed"
        act(isClientStream ? .client(.closed(words)) : .peer(.closed(words)))
    }

    /// The other end's word was awaited long enough.
    mutating func closingTimerFired() {
        switch phase {
        case .peerEnded: close(nil)
        case .closing: end(.closed("closed by us"))
        default: break
        }
    }

    /// The connection is gone.
    mutating func connectionClosed(_ words: String) {
        lastWord(.failed(.unreachable(words)))
        phase = .closed
        generation &+= 1
    }

    private mutating func writeEnd(_ error: StreamError?) {
        if !isHeaderWritten {
            // RFC 6120 §4.9.1.2: an error before our header still comes inside a stream.
            guard !isInitiating else { return }
            writeHeader(from: configuration.domains[0], to: nil)
        }
        if let error { output += error.serialized }
        output += "</stream:stream>".utf8
    }

    private mutating func end(_ ending: StreamEnding) {
        lastWord(ending)
        guard phase != .closed else { return }
        phase = .closed
        generation &+= 1
        act(.close)
    }

    /// What ended it first counts.
    private mutating func lastWord(_ ending: StreamEnding) {
        if self.ending == nil { self.ending = ending }
    }
}

extension StreamError.Condition {
    /// The peer does not want us, now or in an hour; everything else may pass.
    fileprivate var isRefusal: Bool {
        switch self {
        case .hostUnknown, .hostGone, .notAuthorized, .policyViolation, .invalidFrom, .improperAddressing, .invalidNamespace,
            .unsupportedVersion:
            true
        default: false
        }
    }
}
