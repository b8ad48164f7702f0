import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStreams

/// Lines that swallow large segments (``SegmentLimit``): what was learnt of them, for a day.
extension Federation {
    /// The stream of a link dies of silence, and is in use still: it may have been the size of what was written.
    mutating func silenceMayBeSize(_ slot: LinkID, _ turn: Turn) {
        // Who accepted a connection has no say in its segments.
        guard let stream = links[slot].stream, stream.opener == .us, turn.admits(.note) else { return }
        let number = AddressTable.makeNumber(of: links[slot].pair.peer, in: turn.store)
        var row = PeerTable.row(number, in: turn.store)
        guard
            let limit = SegmentLimit.afterSilence(
                segmentLimit(of: row, turn), proven: stream.window.largestAcknowledged, inFlight: links[slot].bytesInFlight)
        else { return }
        row.segmentLimit = limit
        row.segmentLimitSet = turn.now
        turn.lazily { PeerTable.update(number, row, in: turn.store) }
        turn.note(.segmentsLimited(links[slot].pair, bytes: Int(limit)))
    }

    /// How large the segments of the next connection to a peer may be; nil for as large as the line says.
    func segmentLimit(of row: PeerRow, _ turn: Turn) -> UInt16? {
        guard let limit = row.segmentLimit, turn.now - row.segmentLimitSet < SegmentLimit.lifetime else { return nil }
        return limit
    }
}
