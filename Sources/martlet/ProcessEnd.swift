import Glibc
import MartletStore

/// The end of a node that cannot go on: one line with cause and remedy, then a status of its own.
///
/// What the site believes and what is on disk are not the same any more then, so nothing is tidied up: recovery is always the
/// next start. Everything acknowledged is on disk.
enum ProcessEnd {
    /// The store cannot be read, written or made durable. May be called on any thread.
    static func storeFailed(_ failure: StoreFailure) -> Never {
        Terminal.warn("ended: \(failure). \(remedy(for: failure)). Nothing that was acknowledged is lost")
        // No handlers and no destructors: they would use what has just failed.
        _exit(failure.exitStatus.rawValue)
    }

    private static func remedy(for failure: StoreFailure) -> String {
        switch failure {
        case .diskFull: "Make room, then start again"
        case .mapFull: "Raise limits.map_size in the configuration and start again"
        case .notPermitted: "Give the directory back to the user of the server and start again"
        case .damaged:
            "Look at the disk, see what martlet store check says, restore the last backup, start again: what other offices still have "
                + "comes back by itself"
        case .inUse, .newerVersion, .mapRefused, .failed: "Look at the disk and at the system's log, then start again"
        }
    }
}

extension StoreFailure {
    /// With what a process ends that needs the store.
    var exitStatus: ExitStatus {
        switch self {
        case .diskFull: .diskFull
        case .notPermitted: .notPermitted
        case .newerVersion, .mapRefused, .mapFull: .notUsable
        case .inUse: .storeInUse
        case .damaged, .failed: .storeUnusable
        }
    }
}
