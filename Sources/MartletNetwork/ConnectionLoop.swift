import MartletBus
import NIOCore
import XMPPStreams

/// One event loop as the site sees it: its number, its connections by slot, and the mailbox through which effects come.
///
/// Everything but ``mailbox`` is confined to the loop.
final class ConnectionLoop {
    /// What the site's thread sends to a loop.
    enum Item: Sendable {
        case command(slot: UInt32, generation: UInt32, StreamCommand)
        /// That many of the connection's events were handled: it may post as many more.
        case handled(slot: UInt32, generation: UInt32, Int)
        case dial(DialRequest)
        case cancelDial(DialID)
    }

    let index: UInt16
    let eventLoop: any EventLoop
    /// What performs `dial`; set once before anything is posted.
    var dialer: Dialer?
    private var table = SlotTable<ConnectionHandler>()
    /// Connections that got something in the batch being performed, each once.
    private var touched: [ConnectionHandler] = []

    init(index: UInt16, eventLoop: any EventLoop) {
        self.index = index
        self.eventLoop = eventLoop
    }

    /// Takes a slot for the connection that `make` returns for its number.
    func insert(_ make: (ConnectionID) -> ConnectionHandler) -> ConnectionHandler {
        var made: ConnectionHandler?
        table.insert { slot, generation in
            let handler = make(ConnectionID(loop: index, slot: slot, generation: generation))
            made = handler
            return handler
        }
        guard let made else { preconditionFailure("a slot table makes an element for each slot it gives") }
        return made
    }

    /// The connection is gone: what comes for its number from now on is dropped.
    func remove(_ id: ConnectionID) {
        table.remove(slot: id.slot, generation: id.generation)
    }

    /// The connections that live.
    var connections: [ConnectionHandler] { table.elements }

    /// Performs what came from the site, in order, and flushes each connection once.
    func perform(_ items: [Item]) {
        for item in items {
            switch item {
            case .command(let slot, let generation, let command):
                guard let connection = table[slot, generation] else { continue }
                touch(connection)
                connection.perform(command)
            case .handled(let slot, let generation, let count):
                guard let connection = table[slot, generation] else { continue }
                touch(connection)
                connection.handled(count)
            case .dial(let request):
                dialer?.dial(request)
            case .cancelDial(let id):
                dialer?.cancel(id)
            }
        }
        let last = touched
        touched.removeAll(keepingCapacity: true)
        for connection in last {
            connection.isTouched = false
            connection.flush()
        }
    }

    private func touch(_ connection: ConnectionHandler) {
        guard !connection.isTouched else { return }
        connection.isTouched = true
        touched.append(connection)
    }
}
