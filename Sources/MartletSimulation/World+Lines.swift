import MartletBus
import MartletConfiguration
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

extension World {
    func line(_ one: Int, _ other: Int) -> Int? {
        lines.firstIndex { $0.ends == (one, other) || $0.ends == (other, one) }
    }

    func delay(from site: Int, to peer: JID) -> Int64 {
        guard let other = sites.firstIndex(where: { $0.domain == peer }), let line = line(site, other) else { return 1 }
        return lines[line].delay
    }

    /// An attempt reaches the other end, or the fault of the line.
    mutating func connect(_ site: Int, _ incarnation: UInt32, _ request: DialRequest) {
        guard sites[site].incarnation == incarnation else { return }
        guard let other = sites.firstIndex(where: { $0.domain == request.pair.peer }), let line = line(site, other) else {
            return schedule.add(.refuse(site: site, incarnation: incarnation, dial: request.id, words: "no route"), after: 1)
        }
        if let outage = lines[line].outage, outage != .cut {
            let isSilent = outage == .blackHole || outage == .halfOpen
            return schedule.add(
                .refuse(
                    site: site, incarnation: incarnation, dial: request.id,
                    words: isSilent ? "no answer in time" : "connection refused"), after: isSilent ? 10_000 : 1)
        }
        guard sites[other].driver != nil else {
            return schedule.add(
                .refuse(site: site, incarnation: incarnation, dial: request.id, words: "connection refused"),
                after: lines[line].delay)
        }
        let mine = sites[site].newConnection()
        let theirs = sites[other].newConnection()
        pipes.append(
            Pipe(
                line: line, dialler: (site, mine, incarnation), accepter: (other, theirs, sites[other].incarnation)))
        let pair = DomainPair(local: request.pair.peer, peer: request.pair.local)
        post(.server(theirs, .peerVerified(pair, .certificate)), to: other)
        let features = PeerFeatures(
            relay: true, streamManagement: true, proof: .certificate, peerCertificateVerified: true)
        let event = SiteEvent.dialed(request.id, mine, features, endpoints: [])
        schedule.add(.arrive(site: site, incarnation: incarnation, event: event), after: lines[line].delay)
    }

    func pipe(of connection: ConnectionID, _ site: Int) -> Int? {
        pipes.lastIndex {
            ($0.dialler.site == site && $0.dialler.connection == connection)
                || ($0.accepter.site == site && $0.accepter.connection == connection)
        }
    }

    /// Bytes leave; what meets an outage is lost, and with it everything behind it on this connection.
    mutating func send(_ bytes: [UInt8], on pipe: Int, from connection: ConnectionID? = nil) {
        guard !pipes[pipe].isClosed else { return }
        if lines[pipes[pipe].line].outage != nil { pipes[pipe].isBroken = true }
        guard !pipes[pipe].isBroken else { return }
        schedule.add(.carry(pipe: pipe, bytes: bytes), after: lines[pipes[pipe].line].delay)
    }

    /// Bytes arrive: stanzas go with the dialler's direction, nonzas both ways, so the element itself tells where to.
    mutating func carried(_ pipe: Int, _ bytes: [UInt8]) {
        if lines[pipes[pipe].line].outage != nil { pipes[pipe].isBroken = true }
        guard !pipes[pipe].isBroken, !pipes[pipe].isClosed else { return }
        let context = NamespaceContext(Namespaces.server)
        guard let element = try? Element(parsing: bytes, defaultNamespace: Namespaces.server) else {
            return faults.append("a site sent what is not one element: \(String(decoding: bytes, as: UTF8.self))")
        }
        let isBackward = element.is("have", Namespaces.relay)
        let end = isBackward ? pipes[pipe].dialler : pipes[pipe].accepter
        guard sites[end.site].incarnation == end.incarnation else { return }
        if element.namespace == Namespaces.server,
            let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.server, context: context)
        {
            post(.server(end.connection, .stanza(stanza)), to: end.site)
        } else {
            post(.server(end.connection, .nonza(element)), to: end.site)
        }
    }

    /// One end closes: both hear of it, the other end only if the line works.
    mutating func endPipe(_ pipe: Int) {
        schedule.add(.endPipe(pipe: pipe, words: "closed"), after: lines[pipes[pipe].line].delay)
    }

    mutating func pipeEnded(_ pipe: Int, _ words: String) {
        guard !pipes[pipe].isClosed else { return }
        if lines[pipes[pipe].line].outage == .blackHole || lines[pipes[pipe].line].outage == .halfOpen {
            pipes[pipe].isBroken = true
            // TCP tells after it could get through again; by then nothing depends on it.
            return schedule.add(.endPipe(pipe: pipe, words: words), after: 5000)
        }
        pipes[pipe].isClosed = true
        for end in [pipes[pipe].dialler, pipes[pipe].accepter] where sites[end.site].incarnation == end.incarnation {
            post(.server(end.connection, .closed(words)), to: end.site)
        }
    }

    mutating func cut(_ line: Int, _ kind: Topology.Outage.Kind, _ duration: Int64) {
        cuts += 1
        lines[line].outage = kind
        schedule.add(.heal(line: line), after: duration)
        for pipe in pipes.indices where pipes[pipe].line == line && !pipes[pipe].isClosed {
            switch kind {
            case .refuse, .cut:
                pipes[pipe].isBroken = true
                schedule.add(.endPipe(pipe: pipe, words: "connection reset"), after: 1)
            case .blackHole, .halfOpen:
                break
            }
        }
        if kind == .cut { lines[line].outage = nil }
    }
}
