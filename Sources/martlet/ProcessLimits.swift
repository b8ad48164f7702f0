import Glibc

/// What the operating system allows this process.
enum ProcessLimits {
    /// Raises the number of descriptors to the hard limit and returns it.
    @discardableResult
    static func raiseDescriptors() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Whether the system may write a dump of this process's memory: there are keys in it, and what people say.
    ///
    /// A limit of nothing keeps files away, but not what a system pipes to a program that collects dumps: what that gets has no memory
    /// in it. Forbidding the dump altogether (PR_SET_DUMPABLE) would give the process's files under /proc to root, and with them what
    /// an operator reads there without being root.
    static func allowDumps(_ isAllowed: Bool) {
        let filter = Array((isAllowed ? "0x33" : "0").utf8)
        let descriptor = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC)
        if descriptor >= 0 {
            _ = write(descriptor, filter, filter.count)
            close(descriptor)
        }
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = isAllowed ? limit.rlim_max : 0
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }

    /// Free bytes under `path` for us; `nil` where it cannot be told.
    static func freeBytes(under path: String) -> Int64? {
        var figures = statvfs()
        guard statvfs(path, &figures) == 0 else { return nil }
        return Int64(clamping: UInt64(figures.f_bavail) * UInt64(figures.f_frsize))
    }

    /// When the file was changed last, in nanoseconds since 1970; `nil` where there is none.
    static func modificationTime(of path: String) -> Int64? {
        var figures = stat()
        guard stat(path, &figures) == 0 else { return nil }
        return Int64(figures.st_mtim.tv_sec) * 1_000_000_000 + Int64(figures.st_mtim.tv_nsec)
    }

    /// The host's full name, as far as it is known without asking DNS.
    static func hostName() -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
        let short = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if short.contains(".") { return short }
        var hints = addrinfo()
        hints.ai_flags = AI_CANONNAME
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(short, nil, &hints, &found) == 0, let found else { return short }
        defer { freeaddrinfo(found) }
        return found.pointee.ai_canonname.map { String(cString: $0) } ?? short
    }
}
