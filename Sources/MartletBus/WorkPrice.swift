/// What things cost, in microseconds of processor time: what karma is reckoned in. Estimates, the same on every machine, so that a
/// twin comes to the same verdict; taken from `Docs/performance.md` at a load that is not saturated, where less is shared.
public enum WorkPrice {
    // On the event loops.

    /// A connection with its TLS handshake and its exchange.
    public static let connection: Int64 = 1000
    /// Deriving the keys of a password that came in clear.
    public static let derivation: Int64 = 10_000
    /// One read of a socket.
    public static let read: Int64 = 4
    /// 1,024 bytes that came in: decrypted, framed, parsed twice.
    public static let kibibyteRead: Int64 = 25

    // In the site.

    /// An event, which mostly is an element that came in, whatever its size and whatever comes of it.
    public static let event: Int64 = 8
    /// A row of the store that was read, looked for or written.
    public static let row: Int64 = 2
    /// A command for a connection: mostly something that it is sent, by a system call of its own.
    public static let delivery: Int64 = 8
    /// 1,024 bytes that are sent: serialised and encrypted.
    public static let kibibyteSent: Int64 = 15
}

/// Whom an event costs.
public struct Bill: Sendable {
    /// Whoever has caused it: who handles it says so as soon as it is known. Nil where nobody outside has.
    public var payer: Party?
    /// What it does was paid for before: it settles what somebody was sent, and must not cost whoever was sent much.
    public var isPaid = false

    /// Nobody's.
    public init() {}
}

/// How far a batch has come.
public struct WorkMark: Sendable {
    let rows: Int
    let effects: Int
    let acknowledgements: Int
}

/// What was done.
public struct WorkCount: Sendable, Equatable {
    /// Rows of the store that were read, looked for or written.
    public var rows = 0
    /// Commands for connections.
    public var deliveries = 0
    /// Bytes sent.
    public var bytes = 0

    /// Nothing.
    public init() {}

    /// In microseconds.
    public var work: Int64 {
        Int64(rows) * WorkPrice.row + Int64(deliveries) * WorkPrice.delivery + Int64(bytes) * WorkPrice.kibibyteSent / 1024
    }

    /// Counts what leaves.
    mutating func add(_ effect: Effect) {
        guard case .stream(_, let command) = effect else { return }
        deliveries += 1
        if case .send(let sent) = command { bytes += sent.count }
    }

    /// Both together.
    public static func += (left: inout WorkCount, right: WorkCount) {
        left.rows += right.rows
        left.deliveries += right.deliveries
        left.bytes += right.bytes
    }
}
