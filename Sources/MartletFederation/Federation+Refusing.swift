// XEP-0478: Stream Limits Advertisement, version 0.2.0, what peers announce

import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// Stanzas that one of the two sites does not take, each for itself: neither end of a link ends it over one stanza.
extension Federation {
    /// A stanza of a peer that its stream refuses: counted, since it would come again for ever, and answered
    /// (`Docs/relay-protocol.md` R3).
    mutating func refused(_ stanza: Stanza, _ error: StanzaError, on connection: ConnectionID, _ turn: Turn) {
        if inbound[connection]?.isManaged == true { inbound[connection]?.handled &+= 1 }
        guard let from = stanza.from, let to = stanza.to else { return }
        let pair = DomainPair(local: to.domain, peer: from.domain)
        if stanza.kind == .iq, stanza.iqType?.isRequest != true {
            return answerRefused(stanza, error, pair, turn)
        }
        guard inbound[connection] != nil else { return }
        if let mark = stanza.relayMark {
            receivedEntry(mark, .refused(stanza, error), pair, on: connection, turn)
        } else {
            turn.bounce(stanza, error)
        }
    }

    /// The answer to a request: whoever asked is told that it cannot be had, since nothing else would come any more.
    private mutating func answerRefused(_ answer: Stanza, _ error: StanzaError, _ pair: DomainPair, _ turn: Turn) {
        guard let slot = links.id(of: pair), isAwaited(answer, slot) else { return }
        let payload = error.element(by: pair.local.description)
        turn.route(
            Stanza(.iq, from: answer.from, to: answer.to, id: answer.id, type: "error", payloads: [payload]), from: .site)
    }

    /// Whether a request of ours is open that this stanza answers; it is not from then on.
    mutating func isAwaited(_ stanza: Stanza, _ slot: LinkID) -> Bool {
        guard let id = stanza.id, let from = stanza.to, let to = stanza.from else { return false }
        let request = PeerRequests.Request(id: id, from: from, to: to)
        return links[slot].requests.isOpen(request) && links[slot].requests.answered(request) == .expected
    }

    /// The peer says how long a stanza may be, or says nothing any more. It is written down of one of which something is: a stranger
    /// costs no row.
    mutating func announced(_ bytes: Int?, _ pair: DomainPair, _ turn: Turn) {
        for slot in links.ids where links[slot].pair.peer == pair.peer { links[slot].announcedBytes = bytes }
        guard let number = AddressTable.number(of: pair.peer, in: turn.store) else { return }
        var row = PeerTable.row(number, in: turn.store)
        guard row != PeerRow(), row.announcedBytes.map({ Int($0) }) != bytes else { return }
        row.announcedBytes = bytes.flatMap(UInt32.init(exactly:))
        turn.lazily { PeerTable.update(number, row, in: turn.store) }
    }
}
