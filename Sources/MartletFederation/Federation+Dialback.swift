// XEP-0220: Server Dialback, version 1.1.1, the receiving server's part (§2.1 to §2.3)

import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

extension Federation {
    /// A peer asks for a pair with a key: the authoritative server is asked whether the key is genuine. Nothing is
    /// written to disk and no link exists before it says so.
    mutating func dialbackKeyReceived(
        _ pair: DomainPair, _ key: String, _ streamID: String, _ address: RemoteAddress, on connection: ConnectionID,
        _ turn: Turn
    ) {
        turn.bill.payer = .address(address)
        if let reason = refusal(of: pair, turn) {
            turn.note(.peerRefused(pair, reason: reason))
            let condition: StanzaError.Condition = turn.policy.serves(pair.local.domainpart) ? .policyViolation : .itemNotFound
            return turn.perform(.dialbackVerdict(pair, .error(condition, words: reason)), on: connection)
        }
        if requiresCertificate(pair.peer, peerRow(pair.peer, turn), turn) {
            let reason = "\(pair.peer) must show a certificate that verifies"
            turn.note(.peerRefused(pair, reason: reason))
            return turn.perform(.dialbackVerdict(pair, .error(.policyViolation, words: reason)), on: connection)
        }
        guard inbound[connection].map({ $0.pairs.count + $0.pendingDialbacks < InboundStream.pairLimit }) ?? true else {
            let reason = "too many domains on one stream"
            return turn.perform(.dialbackVerdict(pair, .error(.resourceConstraint, words: reason)), on: connection)
        }
        let pendingHere = inbound[connection]?.pendingDialbacks ?? 0
        let pendingThere = dialbacksByAddress[address] ?? 0
        guard pendingHere < turn.policy.limits.pendingDialbacksPerStream,
            pendingThere < turn.policy.limits.pendingDialbacksPerAddress
        else {
            let reason = "too many verifications under way"
            return turn.perform(.dialbackVerdict(pair, .error(.resourceConstraint, words: reason)), on: connection)
        }
        // Nobody has proven anything yet: what it makes us do is bounded as its verification is.
        peerIsHeard(pair, turn)
        inbound[connection, default: InboundStream()].pendingDialbacks += 1
        dialbacksByAddress[address] = pendingThere + 1
        let id = newDial(.verify(connection, pair, address))
        turn.perform(.dial(request(id, pair, .verify(key: key, streamID: streamID), turn)))
        turn.schedule(.link(.dialbackTimeout(id)), after: turn.policy.federation.dialbackTimeout)
    }

    /// The authoritative server answered, or could not be asked.
    public mutating func dialbackEnded(_ id: DialID, _ verdict: DialbackVerdict, _ turn: Turn) {
        guard case .verify(let connection, let pair, let address) = dials[id] else { return }
        dials[id] = nil
        inbound[connection]?.pendingDialbacks -= 1
        if let pending = dialbacksByAddress[address] { dialbacksByAddress[address] = pending > 1 ? pending - 1 : nil }
        if case .error(_, let words) = verdict { turn.note(.peerRefused(pair, reason: words)) }
        if verdict == .invalid { turn.note(.peerRefused(pair, reason: "its dialback key is not genuine")) }
        turn.perform(.dialbackVerdict(pair, verdict), on: connection)
    }
}
