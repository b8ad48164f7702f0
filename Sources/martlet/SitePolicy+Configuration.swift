import Glibc
import MartletBus
import MartletConfiguration
import MartletStore
import XMPPAddress

extension SitePolicy {
    /// The policy that a configuration asks for: every key of the file that the site itself obeys, in one place.
    init(_ configuration: SiteConfiguration) {
        self.init(hosts: configuration.domains.map { Host(Self.domain($0), .people) })
        let client = configuration.client
        let federation = configuration.federation
        let limits = configuration.limits
        interceptors = configuration.interceptors.compactMap(InterceptorKind.init(rawValue:))
        softwareVersion = ProductVersion.number
        adminContact = configuration.adminContact

        allowsRegistration = client.allowsInBandRegistration
        resumptionTimeout = client.resumptionTimeout.milliseconds
        resourcesPerAccount = client.resourcesPerAccount
        mailboxMessages = limits.offlineMessagesPerAccount
        rosterItems = limits.rosterItems
        registrationsPerMinute = client.registrationsPerMinute
        failedLoginsPerAccount = limits.failedLoginsPerAccount
        failedLoginsPerAddress = limits.failedLoginsPerAddress
        failedLoginWindow = limits.failedLoginWindow.milliseconds

        federates = federation.isEnabled
        allowsDialback = federation.allowsDialback
        knownPeers = federation.sites.map { Self.domain($0.domain) }
        for site in federation.sites where !site.name.isEmpty { officeNames[Self.domain(site.domain)] = site.name }
        officesGroup = federation.officesGroup
        // Read again with the configuration; a change of summer time shows then.
        utcOffset = Self.localOffset
        presenceGrace = federation.presenceGrace.milliseconds
        certificateRequired = federation.certificateRequired.map(Self.domain)
        blockedPeers = federation.blockedDomains.map(Self.domain)
        entryLifetime = federation.entryLifetime.milliseconds
        delayWarning = federation.delayWarning.milliseconds
        for site in federation.sites {
            if let lifetime = site.entryLifetime { entryLifetimes[Self.domain(site.domain)] = lifetime.milliseconds }
        }
        laneRules = LaneRules(urgent: federation.urgentAddresses, bulk: federation.bulkAddresses)
        retryMinimum = federation.retryMinimum.milliseconds
        retryMaximum = federation.retryMaximum.milliseconds
        silenceTimeout = federation.ackTimeout.milliseconds
        continuesAfterRollback = federation.rollback == .continue
        strangerTimeout = federation.strangers.timeout.milliseconds
        newStrangersPerHour = federation.strangers.newDomainsPerAccountPerHour
        pendingDialbacksPerStream = limits.pendingDialbacksPerStream
        pendingDialbacksPerAddress = limits.pendingDialbacksPerAddress

        tracesEntries = [.trace, .debug].contains(configuration.logLevel)
        diskReserve = Int64(limits.diskReserve)
    }

    /// Local time minus UTC in seconds, as the machine has it now.
    private static var localOffset: Int64 {
        var now = time(nil)
        var local = tm()
        tzset()
        return localtime_r(&now, &local) == nil ? 0 : Int64(local.tm_gmtoff)
    }

    /// The configuration has prepared its domains.
    private static func domain(_ prepared: String) -> JID {
        JID(preparedLocalpart: nil, preparedDomainpart: prepared, preparedResourcepart: nil)
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
