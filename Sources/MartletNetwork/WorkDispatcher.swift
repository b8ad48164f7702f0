import MartletBus
import Synchronization

/// Does what the site wants done elsewhere, each kind of it on threads of its own, and tells the site. One per process.
final class WorkDispatcher: Sendable {
    /// Keys of passwords, for the site and for PLAIN.
    let passwords = WorkPool(.passwords)
    private let files = WorkPool(.files)
    /// Where there is one; before anything runs.
    private let bytestreams = Mutex<BytestreamProxy?>(nil)
    private let site: any SitePort
    private let disk: @Sendable (Work) -> WorkResult

    /// Tells `site` what was done; `disk` does what is to be done with files, and may wait.
    init(site: any SitePort, disk: @escaping @Sendable (Work) -> WorkResult = { _ in .failed }) {
        self.site = site
        self.disk = disk
    }

    /// There is a proxy for bytestreams.
    func connect(to proxy: BytestreamProxy) { bytestreams.withLock { $0 = proxy } }

    /// Begins a piece of work. Any thread; waits for nothing.
    func begin(_ id: WorkID, _ work: Work) {
        switch work {
        case .deriveKeys(let password, let cause):
            passwords.run(for: cause, { WorkResult.keys(password.keys()) }, then: done(id))
        case .readFile(_, _, _, let cause): files.run(for: cause, { [disk] in disk(work) }, then: done(id))
        case .removeFiles, .writeCopy, .keepCopy:
            files.run(for: Cause(.office, .site), { [disk] in disk(work) }, then: done(id))
        case .activateBytestream(let activation):
            let done = done(id)
            guard let proxy = bytestreams.withLock({ $0 }) else { return done(.bytestream(.stopped)) }
            proxy.activate(activation) { done(.bytestream($0)) }
        }
    }

    private func done(_ id: WorkID) -> @Sendable (WorkResult?) -> Void {
        { [site] result in site.post(.workDone(id, result ?? .refused)) }
    }

    /// Ends all threads; what waits is not done.
    func stop() {
        passwords.stop()
        files.stop()
    }
}
