import MartletBus
import MartletPrimitives
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Components (XEP-0114): processes of their own that have a domain of ours. To the rest of the site a component is a peer that is never
/// called: it has one link, whoever writes to it, with lanes that keep what is durable while it is away, in order.
///
/// The protocol has no acknowledgements. What a component has is what its stream proves: the answer to a ping that stands behind it, whatever
/// that answer is (`Docs/relay-protocol.md` §6, rung 2; RFC 6120 §8.2.3 has everybody answer), else its closing tag after ours. What was
/// written and not proven when the stream ends is sent again on the next one.
extension Federation {
    /// Wrong secrets that an address may show at once, and how often after that, milliseconds. A component that is set up wrongly tries
    /// again every few seconds; when it was mended it is let in half a minute later at most. Nobody guesses at that pace.
    static let wrongSecrets = 10
    static let wrongSecretInterval: Int64 = 30_000
    /// Addresses of which that is known. Components come from one or two.
    static let wrongSecretAddresses = 256

    /// What stands in the list of links while there is no stream.
    private static let absence = "the component is not connected"

    /// The pair of the one link to a component: others than our people write to it too, so it is the site's.
    static func componentPair(_ domain: JID, _ turn: Turn) -> DomainPair {
        DomainPair(local: turn.policy.name, peer: domain)
    }

    /// Whether that is the pair of a component.
    func isComponent(_ pair: DomainPair, _ turn: Turn) -> Bool {
        pair.local == turn.policy.name && turn.policy.isComponent(pair.peer.domainpart)
    }

    // MARK: the policy

    /// After a start, and when the policy changed: each component has its link. One whose domain was another server's until now is
    /// not called any more.
    mutating func prepareComponents(_ turn: Turn) {
        for host in turn.policy.hosts where host.kind == .component {
            let slot = slot(of: Self.componentPair(host.domain, turn), turn)
            links[slot].becameKnown()
            if let connection = links[slot].connection {
                if inbound[connection]?.component != nil { continue }
                turn.perform(.close(nil), on: connection)
                streamLost(slot, Self.absence, turn)
            } else {
                if case .dialling(let dial) = links[slot].state {
                    dials[dial] = nil
                    turn.perform(.cancelDial(dial))
                }
                awaitComponent(slot, turn)
            }
        }
    }

    /// Something wants to be said to a component that is not there.
    mutating func awaitComponent(_ slot: LinkID, _ turn: Turn) {
        let known = links[slot].trouble
        links[slot].rested(after: known.isEmpty ? Self.absence : known)
        noteFailing(slot, turn)
    }

    /// How many there are, and how many of them are connected.
    public func componentCounts(_ turn: Turn) -> (all: Int, connected: Int) {
        let slots = links.ids.filter { isComponent(links[$0].pair, turn) }
        return (slots.count, slots.count { links[$0].isUp })
    }

    // MARK: its stream

    /// Somebody has shown the secret of a component, or has not.
    mutating func componentShown(
        _ domain: JID, isGenuine: Bool, _ address: RemoteAddress, on connection: ConnectionID, _ turn: Turn
    ) {
        turn.bill.payer = .address(address)
        let pair = Self.componentPair(domain, turn)
        guard isGenuine else {
            _ = wrongSecretsShown.take(address, at: turn.now)
            return turn.note(.peerRefused(pair, reason: "a wrong secret was shown from \(address.text)"))
        }
        guard wrongSecretsShown.wait(address, at: turn.now) == 0 else {
            turn.note(.peerRefused(pair, reason: "too many wrong secrets were shown from \(address.text)"))
            return turn.perform(.refuse(.notAuthorized), on: connection)
        }
        guard !isShuttingDown, turn.policy.isComponent(domain.domainpart) else {
            return turn.perform(.close(StreamError(isShuttingDown ? .systemShutdown : .hostUnknown)), on: connection)
        }
        let slot = slot(of: pair, turn)
        // Whoever knows the secret is the component, and is where it has come from last: of a machine that lost its power nobody says
        // that its stream has ended.
        if let before = links[slot].connection {
            endComponent(
                before, slot, StreamError(.conflict, text: "The component has connected anew"), "it connected anew", turn)
        }
        turn.bill.payer = .peer(domain)
        var stream = InboundStream(pairs: [pair])
        stream.component = domain
        inbound[connection] = stream
        turn.perform(.admit, on: connection)
        begin(slot, connection, openedBy: .component, foreign: ForeignCarrier(managed: false), turn)
        noteUp(slot, turn)
    }

    /// The stream of a component is over.
    mutating func endComponent(
        _ connection: ConnectionID, _ slot: LinkID, _ error: StreamError?, _ reason: String, _ turn: Turn
    ) {
        turn.perform(.close(error), on: connection)
        inboundClosed(connection, turn)
        streamLost(slot, reason, turn)
    }

    /// It closed its stream: nothing more is written to it, and nothing waits for the end of its connection.
    mutating func componentClosed(_ connection: ConnectionID, _ turn: Turn) {
        guard inbound[connection]?.component != nil, let slot = links.id(on: connection), links[slot].isUp else { return }
        endComponent(connection, slot, nil, "the component closed its stream", turn)
    }

    /// Nobody calls it: the link rests until it comes.
    mutating func componentLost(_ slot: LinkID, _ reason: String, _ turn: Turn) {
        failVolatile(slot, StanzaError(.remoteServerTimeout, text: absenceWords(slot)), turn)
        turn.note(.linkDown(links[slot].pair, reason: reason, retryAfter: 0))
        links[slot].rested(after: reason)
        noteFailing(slot, turn)
    }

    /// What the sender of something is told that does not wait.
    func absenceWords(_ slot: LinkID) -> String { "\(links[slot].pair.peer) is not connected at the moment" }

    // MARK: what it says

    /// A stanza of a component: of whomever at its domain, which the stream engine has checked.
    mutating func componentSaid(_ stanza: consuming Stanza, _ domain: JID, on connection: ConnectionID, _ turn: Turn) {
        turn.bill.payer = .peer(domain)
        if stanza.kind == .iq, stanza.iqType?.isRequest == false {
            let pair = Self.componentPair(domain, turn)
            if fenceAnswered(stanza, pair, turn) { return }
            if forgetRequest(stanza, pair) { return }
        }
        turn.admit(stanza, from: .component(connection, domain))
    }
}
