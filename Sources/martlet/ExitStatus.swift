/// The statuses with which a command ends, those of sysexits(3): what a service manager and a script can tell apart.
///
/// A command line that is not understood ends with 64; an error of our own with the signal that ended the process
/// (``FatalSignals``). All of them are listed in `Docs/operations/endings.md`.
enum ExitStatus: Int32 {
    /// A command could not do what it was asked to.
    case failed = 1
    /// A port is taken, or may not be used.
    case noListener = 71
    /// The store is damaged, or reading or writing it failed.
    case storeUnusable = 74
    /// The disk is full. It passes: starting again later is right.
    case diskFull = 75
    /// Somebody else uses the store.
    case storeInUse = 76
    /// A file or a directory may not be read or written.
    case notPermitted = 77
    /// The configuration, the certificate or the key is unusable, or the store was written by a newer version.
    case notUsable = 78
    /// A second signal did not wait for the good-byes.
    case interrupted = 130
}
