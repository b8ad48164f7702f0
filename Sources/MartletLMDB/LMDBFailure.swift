internal import CLMDB
import Glibc
import MartletStore

/// What a number returned by LMDB or left in `errno` means for the operator.
enum LMDBFailure {
    /// The failure for a non-zero return code of LMDB, which may be an error number of the system.
    static func failure(_ code: Int32, _ operation: String, path: String) -> StoreFailure {
        switch code {
        case EACCES, EPERM, EROFS: .notPermitted(path: path)
        case ENOSPC, EDQUOT: .diskFull(path: path)
        case MDB_MAP_FULL: .mapFull(path: path)
        case MDB_VERSION_MISMATCH: .newerVersion(detail: "its files have another LMDB format")
        case MDB_INVALID, MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC, MDB_INCOMPATIBLE:
            .damaged(path: path, detail: words(code))
        default: .failed(operation: "\(operation) of \(path)", detail: words(code))
        }
    }

    /// LMDB has found a page that contradicts itself, and would end the process without a word for its operator.
    static func endOfDamaged(_ words: UnsafePointer<CChar>?) {
        let detail = words.map { String(cString: $0) } ?? "a page contradicts itself"
        let line =
            "martlet: ended: the store is damaged: \(detail). Look at the disk, see what martlet store check says, restore the "
            + "last backup, start again: what other offices still have comes back by itself\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
        // As sysexits(3) has it: an input or output error.
        _exit(74)
    }

    /// The library's words, which are the system's for an error number.
    static func words(_ code: Int32) -> String {
        String(cString: mdb_strerror(code))
    }
}
