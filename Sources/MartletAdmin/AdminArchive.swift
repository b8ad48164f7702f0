import MartletBus
import MartletStore

extension AdminRequest {
    /// What concerns archives; `nil` for everything else.
    func archiveCommand() throws(AdminFailure) -> ArchiveCommand? {
        switch self {
        case .listArchives(nil, let after): .list(nil, after: after.map { AddressNumber($0) })
        case .listArchives(let account?, _): .list(try Self.account(account), after: nil)
        case .setRetention(let account, let milliseconds):
            .setRetention(try Self.account(account), milliseconds.map { max(0, $0) })
        case .exportArchive(let account, let after): .export(try Self.account(account), after: after)
        default: nil
        }
    }
}

extension AdminAnswer {
    /// The archive of one account.
    public struct Archive: Codable, Sendable, Equatable {
        /// The bare JID.
        public var account: String
        /// Messages in it.
        public var messages: UInt64
        /// Bytes of them.
        public var bytes: UInt64
        /// The time of the first; nil where there is none.
        public var first: String?
        /// How long messages are kept, milliseconds, 0 for ever.
        public var retention: Int64
        /// That was said of this account alone.
        public var isOwnRetention: Bool

        init(_ status: ArchiveStatus) {
            account = status.account
            messages = status.messages
            bytes = status.bytes
            first = status.first
            retention = status.retention
            isOwnRetention = status.isOwnRetention
        }
    }
}
