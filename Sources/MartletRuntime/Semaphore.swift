import Glibc

/// Waits for something that another thread does.
public final class Semaphore: @unchecked Sendable {
    // SAFETY: a semaphore of the operating system, made for this; its address is fixed by the allocation.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    /// A semaphore that nobody has signalled.
    public init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    /// Lets one waiter go on.
    public func signal() { sem_post(semaphore) }

    /// Waits for one signal.
    public func wait() {
        while sem_wait(semaphore) != 0 {}
    }
}
