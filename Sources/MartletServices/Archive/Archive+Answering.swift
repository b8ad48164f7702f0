// XEP-0297: Stanza Forwarding, version 1.0, what archives need
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Searches: begun, carried on in slices, answered.
extension Archive {
    /// A search of a session: its answer comes in parts of its own.
    mutating func search(
        _ query: ArchiveQuery, _ request: Stanza, _ account: AccountName, _ session: SessionID, _ turn: Turn
    ) -> Answer {
        let reader = ArchiveReader.session(session)
        guard searches.count(of: reader) < turn.policy.archive.searchesPerSession else {
            return .error(StanzaError(.resourceConstraint, .wait, text: "Too many searches at a time"))
        }
        guard let search = begun(query, request, account, turn.bill.payer, turn) else {
            return .error(StanzaError(.itemNotFound))
        }
        let isFirst = searches.count(of: reader) == 0
        searches.append(search, of: reader)
        if isFirst { turn.ask(.roomForAnswer(session)) }
        return .later
    }

    /// A search of somebody of another domain, which may take what the line takes.
    mutating func search(
        _ query: ArchiveQuery, _ request: Stanza, _ room: AccountName, peer: JID, _ turn: Turn
    ) -> Answer {
        let reader = ArchiveReader.peer(peer)
        guard searches.count(of: reader) < ArchiveLimits.searchesPerPeer else {
            return .error(StanzaError(.resourceConstraint, .wait, text: "Too many searches at a time"))
        }
        guard let search = begun(query, request, room, .peer(peer), turn) else { return .error(StanzaError(.itemNotFound)) }
        let isFirst = searches.count(of: reader) == 0
        searches.append(search, of: reader)
        if isFirst { becameReady(reader, turn) }
        return .later
    }

    /// The search with its bounds; nil where it names a message that there is not (§4.1.4, §4.3.2).
    private func begun(
        _ query: ArchiveQuery, _ request: Stanza, _ account: AccountName, _ payer: Party?, _ turn: Turn
    ) -> ArchiveSearch? {
        let number = account.number
        let removed = ArchiveAccountTable.row(number, in: turn.store).removed
        func place(_ id: StableID?) -> UInt64? { id.flatMap { self.place(of: $0, in: number, above: removed, turn) } }
        let order: ArchiveTable.Order = query.with.map { .peer(peerHash($0)) } ?? .all
        var low = removed + 1
        // What comes while it is paged through is not on a page that was asked for before.
        var high = StanzaLog.last(in: turn.store)
        if query.afterID != nil {
            guard let place = place(query.afterID) else { return nil }
            low = max(low, place + 1)
        }
        if query.beforeID != nil {
            guard let place = place(query.beforeID) else { return nil }
            high = min(high, place - 1)
        }
        if let start = query.start { low = bound(number, order, low, high, turn) { $0 >= start } }
        if let end = query.end { high = bound(number, order, low, high, turn) { $0 > end } - 1 }
        var next = low
        var isBackward = false
        switch query.page.start {
        case .first, .index: break
        case .after(let text):
            guard let place = place(StableID(text)) else { return nil }
            next = max(low, place + 1)
        case .before(nil): (next, isBackward) = (high + 1, true)
        case .before(let text?):
            guard let place = place(StableID(text)) else { return nil }
            (next, isBackward) = (min(high + 1, place), true)
        }
        // Nothing lies between: a place that no message has.
        let bounds = low <= high ? low...high : 0...0
        var search = ArchiveSearch(
            query, request, account, order, bounds, from: next, isBackward: isBackward, turn.policy.archive)
        search.payer = payer ?? .account(number)
        search.isOfRoom = !turn.policy.hasPeople(at: account.jid.domainpart)
        if let ids = query.ids {
            var wanted: Set<UInt64> = []
            for id in ids {
                guard let place = place(id) else { return nil }
                wanted.insert(place)
            }
            // Taken from the end.
            search.wanted = isBackward ? wanted.sorted() : wanted.sorted(by: >)
        }
        return search
    }

    /// The first place of an account's messages at which `isReached` holds of the time: those behind have no earlier one. Found in as many
    /// steps as the place has digits.
    private func bound(
        _ account: AddressNumber, _ order: ArchiveTable.Order, _ first: UInt64, _ last: UInt64, _ turn: Turn,
        _ isReached: (WallTime) -> Bool
    ) -> UInt64 {
        var (low, high) = (first, last + 1)
        while low < high {
            let middle = low + (high - low) / 2
            guard let row = self.first(of: account, order, from: middle, turn), row.sequence <= last else {
                high = middle
                continue
            }
            if isReached(row.time) { high = middle } else { low = row.sequence + 1 }
        }
        return low
    }

    /// A session has room for an answer, or is gone.
    public mutating func roomTold(_ session: SessionID, _ isThere: Bool, _ turn: Turn) {
        guard isThere else { return searches.remove(.session(session)) }
        becameReady(.session(session), turn)
    }

    private mutating func becameReady(_ reader: ArchiveReader, _ turn: Turn) {
        searches.becameReady(reader)
        // One slice at once; what follows waits for its time, so that a turn stays short.
        if !hasAnswerTimer { answerNext(turn) }
    }

    /// A slice of the search whose turn it is.
    mutating func answerNext(_ turn: Turn) {
        guard let (reader, waiting) = searches.take() else { return }
        var search = waiting
        // Whoever asks pays for each slice, whatever has set it going.
        (turn.bill.payer, turn.bill.isPaid) = (search.payer, false)
        guard search.goOn(self, turn) else {
            searches.putBack(search, of: reader)
            return answerLater(turn)
        }
        let stanzas = answer(search, turn)
        switch reader {
        case .session(let session): turn.ask(.longAnswer(session, stanzas))
        case .peer:
            for var stanza in stanzas {
                // Asked for again where it does not arrive: it waits in no lane.
                if stanza.kind == .message { stanza.traits.insert(.noStore) }
                turn.route(stanza, from: .service)
            }
        }
        if searches.isDone(reader) {
            answerLater(turn)
            switch reader {
            case .session(let session): turn.ask(.roomForAnswer(session))
            case .peer: searches.becameReady(reader)
            }
        } else if searches.hasReady {
            answerLater(turn)
        }
    }

    private mutating func answerLater(_ turn: Turn) {
        if hasAnswerTimer { return }
        hasAnswerTimer = true
        turn.schedule(.archive(.answer), after: ArchiveLimits.answerPause)
    }

    /// The messages of a page and the `<fin/>` behind them.
    private func answer(_ search: ArchiveSearch, _ turn: Turn) -> [Stanza] {
        let found = search.isBackward ? search.found.reversed() : search.found
        var stanzas = found.compactMap { message -> Stanza? in
            guard let stanza = message.stanza ?? StanzaLog.stanza(message.sequence, in: turn.store)?.stanza else { return nil }
            var result = Stanza(.message, from: search.account.jid, to: search.request.from)
            result.content = Self.result(message.id, message.time, stanza, queryID: search.query.id)
            result.traits = .substance
            return result
        }
        if search.query.isFlipped { stanzas.reverse() }
        var set = ResultSet()
        set.first = found.first?.id.text
        set.last = found.last?.id.text
        if search.query.isUnfiltered {
            set.count = count(search.account.number, turn)
        } else if search.onlyCounts {
            set.count = search.isComplete ? search.counted : nil
        } else {
            set.count = search.wholeCount
        }
        if !search.onlyCounts {
            set.index = search.index
            if set.index == nil, search.isAtEnd, let count = set.count { set.index = count - found.count }
        }
        if found.isEmpty, !search.isComplete, let last = search.lastRead {
            // Nothing was found so far: from there it can be looked for on.
            (set.first, set.last) = (last.text, last.text)
        }
        var fin = Element("fin", Namespaces.archive)
        // Who only counts has seen nothing yet.
        if search.isComplete, !search.onlyCounts || set.count == 0 { fin["complete"] = "true" }
        fin.append(set.element)
        stanzas.append(search.request.result(fin))
        return stanzas
    }

    /// How many messages an archive has.
    func count(_ account: AddressNumber, _ turn: Turn) -> Int {
        let row = ArchiveAccountTable.row(account, in: turn.store)
        let rest = tail.rows(of: account)
        return Int(clamping: row.messages) + rest.count
            - ArchiveTail.place(of: max(row.indexed, row.removed) + 1, in: rest)
    }

    /// A `<result/>` (§4.2), also in files (XEP-0227 §4.7).
    static func result(_ id: StableID, _ time: WallTime, _ stanza: Stanza, queryID: String?) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(stanza.content.count + 512)
        bytes += "<result xmlns='urn:xmpp:mam:2'".utf8
        if let queryID { XMLWriter.attribute("queryid", queryID, to: &bytes) }
        bytes += " id='".utf8
        bytes += id.text.utf8
        bytes += "'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='".utf8
        time.write(to: &bytes)
        bytes += "'/>".utf8
        bytes += stanza.forwarded
        bytes += "</forwarded></result>".utf8
        return bytes
    }
}

extension ArchiveSearch {
    /// The place of the page's first message among all that fit; nil where nobody has counted.
    var index: Int? {
        if found.isEmpty || query.ids != nil { return nil }
        return switch query.page.start {
        case .first: 0
        case .index(let index): index
        case .before: isComplete ? 0 : nil
        case .after: nil
        }
    }

    /// How many fit; nil where that is not known from the page.
    var wholeCount: Int? {
        guard isComplete else { return nil }
        return switch query.page.start {
        case .first, .before(nil): found.count
        case .index(let index): found.isEmpty ? nil : index + found.count
        case .after, .before: nil
        }
    }

    /// The page ends with the last message that fits.
    var isAtEnd: Bool {
        if found.isEmpty { return false }
        return switch query.page.start {
        case .before(nil): true
        case .after: isComplete
        case .first, .index, .before: false
        }
    }
}
