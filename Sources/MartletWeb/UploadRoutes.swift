import HTTPTypes
import HummingbirdCore
import Logging
import MartletBus
import MartletFiles
import MartletStore
import NIOCore
import NIOPosix
import Synchronization
import XMPPStreams

/// Takes and shows the files that people upload (XEP-0363 §7), below one path of the listener for the web.
///
/// One per node. Bytes go from the socket to the disk and back in pieces, never the whole of a file; the disk is waited for on threads of
/// its own. Who may send what, and what is there, says the site.
public final class UploadRoutes: Sendable {
    /// Below which path files are.
    public static let place = "/upload/"

    /// Files that come or go at the same time: a thread of the disk has so many to do in turn, and each holds a descriptor.
    private static let transfers = 256
    /// The same of one address: an office behind one router shows a room of pictures.
    private static let transfersPerAddress = 64
    /// Bytes that are read from the disk at once, and wait for a socket.
    private static let piece = 128 << 10
    /// How often it is looked whether a transfer goes on, and how many bytes it has to have made by then: a quarter of the slowest line
    /// that anybody has.
    private static let patience = Duration.seconds(60)
    private static let leastProgress: UInt64 = 16 << 10
    /// Threads that wait for the disk.
    private static let threads = 4

    /// Asks the site.
    public let desk: UploadDesk
    private let store: FileStore
    private let pool = NIOThreadPool(numberOfThreads: UploadRoutes.threads)
    private let underWay = Mutex<[RemoteAddress: Int]>([:])
    private let total = Atomic<Int>(0)
    private let logger: Logger

    /// The routes to the files in `store`.
    public init(store: FileStore, desk: UploadDesk, logger: Logger) {
        self.store = store
        self.desk = desk
        self.logger = logger
        pool.start()
    }

    /// After a start: store and disk are compared.
    public func sweep() {
        Task { [self] in
            do {
                try await store.sweep(desk) { [pool] work in try await pool.runIfActive { work() } }
            } catch {
                logger.warning("files and store were not compared", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Nothing more is asked.
    public func stop() {
        desk.stop()
        pool.shutdownGracefully { _ in }
    }

    /// What is served.
    public var routes: [WebRoute] {
        [
            WebRoute(
                .below(Self.place), [.get, .put], isForPages: true, pageHeaders: ["Authorization", "Range", "If-Range"]
            ) { [self] request in
                guard let (token, name) = Self.target(request.path) else { throw Self.absent }
                return request.method == .put ? try await take(request, token, name) : try await show(request, token, name)
            }
        ]
    }

    /// Token and name in a path; the name alone never leads to a file.
    private static func target(_ path: String) -> (UploadToken, String)? {
        let parts = path.dropFirst(place.count).split(separator: "/", omittingEmptySubsequences: false)
        guard path.utf8.count <= 1200, parts.count == 2, let token = UploadToken(parts[0]),
            let name = UploadName.decode(parts[1]), UploadName.prepare(name) == name
        else { return nil }
        return (token, name)
    }

    private static let absent = WebError(.notFound, "there is no such file")
    private static let busy = WebError(
        .serviceUnavailable, "too many files are on their way", headers: [.retryAfter: "10"])

    // MARK: how many at once

    private func enter(_ address: RemoteAddress) -> Bool {
        let isFree = underWay.withLock { counts in
            guard counts[address] ?? 0 < Self.transfersPerAddress else { return false }
            counts[address, default: 0] += 1
            return true
        }
        guard isFree else { return false }
        if total.add(1, ordering: .relaxed).newValue > Self.transfers {
            leave(address)
            return false
        }
        return true
    }

    private func leave(_ address: RemoteAddress) {
        total.subtract(1, ordering: .relaxed)
        underWay.withLock { counts in
            counts[address] = (counts[address] ?? 0) > 1 ? counts[address].map { $0 - 1 } : nil
        }
    }

    /// Ends the connection of a transfer that does not go on.
    private func watch(_ progress: Progress, _ request: WebRequest) -> Task<Void, Never> {
        Task {
            var before: UInt64 = 0
            while (try? await Task.sleep(for: Self.patience)) != nil {
                let now = progress.bytes.load(ordering: .relaxed)
                if now < before + Self.leastProgress { return request.abort() }
                before = now
            }
        }
    }

    // MARK: a file comes

    private func take(_ request: WebRequest, _ token: UploadToken, _ name: String) async throws -> Response {
        guard let length = request.length, length >= 0 else { throw WebError(.lengthRequired, "say how long the file is") }
        guard enter(request.address) else { throw Self.busy }
        defer { leave(request.address) }
        let type = request.headers[.contentType]
        switch await desk.ask(.begin(token, name: name, length: UInt64(length), type: type)) {
        case .welcome(_, let owner): request.visitor.belongs(to: owner)
        case .refused(.unknown): throw WebError(.forbidden, "this address is good for nothing, or not any more")
        case .refused(.taken): throw WebError(.conflict, "the file is there, or on its way")
        case .refused(.different): throw WebError(.badRequest, "that is not the file for which the address was given out")
        case .refused(.noRoom): throw Self.noRoom
        default: throw WebError(.serviceUnavailable, "the server stops")
        }
        do {
            let digest = try await receive(request, token, length)
            switch await desk.ask(.finished(token, digest: digest)) {
            case .done: return Response(status: .created)
            case .refused(.noRoom): throw Self.noRoom
            default: throw WebError(.forbidden, "this address is good for nothing any more")
            }
        } catch {
            // Nothing is left of it; what has its name already is nobody's.
            _ = try? await pool.runIfActive { [store] in store.remove([token]) }
            _ = await desk.ask(.abandoned(token))
            switch error {
            case FileFailure.full: throw Self.noRoom
            case let failure as FileFailure:
                logger.error("a file could not be written", metadata: ["reason": "\(failure)"])
                throw WebError(.internalServerError, "the server could not write the file")
            default: throw error
            }
        }
    }

    private static let noRoom = WebError(
        .init(code: 507, reasonPhrase: "Insufficient Storage"), "the server has no room for it")

    /// Writes what comes. When this returns, all of it is on the disk under its name.
    private func receive(_ request: WebRequest, _ token: UploadToken, _ length: Int) async throws -> [UInt8] {
        let progress = Progress()
        let watch = watch(progress, request)
        defer { watch.cancel() }
        let writing = try await pool.runIfActive { [store] in Writing(try store.create(token)) }
        for try await part in try await request.body() {
            guard writing.writer.count + UInt64(part.readableBytes) <= UInt64(length) else { break }
            try await pool.runIfActive { try part.withUnsafeReadableBytes { try writing.writer.write($0) } }
            progress.bytes.add(UInt64(part.readableBytes), ordering: .relaxed)
        }
        guard writing.writer.count == UInt64(length) else {
            throw WebError(.badRequest, "that is not the file for which the address was given out")
        }
        watch.cancel()
        return try await pool.runIfActive { try writing.writer.finish() }
    }

    // MARK: a file goes

    private func show(_ request: WebRequest, _ token: UploadToken, _ name: String) async throws -> Response {
        let file: UploadedFile
        switch await desk.ask(.find(token)) {
        case .file(let found) where found.name == name: file = found
        case .elsewhere(let address):
            // Until its copy is here, and where it stays there.
            guard let location = Self.headerValue(address) else { throw Self.absent }
            throw WebError(
                .temporaryRedirect, "the file is at \(location)",
                headers: [.location: location, .cacheControl: "no-store"])
        case nil: throw WebError(.serviceUnavailable, "the server stops")
        default: throw Self.absent
        }
        var question = FileAnswer.Question()
        question.range = request.headers[.range]
        question.ifRange = request.headers[.ifRange]
        question.ifNoneMatch = request.headers[.ifNoneMatch]
        question.ifModifiedSince = request.headers[.ifModifiedSince]
        let answer = FileAnswer(file, question)
        var headers = HTTPFields()
        for (name, value) in answer.headers { if let name = HTTPField.Name(name) { headers[name] = value } }
        if let name = HTTPField.Name("Access-Control-Expose-Headers") { headers[name] = "Content-Range, ETag" }
        let status = HTTPResponse.Status(code: answer.status)
        guard request.method == .get, !answer.range.isEmpty else { return Response(status: status, headers: headers) }
        return Response(status: status, headers: headers, body: try await body(of: file, answer.range, request))
    }

    private static func headerValue(_ text: String) -> String? {
        text.utf8.allSatisfy { 33...126 ~= $0 } && text.hasPrefix("https://") ? text : nil
    }

    private func body(of file: UploadedFile, _ range: Range<UInt64>, _ request: WebRequest) async throws -> ResponseBody {
        guard enter(request.address) else { throw Self.busy }
        let passing = Passing { [self] in leave(request.address) }
        let reader: FileReader
        do {
            reader = try await pool.runIfActive { [store] in try store.open(file.token) }
        } catch FileFailure.absent {
            logger.error("a file is not on the disk", metadata: ["file": "\(file.token)", "owner": "\(file.name)"])
            _ = await desk.ask(.missing(file.token))
            throw Self.absent
        }
        return ResponseBody(contentLength: range.count) { [self] writer in
            _ = passing
            let progress = Progress()
            let watch = watch(progress, request)
            defer { watch.cancel() }
            var next = range.lowerBound
            while next < range.upperBound {
                let count = Int(min(UInt64(Self.piece), range.upperBound - next))
                let piece = try await pool.runIfActive { [next] in
                    var buffer = ByteBuffer()
                    _ = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
                        try reader.read(UnsafeMutableRawBufferPointer(rebasing: room[..<count]), at: next)
                    }
                    return buffer
                }
                // It has become shorter: the reader must not take what it has for the whole.
                guard piece.readableBytes > 0 else { throw FileFailure.absent }
                next += UInt64(piece.readableBytes)
                progress.bytes.add(UInt64(piece.readableBytes), ordering: .relaxed)
                try await writer.write(piece)
            }
            try await writer.finish(nil)
        }
    }
}

/// How many bytes of a transfer have come or gone.
private final class Progress: Sendable {
    let bytes = Atomic<UInt64>(0)
}

/// Calls back when nobody has it any more: an answer may never be sent.
private final class Passing: Sendable {
    private let end: @Sendable () -> Void

    init(_ end: @escaping @Sendable () -> Void) { self.end = end }

    deinit { end() }
}

/// A file that is written by one thread after the other.
// SAFETY: one task has it, and waits for each thread that it hands it to.
private final class Writing: @unchecked Sendable {
    let writer: FileWriter

    init(_ writer: FileWriter) { self.writer = writer }
}
