import Glibc
import MartletBus
import MartletConfiguration
import MartletPrimitives
import MartletStore
import MartletWeb
import XMPPAddress

extension SitePolicy {
    /// The policy that a configuration asks for: every key of the file that the site itself obeys, in one place.
    init(_ configuration: SiteConfiguration) {
        let nodes = configuration.publishing.host.map { [Host(Self.domain($0), .pubsub)] } ?? []
        let rooms = configuration.roomDomains.map { Host(Self.domain($0), .rooms) }
        let files = configuration.uploadHosts.map { Host(Self.domain($0), .upload) }
        let proxies = configuration.bytestreams.domain.map { [Host(Self.domain($0), .proxy)] } ?? []
        let components = configuration.components.map { Host(Self.domain($0.domain), .component) }
        let people = configuration.domains.map { Host(Self.domain($0), .people) }
        self.init(hosts: people + nodes + rooms + files + proxies + components)
        let federation = configuration.federation
        let limits = configuration.limits
        interceptors = configuration.interceptors.compactMap(InterceptorKind.init(rawValue:))
        softwareVersion = ProductVersion.number
        bytestreams.host = configuration.bytestreams.host ?? configuration.domain
        bytestreams.port = configuration.bytestreams.port
        contacts = configuration.published.map { ContactRole($0.name, $0.addresses) }
        outageStatus = configuration.contacts.outageStatus
        admin = AdminPolicy(configuration.administration)
        externalServices = configuration.externalServices.map(ExternalService.init)

        self.federation.officeQueueBytes = limits.officeQueueBytes
        self.federation.queueBytes = limits.queueBytes

        self.federation.isEnabled = federation.isEnabled
        self.federation.allowsDialback = federation.allowsDialback
        self.federation.knownPeers = federation.sites.map { Self.domain($0.domain) }
        for site in federation.sites where !site.name.isEmpty {
            self.federation.officeNames[Self.domain(site.domain)] = site.name
        }
        self.federation.officesGroup = federation.officesGroup
        // Read again with the configuration; a change of summer time shows then.
        utcOffset = Self.localOffset
        self.federation.presenceGrace = federation.presenceGrace.milliseconds
        self.federation.certificateRequired = federation.certificateRequired.map(Self.domain)
        self.federation.blockedPeers = federation.blockedDomains.map(Self.domain)
        self.federation.entryLifetime = federation.entryLifetime.milliseconds
        self.federation.delayWarning = federation.delayWarning.milliseconds
        for site in federation.sites {
            if let lifetime = site.entryLifetime {
                self.federation.entryLifetimes[Self.domain(site.domain)] = lifetime.milliseconds
            }
        }
        self.federation.laneRules = LaneRules(urgent: federation.urgentAddresses, bulk: federation.bulkAddresses)
        self.federation.retryMinimum = federation.retryMinimum.milliseconds
        self.federation.retryMaximum = federation.retryMaximum.milliseconds
        self.federation.silenceTimeout = federation.ackTimeout.milliseconds
        self.federation.keep = KeepLimit(
            time: federation.keepAcknowledged.milliseconds, bytes: UInt64(federation.keepAcknowledgedBytes))
        self.federation.continuesAfterRollback = federation.rollback == .continue
        self.federation.strangers.timeout = federation.strangers.timeout.milliseconds
        self.federation.strangers.newDomainsPerHour = federation.strangers.newDomainsPerAccountPerHour

        client.take(configuration.client)
        self.limits.take(limits)
        archive.take(configuration)
        pubsub.take(configuration)
        self.rooms.take(configuration)
        uploads.take(configuration)
        karma.office.take(configuration.karma.office)
        karma.person.take(configuration.karma.person)
        karma.knownPeer.take(configuration.karma.knownServer)
        karma.stranger.take(configuration.karma.stranger)

        tracesEntries = [.trace, .debug].contains(configuration.logLevel)
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

extension ClientPolicy {
    /// What the file says of clients.
    fileprivate mutating func take(_ client: SiteConfiguration.Client) {
        allowsRegistration = client.allowsInBandRegistration
        allowsPasswordChange = client.allowsPasswordChange
        allowsInvitations = client.allowsInvitations
        resumptionTimeout = client.resumptionTimeout.milliseconds
        tokenLifetime = client.tokenLifetime.milliseconds
        resourcesPerAccount = client.resourcesPerAccount
        registrationsPerMinute = client.registrationsPerMinute
    }
}

extension LimitsPolicy {
    /// As the file says it.
    fileprivate mutating func take(_ limits: SiteConfiguration.Limits) {
        mailboxMessages = limits.offlineMessagesPerAccount
        mailboxBytes = limits.offlineBytesPerAccount
        memoryCeiling = limits.memoryCeiling
        rosterItems = limits.rosterItems
        rosterBytes = limits.rosterBytes
        failedLoginsPerAccount = limits.failedLoginsPerAccount
        failedLoginsPerAddress = limits.failedLoginsPerAddress
        failedLoginWindow = limits.failedLoginWindow.milliseconds
        blockedAddresses = limits.blockedAddresses
        blockedBytes = limits.blockedBytes
        pushRegistrations = limits.pushRegistrations
        multicastAddresses = limits.multicastAddresses
        pendingDialbacksPerStream = limits.pendingDialbacksPerStream
        pendingDialbacksPerAddress = limits.pendingDialbacksPerAddress
        diskReserve = Int64(limits.diskReserve)
        diskFloor = Int64(min(limits.diskFloor, limits.diskReserve))
    }
}

extension ArchivePolicy {
    /// What the file says of archives.
    fileprivate mutating func take(_ configuration: SiteConfiguration) {
        let limits = configuration.limits
        isEnabled = configuration.archive.isEnabled
        rule = ArchivePreferences.Rule(name: configuration.archive.rule.rawValue) ?? rule
        retention = configuration.archive.retention.milliseconds
        bytesPerAccount = UInt64(limits.archiveBytesPerAccount)
        page = limits.archivePage
        pageBytes = limits.archivePageBytes
        searchesPerSession = limits.archiveSearchesPerSession
        searchedMessages = limits.archiveSearchedMessages
        preferenceAddresses = limits.archivePreferenceAddresses
    }
}

extension PubSubPolicy {
    /// As the file says it.
    fileprivate mutating func take(_ configuration: SiteConfiguration) {
        let (publishing, limits) = (configuration.publishing, configuration.limits)
        isEnabled = publishing.isEnabled
        creators = Creators(rawValue: publishing.creators.rawValue) ?? creators
        namedCreators = publishing.namedCreators
        nodesPerAccount = limits.publishedNodesPerAccount
        itemsPerNode = limits.publishedItemsPerNode
        itemBytes = limits.publishedItemBytes
        bytesPerAccount = UInt64(limits.publishedBytesPerAccount)
        nodesPerHost = limits.publishedNodesAtHost
        bytesPerHost = UInt64(limits.publishedBytesAtHost)
        subscriptionsPerNode = limits.subscriptionsPerNode
        knownBytesPerAccount = UInt64(limits.knownBytesPerAccount)
        knownBytes = UInt64(limits.knownBytes)
    }
}

extension RoomsPolicy {
    /// As the file says it.
    fileprivate mutating func take(_ configuration: SiteConfiguration) {
        let (rooms, limits) = (configuration.rooms, configuration.limits.rooms)
        creators = Creators(rawValue: rooms.creators.rawValue) ?? creators
        namedCreators = rooms.namedCreators
        isListedElsewhere = rooms.isListedElsewhere
        roomsPerCreator = limits.roomsPerCreator
        roomsPerHost = limits.roomsPerDomain
        occupants = limits.occupants
        affiliations = limits.affiliations
        sessionsPerPerson = limits.sessionsPerPerson
        nickBytes = limits.nickBytes
        subjectBytes = limits.subjectBytes
        history = limits.history
    }
}

extension UploadPolicy {
    /// As the file says it.
    fileprivate mutating func take(_ configuration: SiteConfiguration) {
        let said = configuration.uploads
        hosts = configuration.uploadHosts.compactMap { host in
            configuration.webAddress(for: host).map { UploadHost(domain: host, base: $0 + UploadRoutes.place) }
        }
        fileBytes = UInt64(said.fileBytes)
        filesPerAccount = UInt64(said.filesPerAccount)
        bytesPerAccount = UInt64(said.bytesPerAccount)
        filesPerSite = UInt64(said.filesPerSite)
        bytesPerSite = UInt64(said.bytesPerSite)
        retention = said.retention.milliseconds
        refusedTypes = said.refusedTypes
        copyBytes = UInt64(said.copyBytes)
        bytesPerOffice = UInt64(said.bytesPerOffice)
        copiedPerDay = UInt64(said.copiedPerDay)
        for site in configuration.federation.sites {
            officeHosts[site.domain] = site.uploadHost
            copyBytesOfOffice[site.domain] = site.copyBytes.map { UInt64($0) }
        }
    }
}

extension AdminPolicy {
    /// As the file says it.
    fileprivate init(_ administration: SiteConfiguration.Administration) {
        self.init()
        accounts = administration.accounts
        takesAnnouncements = administration.takesAnnouncements
    }
}

extension WorkBudget {
    /// As the file says it.
    fileprivate mutating func take(_ allowance: SiteConfiguration.Karma.Allowance) {
        perSecond = allowance.perSecond.microseconds
        burst = allowance.burst.microseconds
    }
}

extension Duration {
    /// Whole microseconds.
    fileprivate var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }

    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}

extension ExternalService {
    fileprivate init(_ service: SiteConfiguration.ExternalService) {
        let credentials: Credentials
        switch (service.secret, service.username, service.password) {
        case (let secret?, _, _): credentials = .derived(secret: secret, lifetime: service.lifetime.components.seconds)
        case (nil, let username?, let password?): credentials = .fixed(username: username, password: password)
        default: credentials = .none
        }
        self.init(
            type: service.type, host: service.host, port: service.port, transport: service.transport, name: service.name,
            credentials: credentials)
    }
}
