import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What an operator can see of links and queues. The queues are read in parts: a turn is short, however long they are.
extension Federation {
    /// Entries that one turn looks at.
    static let deskPage = 1000

    /// What an operator asks of links and queues.
    public mutating func handle(_ command: LinkCommand, _ turn: Turn) -> CommandAnswer {
        switch command {
        case .listLinks: .links(linkRows(turn))
        case .showLink(let peer, let local): showLink(peer, from: local, turn)
        case .retryLinks(let peer): retry(peer, turn)
        case .forgetCertificate(let peer): forgetCertificate(peer, turn)
        case .listQueue(let filter, let cursor): .queue(queuePage(filter, after: cursor, turn))
        case .listAges(let cursor): .ages(queueAges(after: cursor, turn))
        case .holdEntries(let claims): .desk(hold(claims, turn))
        case .releaseEntries(let claims): .desk(release(claims, turn))
        case .purgeEntries(let claims): .desk(purge(claims, turn))
        case .planResync(let peer): .resync(resyncRows(peer, turn))
        case .resync(let peer, let choice): resync(peer, uncertain: choice, turn)
        case .exportEntries(let peer, let local, let cursor): exportPart(peer, from: local, after: cursor, turn)
        case .importRecords(let records, let origin, let destination):
            importRecords(records, DomainPair(local: destination, peer: origin), turn)
        }
    }

    /// Every link with its state in words.
    public func linkRows(_ turn: Turn) -> [LinkRow] {
        links.ids.sorted { links[$0].pair.peer.domainpart < links[$1].pair.peer.domainpart }.map { linkRow($0, turn) }
    }

    private func linkRow(_ slot: LinkID, _ turn: Turn) -> LinkRow {
        let link = links[slot]
        let (state, next) = stateWords(link, turn)
        let stop = link.lanes.compactMap { $0.row?.stop?.reason }.first
        let oldest = oldestAcceptance(slot, turn).map { turn.now - $0 } ?? 0
        return LinkRow(
            local: link.pair.local.description, peer: link.pair.peer.description, state: stop == nil ? state : "stopped",
            acknowledgement: link.acknowledgement, waiting: Int(link.waiting), held: link.held, oldestAge: oldest,
            nextAttempt: next, lastError: stop ?? (link.trouble.isEmpty ? healingWords(slot, turn) : link.trouble))
    }

    private func stateWords(_ link: PeerLink, _ turn: Turn) -> (String, Int64) {
        switch link.state {
        case .idle: (isComponent(link.pair, turn) ? "away" : "idle", 0)
        case .dialling: ("dialling", 0)
        case .up: (link.isUpUntold ? "dialling" : "up", 0)
        case .closing: ("closing", 0)
        case .backingOff(let until): ("waiting", max(0, until - turn.now))
        }
    }

    /// A link by its peer, and by our domain where several of ours have one with it; or why it is not known which is meant.
    func chosen(_ peer: JID, from local: JID?, among isMeant: (PeerLink) -> Bool = { _ in true }) -> Result<LinkID, LinkUnknown>
    {
        if let local {
            let link = links.id(of: DomainPair(local: local, peer: peer))
            return link.map { .success($0) } ?? .failure(LinkUnknown(words: "there is no link from \(local) to \(peer)"))
        }
        let all = links.ids.filter { links[$0].pair.peer == peer }
        if all.isEmpty { return .failure(LinkUnknown(words: "there is no link to \(peer)")) }
        let meant = all.count == 1 ? all : all.filter { isMeant(links[$0]) }
        if meant.count == 1 { return .success(meant[0]) }
        let ours = all.map { links[$0].pair.local.description }.sorted().joined(separator: ", ")
        return .failure(LinkUnknown(words: "several domains have a link to \(peer): say which with --from (\(ours))"))
    }

    /// Why it is not known which link is meant, in words for the operator.
    struct LinkUnknown: Error, CustomStringConvertible {
        /// The words.
        var words: String

        var description: String { words }
    }

    private func showLink(_ peer: JID, from local: JID?, _ turn: Turn) -> CommandAnswer {
        switch chosen(peer, from: local) {
        case .success(let slot): .link(linkDetails(slot, turn))
        case .failure(let unknown): .refused(unknown.words)
        }
    }

    /// A peer that has shown a certificate is never believed for less (``requiresCertificate(_:_:_:)``). Where it has none any more
    /// that we can verify, only a human can say that it is still the same.
    private mutating func forgetCertificate(_ peer: JID, _ turn: Turn) -> CommandAnswer {
        guard let number = AddressTable.number(of: peer, in: turn.store) else {
            return .refused("nothing is known of \(peer)")
        }
        var row = PeerTable.row(number, in: turn.store)
        guard row.showedCertificate else { return .refused("\(peer) never showed a certificate that verified") }
        row.showedCertificate = false
        PeerTable.update(number, row, in: turn.store)
        for slot in links.ids where links[slot].pair.peer == peer && !links[slot].isUp { retry(slot, turn) }
        let still = requiresCertificate(peer, row, turn)
        return .done(
            "forgotten that \(peer) showed a certificate"
                + (still ? "; the configuration demands one all the same" : ": dialback is enough until it shows one again"))
    }

    /// Everything about a link.
    func linkDetails(_ slot: LinkID, _ turn: Turn) -> LinkDetails {
        let peer = links[slot].pair.peer
        var details = LinkDetails(link: linkRow(slot, turn))
        for lane in links[slot].lanes {
            guard let id = lane.id, let row = lane.row else { continue }
            details.lanes.append(
                LinkDetails.Lane(
                    id: id.value, lane: lane.laneClass.name, epoch: row.epoch.text, assigned: row.assigned, acked: row.acked,
                    inFlight: lane.inFlight, proven: row.proven.words, kept: row.keptCount, keptBytes: row.keptBytes,
                    stopReason: row.stop?.reason ?? ""))
        }
        let known = peerRow(peer, turn)
        details.addresses = known.endpoints.map {
            let address = $0.address.contains(":") ? "[\($0.address)]" : $0.address
            return "\(address):\($0.port)" + ($0.directTLS ? " (TLS from the first byte)" : "")
        }
        details.addressesAge = known.endpoints.isEmpty ? 0 : max(1, turn.now - known.endpointsSeen)
        details.showedCertificate = known.showedCertificate
        details.healing = healingWords(slot, turn)
        details.segmentLimit = Int(segmentLimit(of: known, turn) ?? 0)
        details.detour = links[slot].detour
        return details
    }

    /// A part of what waits: the entries behind `cursor` that fit `filter`.
    public func queuePage(_ filter: QueueFilter, after cursor: EntryName?, _ turn: Turn) -> QueuePage {
        var page = QueuePage()
        page.next = scan(filter, after: cursor, turn) { row in page.rows.append(row) }
        return page
    }

    /// The table of ages for the entries behind `cursor`.
    public func queueAges(after cursor: EntryName?, _ turn: Turn) -> QueueAges {
        var ages = QueueAges()
        var places: [String: Int] = [:]
        ages.next = scan(QueueFilter(), after: cursor, turn) { row in
            let place = places[row.peer] ?? ages.rows.count
            if place == ages.rows.count {
                places[row.peer] = place
                ages.rows.append(QueueAges.Row(peer: row.peer))
            }
            if row.state == .held {
                ages.rows[place].held += 1
            } else {
                ages.rows[place].counts[QueueAges.column(ofAge: row.age)] += 1
            }
        }
        return ages
    }

    /// Goes through lanes in the order of their numbers, then through what is held, up to ``deskPage`` entries; where it
    /// ended, or nil at the end of everything.
    private func scan(
        _ filter: QueueFilter, after cursor: EntryName?, _ turn: Turn, _ body: (QueueRow) -> Void
    ) -> EntryName? {
        var left = Self.deskPage
        var last: EntryName?
        let places = lanePlaces
        for lane in places.keys.sorted() {
            guard let (slot, index) = places[lane], let row = links[slot].lanes[index].row,
                let entries = links[slot].lanes[index].entries
            else { continue }
            let peer = links[slot].pair.peer
            guard filter.isHeld != true, filter.peer == nil || filter.peer == peer, row.waiting > 0 else { continue }
            if let entry = filter.entry, entry.lane != lane { continue }
            var first = links[slot].lanes[index].firstUnsettled
            if let cursor {
                if lane < cursor.lane { continue }
                if lane == cursor.lane { first = max(first, cursor.number + 1) }
            }
            if let entry = filter.entry { first = max(first, entry.number) }
            // A number that was never given has no place in the table.
            if first > row.assigned { continue }
            EntryTable.forEach(entries, from: first, in: turn.store) { number, entry in
                if let wanted = filter.entry, wanted.number != number { return false }
                guard left > 0 else { return false }
                left -= 1
                last = EntryName(lane: lane, number: number)
                guard entry.state != .void else { return true }
                let mayHaveArrived = links[slot].lanes[index].mayHaveArrived(number, entry)
                let name = EntryName(lane: lane, number: number)
                if let found = queueRow(
                    name, entry.logSequence, entry.tag, mayHaveArrived ? .sent : .waiting, "", peer, filter,
                    turn)
                {
                    body(found)
                }
                return true
            }
            if left == 0 { return last }
        }
        return scanHeld(filter, after: cursor, places, &left, turn, body)
    }

    private func scanHeld(
        _ filter: QueueFilter, after cursor: EntryName?, _ places: [UInt32: (slot: LinkID, index: Int)], _ left: inout Int,
        _ turn: Turn, _ body: (QueueRow) -> Void
    ) -> EntryName? {
        guard filter.isHeld != false, filter.entry == nil || filter.entry?.lane == EntryName.held else { return nil }
        var first: UInt64 = 1
        if let cursor, cursor.lane == EntryName.held { first = cursor.number + 1 }
        if let entry = filter.entry { first = entry.number }
        var last: EntryName?
        var isUnfinished = false
        HeldTable.forEach(from: first, in: turn.store) { place, held in
            if let wanted = filter.entry, wanted.number != place { return false }
            guard left > 0 else {
                isUnfinished = true
                return false
            }
            left -= 1
            let name = EntryName(lane: EntryName.held, number: place)
            last = name
            guard let (slot, _) = places[held.lane.value] else { return true }
            let peer = links[slot].pair.peer
            guard filter.peer == nil || filter.peer == peer else { return true }
            if let found = queueRow(
                name, held.logSequence, held.tag, .held, held.reason, peer, filter, turn)
            {
                body(found)
            }
            return true
        }
        return isUnfinished ? last : nil
    }

    private func queueRow(
        _ name: EntryName, _ sequence: UInt64, _ tag: UInt64, _ state: QueueRow.State, _ reason: String,
        _ peer: JID, _ filter: QueueFilter, _ turn: Turn
    ) -> QueueRow? {
        guard let logged = StanzaLog.stanza(sequence, in: turn.store), filter.from.fits(logged.stanza.from),
            filter.to.fits(logged.stanza.to)
        else { return nil }
        return QueueRow(
            name: name, tag: tag, peer: peer.description, from: logged.stanza.from?.description ?? "",
            to: logged.stanza.to?.description ?? "", bytes: logged.stanza.content.count,
            age: max(0, turn.now - logged.acceptedInstant), state: state, reason: reason)
    }

    /// How many links there are and what waits on them.
    public var figures: (links: Int, waiting: Int) {
        (links.count, Int(links.waiting))
    }
}

extension JID? {
    /// Whether an address is what a filter means: no filter fits all, a domain its accounts, an account its devices.
    fileprivate func fits(_ address: JID?) -> Bool {
        guard let wanted = self else { return true }
        guard let address else { return false }
        if wanted.resourcepart != nil { return address == wanted }
        return wanted.localpart == nil ? address.domain == wanted : address.bare == wanted
    }
}
