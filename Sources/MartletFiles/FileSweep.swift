import MartletBus
import MartletStore

extension FileStore {
    /// After a start: what the site does not know goes from the disk, and the site hears what the disk does not have. New files may come
    /// meanwhile: a file that has its name and no row yet has a slot, which the site knows.
    public func sweep(
        _ desk: UploadDesk, run: @Sendable (@escaping @Sendable () -> [UploadToken]) async throws -> [UploadToken]
    )
        async throws
    {
        for part in UInt8.min...UInt8.max {
            var found = try await run { tokens(inPart: part) }[...]
            while !found.isEmpty {
                let some = Array(found.prefix(256))
                found = found.dropFirst(some.count)
                guard case .unknown(let unknown) = await desk.ask(.unknown(some)) else { return }
                if !unknown.isEmpty {
                    _ = try await run {
                        remove(unknown)
                        return []
                    }
                }
            }
        }
        var next: UInt64? = 0
        while let after = next {
            guard case .kept(let kept, let more) = await desk.ask(.kept(after: after)) else { return }
            for token in try await run({ kept.filter { !has($0) } }) { _ = await desk.ask(.missing(token)) }
            next = more
        }
    }
}
