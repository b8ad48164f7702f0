/// What is written in measured messages.
enum GrowthText {
    /// Words of that many bytes.
    static func body(_ bytes: Int) -> String {
        let words = "Are the drawings for the second floor ready? The builders ask again. "
        return String(String(repeating: words, count: bytes / words.utf8.count + 1).prefix(bytes))
    }
}
