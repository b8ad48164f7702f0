extension SiteConfiguration {
    /// `[archive]`: what is kept of people's messages.
    public struct Archive: Equatable, Sendable {
        /// Whether there are archives at all (XEP-0313).
        public var isEnabled = true
        /// What is kept for accounts that have said nothing themselves.
        public var rule = Rule.always
        /// How long messages are kept; zero for ever.
        public var retention = Duration.seconds(365 * 86_400)

        /// What is kept where an account has said nothing (XEP-0441 §2.1).
        public enum Rule: String, CaseIterable, Sendable { case always, never, roster }

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            isEnabled = section.value("enabled", .boolean, default: isEnabled)
            rule = section.value("default", .word, default: rule)
            retention = section.value("retention", .duration(.zero ... .seconds(36_500 * 86_400)), default: retention)
        }
    }
}
