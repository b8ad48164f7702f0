import XMPPXML

/// A bundle: numbered stanzas of one pair of domains in a signed file, carried from one office to another by hand
/// (`Docs/reference/bundle.md`). A value between bytes and entries; who signed it is the caller's question.
public struct QueueBundle: Sendable, Equatable {
    /// The domain whose entries these are.
    public var origin: String
    /// The domain they are for.
    public var destination: String
    /// When it was made, for people.
    public var made: String
    /// Entries and voids as on the wire, with their numbers; then the origin's haves.
    public var records: [[UInt8]] = []
    /// The origin's certificate with those that lead to its authority.
    public var certificatePEM: [UInt8] = []

    /// More records than this need another bundle: what a stick is for is days, not years.
    public static let recordLimit = 100_000
    /// A longer file is not read: it is held in memory whole.
    public static let fileLimit = 256 << 20
    /// The longest record: the longest stanza with addresses, mark and delay.
    public static let recordBytes = XMLLimits().stanzaBytes + 16_384
    /// The longest chain of certificates.
    public static let certificateBytes = 65_536
    /// The longest signature: RSA with 16,384 bits.
    public static let signatureBytes = 2048
    /// The longest line: a name and a domain.
    private static let lineBytes = 1200

    private static let firstLine = "martlet-bundle 1"

    /// An empty bundle.
    public init(origin: String, destination: String, made: String) {
        self.origin = origin
        self.destination = destination
        self.made = made
    }

    /// The part of the file that is signed: everything before the signature.
    public func signedBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(records.reduce(certificatePEM.count + 4096) { $0 + $1.count + 8 })
        let header = "\(Self.firstLine)\nfrom: \(origin)\nto: \(destination)\nmade: \(made)\nrecords: \(records.count)\n\n"
        bytes += header.utf8
        for record in records { Self.append(record, to: &bytes) }
        Self.append(certificatePEM, to: &bytes)
        return bytes
    }

    /// The whole file.
    public static func file(_ signedBytes: [UInt8], signature: [UInt8]) -> [UInt8] {
        var bytes = signedBytes
        append(signature, to: &bytes)
        return bytes
    }

    private static func append(_ record: [UInt8], to bytes: inout [UInt8]) {
        bytes += "\(record.count)\n".utf8
        bytes += record
        bytes.append(0x0A)
    }

    /// Why a file is no bundle, in words.
    public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        /// The words.
        public var description: String

        /// Those words.
        init(_ description: String) { self.description = description }
    }

    /// Reads a file: the bundle, the bytes that are signed, and the signature. Nothing of it is to be believed before the
    /// signature is checked.
    public static func parse(
        _ file: [UInt8]
    ) throws(Failure) -> (bundle: QueueBundle, signedBytes: [UInt8], signature: [UInt8]) {
        guard file.count <= fileLimit else { throw Failure("longer than \(fileLimit >> 20) MiB") }
        var reader = Reader(file)
        guard try reader.line() == firstLine else { throw Failure("not a bundle of Martlet, or one of a later version") }
        var bundle = QueueBundle(
            origin: try reader.field("from"), destination: try reader.field("to"), made: try reader.field("made"))
        let count = try reader.number(try reader.field("records"), limit: recordLimit)
        guard try reader.line().isEmpty else { throw Failure("the header does not end where it should") }
        bundle.records.reserveCapacity(min(count, file.count / 64))
        for _ in 0..<count { bundle.records.append(try reader.record(limit: recordBytes)) }
        bundle.certificatePEM = try reader.record(limit: certificateBytes)
        let signed = Array(file[..<reader.position])
        let signature = try reader.record(limit: signatureBytes)
        guard reader.position == file.count else { throw Failure("something follows the signature") }
        return (bundle, signed, signature)
    }

    /// Takes the file apart. Every number is checked before anything is reserved for it.
    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func line() throws(Failure) -> String {
            let end = min(bytes.count, position + QueueBundle.lineBytes)
            guard let feed = bytes[position..<end].firstIndex(of: 0x0A) else {
                throw Failure("it ends early, or a line is too long")
            }
            guard let text = String(validating: bytes[position..<feed], as: UTF8.self) else { throw Failure("not UTF-8 text") }
            position = feed + 1
            return text
        }

        mutating func field(_ name: String) throws(Failure) -> String {
            let text = try line()
            guard text.hasPrefix(name + ": ") else { throw Failure("the header has no “\(name)” in its place") }
            return String(text.dropFirst(name.count + 2))
        }

        func number(_ text: String, limit: Int) throws(Failure) -> Int {
            guard !text.isEmpty, text.utf8.count <= 9, text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int(text),
                value <= limit
            else { throw Failure("a number is none, or larger than \(limit)") }
            return value
        }

        mutating func record(limit: Int) throws(Failure) -> [UInt8] {
            let count = try number(try line(), limit: limit)
            guard bytes.count - position > count, bytes[position + count] == 0x0A else { throw Failure("a record ends early") }
            defer { position += count + 1 }
            return Array(bytes[position..<position + count])
        }
    }
}
