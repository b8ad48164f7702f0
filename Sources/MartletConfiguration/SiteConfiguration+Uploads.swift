extension SiteConfiguration {
    /// `[uploads]`: files that people send one another (XEP-0363).
    public struct Uploads: Equatable, Sendable {
        /// Whether people upload files here.
        public var isEnabled = true
        /// The domain of the host that gives out addresses; nil: one for each domain of people, `upload.` before it. Prepared.
        public var host: String?
        /// How long files are kept; zero: for ever.
        public var retention = Duration.seconds(90 * 86400)
        /// Media types that nobody may upload.
        public var refusedTypes: [String] = []
        /// The most bytes of one file.
        public var fileBytes = 100 << 20
        /// The most files of one account.
        public var filesPerAccount = 3000
        /// The most bytes of the files of one account.
        public var bytesPerAccount = 2 << 30
        /// The most files of the site.
        public var filesPerSite = 100_000
        /// The most bytes of all files.
        public var bytesPerSite = 20 << 30
        /// Files of other offices up to that size are fetched when somebody is sent one; zero: none.
        public var copyBytes = 16 << 20
        /// The most bytes of copies of one office's files.
        public var bytesPerOffice = 4 << 30
        /// The most bytes that are fetched from one office in a day.
        public var copiedPerDay = 1 << 30

        /// The defaults.
        public init() {}

        init(reading section: inout Section) {
            isEnabled = section.value("enabled", .boolean, default: isEnabled)
            host = section.optional("host", .domain)
            retention = section.value(
                "retention", .duration(.seconds(0) ... .seconds(100 * 365 * 86400)), default: retention)
            refusedTypes = section.list("refused_types", of: .mediaTypes, default: refusedTypes)
            fileBytes = section.value("file_bytes", .size((64 << 10)...(1 << 40)), default: fileBytes)
            filesPerAccount = section.value("files_per_account", .integer(1...1_000_000), default: filesPerAccount)
            bytesPerAccount = section.value("bytes_per_account", .size((64 << 10)...(1 << 46)), default: bytesPerAccount)
            filesPerSite = section.value("files_per_site", .integer(1...10_000_000), default: filesPerSite)
            bytesPerSite = section.value("bytes_per_site", .size((64 << 10)...(1 << 46)), default: bytesPerSite)
            copyBytes = section.value("copy_bytes", .size(0...(1 << 40)), default: copyBytes)
            bytesPerOffice = section.value("bytes_per_office", .size((64 << 10)...(1 << 46)), default: bytesPerOffice)
            copiedPerDay = section.value("copied_per_day", .size((64 << 10)...(1 << 46)), default: copiedPerDay)
        }
    }

    /// The hosts that give out addresses for files, those of them that nobody else has.
    public var uploadHosts: [String] {
        guard uploads.isEnabled, web.isEnabled, !webListeners.isEmpty else { return [] }
        let taken = domains + (publishing.host.map { [$0] } ?? []) + components.map(\.domain)
        return (uploads.host.map { [$0] } ?? domains.map { "upload.\($0)" }).filter { !taken.contains($0) }
    }
}

extension ValueRule<String> {
    /// `type/subtype`, or `type/*`.
    fileprivate static var mediaTypes: ValueRule {
        text("a media type such as \"application/zip\" or \"video/*\"") {
            let parts = $0.lowercased().split(separator: "/", omittingEmptySubsequences: false)
            let isPlain = $0.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || $0.properties.numericType != nil || "+-._/*".unicodeScalars.contains($0))
            }
            return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && isPlain ? $0.lowercased() : nil
        }
    }
}

/// The part of the annotated file.
extension SiteConfiguration {
    static let annotatedUploads = """
        [uploads]

        # Whether people send one another files over the sockets of [web] (XEP-0363). They are in `uploads` in the data directory. Default
        # true.
        enabled = true

        # The domain at which clients ask for an address, which is also the host in it where [web] has no external_url: it needs a name in
        # DNS and in the certificate. Default "": `upload.` before each domain of people.
        host = ""

        # How long files are kept. "0s": for ever. Default "90d": who wants one for longer has stored it by then.
        retention = "90d"

        # Media types that nobody may upload, such as "application/x-msdownload" or "video/*". Default []: none. A sender may name a file
        # as he likes; readers are shown nothing but pictures, sound, films and plain text, all else is saved.
        refused_types = []

        # The most bytes of one file. Default "100MiB": some minutes of a film.
        file_bytes = "100MiB"

        # The most files of one account, and their bytes. Defaults 3000, thirty on each day of three months, and "2GiB".
        files_per_account = 3000
        bytes_per_account = "2GiB"

        # The most files of everybody, copies of other offices' included, and their bytes. What disk_reserve keeps free is not taken.
        # Defaults 100000 and "20GiB".
        files_per_site = 100000
        bytes_per_site = "20GiB"

        # When somebody here is sent a file of another office, it is fetched over the link to that office if it has no more bytes than that,
        # so that it opens while the line is down; [[federation.sites]] may say otherwise for one office. Default "16MiB": pictures and
        # documents. 0: nothing is fetched.
        copy_bytes = "16MiB"

        # The most bytes of copies of one office's files, and those that are fetched in a day. Defaults "4GiB" and "1GiB".
        bytes_per_office = "4GiB"
        copied_per_day = "1GiB"
        """
}
