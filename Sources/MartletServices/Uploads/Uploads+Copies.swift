import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What is fetched from one office: one part of one file at a time, so that whatever else goes over the line waits behind one part at most.
struct OfficeFetch {
    /// Files to be fetched, in order; some may not be wanted any more.
    var wanted: Deque<UploadToken> = []
    /// The one that is being fetched.
    var current: CopyUnderWay?
    /// Bytes of a part: as much as the line takes in a moment.
    var part = CopyLimits.firstPart
    /// Bytes fetched since that moment.
    var fetched: UInt64 = 0
    var since: Instant?
    var hasTimer = false
}

/// A copy that is being fetched.
struct CopyUnderWay {
    var token: UploadToken
    /// Bytes that are on the disk.
    var offset: UInt64 = 0
    /// What the other office has said of it with the first part.
    var size: UInt64?
    var digest: [UInt8] = []
    var type = MediaType.unknown
    /// The request that is not answered yet, and since when.
    var request: String?
    var asked = Instant(milliseconds: 0)
    /// Bytes of the part that is being written; nil while all are there and the file is being kept.
    var writing: UInt64?
    var isKept = false
    /// How often it had to be begun anew.
    var attempts = 0
}

/// The bounds of copies that no operator needs to change, each with the reason for its number.
enum CopyLimits {
    /// Files of one message: what one sends at once.
    static let perMessage = 8
    /// Files of one office that are to be fetched: some hundred kilobytes of memory and rows.
    static let wanted = 2000
    /// Bytes of the first part, and of any: a quarter of the longest stanza, as base64, with room to spare.
    static let firstPart = 4 << 10
    static let leastPart = 1 << 10
    static let largestPart = 96 << 10
    /// A part that came within this time is followed by one twice as large, and one that took so long by one of half the size,
    /// milliseconds: an urgent message behind it should not wait longer than somebody blinks.
    static let quick: Int64 = 250
    static let slow: Int64 = 750
    /// A question that was not answered in that time is asked again, milliseconds.
    static let patience: Int64 = 120_000
    /// Milliseconds after which a line is tried again that was down; a line that is up again is used at once.
    static let retry: Int64 = 60_000
    /// After so many failures of its own a file stays where it is.
    static let attempts = 3
    /// Parts that are read for one office at a time: it asks for one.
    static let reading = 4
    /// Milliseconds of a day.
    static let day: Int64 = 86_400_000
    /// Uploads of one account that are remembered for what nobody sees, and for how long, milliseconds: between an upload and its
    /// message lies a press of a button.
    static let recentPerAccount = 16
    static let recentTime: Int64 = 600_000
}

/// Fetching the files of other offices over the link that there is to them.
extension Uploads {
    /// After a start: what was wanted is wanted still, from the beginning.
    mutating func findWanted(_ turn: Turn) {
        for office in turn.policy.federation.knownPeers {
            guard let number = AddressTable.number(of: office, in: turn.store) else { continue }
            var next = UploadTable.use(of: number, in: turn.store).removed + 1
            while let found = UploadTable.first(of: number, from: next, in: turn.store) {
                if found.row.state == .wanted { fetches[office, default: OfficeFetch()].wanted.append(found.row.token) }
                next = found.number + 1
            }
            if fetches[office] != nil { retry(office, after: CopyLimits.quick, turn) }
        }
    }

    /// A link has come up.
    public mutating func linkChanged(_ change: LinkChange, _ turn: Turn) {
        guard !fetches.isEmpty, case .up = change.kind, fetches[change.pair.peer] != nil else { return }
        fetchNext(from: change.pair.peer, turn)
    }

    /// A row of a wanted file goes.
    mutating func forgetWanted(_ row: UploadRow, _ turn: Turn) {
        guard row.state == .wanted else { return }
        let office = AddressTable.address(row.owner, in: turn.store)
        if fetches[office]?.current?.token == row.token { fetches[office]?.current = nil }
    }

    /// The next question to an office, if none is under way.
    mutating func fetchNext(from office: JID, _ turn: Turn) {
        guard var fetch = fetches[office] else { return }
        fetch.hasTimer = false
        defer { fetches[office] = fetch.current == nil && fetch.wanted.isEmpty && fetch.since == nil ? nil : fetch }
        if let current = fetch.current {
            let isAsked = current.request != nil && turn.now - current.asked < CopyLimits.patience
            if isAsked || current.writing != nil || current.isKept { return }
        }
        while fetch.current == nil, let token = fetch.wanted.popFirst() {
            if file(token, turn)?.row.state == .wanted { fetch.current = CopyUnderWay(token: token) }
        }
        guard var current = fetch.current else { return }
        let id = "part-" + turn.random.identifier()
        (current.request, current.asked) = (id, turn.now)
        fetch.current = current
        let part = Element(
            "part", Namespaces.files,
            [("token", "\(current.token)"), ("offset", "\(current.offset)"), ("count", "\(fetch.part)")])
        turn.route(
            Stanza(.iq, from: turn.policy.name, to: office, id: id, type: "get", payloads: [part]), from: .service)
        fetch.hasTimer = true
        turn.schedule(.uploads(.copies(office)), after: CopyLimits.patience)
    }

    private mutating func retry(_ office: JID, after pause: Int64, _ turn: Turn) {
        turn.schedule(.uploads(.copies(office)), after: pause)
    }

    /// An answer to a question of ours; others have come to the wrong door.
    public mutating func answered(_ stanza: Stanza, _ turn: Turn) {
        guard !fetches.isEmpty, let office = stanza.from, let id = stanza.id, var current = fetches[office]?.current,
            current.request == id
        else { return }
        current.request = nil
        fetches[office]?.current = current
        guard let part = stanza.payload("part", Namespaces.files), !stanza.isError else {
            return refused(stanza, by: office, turn)
        }
        take(part, current, from: office, turn)
    }

    private mutating func refused(_ stanza: Stanza, by office: JID, _ turn: Turn) {
        let error = stanza.payload("error", Namespaces.client)
        if error?.elements.contains(where: { $0.name == StanzaError.Condition.itemNotFound.rawValue }) == true {
            giveUp(office, isGone: true, turn)
        } else if error?["type"] == StanzaError.Kind.wait.rawValue
            || error?.first("remote-server-not-found", Namespaces.stanzaErrors) != nil
        {
            retry(office, after: CopyLimits.retry, turn)
        } else {
            failed(office, turn)
        }
    }

    /// Something of the file was wrong, not of the line.
    private mutating func failed(_ office: JID, _ turn: Turn) {
        guard var current = fetches[office]?.current else { return }
        current.attempts += 1
        guard current.attempts < CopyLimits.attempts else { return giveUp(office, isGone: false, turn) }
        current = CopyUnderWay(token: current.token, attempts: current.attempts)
        fetches[office]?.current = current
        retry(office, after: CopyLimits.retry, turn)
    }

    /// A file stays where it is. One that is not even there any more is forgotten.
    private mutating func giveUp(_ office: JID, isGone: Bool, _ turn: Turn) {
        guard let current = fetches[office]?.current else { return }
        fetches[office]?.current = nil
        if let found = file(current.token, turn), found.row.state == .wanted {
            if isGone {
                remove(found.number, found.row, turn)
            } else {
                var row = found.row
                row.state = .refused
                UploadTable.change(found.number, from: found.row, to: row, in: turn.store)
                unneeded.append(row.token)
                scheduleWork(turn)
            }
        }
        fetchNext(from: office, turn)
    }

    private mutating func take(_ part: Element, _ before: CopyUnderWay, from office: JID, _ turn: Turn) {
        var current = before
        let text = Array(part.text.utf8)
        guard let size = part["size"].flatMap({ UInt64($0) }), part["offset"].flatMap({ UInt64($0) }) == current.offset,
            part["token"] == "\(current.token)", size > 0, current.size == nil || current.size == size,
            let count = Self.decodedCount(text), count > 0, count <= UInt64(CopyLimits.largestPart),
            current.offset + count <= size
        else { return failed(office, turn) }
        if current.size == nil {
            guard let digest = part["digest"].flatMap(Self.digest), file(current.token, turn)?.row.state == .wanted else {
                return giveUp(office, isGone: false, turn)
            }
            guard hasRoom(size, from: office, turn) else { return giveUp(office, isGone: false, turn) }
            (current.size, current.digest) = (size, digest)
            current.type = part["type"].flatMap(MediaType.prepare) ?? MediaType.unknown
        }
        guard var fetch = fetches[office] else { return }
        let duration = turn.now - current.asked
        if duration <= CopyLimits.quick {
            fetch.part = min(2 * fetch.part, CopyLimits.largestPart)
        } else if duration > CopyLimits.slow {
            fetch.part = max(fetch.part / 2, CopyLimits.leastPart)
        }
        fetch.fetched += count
        current.writing = count
        fetch.current = current
        fetches[office] = fetch
        begin(.writeCopy(current.token, offset: current.offset, text), for: office, turn)
    }

    private mutating func begin(_ work: Work, for office: JID, _ turn: Turn) {
        let id = nextWork()
        writing[id] = office
        turn.perform(.work(id, work))
    }

    /// Whether a copy of that size may come: by the policy for that office, and by what there is room for.
    private mutating func hasRoom(_ size: UInt64, from office: JID, _ turn: Turn) -> Bool {
        let policy = turn.policy.uploads
        guard size <= policy.largestCopy(from: office.domainpart), var fetch = fetches[office],
            let number = AddressTable.number(of: office, in: turn.store)
        else { return false }
        if fetch.since.map({ turn.now - $0 >= CopyLimits.day }) ?? true { (fetch.since, fetch.fetched) = (turn.now, 0) }
        fetches[office] = fetch
        let all = UploadTable.use(of: UploadTable.site, in: turn.store)
        return fetch.fetched + size <= policy.copiedPerDay
            && UploadTable.use(of: number, in: turn.store).bytes + size <= policy.bytesPerOffice
            && all.bytes + expected + size <= policy.bytesPerSite && turn.admitsFile(bytes: size, beside: expected)
    }

    /// A part was written, or a copy kept.
    mutating func copyWritten(from office: JID, _ result: WorkResult, _ turn: Turn) {
        guard var current = fetches[office]?.current, let size = current.size else { return }
        let written = current.writing
        current.writing = nil
        guard result == .done else {
            current.isKept = false
            fetches[office]?.current = current
            return result == .refused ? retry(office, after: CopyLimits.slow, turn) : failed(office, turn)
        }
        if current.isKept { return kept(current, size, from: office, turn) }
        current.offset += written ?? 0
        current.isKept = current.offset == size
        fetches[office]?.current = current
        if current.isKept {
            begin(.keepCopy(current.token, digest: current.digest), for: office, turn)
        } else {
            fetchNext(from: office, turn)
        }
    }

    private mutating func kept(_ current: CopyUnderWay, _ size: UInt64, from office: JID, _ turn: Turn) {
        fetches[office]?.current = nil
        if let found = file(current.token, turn), found.row.state == .wanted, turn.admits(.state, bytes: 2048) {
            var row = found.row
            (row.state, row.size, row.type, row.digest) = (.complete, size, current.type, current.digest)
            UploadTable.change(found.number, from: found.row, to: row, in: turn.store)
        } else {
            unneeded.append(current.token)
            scheduleWork(turn)
        }
        fetchNext(from: office, turn)
    }

    private static func digest(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        guard bytes.count == 64, let first = UploadToken(bytes: Array(bytes[..<32])),
            let second = UploadToken(bytes: Array(bytes[32...]))
        else { return nil }
        var writer = ByteWriter(capacity: 32)
        for half in [first.high, first.low, second.high, second.low] { writer.put(half) }
        return writer.bytes
    }

    /// How many bytes a base64 text stands for (RFC 4648 §4); nil where it is none.
    private static func decodedCount(_ text: [UInt8]) -> UInt64? {
        guard text.count % 4 == 0, text.count <= 2 * CopyLimits.largestPart else { return nil }
        let padding = text.suffix(2).count { $0 == 61 }
        return UInt64(text.count / 4 * 3 - padding)
    }
}
