extension SiteConfiguration {
    /// `[client]`: what clients may do.
    public struct Client: Equatable, Sendable {
        /// Whether strangers may create accounts over their stream (XEP-0077).
        public var allowsInBandRegistration = false
        /// Whether people may choose another password for their own account (XEP-0077 §3.3).
        public var allowsPasswordChange = true
        /// Whether whoever has an invitation may create an account (XEP-0445).
        public var allowsInvitations = true
        /// How many accounts may be created that way in a minute, on the whole site.
        public var registrationsPerMinute = 20
        /// The SASL mechanisms offered and accepted, each by itself, the preferred first.
        public var saslMechanisms = Self.knownMechanisms
        /// How long a session without connection waits for resumption (XEP-0198 §5).
        public var resumptionTimeout = Duration.seconds(300)
        /// How long a client can log in with a token instead of a password (XEP-0484); zero: it gets none.
        public var tokenLifetime = Duration.seconds(21 * 86400)
        /// How many resources one account may have bound at a time.
        public var resourcesPerAccount = 16

        /// Every mechanism a server of this version has.
        static let knownMechanisms = [
            "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
            "PLAIN",
        ]

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            allowsInBandRegistration = section.value("in_band_registration", .boolean, default: allowsInBandRegistration)
            allowsPasswordChange = section.value("password_changes", .boolean, default: allowsPasswordChange)
            allowsInvitations = section.value("invitations", .boolean, default: allowsInvitations)
            registrationsPerMinute = section.value(
                "registrations_per_minute", .integer(1...100_000), default: registrationsPerMinute)
            saslMechanisms = section.list("sasl_mechanisms", of: .oneOf(Self.knownMechanisms), default: saslMechanisms)
            if saslMechanisms.isEmpty {
                section.refuse("sasl_mechanisms", "expected one mechanism or more: nobody could log in")
            }
            resumptionTimeout = section.value(
                "resumption_timeout", .duration(.zero ... .seconds(86400)), default: resumptionTimeout)
            tokenLifetime = section.value(
                "token_lifetime", .duration(.zero ... .seconds(366 * 86400)), default: tokenLifetime)
            resourcesPerAccount = section.value("resources_per_account", .integer(1...1000), default: resourcesPerAccount)
        }
    }
}
