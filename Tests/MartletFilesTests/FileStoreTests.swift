import Foundation
import MartletBus
import MartletCrypto
import MartletPrimitives
import MartletStore
import Synchronization
import Testing

@testable import MartletFiles

/// Files on a real disk.
@Suite struct FileStoreTests {
    private final class Directory {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("files-\(UUID())").path
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private let token = UploadToken(high: 0xab00_0000_0000_0000, low: 7)

    private func write(_ bytes: [UInt8], _ writer: FileWriter) throws {
        try bytes.withUnsafeBytes { try writer.write($0) }
    }

    private func content(_ store: FileStore, _ token: UploadToken) -> [UInt8]? {
        guard let reader = try? store.open(token) else { return nil }
        var room = [UInt8](repeating: 0, count: 100_000)
        let count = room.withUnsafeMutableBytes { (try? reader.read($0, at: 0)) ?? 0 }
        return Array(room[..<count])
    }

    @Test("a file has its name when all of it is on the disk, and not before")
    func whole() throws {
        let directory = Directory()
        let store = try FileStore(directory: directory.path)
        let writer = try store.create(token)
        try write([1, 2, 3], writer)
        #expect(!store.has(token) && store.tokens(inPart: 0xab).isEmpty)
        #expect(throws: FileFailure.absent) { try store.open(token) }
        try write([4], writer)
        #expect(try writer.finish() == Digest.hash(.sha256, [1, 2, 3, 4]))
        #expect(store.has(token) && store.tokens(inPart: 0xab) == [token] && content(store, token) == [1, 2, 3, 4])
        #expect(try store.open(token).size() == 4)
        let reader = try store.open(token)
        store.remove([token, token])
        #expect(!store.has(token))
        var room: [UInt8] = [0, 0]
        let read = try room.withUnsafeMutableBytes { try reader.read($0, at: 2) }
        #expect(read == 2 && room == [3, 4], "whoever reads it reads on")
    }

    @Test("what was broken off leaves nothing, by itself or at the next start")
    func abandoned() throws {
        let directory = Directory()
        let store = try FileStore(directory: directory.path)
        let new = directory.path + "/new"
        do {
            let writer = try store.create(token)
            try write([1], writer)
            #expect(try FileManager.default.contentsOfDirectory(atPath: new).count == 1)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: new).isEmpty)
        try store.writeCopy(token, offset: 0, [1, 2])
        try Data([9]).write(to: URL(fileURLWithPath: new + "/whatever"))
        _ = try FileStore(directory: directory.path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: new).isEmpty)
    }

    @Test("a copy comes part by part, in order, and is kept if it is what it should be")
    func copies() throws {
        let directory = Directory()
        let store = try FileStore(directory: directory.path)
        #expect(store.result(of: .writeCopy(token, offset: 0, Base64.encodedBytes([1, 2]))) == .done)
        #expect(store.result(of: .writeCopy(token, offset: 3, Base64.encodedBytes([9]))) == .failed)
        #expect(store.result(of: .writeCopy(token, offset: 2, Array("?".utf8))) == .failed)
        #expect(store.result(of: .writeCopy(token, offset: 2, Base64.encodedBytes([3]))) == .done)
        #expect(store.result(of: .readFile(token, offset: 0, count: 9, for: Cause(.office, .site))) == .failed)
        #expect(store.result(of: .keepCopy(token, digest: Digest.hash(.sha256, [1, 2]))) == .failed)
        #expect(!store.has(token))
        for _ in 0..<2 { #expect(store.result(of: .writeCopy(token, offset: 0, Base64.encodedBytes([1, 2]))) == .done) }
        #expect(store.result(of: .keepCopy(token, digest: Digest.hash(.sha256, [1, 2]))) == .done)
        #expect(
            store.result(of: .readFile(token, offset: 1, count: 9, for: Cause(.office, .site)))
                == .part(Base64.encodedBytes([2])))
        #expect(store.result(of: .removeFiles([token])) == .done)
        #expect(!store.has(token))
    }

    /// A site that knows one file, and hears what is missing.
    private final class Site: Sendable {
        let known: [UploadToken]
        let missing = Mutex<[UploadToken]>([])
        let desk = Mutex<UploadDesk?>(nil)

        init(known: [UploadToken]) { self.known = known }

        func answer(_ id: CommandID, _ command: Command) {
            guard case .uploads(let command) = command, let desk = desk.withLock({ $0 }) else { return }
            let answer: UploadAnswer =
                switch command {
                case .unknown(let tokens): .unknown(tokens.filter { !known.contains($0) })
                case .kept: .kept(known, next: nil)
                case .missing(let token):
                    {
                        missing.withLock { $0.append(token) }
                        return .done
                    }()
                default: .nothing
                }
            #expect(desk.answered(id, .upload(answer)))
        }
    }

    @Test("after a start the disk has what the site knows, and the site hears what the disk does not have")
    func sweep() async throws {
        let directory = Directory()
        let store = try FileStore(directory: directory.path)
        let (other, lost) = (UploadToken(high: 1, low: 1), UploadToken(high: 2, low: 2))
        for token in [token, other] {
            let writer = try store.create(token)
            try write([1], writer)
            _ = try writer.finish()
        }
        let site = Site(known: [token, lost])
        let desk = UploadDesk { site.answer($0, $1) }
        site.desk.withLock { $0 = desk }
        try await store.sweep(desk) { $0() }
        #expect(store.has(token) && !store.has(other))
        #expect(site.missing.withLock { $0 } == [lost])
        #expect(!desk.answered(CommandID(1), .done("")), "the control socket's")
        desk.stop()
        #expect(await desk.ask(.find(token)) == nil)
    }
}
