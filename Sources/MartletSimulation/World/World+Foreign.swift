import MartletBus
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Servers of other software.
extension World {
    /// A person of a foreign server writes.
    mutating func foreignWrites(_ message: Stanza, _ number: Int, from person: Int) {
        let server = foreignPeople[person - clients.count]
        guard foreign[server].isUp, let to = message.to, let site = sites.firstIndex(where: { $0.domain == to.domain }) else {
            return ledger.excuse(number)
        }
        // What a foreign server has in memory is its own; we answer for what we acknowledged.
        if !foreign[server].acknowledges { ledger.excuse(number) }
        var stamped = message
        stamped.from = addresses[person]
        foreignSends(server, site, stamped.serialized(), message: number)
    }

    mutating func foreignSends(_ server: Int, _ site: Int, _ bytes: [UInt8], message: Int? = nil) {
        if let pipe = foreign[server].outbound[site].pipe {
            foreignTransmits(server, site, bytes, message, on: pipe)
        } else {
            foreign[server].outbound[site].queue.append((bytes, message))
            foreignDials(server, site, after: 0)
        }
    }

    private mutating func foreignTransmits(_ server: Int, _ site: Int, _ bytes: [UInt8], _ message: Int?, on pipe: Int) {
        send(.bytes(bytes), on: pipe, way: 0)
        // TCP gives up at last.
        if pipes[pipe].way(0).isDead { schedule.add(.reset(pipe: pipe), after: 15_000) }
        guard foreign[server].acknowledges else { return }
        foreign[server].outbound[site].unacknowledged.append((bytes, message))
        send(.bytes(Array("<r xmlns='\(Namespaces.streamManagement)'/>".utf8)), on: pipe, way: 0)
        let acknowledged = foreign[server].outboundAcknowledged[pipe] ?? 0
        schedule.add(.foreignWatch(server, site: site, pipe: pipe, acknowledged: acknowledged), after: 25_000)
    }

    /// Nothing was acknowledged for a while: the stream is dead.
    mutating func foreignWatches(_ server: Int, _ site: Int, _ pipe: Int, _ acknowledged: Int) {
        guard foreign[server].outbound[site].pipe == pipe, !foreign[server].outbound[site].unacknowledged.isEmpty,
            foreign[server].outboundAcknowledged[pipe] ?? 0 == acknowledged
        else { return }
        reset(pipe)
    }

    private mutating func foreignDials(_ server: Int, _ site: Int, after: Int64) {
        guard foreign[server].isUp, !foreign[server].outbound[site].isDialling else { return }
        foreign[server].outbound[site].isDialling = true
        schedule.add(
            .connectForeign(server, incarnation: foreign[server].incarnation, site: site),
            after: after + delay(sites.count + server, site))
    }

    mutating func connectForeign(_ server: Int, _ incarnation: UInt32, _ site: Int) {
        guard foreign[server].isUp, foreign[server].incarnation == incarnation else { return }
        foreign[server].outbound[site].isDialling = false
        guard foreign[server].outbound[site].pipe == nil else { return }
        let route = routes[sites.count + server][site]
        guard sites[site].driver != nil, !isBlocked(route, way: 0), !isBlocked(route, way: 1),
            !route.contains(where: { lines[$0.line].refusing > 0 })
        else { return foreignDials(server, site, after: 5000) }
        let pipe = pipes.count
        let theirs = accept(pipe, at: site)
        addPipe(
            Pipe(
                route: route,
                ends: (
                    Pipe.End(
                        server: sites.count + server, connection: newForeignConnection(sites.count + server, pipe),
                        incarnation: incarnation),
                    Pipe.End(server: site, connection: theirs, incarnation: sites[site].incarnation)
                )))
        let pair = DomainPair(local: sites[site].domain, peer: foreign[server].domain)
        post(.server(theirs, .peerVerified(pair, .certificate)), to: site)
        foreign[server].outbound[site].pipe = pipe
        if foreign[server].acknowledges {
            send(.bytes(Array("<enable xmlns='\(Namespaces.streamManagement)'/>".utf8)), on: pipe, way: 0)
        }
        let waiting = foreign[server].outbound[site].queue
        foreign[server].outbound[site].queue = []
        for item in waiting { foreignTransmits(server, site, item.bytes, item.message, on: pipe) }
    }

    /// One element reaches a foreign server.
    mutating func foreignReceived(_ bytes: [UInt8], _ pipe: Int, _ end: Int) {
        let server = pipes[pipe].end(end).server - sites.count
        let site = pipes[pipe].end(1 - end).server
        guard Self.isStanza(bytes) else {
            guard let nonza = try? Element(parsing: bytes, defaultNamespace: Namespaces.server) else {
                return faults.append(Fault(.malformed, "\(sites[site].name) wrote \(Self.short(bytes))"))
            }
            return foreignReceived(nonza, server, site, pipe, end)
        }
        let context = NamespaceContext(Namespaces.server)
        guard end == 1,
            let stanza = try? Stanza(parsing: bytes, contentNamespace: Namespaces.server, context: context)
        else { return faults.append(Fault(.malformed, "\(sites[site].name) wrote \(Self.short(bytes))")) }
        if foreign[server].handled[pipe] != nil { foreign[server].handled[pipe]? &+= 1 }
        switch stanza.kind {
        case .message: foreignReceived(message: stanza, server)
        case .iq where stanza.iqType?.isRequest == true: foreignSends(server, site, stanza.result().serialized())
        case .iq, .presence: break
        }
    }

    private mutating func foreignReceived(message stanza: Stanza, _ server: Int) {
        guard let id = stanza.id, id.hasPrefix("m"), let number = Int(id.dropFirst()), let to = stanza.to,
            let person = person(to)
        else { return }
        if stanza.isError { return ledger.bounce(number, at: person, isUncertain: true) }
        foreign[server].unread.append(number)
        schedule.add(
            .foreignReads(server, incarnation: foreign[server].incarnation, message: number), after: 5)
    }

    private mutating func foreignReceived(_ nonza: Element, _ server: Int, _ site: Int, _ pipe: Int, _ end: Int) {
        switch (nonza.name, nonza.namespace, end) {
        case ("enable", Namespaces.streamManagement, 1) where foreign[server].acknowledges:
            foreign[server].handled[pipe] = 0
            send(.bytes(Array("<enabled xmlns='\(Namespaces.streamManagement)'/>".utf8)), on: pipe, way: 1)
        case ("r", Namespaces.streamManagement, 1):
            let h = foreign[server].handled[pipe] ?? 0
            send(.bytes(Array("<a xmlns='\(Namespaces.streamManagement)' h='\(h)'/>".utf8)), on: pipe, way: 1)
        case ("a", Namespaces.streamManagement, 0):
            guard foreign[server].outbound[site].pipe == pipe, let h = nonza["h"].flatMap({ Int($0) }) else { return }
            let before = foreign[server].outboundAcknowledged[pipe] ?? 0
            let proven = min(max(0, h - before), foreign[server].outbound[site].unacknowledged.count)
            foreign[server].outboundAcknowledged[pipe] = before + proven
            foreign[server].outbound[site].unacknowledged.removeFirst(proven)
        default: break
        }
    }

    /// A stream of a foreign server is gone: with XEP-0198 it sends again what was not acknowledged.
    mutating func foreignPipeEnded(_ pipe: Int, _ end: Int) {
        let server = pipes[pipe].end(end).server - sites.count
        let site = pipes[pipe].end(1 - end).server
        guard end == 0, foreign[server].outbound[site].pipe == pipe else { return }
        foreign[server].outbound[site].pipe = nil
        let again = foreign[server].outbound[site].unacknowledged
        foreign[server].outbound[site].unacknowledged = []
        foreign[server].outbound[site].queue.insert(contentsOf: again, at: 0)
        if !foreign[server].outbound[site].queue.isEmpty { foreignDials(server, site, after: 3000) }
    }

    mutating func foreignReads(_ server: Int, _ incarnation: UInt32, _ number: Int) {
        guard foreign[server].isUp, foreign[server].incarnation == incarnation else { return }
        if let index = foreign[server].unread.firstIndex(of: number) { foreign[server].unread.remove(at: index) }
        chart?.arrived(at: schedule.now, after: schedule.now - (ledger.sentAt(number) ?? schedule.now))
        ledger.arrive(number, at: ledger.addressee(number), time: schedule.now)
    }

    /// A foreign server dies, and with it everything it had in memory.
    mutating func killForeign(_ server: Int, downtime: Int64) {
        guard foreign[server].isUp else { return }
        count(.foreignCrash)
        for number in foreign[server].unread { ledger.excuse(number) }
        foreign[server].unread = []
        for site in foreign[server].outbound.indices {
            let lost = foreign[server].outbound[site].queue + foreign[server].outbound[site].unacknowledged
            for item in lost { if let message = item.message { ledger.excuse(message) } }
            foreign[server].outbound[site] = ForeignServer.Outbound()
        }
        foreign[server].handled = [:]
        foreign[server].outboundAcknowledged = [:]
        foreign[server].isUp = false
        abandonPipes(of: sites.count + server)
        foreign[server].incarnation += 1
        schedule.add(.startForeign(server), after: downtime)
    }
}
