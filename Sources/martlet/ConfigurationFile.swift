import ArgumentParser
import FoundationEssentials
import Glibc
import MartletConfiguration

/// `--config FILE`, and where the file is looked for without it.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The configuration file.",
            discussion: "Default: $MARTLET_CONFIG, else ./var/martlet.toml, else /etc/martlet/martlet.toml.",
            valueName: "file"))
    var config: String?

    /// The file that counts.
    var path: String {
        if let config { return config }
        if let named = ProcessInfo.processInfo.environment["MARTLET_CONFIG"], !named.isEmpty { return named }
        return Files.mayExist("var/martlet.toml") ? "var/martlet.toml" : "/etc/martlet/martlet.toml"
    }

    /// What the file says.
    func load() throws -> SiteConfiguration { try ConfigurationFile.load(path) }
}

/// The configuration file on disk.
enum ConfigurationFile {
    /// Reads and validates it; every failure says what to do.
    static func load(_ path: String) throws -> SiteConfiguration {
        guard Files.mayExist(path) else {
            throw CommandFailure(
                "there is no \(path). Make one with: martlet init --directory \(directory(of: path)) --domain DOMAIN",
                .notUsable)
        }
        let bytes = try Files.read(path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("\(path) is not UTF-8 text", .notUsable)
        }
        do {
            return try SiteConfiguration.parse(text, fileName: path)
        } catch {
            throw CommandFailure("the configuration is not usable:\n\(error)", .notUsable)
        }
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
