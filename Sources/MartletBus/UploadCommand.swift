import MartletStore
import XMPPAddress

/// What is asked about uploads from outside the site: by an operator, and by whoever stores and shows the files.
public enum UploadCommand: Sendable, Equatable {
    /// A part of the list of files, behind a number; or of those of one account.
    case list(JID?, after: UInt64?)
    /// Takes away everything of an account, or of an office that it was copied from.
    case purge(JID)
    /// Takes away one file.
    case purgeFile(UploadToken)
    /// Somebody asks for a file.
    case find(UploadToken)
    /// Somebody begins to send a file of that length.
    case begin(UploadToken, name: String, length: UInt64, type: String?)
    /// A file is on the disk as it is to be, with that SHA-256. What was answered then is true after a crash.
    case finished(UploadToken, digest: [UInt8])
    /// It will not come: whoever sent it went away, or sent something else.
    case abandoned(UploadToken)
    /// A file that is said to be there is not on the disk.
    case missing(UploadToken)
    /// Which of these are nowhere in the store.
    case unknown([UploadToken])
    /// The files that have to be on the disk, behind a number.
    case kept(after: UInt64)
}

/// The answer to an ``UploadCommand``.
public enum UploadAnswer: Sendable, Equatable {
    /// The file is there.
    case file(UploadedFile)
    /// It is to come from another office, and is there until then.
    case elsewhere(String)
    /// There is none.
    case nothing
    /// It may come, from that account.
    case welcome(UploadedFile, owner: JID)
    /// It may not.
    case refused(UploadRefusal)
    /// It was noted.
    case done
    /// Those of the tokens that are nowhere.
    case unknown([UploadToken])
    /// Files that have to be on the disk; ask again with the number, nil at the end.
    case kept([UploadToken], next: UInt64?)
    /// A part of the list.
    case list([UploadStatus], next: UInt64?)
}

/// A file as whoever reads or stores it needs it.
public struct UploadedFile: Sendable, Equatable {
    /// Its name on the disk.
    public var token: UploadToken
    /// Bytes.
    public var size: UInt64
    /// The media type as its sender has named it.
    public var type: String
    /// The name.
    public var name: String
    /// SHA-256; empty while it is not there.
    public var digest: [UInt8]
    /// When it came, milliseconds since 1970.
    public var created: Int64

    /// That file.
    public init(_ row: UploadRow) {
        (token, size, type, name, digest) = (row.token, row.size, row.type, row.name, row.digest)
        created = row.created.milliseconds
    }
}

/// Why a file may not come.
public enum UploadRefusal: Sendable, Equatable {
    /// Nobody has asked for that address, or too long ago.
    case unknown
    /// It is there, or on its way.
    case taken
    /// It has another length, name or type than was asked for.
    case different
    /// There is no room.
    case noRoom
}

/// One file, as an operator sees it.
public struct UploadStatus: Sendable, Equatable {
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

    /// That file.
    public init(owner: String, token: String, name: String, size: UInt64, created: String, state: String) {
        (self.owner, self.token, self.name, self.size, self.created, self.state) = (owner, token, name, size, created, state)
    }
}
