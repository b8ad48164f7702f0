import MartletBus
import MartletStore

extension AdminRequest {
    /// What concerns uploaded files; `nil` for everything else.
    func uploadCommand() throws(AdminFailure) -> UploadCommand? {
        switch self {
        case .listUploads(nil, let after): return .list(nil, after: after)
        case .listUploads(let owner?, let after): return .list(try AdminDesk.address(owner), after: after)
        case .purgeUploads(let owner): return .purge(try AdminDesk.address(owner))
        case .purgeUpload(let text):
            guard let token = UploadToken(text) else {
                throw AdminFailure("\(text) is not the token of a file: 32 digits, as `martlet upload list` shows them")
            }
            return .purgeFile(token)
        default: return nil
        }
    }
}

extension AdminAnswer {
    /// One file that was uploaded.
    public struct Upload: Codable, Sendable, Equatable {
        /// The account, or the office that it was copied from.
        public var owner: String
        /// The token in its address.
        public var token: String
        /// The name.
        public var name: String
        /// Bytes.
        public var size: UInt64
        /// When it came.
        public var created: String
        /// `stored`, `wanted` or `refused`.
        public var state: String

        init(_ status: UploadStatus) {
            (owner, token, name) = (status.owner, status.token, status.name)
            (size, created, state) = (status.size, status.created, status.state)
        }
    }
}
