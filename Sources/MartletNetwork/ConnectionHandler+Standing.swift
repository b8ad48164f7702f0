import MartletBus
import MartletRuntime
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What a connection may take before it has said who it is, and what it is counted as when it has.
extension ConnectionHandler {
    /// It belongs to somebody from now on.
    func prove(_ group: Berths.Group, _ name: JID) {
        if group == .person { proven = name }
        if let berth { berth.census.proved(berth.number, group, name) }
    }

    /// Somebody else needs the descriptor, and this one has not said who it is.
    func giveWay() {
        guard isOpen else { return }
        perform(.close(StreamError(.resourceConstraint, text: "Too many connections")))
        flush()
        // Nobody waits for whether the words are read: they would hold the descriptor for seconds.
        abort("gave way to another connection")
    }

    /// Whether its TLS handshake may begin, now or when its turn has come: until then nothing is read.
    func mayShakeHands() -> Bool {
        switch loop.askForHandshake(id, address, isFamiliar: isFamiliar) {
        case .begin: return true
        case .wait:
            awaitsHandshake = true
            return true
        case .refuse:
            abort("too many TLS handshakes are wanted")
            return false
        }
    }

    /// An office, or one of our people, came lately from where this one comes.
    private var isFamiliar: Bool {
        guard let berth else { return false }
        if case .client = listener { return berth.census.isFamiliar(address, isServer: false) }
        return berth.census.isFamiliar(address, isServer: true)
    }

    /// Its turn has come.
    func handshakeMayBegin() {
        awaitsHandshake = false
        goOn()
    }

    /// Keys of a password that came in clear, with those of others.
    func derive(_ derivation: KeyDerivation) {
        let (eventLoop, bound, id) = (loop.eventLoop, loop.bound, id)
        loop.passwords.run(for: Cause(isFamiliar ? .person : .stranger, .address(address)), { derivation.run() }) { keys in
            eventLoop.execute {
                bound.value.connection(id)?.resumed { $0.keysDerived(keys, for: derivation.id, into: &$1) }
            }
        }
    }

    /// The server stops. Streams that the site knows are closed by it; this one is closed here if the site does not.
    func shutDown() {
        // The last words of a client are heard in any case.
        if handover.isResting { restIsOver() }
        guard isOpen, !engine.isAuthenticated else { return }
        tell { $0.perform(.close(StreamError(.systemShutdown)), into: &$1) }
        flush()
    }

    /// Something that was to happen later.
    func resumed(_ body: (inout StreamEngine, inout [StreamAction]) -> Void) {
        guard isOpen else { return }
        tell(body)
        flush()
    }
}
