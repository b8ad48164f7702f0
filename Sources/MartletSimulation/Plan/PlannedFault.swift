import MartletConfiguration

/// One trouble of a run: data, so that a failing run can be tried again without it.
public struct PlannedFault: Equatable, Sendable, CustomStringConvertible {
    /// What goes wrong. Lines, servers and people are meant by their numbers in the topology: sites first, then foreign
    /// servers.
    public enum Kind: Equatable, Sendable {
        /// A line is broken; where it is half-open, `reversed` says which direction.
        case outage(line: Int, Topology.Outage.Kind, reversed: Bool)
        case slowLine(line: Int, bytesPerSecond: Int)
        /// `point`: 0 before its next commit, 1 after it, else at once.
        case crash(server: Int, point: Int)
        /// Stopped in good order.
        case restart(server: Int)
        /// The duration lies between the backup and its return.
        case restore(site: Int, downtime: Int64)
        /// The store is lost, and a new one begun.
        case forget(site: Int)
        case slowDisk(site: Int)
        case reserve(site: Int)
        case clockJump(site: Int, milliseconds: Int64)
        case nameFailure(site: Int, isDenial: Bool)
        case certificate(site: Int)
        case clientDrop(client: Int)
    }

    /// When it begins, in milliseconds from the start of the run.
    public var at: Int64
    /// How long it lasts, in milliseconds.
    public var duration: Int64
    /// What goes wrong.
    public var kind: Kind

    /// That trouble.
    public init(at: Int64, duration: Int64, kind: Kind) {
        self.at = at
        self.duration = duration
        self.kind = kind
    }

    /// When it is over.
    public var end: Int64 { at + duration }

    /// For people.
    public var description: String {
        "\(Self.seconds(at)) for \(Self.seconds(duration)): \(kind)"
    }

    static func seconds(_ milliseconds: Int64) -> String {
        let thousandths = String(milliseconds % 1000)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - thousandths.count))\(thousandths)s"
    }
}
