/// A host that gives out addresses for files.
public struct UploadHost: Sendable, Equatable {
    /// Its domain, as clients ask it.
    public var domain: String
    /// What the addresses begin with: `https://`, host, port and path, with a slash at the end.
    public var base: String

    /// That host.
    public init(domain: String, base: String) { (self.domain, self.base) = (domain, base) }
}

/// Files that people upload, and how much of them.
public struct UploadPolicy: Sendable, Equatable {
    /// The hosts that give out addresses.
    public var hosts: [UploadHost] = []
    /// Bytes of one file. A hundred MiB: some minutes of video, and a copy of it is no burden for a disk.
    public var fileBytes: UInt64 = 100 << 20
    /// Files of one account: thirty on each day of three months.
    public var filesPerAccount: UInt64 = 3000
    /// Bytes of the files of one account.
    public var bytesPerAccount: UInt64 = 2 << 30
    /// Files of the whole site: a thousand people with a hundred each, which a disk lists in a second.
    public var filesPerSite: UInt64 = 100_000
    /// Bytes of all files of the site, the copies of those of other offices included.
    public var bytesPerSite: UInt64 = 20 << 30
    /// How long files are kept, milliseconds; 0: for ever. A quarter: what is worth more was stored elsewhere.
    public var retention: Int64 = 90 * 86_400_000
    /// Media types that nobody may upload: `type/subtype`, or `type/*`.
    public var refusedTypes: [String] = []
    /// Files of our other offices up to this size are fetched when somebody is sent one; 0: none. Bytes.
    public var copyBytes: UInt64 = 16 << 20
    /// The same for single offices, by their domain. Look-up only.
    public var copyBytesOfOffice: [String: UInt64] = [:]
    /// Bytes of copies of one office's files. A month of pictures.
    public var bytesPerOffice: UInt64 = 4 << 30
    /// Bytes fetched from one office in a day: what is more stays where it is, and its address with it.
    public var copiedPerDay: UInt64 = 1 << 30
    /// The hosts that give out addresses at our other offices, by their domain; where nothing is said, `upload.` before it. Look-up only.
    public var officeHosts: [String: String] = [:]

    /// The defaults; no host gives out addresses.
    public init() {}

    /// Whether anybody uploads anything here.
    public var isEnabled: Bool { !hosts.isEmpty }

    /// What the addresses begin with that a host gives out.
    public func base(of host: String) -> String? { hosts.first { $0.domain == host }?.base }

    /// What the addresses begin with that the people of a domain are shown.
    public func base(forPeopleAt domain: String) -> String? { base(of: "upload.\(domain)") ?? hosts.first?.base }

    /// The host that gives out addresses at another office.
    public func host(ofOffice domain: String) -> String { officeHosts[domain] ?? "upload.\(domain)" }

    /// The largest copy of a file of an office, bytes.
    public func largestCopy(from office: String) -> UInt64 { copyBytesOfOffice[office] ?? copyBytes }

    /// Bytes of the name of a file: what a file system takes.
    public static let nameBytes = 255
    /// Bytes of a media type; the longest that is registered has 80.
    public static let typeBytes = 127
}
