import Glibc
import NIOCore

/// Writes to a connection's socket itself as long as the kernel takes everything, and leaves the rest to the channel.
///
/// The channel's way of a write, from a buffer of its own through pipeline, list of pending writes and their promises, costs several
/// times what the kernel's copy does, and nearly every write needs none of it. Order is kept: while the channel holds anything,
/// everything goes through it. Errors are the channel's to find.
///
/// One per ``ConnectionHandler``; confined to its event loop.
final class DirectWriter {
    /// Asked for once: to find out whether a channel has a socket at all costs as much as a write.
    private let socket: CInt?
    /// Writes that the channel holds.
    private var waiting = 0

    /// The writer of a channel that is active, on its loop.
    init(_ channel: any Channel) {
        socket = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
    }

    /// Writes all of `bytes`, now or later. Returns whether all of it is the kernel's already.
    func write(_ bytes: UnsafeRawBufferPointer, _ context: ChannelHandlerContext) -> Bool {
        let taken = waiting == 0 ? send(bytes, context.channel) : 0
        if taken == bytes.count { return true }
        var rest = context.channel.allocator.buffer(capacity: bytes.count - taken)
        rest.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
        let promise = context.eventLoop.makePromise(of: Void.self)
        waiting += 1
        promise.futureResult.assumeIsolated().whenComplete { _ in self.waiting -= 1 }
        context.writeAndFlush(NIOAny(rest), promise: promise)
        return false
    }

    /// How many bytes the kernel took.
    private func send(_ bytes: UnsafeRawBufferPointer, _ channel: any Channel) -> Int {
        // SAFETY: the descriptor is the channel's as long as that is active: closing it and ceasing to be active are one step on
        // this loop, in which nobody else is called.
        guard let socket, channel.isActive else { return 0 }
        return max(0, Glibc.send(socket, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL)))
    }
}
