import MartletBus
import XMPPStreams

/// The ends of connections between servers.
extension World {
    /// A site tells its end of a pipe something.
    mutating func perform(_ command: StreamCommand, on pipe: Int, _ end: Int) {
        guard !pipes[pipe].end(end).isGone else { return }
        if pipes[pipe].end(end).engine != nil { return engine(pipe, end) { $0.perform(command, into: &$1) } }
        switch command {
        case .send(let bytes): send(.bytes(bytes), on: pipe, way: end)
        case .close: close(pipe, end)
        case .abort: abort(pipe, end)
        case .mark, .rest, .hold, .goOn, .credentials, .refuseCredentials, .admit, .welcome, .refuse, .registrationHandled,
            .dialbackVerdict:
            break
        }
    }

    /// One end closes in good order; the other one's answer is awaited for a while.
    mutating func close(_ pipe: Int, _ end: Int) {
        guard !pipes[pipe].end(end).isClosing else { return }
        pipes[pipe].update(end: end) { $0.isClosing = true }
        send(.end, on: pipe, way: end)
        schedule.add(.closingTimeout(pipe: pipe, end: end), after: 2000)
    }

    /// One end throws the connection away, with what the line has not carried yet.
    mutating func abort(_ pipe: Int, _ end: Int) {
        for way in 0...1 { pipes[pipe].update(way: way) { $0.isDead = true } }
        tell(pipe, end, "given up", isOrderly: false)
        guard !isBlocked(pipes[pipe].route, way: end), !pipes[pipe].isOver else { return }
        schedule.add(
            .reset(pipe: pipe), after: delay(pipes[pipe].end(end).server, pipes[pipe].end(1 - end).server))
    }

    mutating func closingTimedOut(_ pipe: Int, _ end: Int) {
        tell(pipe, end, "no answer to the closing tag", isOrderly: false)
    }

    /// The other end has closed.
    mutating func peerEnded(_ pipe: Int, _ end: Int) {
        if !pipes[pipe].end(end).isClosing { send(.end, on: pipe, way: end) }
        tell(pipe, end, "closed by the peer", isOrderly: true)
    }

    /// Both ends learn that the connection is gone.
    mutating func reset(_ pipe: Int) {
        guard !pipes[pipe].isOver else { return }
        for way in 0...1 { pipes[pipe].update(way: way) { $0.isDead = true } }
        for end in 0...1 { tell(pipe, end, "connection reset", isOrderly: false) }
    }

    /// An end hears that its connection is over; nothing comes from it any more.
    mutating func tell(_ pipe: Int, _ end: Int, _ words: String, isOrderly: Bool) {
        guard !pipes[pipe].end(end).isGone else { return }
        let server = pipes[pipe].end(end).server
        let connection = pipes[pipe].end(end).connection
        let isCurrent = isUp(server) && incarnation(server) == pipes[pipe].end(end).incarnation
        if isCurrent, pipes[pipe].end(end).engine != nil { engine(pipe, end) { $0.connectionClosed(words, into: &$1) } }
        let hasEngine = pipes[pipe].end(end).engine != nil
        pipes[pipe].update(end: end) {
            $0.isGone = true
            $0.engine = nil
        }
        if pipes[pipe].isOver {
            openPipes.removeAll { $0 == pipe }
            for way in 0...1 { pipes[pipe].update(way: way) { $0 = Pipe.Way(isDead: true) } }
        }
        guard isCurrent else { return }
        if isTracing { note(server, "connection with \(name(pipes[pipe].end(1 - end).server)): \(words)") }
        if server >= sites.count { return foreignPipeEnded(pipe, end) }
        if hasEngine { return }
        if isOrderly { post(.server(connection, .streamEnded), to: server) }
        post(.server(connection, .closed(words)), to: server)
    }

    /// A machine has died: the others hear it from its kernel, if the line works.
    mutating func abandonPipes(of server: Int) {
        for pipe in openPipes {
            for end in 0...1
            where pipes[pipe].end(end).server == server && pipes[pipe].end(end).incarnation == incarnation(server) {
                pipes[pipe].update(end: end) {
                    $0.isGone = true
                    $0.engine = nil
                }
                if isBlocked(pipes[pipe].route, way: end) {
                    // The other end learns nothing: its connection looks alive.
                    for way in 0...1 { pipes[pipe].update(way: way) { $0.isDead = true } }
                } else {
                    schedule.add(.reset(pipe: pipe), after: delay(server, pipes[pipe].end(1 - end).server))
                }
            }
        }
        openPipes.removeAll { pipes[$0].isOver }
    }
}
