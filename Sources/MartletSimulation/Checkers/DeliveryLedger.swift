/// Counts at the people what was written and what arrived: the judge of the promise, separate from server code.
///
/// Between sites: each message arrives once, in order, or comes back. With foreign servers: at least once where nobody
/// crashed with it in memory.
public struct DeliveryLedger: Sendable {
    /// One message.
    struct Message {
        var from: Int
        var to: Int
        var sentAt: Int64
        var arrivedAt: Int64?
        var arrivals = 0
        var hasReturned = false
        /// The error said that it may have arrived.
        var isUncertain = false
        /// Written by a person of a foreign server.
        var isFromForeign: Bool
        /// A person of a foreign server is at one of the ends.
        var isForeign: Bool
        /// Its loss or repetition is nobody's fault: a foreign server crashed with it, or a store went back in time.
        var isExcused = false
        /// Written to a device of its addressee.
        var isToDevice: Bool
        /// It went to a session that its addressee's restored store knows and no client resumes: it comes when that ends.
        var mayBeLate = false
        /// How often it may arrive: once more after each time that its addressee's store forgot that it had come.
        var allowed = 1
        /// How often its sender's client handed it over.
        var copies = 1
    }

    private(set) var messages: [Message] = []
    private var latest: [Int: Int] = [:]
    private var queryArrivals: [Int] = []
    private var queryAnswers: [Int] = []
    private(set) var faults: [Fault] = []
    private let names: [String]

    /// Messages that people handed to their servers.
    public var sentCount: Int { messages.count }
    /// Messages that arrived.
    public private(set) var deliveredCount = 0
    /// Messages between sites that arrived again.
    public private(set) var duplicateCount = 0
    /// Messages that crossed to or from a foreign server and arrived again, as they may.
    public private(set) var foreignDuplicateCount = 0
    /// Messages that came back with an error and did not arrive.
    public private(set) var bouncedCount = 0
    /// Messages that neither arrived nor came back, and should have.
    public private(set) var lostCount = 0
    /// Messages that a crash of a foreign server took along, or a restored backup.
    public private(set) var excusedCount = 0
    /// Questions asked.
    public var queryCount: Int { queryArrivals.count }

    init(names: [String]) {
        self.names = names
    }

    /// The number of a new message.
    mutating func send(
        from: Int, to: Int, at time: Int64, isToDevice: Bool = false, isFromForeign: Bool, isForeign: Bool
    ) -> Int {
        messages.append(
            Message(
                from: from, to: to, sentAt: time, isFromForeign: isFromForeign, isForeign: isForeign, isToDevice: isToDevice))
        return messages.count - 1
    }

    /// A foreign server crashed with the message, or stores went back in time until none had it.
    mutating func excuse(_ number: Int) { messages[number].isExcused = true }

    /// The store of its addressee went back to before the client had it: it may arrive once more.
    mutating func allowAgain(_ number: Int) {
        messages[number].allowed = max(messages[number].allowed, messages[number].arrivals + messages[number].copies)
    }

    /// Its sender's client hands it over to its server again, which has no way to know it.
    mutating func handedOverAgain(_ number: Int) {
        messages[number].copies += 1
        messages[number].allowed += 1
    }

    /// Whether its sender's client has handed it over more than once: a store that knows one copy may have forgotten another.
    func hasCopies(_ number: Int) -> Bool { messages[number].copies > 1 }

    /// Whether it has arrived.
    func hasArrived(_ number: Int) -> Bool { messages[number].arrivals > 0 }

    /// How often it may stand in an archive.
    func mostCopies(_ number: Int) -> Int {
        let message = messages[number]
        return message.isForeign ? .max : max(message.copies, message.allowed)
    }

    /// Its addressee's store went back: a session that nobody resumes may be there again.
    mutating func allowLate(_ number: Int) { messages[number].mayBeLate = messages[number].isToDevice }

    /// Whether it came back as not delivered.
    func hasReturned(_ number: Int) -> Bool { messages[number].hasReturned }

    /// Message `number` reached `person`.
    mutating func arrive(_ number: Int, at person: Int, time: Int64) {
        guard messages.indices.contains(number), messages[number].to == person else {
            return faults.append(Fault(.malformed, "\(names[person]) got message \(number), which is for somebody else"))
        }
        let message = messages[number]
        messages[number].arrivals += 1
        guard message.arrivals == 0 else {
            if message.isForeign { return foreignDuplicateCount += 1 }
            if message.arrivals < message.allowed { return }
            duplicateCount += 1
            return faults.append(Fault(.duplicated, words(number)))
        }
        messages[number].arrivedAt = time
        deliveredCount += 1
        if message.hasReturned { bouncedCount -= 1 }
        if message.hasReturned, !message.isUncertain, !message.isExcused {
            faults.append(Fault(.deliveredAndBounced, words(number)))
        }
        // What no store had any more, and an older backup has brought back, comes when it comes.
        let pair = message.from * names.count + message.to
        if let last = latest[pair], last > number, !message.isForeign, message.allowed == 1,
            !message.mayBeLate, !message.isExcused
        {
            faults.append(Fault(.disordered, "\(words(number)) came after \(last)"))
        }
        latest[pair] = max(latest[pair] ?? number, number)
    }

    /// Message `number` came back to `person`.
    mutating func bounce(_ number: Int, at person: Int, isUncertain: Bool) {
        guard messages.indices.contains(number), messages[number].from == person else {
            return faults.append(Fault(.malformed, "\(names[person]) got the error of message \(number) of somebody else"))
        }
        guard !messages[number].hasReturned else {
            if !messages[number].isForeign, !messages[number].isExcused {
                faults.append(Fault(.duplicated, "the error of \(words(number))"))
            }
            return
        }
        messages[number].hasReturned = true
        messages[number].isUncertain = isUncertain
        if messages[number].arrivals == 0 {
            bouncedCount += 1
        } else if !isUncertain, !messages[number].isForeign, !messages[number].isExcused {
            faults.append(Fault(.deliveredAndBounced, words(number)))
        }
    }

    /// The number of a new question.
    mutating func ask() -> Int {
        queryArrivals.append(0)
        queryAnswers.append(0)
        return queryArrivals.count - 1
    }

    /// A question reached a device.
    mutating func queryArrived(_ number: Int) {
        guard queryArrivals.indices.contains(number) else { return }
        queryArrivals[number] += 1
        if queryArrivals[number] > 1 { faults.append(Fault(.queryTwice, "question \(number) arrived again")) }
    }

    /// A question was answered. That nobody knows the answer may be said before it comes late: it counts for nothing.
    mutating func queryAnswered(_ number: Int) {
        guard queryAnswers.indices.contains(number) else { return }
        queryAnswers[number] += 1
        if queryAnswers[number] > 1 { faults.append(Fault(.queryTwice, "question \(number) was answered again")) }
    }

    /// The end: what is missing.
    mutating func judge() {
        for (number, message) in messages.enumerated() where message.arrivals == 0 && !message.hasReturned {
            if message.isExcused {
                excusedCount += 1
            } else {
                lostCount += 1
                faults.append(Fault(.lost, words(number)))
            }
        }
    }

    func sentAt(_ number: Int) -> Int64? { messages.indices.contains(number) ? messages[number].sentAt : nil }
    func ends(_ number: Int) -> (from: Int, to: Int) { (messages[number].from, messages[number].to) }
    func addressee(_ number: Int) -> Int { messages.indices.contains(number) ? messages[number].to : 0 }

    func words(_ number: Int) -> String {
        let message = messages[number]
        return "message \(number) of \(PlannedFault.seconds(message.sentAt)), \(names[message.from]) → \(names[message.to])"
    }
}
