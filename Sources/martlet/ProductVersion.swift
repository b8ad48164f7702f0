/// What this program calls itself.
enum ProductVersion {
    /// The version, as `CHANGELOG.md` counts them.
    static let number = "0.1.0"
    /// The answer to `--version`.
    static let line = "martlet \(number)"
}
