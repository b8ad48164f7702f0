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
    /// An element that came in, whatever its size.
    public static let element: Int64 = 5

    // In the site.

    /// An event, whatever comes of it.
    public static let event: Int64 = 3
    /// A row of the store that was read, looked for or written.
    public static let row: Int64 = 2
    /// A command for a connection: mostly something that it is sent, by a system call of its own.
    public static let delivery: Int64 = 8
    /// 1,024 bytes that are sent: serialised and encrypted.
    public static let kibibyteSent: Int64 = 15
}

/// What a batch has cost so far, counted where it is caused and not where it is meant.
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

    /// What came between two counts.
    public static func - (later: WorkCount, earlier: WorkCount) -> WorkCount {
        var difference = later
        difference.rows -= earlier.rows
        difference.deliveries -= earlier.deliveries
        difference.bytes -= earlier.bytes
        return difference
    }

    /// Both together.
    public static func += (left: inout WorkCount, right: WorkCount) {
        left.rows += right.rows
        left.deliveries += right.deliveries
        left.bytes += right.bytes
    }
}
