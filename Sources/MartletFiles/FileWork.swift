import MartletBus
import MartletCrypto
import MartletStore

extension FileStore {
    /// Does what a site wants done with files; nil for work of another kind.
    public func result(of work: Work) -> WorkResult? {
        do throws(FileFailure) {
            switch work {
            case .removeFiles(let tokens): remove(tokens)
            case .readFile(let token, let offset, let count, _): return .part(try part(token, offset: offset, count: count))
            case .writeCopy(let token, let offset, let text):
                guard let bytes = Base64.decode(text) else { return .failed }
                try writeCopy(token, offset: offset, bytes)
            case .keepCopy(let token, let digest): try keepCopy(token, digest: digest)
            case .deriveKeys, .activateBytestream: return nil
            }
            return .done
        } catch {
            return .failed
        }
    }

    private func part(_ token: UploadToken, offset: UInt64, count: Int) throws(FileFailure) -> [UInt8] {
        let reader = try open(token)
        var room = [UInt8](repeating: 0, count: count)
        let found = room.withUnsafeMutableBytes { room in
            Result<Int, FileFailure> { () throws(FileFailure) in try reader.read(room, at: offset) }
        }
        let read = try found.get()
        return Base64.encodedBytes(room[..<read])
    }
}
