import MartletPrimitives
import XMPPStanzas
import XMPPXML

/// What a session says, and when.
extension BOSHSession {
    /// The stream has written this. Returns false if that is our fault. ``flushed(at:into:)`` follows.
    public mutating func wrote(_ bytes: [UInt8]) -> Bool {
        guard let pieces = cutter.cut(bytes) else { return false }
        for piece in pieces {
            switch piece {
            case .header(let header): self.header = header
            case .element(let element) where element.starts(with: "<stream:error".utf8):
                ending = Self.ending(of: element)
            case .element(let element):
                queue.append(element)
                waitingBytes += element.count
            case .end: if ending == nil { ending = [] }
            }
        }
        return true
    }

    /// §17.2: what a stream error is called here.
    private static func ending(of error: [UInt8]) -> [UInt8] {
        let tape = try? ElementTape(parsing: error, context: NamespaceContext())
        let name = tape?.element().elements.first { $0.namespace == Namespaces.streamErrors && $0.name != "text" }?.name ?? ""
        if ["host-gone", "host-unknown", "improper-addressing", "internal-server-error", "system-shutdown"].contains(name) {
            return Array(" condition='\(name)'>".utf8) + error
        }
        return Array(" condition='remote-stream-error'>".utf8) + error
    }

    /// Everything that was to be said for now was written.
    public mutating func flushed(at now: Instant, into actions: inout [Action]) { settle(now, &actions) }

    /// The stream's way is at its end: what was written is said yet, and nothing more is heard.
    public mutating func closed(at now: Instant, into actions: inout [Action]) {
        if ending == nil { ending = [] }
        isLost = true
        lastSeen = now
        inactivity = Self.lastWords
        settle(now, &actions)
    }

    /// How long the end of a stream is kept for a client that asks, milliseconds.
    private static let lastWords: Int64 = 20_000

    /// Time has passed.
    public mutating func timePassed(at now: Instant, into actions: inout [Action]) {
        if early.contains(where: { $0.until <= now }) {
            return terminate("item-not-found", "a request is missing", now, &actions)
        }
        settle(now, &actions)
        guard !isForgotten, isUnseen, now >= lastSeen + inactivity else { return }
        if !isLost { actions.append(.lose("no request for \(inactivity / 1000) s")) }
        forget(&actions)
    }

    /// Whether no request is there.
    private var isUnseen: Bool { early.isEmpty && !slots.contains(where: \.isWaiting) }

    /// When time matters next; nil when it does not.
    public var nextWake: Instant? {
        guard !isForgotten else { return nil }
        let ends = slots.compactMap { $0.waiting?.until } + early.map(\.until)
        return ends.min() ?? lastSeen + inactivity
    }

    // Methods, and no closures in the conditions below: the optimiser of Swift 6.3 ends on those by an error of its own.
    private var firstWaiting: Int? { slots.firstIndex(where: \.isWaiting) }
    private var waitingCount: Int { slots.count(where: \.isWaiting) }
    private func firstDue(_ now: Instant) -> Int? { slots.firstIndex { $0.isDue(now) } }

    /// Answers what is to be answered now.
    mutating func settle(_ now: Instant, _ actions: inout [Action]) {
        guard !isForgotten else { return }
        if ending != nil { return sayEnding(now, &actions) }
        while !queue.isEmpty, header != nil, let index = firstWaiting {
            answer(index, now, &actions)
        }
        // §8: no more wait than were to.
        while waitingCount > max(hold, hasGreeted ? 0 : 1),
            let index = firstWaiting
        {
            answer(index, now, &actions)
        }
        while let index = firstDue(now) {
            answer(index, now, &actions)
        }
    }

    /// Those that wait have an answer, with what there is to say or without.
    mutating func answerAll(_ now: Instant, _ actions: inout [Action]) {
        while let index = firstWaiting { answer(index, now, &actions) }
    }

    private mutating func answer(_ index: Int, _ now: Instant, _ actions: inout [Action]) {
        guard let id = slots[index].waiting?.id else { return }
        var (content, count): ([UInt8], Int) = ([], 0)
        while count < queue.count, content.isEmpty || content.count + queue[count].count <= terms.answerBytes {
            content += queue[count]
            count += 1
        }
        queue.removeFirst(count)
        waitingBytes -= content.count
        progress += UInt64(content.count) + 1
        give(index, id, body(slots[index].rid, content: content, greets: !hasGreeted && header != nil), &actions)
        if header != nil { hasGreeted = true }
        lastSeen = now
    }

    /// An answer is kept until it is known to have arrived: by the number of a request that could not come before that.
    private mutating func give(_ index: Int, _ id: RequestID, _ bytes: [UInt8], _ actions: inout [Action]) {
        slots[index].state = .answered(bytes)
        actions.append(.answer(id, bytes))
        while (slots.count - waitingCount) > requests, let first = slots.firstIndex(where: { !$0.isWaiting }) {
            slots.remove(at: first)
        }
    }

    private mutating func sayEnding(_ now: Instant, _ actions: inout [Action]) {
        guard let ending, let index = firstWaiting, let id = slots[index].waiting?.id else {
            return
        }
        let content = Array(queue.joined())
        queue = []
        waitingBytes = 0
        var bytes = bodyStart(slots[index].rid, greets: !hasGreeted && header != nil)
        bytes.append(literal: " type='terminate'")
        if let attributes = ending.firstIndex(of: UInt8(ascii: ">")) {
            bytes += ending[..<attributes]
            bytes.append(literal: ">")
            bytes += content
            bytes += ending[(attributes + 1)...]
        } else {
            bytes.append(literal: ">")
            bytes += content
        }
        bytes.append(literal: "</body>")
        actions.append(.answer(id, bytes))
        slots.remove(at: index)
        release(Self.terminated(nil), &actions)
        if !isLost { actions.append(.lose("closed by us")) }
        forget(&actions)
    }

    // MARK: endings

    /// The client does what it may not.
    mutating func terminate(_ condition: String, _ words: String, _ now: Instant, _ actions: inout [Action]) {
        release(Self.terminated(condition), &actions)
        if !isLost { actions.append(.lose(words)) }
        forget(&actions)
    }

    mutating func refuse(_ id: RequestID, _ condition: String, _ now: Instant, _ actions: inout [Action]) {
        actions.append(.answer(id, Self.terminated(condition)))
        terminate(condition, "a request that cannot be taken: \(condition)", now, &actions)
    }

    private mutating func release(_ bytes: [UInt8], _ actions: inout [Action]) {
        for slot in slots { if let id = slot.waiting?.id { actions.append(.answer(id, bytes)) } }
        for one in early { actions.append(.answer(one.id, bytes)) }
        slots = []
        early = []
    }

    private mutating func forget(_ actions: inout [Action]) {
        isForgotten = true
        isLost = true
        actions.append(.forget)
    }

    /// The body of an answer that ends a session, or says that there is none.
    public static func terminated(_ condition: String?) -> [UInt8] {
        let words = condition.map { " condition='\($0)'" } ?? ""
        return Array("<body xmlns='\(namespace)' type='terminate'\(words)/>".utf8)
    }

    // MARK: bodies

    func body(_ rid: UInt64? = nil, content: [UInt8] = [], greets: Bool = false) -> [UInt8] {
        var bytes = bodyStart(rid, greets: greets)
        guard !content.isEmpty else {
            bytes.append(literal: "/>")
            return bytes
        }
        bytes.append(literal: ">")
        bytes += content
        bytes.append(literal: "</body>")
        return bytes
    }

    private func bodyStart(_ rid: UInt64?, greets: Bool) -> [UInt8] {
        var bytes = Array("<body xmlns='\(Self.namespace)'".utf8)
        if greets { greet(&bytes) }
        // §9.1: what was received, where that does not follow from the answer.
        if takesAcks, greets || rid.map({ $0 != nextRID - 1 }) ?? false { bytes += " ack='\(nextRID - 1)'".utf8 }
        return bytes
    }

    /// §7.2, XEP-0206 §3: what was agreed.
    private func greet(_ bytes: inout [UInt8]) {
        let version = [1, 11].lexicographicallyPrecedes(clientVersion) || clientVersion.isEmpty ? [1, 11] : clientVersion
        bytes += " xmlns:xmpp='\(Self.xmppNamespace)' xmlns:stream='\(Namespaces.streams)' sid='\(sid)' wait='\(wait)'".utf8
        bytes += " requests='\(requests)' hold='\(hold)' inactivity='\(inactivity / 1000)' polling='\(terms.polling)'".utf8
        bytes += " maxpause='\(terms.longestPause)' ver='\(version.map(String.init).joined(separator: "."))'".utf8
        if let from = header?.from { XMLWriter.attribute("from", from, to: &bytes) }
        if let id = header?.id { XMLWriter.attribute("authid", id, to: &bytes) }
        bytes += " xmpp:version='1.0' xmpp:restartlogic='true'".utf8
    }
}
