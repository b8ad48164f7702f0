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
        let component = inbound[connection]?.component
        let pair = component.map { Self.componentPair($0, turn) } ?? DomainPair(local: to.domain, peer: from.domain)
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

    /// R4: nothing is counted and nothing is read any more; the peer keeps it and tries again, more and more rarely. A stream
    /// that we opened goes on, since what it carries away frees the disk: there the peer meets silence and gives up by itself.
    ///
    /// Asked with what the delivery asks with, and a little more: what is counted is never bounced for want of room.
    mutating func refuses(_ connection: ConnectionID, bytes: Int = 0, _ turn: Turn) -> Bool {
        if let place = inbound.index(forKey: connection), inbound.values[place].isDeaf { return true }
        if turn.admits(.message, bytes: bytes, beside: Self.rowsBeside) { return false }
        if inbound[connection]?.isOurs == true {
            inbound[connection]?.isDeaf = true
        } else {
            turn.perform(.close(StreamError(.resourceConstraint, text: "The disk is nearly full, try later")), on: connection)
        }
        return true
    }

    /// What is written beside one stanza that is taken over, at most, in bytes: the numbers of addresses, rows that point at it, and
    /// what its reader had in memory.
    static let rowsBeside = 64 << 10
}

extension NumberedContent {
    /// The longest value that it becomes in the store: a stanza with a stamp.
    var bytes: Int {
        guard case .stanza(let stanza) = self else { return 0 }
        return stanza.content.count + 128 + (stanza.from?.domainpart.utf8.count ?? 0)
    }
}
