import Foundation
import MartletConfiguration

/// The topology files, with less traffic.
enum Companies {
    static let names = [
        "two-offices", "star", "mesh", "chain", "radio", "foreign", "rolling-restart", "restored-backup", "behind-nat",
        "restored-twice", "kept-briefly",
    ]

    static func read(_ name: String, messages: Int) throws -> Topology {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "Topologies/\(name).toml"), encoding: .utf8)
        return try lessened(Topology.parse(text, fileName: "\(name).toml"), messages: messages)
    }

    static func lessened(_ topology: Topology, messages: Int) -> Topology {
        var topology = topology
        topology.traffic.ratePerSecond *= Double(messages) / Double(max(topology.traffic.messages, 1))
        topology.traffic.messages = messages
        return topology
    }

    /// Two offices without trouble of their own: what a test adds is all there is.
    static func pair(lifetime: String = "", foreign: String = "", messages: Int = 60) throws -> Topology {
        try Topology.parse(
            """
            [[sites]]
            name = "pilsen"
            domain = "pilsen.example"
            users = ["alice", "adam"]
            \(lifetime.isEmpty ? "" : "entry_lifetime = \"\(lifetime)\"")

            [[sites]]
            name = "brno"
            domain = "brno.example"
            users = ["bob", "bara"]
            \(lifetime.isEmpty ? "" : "entry_lifetime = \"\(lifetime)\"")
            \(foreign)

            [[links]]
            between = ["pilsen", "brno"]
            delay = "20ms"

            [traffic]
            messages = \(messages)
            rate_per_second = 3

            [chaos]
            faults = 0
            """, fileName: "pair.toml")
    }
}
