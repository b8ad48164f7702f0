import ArgumentParser

/// The command `martlet-bench`: what a site costs, measured on this machine (`Docs/performance.md`).
@main
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-bench",
        abstract: "Measure what a Martlet site costs on this machine.",
        discussion: """
            Figures of different machines cannot be compared; the ratios among them can. Docs/performance.md says what they
            mean and what was measured where.
            """,
        subcommands: [
            PathBench.self, QueueBench.self, GrowthBench.self, HoldersBench.self, MigrationBench.self,
            ArchiveBench.self,
        ])
}
