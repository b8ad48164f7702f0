import Testing

@testable import MartletConfiguration

@Suite("Topology files")
struct TopologyTests {
    private func problems(_ text: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try Topology.parse(text, fileName: "t.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test("Every file in Topologies is valid and begins by saying what it proves")
    func files() throws {
        let names = try repositoryFiles(in: "Topologies").filter { $0.hasSuffix(".toml") }
        #expect(names.contains("two-offices.toml"))
        for name in names {
            let text = try repositoryFile("Topologies/" + name)
            #expect(text.hasPrefix("# Proves that "), "\(name)")
            #expect(throws: Never.self, "\(name)") { try Topology.parse(text, fileName: name) }
        }
    }

    @Test("Two offices: an outage of their link, and a crash of each while messages wait or drain")
    func twoOffices() throws {
        let topology = try Topology.parse(try repositoryFile("Topologies/two-offices.toml"), fileName: "two-offices.toml")
        #expect(topology.sites.map(\.domain) == ["pilsen.example", "brno.example"])
        #expect(topology.sites.map(\.users) == [["alice", "adam"], ["bob", "bara"]])
        #expect(topology.foreignServers.map(\.domain) == ["partner.example"])
        #expect(topology.foreignServers.map(\.software) == [.prosody])
        #expect(topology.links.map(\.between) == [["pilsen", "brno"], ["pilsen", "partner"], ["brno", "partner"]])
        let outage = try #require(topology.links.first?.outages.first)
        #expect(outage == .init(start: .seconds(10), duration: .seconds(60), kind: .blackHole))
        #expect(Set(topology.crashes.map(\.site)) == ["pilsen", "brno"])
        // The traffic outlasts the trouble, so that the end of it is exercised under load.
        let end = Duration.seconds(Double(topology.traffic.messages) / topology.traffic.ratePerSecond)
        #expect(topology.crashes.allSatisfy { $0.at + $0.downtime < end } && outage.start + outage.duration < end)
    }

    @Test(
        "What makes no sense is refused at its line",
        arguments: [
            ("", "1: sites: expected one [[sites]] or more"),
            ("[[sites]]\nname = \"a\"\n", "1: sites[0].domain: missing"),
            ("[[sites]]\nname = \"a\"\ndomain = \"a\"\nusers = [\"x y\"]\n", "4: sites[0].users[0]: expected the localpart"),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[[sites]]\nname = \"a\"\ndomain = \"A\"\n",
                "1: sites: the domain \"a\" twice"
            ),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[[links]]\nbetween = [\"a\", \"b\"]\n",
                "5: links[0].between[1]: expected one of \"a\""
            ),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[[links]]\nbetween = [\"a\", \"a\"]\n",
                "5: links[0].between: expected the names of two"
            ),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[[links]]\n[[links.outages]]\nkind = \"x\"\n",
                "6: links[0].outages[0].kind: expected one of"
            ),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[[crashes]]\nsite = \"b\"\nat = \"1s\"\n",
                "5: crashes[0].site: expected one of \"a\""
            ),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[[restores]]\nsite = \"a\"\nbackup = \"9s\"\nat = \"8s\"\n",
                "7: restores[0].at: expected a time after the backup"
            ),
            (
                "[[sites]]\nname = \"a\"\ndomain = \"a\"\n[chaos]\nkinds = [\"flood\"]\n",
                "5: chaos.kinds[0]: expected one of"
            ),
            (
                "[[links]]\n[[links.outages]]\nstart = \"1s\"\nduration = \"9s\"\nkind = \"cut\"\ntimes = 2\n"
                    + "every = \"5s\"\n",
                "7: links[0].outages[0].every: expected at least the duration"
            ),
            (
                "[[foreign_servers]]\nname = \"a\"\ndomain = \"a\"\nsoftware = \"icq\"\n",
                "4: foreign_servers[0].software: expected one of"
            ),
        ])
    func refused(text: String, start: String) {
        let found = problems(text)
        #expect(found.contains { $0.hasPrefix("t.toml:" + start) }, "\(found)")
    }
}
