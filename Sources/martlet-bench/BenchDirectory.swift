import Glibc

/// Where a benchmark has its stores.
enum BenchDirectory {
    /// Removes the stores in `path`, those one level below it too, and the directories; what else is there stays.
    static func remove(_ path: String) {
        for name in ["data.mdb", "lock.mdb", "lock"] { unlink(path + "/" + name) }
        for name in ["log", "site"] where access(path + "/" + name, F_OK) == 0 { remove(path + "/" + name) }
        rmdir(path)
    }
}
