import Glibc

/// Where a benchmark has its stores.
enum BenchDirectory {
    /// Removes the stores and certificates in `path`, those in directories below it that are called `names` too, and the directories;
    /// what else is there stays.
    static func remove(_ path: String, names: [String] = ["log", "site", "network"]) {
        for name in ["data.mdb", "lock.mdb", "lock", "certificate.pem", "key.pem"] { unlink(path + "/" + name) }
        for name in names where access(path + "/" + name, F_OK) == 0 { remove(path + "/" + name, names: []) }
        rmdir(path)
    }
}
