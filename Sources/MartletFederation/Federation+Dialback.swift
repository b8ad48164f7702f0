// XEP-0220: Server Dialback, version 1.1.1, the receiving server's part (§2.1 to §2.3)

import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

extension Federation {
    /// A peer asks for a pair with a key: the authoritative server is asked whether the key is genuine, when it is its turn.
    /// Nothing is written to disk and no link exists before it says so.
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
        guard inbound[connection].map({ $0.pairs.count + $0.verifications.count < InboundStream.pairLimit }) ?? true else {
            let reason = "too many domains on one stream"
            return turn.perform(.dialbackVerdict(pair, .error(.resourceConstraint, words: reason)), on: connection)
        }
        let verification = Verification(
            connection: connection, pair: pair, key: key, streamID: streamID, address: address,
            standing: verifications.standing(
                of: address, for: pair.peer, found: peerRow(pair.peer, turn).endpoints, turn.policy))
        let pendingHere = inbound[connection]?.verifications.count ?? 0
        let id = newDial(.verify(verification))
        guard pendingHere < turn.policy.limits.pendingDialbacksPerStream,
            verifications.pending(of: address) < turn.policy.limits.pendingDialbacksPerAddress,
            verifications.asked(id, verification)
        else {
            dials[id] = nil
            let reason = "too many verifications under way"
            return turn.perform(.dialbackVerdict(pair, .error(.resourceConstraint, words: reason)), on: connection)
        }
        inbound[connection, default: InboundStream()].verifications.append(id)
        turn.schedule(.link(.dialbackTimeout(id)), after: turn.policy.federation.dialbackTimeout)
    }

    /// Begins what may be begun. Once in a batch, and when time has passed.
    mutating func verifyNext(_ turn: Turn) {
        for _ in 0..<Self.verificationsInBatch {
            guard let (id, verification, known) = verifications.next(dials, at: turn.now) else { break }
            if let known {
                dialbackEnded(id, known, turn)
                continue
            }
            dials[id] = .verify(begun(verification))
            // Nobody has proven anything yet: what it makes us do is bounded as its verification is.
            peerIsHeard(verification.pair, turn)
            let cause = Cause(verification.standing, .address(verification.address))
            let purpose = DialRequest.Purpose.verify(key: verification.key, streamID: verification.streamID)
            turn.perform(.dial(request(id, verification.pair, purpose, by: cause, turn)))
        }
        if let wait = verifications.wakeUp() { turn.schedule(.link(.verificationsDue), after: wait) }
    }

    /// More than may be begun at a time; what is answered of what is known already may be many more.
    private static let verificationsInBatch = 64

    private func begun(_ verification: Verification) -> Verification {
        var verification = verification
        verification.isBegun = true
        return verification
    }

    /// The authoritative server answered, or could not be asked.
    public mutating func dialbackEnded(_ id: DialID, _ verdict: DialbackVerdict, _ turn: Turn) {
        guard case .verify(let verification) = dials[id] else { return }
        dials[id] = nil
        let (connection, pair) = (verification.connection, verification.pair)
        inbound[connection]?.verifications.removeAll { $0 == id }
        verifications.ended(verification, verdict, at: turn.now, turn.policy)
        if case .error(_, let words) = verdict { turn.note(.peerRefused(pair, reason: words)) }
        if verdict == .invalid { turn.note(.peerRefused(pair, reason: "its dialback key is not genuine")) }
        turn.perform(.dialbackVerdict(pair, verdict), on: connection)
    }

    /// Its time is over, whether its turn has come or not.
    mutating func dialbackTimedOut(_ id: DialID, _ turn: Turn) {
        guard case .verify(let verification) = dials[id] else { return }
        if verification.isBegun { turn.perform(.cancelDial(id)) }
        dialbackEnded(id, .error(.remoteServerTimeout, words: "no answer in time"), turn)
    }

    /// Nobody waits for it any more.
    mutating func giveUpVerification(_ id: DialID, _ turn: Turn) {
        guard case .verify(let verification) = dials[id] else { return }
        dials[id] = nil
        if verification.isBegun { turn.perform(.cancelDial(id)) }
        verifications.ended(verification, nil, at: turn.now, turn.policy)
    }
}
