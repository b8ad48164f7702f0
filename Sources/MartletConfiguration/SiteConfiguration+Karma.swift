extension SiteConfiguration {
    /// `[karma]`: how much work everybody may cause. The reason for each number stands in the annotated file.
    public struct Karma: Equatable, Sendable {
        /// Processor time for each second, and at once.
        public struct Allowance: Equatable, Sendable {
            /// For each second.
            public var perSecond: Duration
            /// After a pause.
            public var burst: Duration
        }

        /// One of the company's offices.
        public var office = Allowance(perSecond: .milliseconds(800), burst: .seconds(60))
        /// One account with all its clients.
        public var person = Allowance(perSecond: .milliseconds(250), burst: .seconds(1))
        /// Another server with which something was exchanged.
        public var knownServer = Allowance(perSecond: .milliseconds(300), burst: .seconds(2))
        /// Another server.
        public var stranger = Allowance(perSecond: .milliseconds(50), burst: .seconds(1))
        /// Connections of one address that do not end in a login.
        public var login = Duration.milliseconds(5)

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            Self.read("office", &office, &section)
            Self.read("person", &person, &section)
            Self.read("known_server", &knownServer, &section)
            Self.read("stranger", &stranger, &section)
            login = section.value("login", .duration(.milliseconds(1) ... .seconds(10)), default: login)
        }

        private static func read(_ key: String, _ allowance: inout Allowance, _ section: inout Section) {
            allowance.perSecond = section.value(
                key, .duration(.milliseconds(1) ... .seconds(10)), default: allowance.perSecond)
            allowance.burst = section.value(
                "\(key)_burst", .duration(.milliseconds(1) ... .seconds(3600)), default: allowance.burst)
        }
    }
}
