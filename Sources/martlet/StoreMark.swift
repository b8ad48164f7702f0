import Glibc
import MartletCrypto
import MartletLMDB
import MartletRuntime
import MartletStore

/// The file `store.id` beside a store, which says that there is one and which: whoever finds it without its store does not make a new
/// one in silence, without accounts and without what waits, and does not take the store of another site for its own.
///
/// Made with the store, or at the first start of a version that knows it.
struct StoreMark {
    let directory: String

    private var path: String { directory + "/store.id" }

    private var told: String? {
        guard access(path, F_OK) == 0, let bytes = try? Files.read(path) else { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// Before the store is opened, which would make one where there is none.
    func checkFile() throws {
        guard told != nil else { return }
        var figures = stat()
        let file = directory + "/data.mdb"
        if stat(file, &figures) != 0, errno == ENOENT { throw refusal("\(file) is gone") }
        if figures.st_size == 0 { throw refusal("\(file) is empty") }
    }

    /// Checks an open store against the mark, and makes what is missing of either. A new store gets its secret here, from which its name
    /// is made.
    func check(_ store: LMDBStore) throws {
        let transaction = store.begin()
        let known = MetaTable.bytes(.secret, in: transaction)
        store.abort()
        let secret: [UInt8]
        if let known {
            secret = known
        } else {
            if told != nil { throw refusal("the store in \(directory) has nothing in it") }
            secret = KernelRandom.bytes(MetaTable.secretBytes)
            MetaTable.set(.secret, secret, in: store.begin())
            try store.commit()
        }
        let name = Self.name(secret)
        guard let told else { return try write(name) }
        if told != name { throw refusal("the store in \(directory) is another site's, or was made anew") }
    }

    /// On a full disk the mark is made by a later start.
    private func write(_ name: String) throws {
        do { try Files.write(Array((name + "\n").utf8), to: path) } catch {
            unlink(path + ".new")
        }
    }

    private static func name(_ secret: [UInt8]) -> String {
        Hex.encode(Array(Digest.hash(.sha256, Array("martlet store ".utf8) + secret).prefix(16)))
    }

    private func refusal(_ words: String) -> CommandFailure {
        CommandFailure(
            "\(words), and this site had a store before: nothing is made in its place. Restore data.mdb from the last backup into "
                + "\(directory), then start again; or, to begin anew without accounts and without what waits for anybody, remove \(path) "
                + "and data.mdb", .storeUnusable)
    }
}
