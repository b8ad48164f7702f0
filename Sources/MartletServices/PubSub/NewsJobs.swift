import Collections
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas

/// The ids of notifications: by them their errors are known, which nobody has to read.
enum NewsID {
    private static let prefix = "news-"

    /// A new one.
    static func make(_ turn: Turn) -> String { prefix + turn.random.identifier() }

    /// Whether it is one.
    static func isOne(_ id: String?) -> Bool { id?.hasPrefix(prefix) ?? false }
}

/// News of a node on their way to everybody whom they concern: one stanza, whose content they all share.
struct Broadcast {
    /// Where it has come.
    enum Phase {
        /// Who has subscribed, behind that place.
        case subscribers(after: [UInt8])
        /// The account's own resources.
        case own
        /// Contacts, behind that one.
        case contacts(after: AddressNumber)
    }

    let service: PubSub.Service
    let node: NodeNumber
    let name: String
    let configuration: NodeConfiguration
    /// Without `to`.
    let stanza: Stanza
    let party: Party
    let hasSubscribers: Bool
    let hasMembers: Bool
    var phase: Phase
    /// What it was booked for.
    var bytes: Int { stanza.content.count }
}

/// A resource that has come, on its way through what an account has published: the last item of each node that it wants.
struct Greeting {
    let owner: AccountName
    let jid: JID
    /// The number of its bare JID.
    let number: AddressNumber
    let capability: CapabilityPlace
    /// The last node that was looked at.
    var after: [UInt8] = []
}

/// A resource of ours that has come, on its way through its contacts here.
struct Arrival {
    let jid: JID
    let account: AccountName
    let capability: CapabilityPlace
    var after = AddressNumber(0)
    /// What is being shown of one of them.
    var current: Greeting?
}

/// News on their way, and what is being removed: those of one owner one after the other, the owners in turns.
struct NewsJobs {
    enum Job {
        case broadcast(Broadcast)
        case greeting(Greeting)
        case arrival(Arrival)
        /// Rows of a node are removed.
        case sweep(NodeNumber)
    }

    /// Jobs that follow one another.
    struct Queue: Hashable {
        let number: AddressNumber
        /// What others are shown because they have come: nothing that the owner says waits behind it.
        var isGreeting = false
    }

    /// Never empty, but for the one whose job was taken. Look-up only.
    private var queues: [Queue: Deque<Job>] = [:]
    private var turns: Deque<Queue> = []
    /// Broadcasts under way. Look-up only.
    private var broadcasts: [AddressNumber: Int] = [:]
    /// A timer is set for the next slice.
    var isScheduled = false

    var isEmpty: Bool { turns.isEmpty }

    /// Broadcasts of an owner.
    func broadcasts(of owner: AddressNumber) -> Int { broadcasts[owner] ?? 0 }

    /// Greetings in an account's name.
    func greetings(of owner: AddressNumber) -> Int { queues[Queue(number: owner, isGreeting: true)]?.count ?? 0 }

    /// Adds a job. True if nothing stands before it.
    @discardableResult
    mutating func add(_ job: Job, of owner: AddressNumber) -> Bool {
        var queue = Queue(number: owner)
        switch job {
        case .broadcast: broadcasts[owner, default: 0] += 1
        case .greeting, .arrival: queue.isGreeting = true
        case .sweep: break
        }
        if queues[queue] == nil { turns.append(queue) }
        queues[queue, default: []].append(job)
        return queues[queue]?.count == 1
    }

    /// Takes the job whose turn it is.
    mutating func take() -> (queue: Queue, job: Job)? {
        guard let queue = turns.popFirst(), let job = queues[queue]?.popFirst() else { return nil }
        return (queue, job)
    }

    /// The job that was just added is done at once, if it is the only one.
    mutating func takeLast(of owner: AddressNumber, isGreeting: Bool) -> (queue: Queue, job: Job)? {
        let queue = Queue(number: owner, isGreeting: isGreeting)
        guard queues[queue]?.count == 1, let job = queues[queue]?.popFirst(), let index = turns.lastIndex(of: queue) else {
            return nil
        }
        turns.remove(at: index)
        return (queue, job)
    }

    /// The job that was taken needs another slice, or is done, nil.
    mutating func putBack(_ job: Job?, in queue: Queue, done: Job) {
        if let job {
            queues[queue]?.prepend(job)
        } else if case .broadcast = done {
            broadcasts[queue.number]? -= 1
            if broadcasts[queue.number] == 0 { broadcasts[queue.number] = nil }
        }
        if queues[queue]?.isEmpty ?? true { queues[queue] = nil } else { turns.append(queue) }
    }
}

/// What one slice may still cause.
struct NewsSlice {
    private var stanzas = PubSubLimits.stanzas
    private var bytes = PubSubLimits.bytes
    private(set) var visits = PubSubLimits.visits
    private var removals = PubSubLimits.removals

    var isSpent: Bool { stanzas <= 0 || bytes <= 0 || visits <= 0 || removals <= 0 }

    mutating func send(_ size: Int) {
        stanzas -= 1
        bytes -= size
    }

    mutating func visit() { visits -= 1 }
    mutating func remove() { removals -= 1 }
}
