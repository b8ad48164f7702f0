import MartletCrypto
import MartletPrimitives

/// A file that is here, or is to come here from another office.
public struct UploadRow: Sendable, Equatable {
    /// How far it is.
    public enum State: UInt8, Sendable {
        /// It is on the disk as it is to be.
        case complete = 0
        /// A copy of what another office has: it is to be fetched.
        case wanted = 1
        /// It will not be fetched: the other office does not have it, or it is larger than copies may be.
        case refused = 2
    }

    /// What its address says beside the name.
    public var token: UploadToken
    /// Whose it is: an account, or the domain of the office that it is a copy from.
    public var owner: AddressNumber
    /// How far it is.
    public var state = State.complete
    /// Bytes; 0 where that is not known yet.
    public var size: UInt64
    /// The media type as the client has named it.
    public var type: String
    /// The name of the file.
    public var name: String
    /// SHA-256 of the content; empty where that is not known yet.
    public var digest: [UInt8] = []
    /// When it came, by the calendar.
    public var created: WallTime
    /// The same in site time, which no wrong clock moves.
    public var accepted: Instant
    /// When it has to go whatever else is configured, milliseconds since 1970 (XEP-0363 §5.3); 0: it need not.
    public var end: Int64 = 0
    /// Where the original is; empty for what was uploaded here.
    public var original = ""

    /// That file.
    public init(
        token: UploadToken, owner: AddressNumber, size: UInt64, type: String, name: String, created: WallTime, accepted: Instant
    ) {
        self.token = token
        self.owner = owner
        self.size = size
        self.type = type
        self.name = name
        self.created = created
        self.accepted = accepted
    }
}

/// How much an owner has: an account, an office, or, as number 0, the whole site.
public struct UploadUse: Sendable, Equatable {
    /// Files.
    public var files: UInt64 = 0
    /// Their bytes.
    public var bytes: UInt64 = 0
    /// Files up to this number are gone for everybody, and are being removed.
    public var removed: UInt64 = 0

    /// Nothing.
    public init() {}

    /// Whether there is nothing to remember.
    public var isEmpty: Bool { files == 0 && bytes == 0 && removed == 0 }
}

/// The files that people have uploaded, by number, in the order in which they came.
public enum UploadTable {
    /// The owner that stands for the whole site: no address has this number.
    public static let site = AddressNumber(0)

    /// The file of that number.
    public static func row(_ number: UInt64, in store: some KeyValueTransaction) -> UploadRow? {
        store.get(.upload, key(number)).map(decode)
    }

    /// The number of the file with that token.
    public static func number(of token: UploadToken, in store: some KeyValueTransaction) -> UInt64? {
        store.get(.uploadByToken, key(token)).map {
            var reader = ByteReader($0)
            return reader.take()
        }
    }

    /// The first file from a number on.
    public static func first(from number: UInt64, in store: some KeyValueTransaction) -> (number: UInt64, row: UploadRow)? {
        guard let entry = store.firstEntry(.upload, atOrAfter: key(number)) else { return nil }
        var reader = ByteReader(entry.key)
        return (reader.take(), decode(entry.value))
    }

    /// The first file of an owner from a number on.
    public static func first(
        of owner: AddressNumber, from number: UInt64, in store: some KeyValueTransaction
    ) -> (number: UInt64, row: UploadRow)? {
        guard let entry = store.firstEntry(.uploadOfOwner, atOrAfter: key(owner, number)) else { return nil }
        var reader = ByteReader(entry.key)
        guard AddressNumber(reader.take()) == owner else { return nil }
        let found: UInt64 = reader.take()
        return row(found, in: store).map { (found, $0) }
    }

    /// The number of the last file of an owner.
    public static func last(of owner: AddressNumber, in store: some KeyValueTransaction) -> UInt64? {
        guard let entry = store.lastEntry(.uploadOfOwner, before: key(owner, .max)) else { return nil }
        var reader = ByteReader(entry.key)
        guard AddressNumber(reader.take()) == owner else { return nil }
        return reader.take()
    }

    /// Adds a file behind all others, and gives its number. What its owner and the site have grows.
    @discardableResult
    public static func add(_ row: UploadRow, in store: some KeyValueTransaction) -> UInt64 {
        let number = (store.lastNumber(.upload) ?? 0) + 1
        put(number, row, in: store)
        store.put(.uploadByToken, key(row.token), key(number))
        store.put(.uploadOfOwner, key(row.owner, number), [])
        for owner in [row.owner, site] {
            var use = use(of: owner, in: store)
            use.files += 1
            use.bytes += row.size
            put(owner, use, in: store)
        }
        return number
    }

    /// Replaces a file's row: `before` says what was counted for it.
    public static func change(_ number: UInt64, from before: UploadRow, to row: UploadRow, in store: some KeyValueTransaction) {
        put(number, row, in: store)
        guard row.size != before.size else { return }
        for owner in [row.owner, site] {
            var use = use(of: owner, in: store)
            use.bytes = use.bytes - min(use.bytes, before.size) + row.size
            put(owner, use, in: store)
        }
    }

    /// Removes a file's row. With `isCounted` false its owner was freed of it before.
    public static func remove(
        _ number: UInt64, _ row: UploadRow, isCounted: Bool = true, in store: some KeyValueTransaction
    ) {
        store.delete(.upload, key(number))
        store.delete(.uploadByToken, key(row.token))
        store.delete(.uploadOfOwner, key(row.owner, number))
        for owner in isCounted ? [row.owner, site] : [site] {
            var use = use(of: owner, in: store)
            use.files -= min(use.files, 1)
            use.bytes -= min(use.bytes, row.size)
            put(owner, use, in: store)
        }
    }

    /// How much an owner has.
    public static func use(of owner: AddressNumber, in store: some KeyValueTransaction) -> UploadUse {
        var use = UploadUse()
        guard let bytes = store.get(.uploadUse, ByteKey.number(owner.value)) else { return use }
        var reader = ByteReader(bytes)
        (use.files, use.bytes, use.removed) = (reader.take(), reader.take(), reader.take())
        return use
    }

    /// Notes how much an owner has.
    public static func put(_ owner: AddressNumber, _ use: UploadUse, in store: some KeyValueTransaction) {
        if use.isEmpty {
            store.delete(.uploadUse, ByteKey.number(owner.value))
            return
        }
        var writer = ByteWriter(capacity: 24)
        writer.put(use.files)
        writer.put(use.bytes)
        writer.put(use.removed)
        store.put(.uploadUse, ByteKey.number(owner.value), writer.bytes)
    }

    /// The next owner from a number on, and what it has.
    public static func firstUse(
        from owner: AddressNumber, in store: some KeyValueTransaction
    ) -> (owner: AddressNumber, use: UploadUse)? {
        guard let entry = store.firstEntry(.uploadUse, atOrAfter: ByteKey.number(owner.value)) else { return nil }
        var reader = ByteReader(entry.key)
        let found = AddressNumber(reader.take())
        return (found, use(of: found, in: store))
    }

    private static func put(_ number: UInt64, _ row: UploadRow, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 160)
        writer.put(row.token.high)
        writer.put(row.token.low)
        writer.put(row.owner.value)
        writer.put(row.state.rawValue)
        writer.put(row.size)
        writer.put(row.type)
        writer.put(row.name)
        writer.put(row.digest)
        writer.put(row.created.milliseconds)
        writer.put(row.accepted.milliseconds)
        writer.put(row.end)
        writer.put(row.original)
        store.put(.upload, key(number), writer.bytes)
    }

    private static func decode(_ bytes: [UInt8]) -> UploadRow {
        var reader = ByteReader(bytes)
        let token = UploadToken(high: reader.take(), low: reader.take())
        let owner = AddressNumber(reader.take())
        let state = UploadRow.State(rawValue: reader.take()) ?? .refused
        let size: UInt64 = reader.take()
        let (type, name, digest) = (reader.takeString(), reader.takeString(), reader.takeBytes())
        var row = UploadRow(
            token: token, owner: owner, size: size, type: type, name: name, created: WallTime(milliseconds: reader.take()),
            accepted: Instant(milliseconds: reader.take()))
        (row.state, row.digest, row.end) = (state, digest, reader.take())
        row.original = reader.takeString()
        return row
    }

    private static func key(_ number: UInt64) -> [UInt8] { ByteKey.number(number) }

    private static func key(_ token: UploadToken) -> [UInt8] { ByteKey.number(token.high) + ByteKey.number(token.low) }

    private static func key(_ owner: AddressNumber, _ number: UInt64) -> [UInt8] {
        ByteKey.number(owner.value) + ByteKey.number(number)
    }
}

/// Keys that are numbers.
private enum ByteKey {
    static func number(_ number: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.put(number)
        return writer.bytes
    }
}
