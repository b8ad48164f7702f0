import MartletBus
import XMPPStreams

/// A connection between two servers: two directions of ordered items, as TCP carries them. End 0 has dialled.
struct Pipe {
    /// What travels.
    enum Item {
        /// In stanza mode one element; in byte mode whatever was written.
        case bytes([UInt8])
        /// TLS can begin here: everything before was in clear. Byte mode only.
        case startTLS
        /// The sender closes in good order.
        case end
    }

    struct End {
        let server: Int
        let connection: ConnectionID
        let incarnation: UInt32
        /// It was told of the end, or does not care any more.
        var isGone = false
        /// It has closed.
        var isClosing = false
        /// Byte mode: the stream's engine.
        var engine: StreamEngine?
        var awaitsTLS = false
        var sawTLS = false
    }

    struct Way {
        /// When the last item arrives.
        var clear: Int64 = 0
        /// What an outage holds up; TCP brings it when the line is back.
        var stalled: [Item] = []
        /// Nothing arrives any more.
        var isDead = false
    }

    let route: [Hop]
    var ends: (End, End)
    /// What end 0 sends, and what end 1 sends.
    var ways = (Way(), Way())
    /// The attempt that led to it, where a site dialled and was not told yet.
    var dial: DialID?
    /// A newer connection of the same two servers exists, from the same side.
    var isSuperseded = false

    func end(_ index: Int) -> End { index == 0 ? ends.0 : ends.1 }
    func way(_ index: Int) -> Way { index == 0 ? ways.0 : ways.1 }

    mutating func update(end index: Int, _ change: (inout End) -> Void) {
        if index == 0 { change(&ends.0) } else { change(&ends.1) }
    }

    mutating func update(way index: Int, _ change: (inout Way) -> Void) {
        if index == 0 { change(&ways.0) } else { change(&ways.1) }
    }

    var isOver: Bool { ends.0.isGone && ends.1.isGone }
}
