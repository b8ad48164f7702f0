import MartletBus
import MartletConfiguration
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Connections between servers: how they come about, carry and end.
extension World {
    func isBlocked(_ route: [Hop], way: Int) -> Bool {
        route.contains { lines[$0.line].isBlocked(reversed: $0.isReversed != (way == 1)) }
    }

    private func isRefusing(_ route: [Hop]) -> Bool { route.contains { lines[$0.line].refusing > 0 } }

    /// A site wants to reach another server.
    mutating func dial(_ site: Int, _ request: DialRequest) {
        digest.add(request.id.value)
        let incarnation = sites[site].incarnation
        func fail(_ failure: DialFailure, after: Int64) {
            schedule.add(
                .arrive(site: site, incarnation: incarnation, event: .dialFailed(request.id, failure)), after: after)
        }
        if sites[site].nameDenials > 0 { return fail(.noSuchDomain, after: 5) }
        // The resolver is dead: addresses that worked before are used.
        if sites[site].nameFailures > 0, request.remembered.isEmpty {
            return fail(.unreachable("the name cannot be resolved"), after: 5000)
        }
        guard let other = server(request.pair.peer) else { return fail(.noSuchDomain, after: 5) }
        schedule.add(.connect(site: site, incarnation: incarnation, request: request), after: delay(site, other))
    }

    /// An attempt reaches the other end, or the fault of the line.
    mutating func connect(_ site: Int, _ incarnation: UInt32, _ request: DialRequest) {
        guard sites[site].driver != nil, sites[site].incarnation == incarnation, let other = server(request.pair.peer) else {
            return
        }
        let route = routes[site][other]
        func fail(_ failure: DialFailure, after: Int64) {
            schedule.add(
                .arrive(site: site, incarnation: incarnation, event: .dialFailed(request.id, failure)), after: after)
        }
        if isBlocked(route, way: 0) || isBlocked(route, way: 1) {
            return fail(.unreachable("no answer in time"), after: request.patience ?? 10_000)
        }
        if isRefusing(route) || !isUp(other) { return fail(.unreachable("connection refused"), after: delay(site, other)) }
        if other < sites.count, sites[other].isBehindNAT {
            return fail(.unreachable("connection refused"), after: delay(site, other))
        }
        if sites[site].certificateFailures > 0 || (other < sites.count && sites[other].certificateFailures > 0) {
            return fail(.refused("its certificate has expired"), after: delay(site, other))
        }
        let pipe = pipes.count
        let theirs = accept(pipe, at: other)
        let mine = sites[site].newConnection(.pipe(pipe, end: 0))
        addPipe(
            Pipe(
                route: route,
                ends: (
                    Pipe.End(server: site, connection: mine, incarnation: incarnation),
                    Pipe.End(server: other, connection: theirs, incarnation: self.incarnation(other))
                ), dial: request.id))
        if isByteMode, other < sites.count { return beginEngines(pipe, request) }
        if other < sites.count {
            let pair = DomainPair(local: request.pair.peer, peer: request.pair.local)
            post(.server(theirs, .peerVerified(pair, .certificate, .relay)), to: other)
        }
        let isMartlet = other < sites.count
        let features = PeerFeatures(
            relay: isMartlet, streamManagement: isMartlet || foreign[other - sites.count].acknowledges, proof: .certificate,
            peerCertificateVerified: true, isBidirectional: isMartlet)
        let endpoints = [RememberedEndpoint(address: "192.0.2.\(other + 1)", port: 5269, directTLS: false)]
        let event = SiteEvent.dialed(request.id, mine, features, endpoints: endpoints)
        schedule.add(.arrive(site: site, incarnation: incarnation, event: event), after: delay(site, other))
    }

    /// The connection as the accepting server knows it.
    func newForeignConnection(_ server: Int, _ pipe: Int) -> ConnectionID {
        ConnectionID(loop: 0, slot: UInt32(pipe), generation: foreign[server - sites.count].incarnation)
    }

    mutating func accept(_ pipe: Int, at server: Int) -> ConnectionID {
        server < sites.count
            ? sites[server].newConnection(.pipe(pipe, end: 1)) : newForeignConnection(server, pipe)
    }

    mutating func addPipe(_ pipe: Pipe) {
        for index in openPipes
        where pipes[index].ends.0.server == pipe.ends.0.server && pipes[index].ends.1.server == pipe.ends.1.server {
            if !pipes[index].isSuperseded { count(.twoStreams) }
            pipes[index].isSuperseded = true
        }
        pipes.append(pipe)
        openPipes.append(pipes.count - 1)
    }

    /// Something leaves on a pipe: it arrives in order, after the line's delay and as fast as the line carries it.
    mutating func send(_ item: Pipe.Item, on pipe: Int, way: Int) {
        guard !pipes[pipe].isOver, !pipes[pipe].way(way).isDead else { return }
        let size = if case .bytes(let bytes) = item { Int64(bytes.count) } else { Int64(0) }
        var arrival = schedule.now
        for hop in pipes[pipe].route {
            let line = hop.line
            if let speed = lines[line].bytesPerSecond {
                let isBack = hop.isReversed != (way == 1)
                let start = max(arrival, isBack ? lines[line].occupied.1 : lines[line].occupied.0)
                arrival = start + size * 1000 / Int64(speed)
                if isBack { lines[line].occupied.1 = arrival } else { lines[line].occupied.0 = arrival }
            }
            arrival += lines[line].delay
        }
        let at = max(arrival, pipes[pipe].way(way).clear, schedule.now + 1)
        pipes[pipe].update(way: way) { $0.clear = at }
        schedule.add(.carry(pipe: pipe, way: way, item: item), after: at - schedule.now)
    }

    /// Something arrives, or is held up by an outage.
    mutating func carried(_ pipe: Int, _ way: Int, _ item: Pipe.Item) {
        guard !pipes[pipe].isOver, !pipes[pipe].way(way).isDead else { return }
        if !pipes[pipe].way(way).stalled.isEmpty || isBlocked(pipes[pipe].route, way: way) {
            return pipes[pipe].update(way: way) { $0.stalled.append(item) }
        }
        deliver(item, pipe, to: 1 - way)
    }

    /// A line is back: TCP tries again after a while, or something on the way has forgotten the connection.
    mutating func lineHealed(_ line: Int) {
        for pipe in openPipes where pipes[pipe].route.contains(where: { $0.line == line }) {
            for way in 0...1 where !pipes[pipe].way(way).stalled.isEmpty {
                let pause = 1 + pick(6000)
                schedule.add(.retransmit(pipe: pipe, way: way), after: pause)
            }
        }
    }

    mutating func retransmit(_ pipe: Int, _ way: Int) {
        guard !pipes[pipe].isOver, !pipes[pipe].way(way).isDead, !isBlocked(pipes[pipe].route, way: way) else { return }
        let items = pipes[pipe].way(way).stalled
        guard !items.isEmpty else { return }
        pipes[pipe].update(way: way) { $0.stalled = [] }
        if pick(4) == 0 {
            count(.connectionLost)
            for way in 0...1 { pipes[pipe].update(way: way) { $0.isDead = true } }
            return
        }
        for item in items { deliver(item, pipe, to: 1 - way) }
    }

    private mutating func deliver(_ item: Pipe.Item, _ pipe: Int, to end: Int) {
        let server = pipes[pipe].end(end).server
        guard !pipes[pipe].end(end).isGone else { return }
        guard isUp(server), incarnation(server) == pipes[pipe].end(end).incarnation else {
            // The machine was started anew and knows nothing of the connection.
            return schedule.add(.reset(pipe: pipe), after: 1)
        }
        switch item {
        case .bytes(let bytes):
            if pipes[pipe].isSuperseded { count(.lateBytes) }
            if server >= sites.count {
                foreignReceived(bytes, pipe, end)
            } else if pipes[pipe].end(end).engine != nil {
                engineReceived(bytes, pipe, end)
            } else {
                siteReceived(bytes, pipe, end)
            }
        case .startTLS: peerStartsTLS(pipe, end)
        case .end: peerEnded(pipe, end)
        }
    }

    /// Stanza mode: one element reaches a site.
    private mutating func siteReceived(_ bytes: [UInt8], _ pipe: Int, _ end: Int) {
        let site = pipes[pipe].end(end).server
        let origin = pipes[pipe].end(1 - end).server
        guard let bytes = mutated(bytes, pipe, end) else { return }
        if isTracing { note(site, "← \(name(origin)): \(Self.short(bytes))") }
        if Self.isStanza(bytes) {
            let context = NamespaceContext(Namespaces.server)
            guard let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.server, context: context) else {
                return faults.append(Fault(.malformed, "\(name(origin)) wrote \(Self.short(bytes))"))
            }
            if let mark = stanza.relayMark, origin < sites.count { auditArrival(mark, from: origin, to: site) }
            post(.server(pipes[pipe].end(end).connection, .stanza(stanza)), to: site)
        } else {
            guard let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.server) else {
                return faults.append(Fault(.malformed, "\(name(origin)) wrote \(Self.short(bytes))"))
            }
            if element.is("void", Namespaces.relay), origin < sites.count, let mark = RelayMark(element) {
                auditArrival(mark, from: origin, to: site)
            }
            post(.server(pipes[pipe].end(end).connection, .nonza(element)), to: site)
        }
    }

    static func isStanza(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: "<message".utf8) || bytes.starts(with: "<presence".utf8) || bytes.starts(with: "<iq".utf8)
    }
}
