import MartletCrypto
import MartletPrimitives

// How records stand in the store (`Docs/shared-rooms.md` §11), and the digest that is computed from that. What a store has can be read;
// what comes from another office was read from XML, and is written here for the first time.
extension SharedRecord {
    /// The row.
    public var row: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.put(id.line.run)
        writer.put(UInt8(id.line.isChanges ? 1 : 0))
        writer.put(id.number)
        writer.put(office)
        writer.put(stamp.milliseconds)
        writer.put(stamp.counter)
        writer.put(after)
        writer.put(author)
        switch content {
        case .message(let nickname, let payload):
            writer.put(UInt8(0))
            writer.put(nickname)
            writer.put(payload)
        case .change(let change, let seen):
            writer.put(UInt8(1))
            seen.write(to: &writer)
            change.write(to: &writer)
        }
        return writer.bytes
    }

    /// The record of a row.
    public init(row: [UInt8]) {
        var reader = ByteReader(row)
        let run: UInt64 = reader.take()
        let line = RecordLine(run: run, isChanges: reader.take(UInt8.self) != 0)
        id = RecordID(line, reader.take())
        office = reader.takeString()
        let milliseconds: Int64 = reader.take()
        stamp = HybridStamp(milliseconds, reader.take())
        after = reader.take()
        author = reader.takeString()
        if reader.take(UInt8.self) == 0 {
            let nickname = reader.takeString()
            content = .message(nickname: nickname, reader.takeBytes())
        } else {
            let seen = SeenChanges(&reader)
            content = .change(SharedChange(&reader), seen: seen)
        }
    }

    /// What the next record of the line names as the one before: it stands for this one and everything before it.
    public var digest: UInt64 {
        let bytes = Digest.hash(.sha256, row)
        return bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension SeenChanges {
    fileprivate func write(to writer: inout ByteWriter) {
        writer.put(UInt16(numbers.count))
        for (run, number) in numbers {
            writer.put(run)
            writer.put(number)
        }
    }

    fileprivate init(_ reader: inout ByteReader) {
        self.init()
        for _ in 0..<reader.take(UInt16.self) {
            let run: UInt64 = reader.take()
            self[run] = reader.take()
        }
    }
}

extension SharedChange {
    fileprivate func write(to writer: inout ByteWriter) {
        switch self {
        case .affiliation(let jid, let affiliation):
            writer.put(UInt8(0))
            writer.put(jid)
            writer.put(affiliation.rawValue)
        case .subject(let text):
            writer.put(UInt8(1))
            writer.put(text)
        case .setting(let name, let value):
            writer.put(UInt8(2))
            writer.put(name)
            writer.put(value)
        case .office(let domain, let office):
            writer.put(UInt8(3))
            writer.put(domain)
            writer.put(office?.label)
            writer.put(UInt16(office?.people.count ?? 0))
            for people in office?.people ?? [] { writer.put(people) }
        case .retraction(let message, let office):
            writer.put(UInt8(4))
            writer.put(message.line.run)
            writer.put(message.number)
            writer.put(office)
        case .destruction:
            writer.put(UInt8(5))
        case .retiming(let run, let milliseconds):
            writer.put(UInt8(6))
            writer.put(run)
            writer.put(milliseconds)
        }
    }

    fileprivate init(_ reader: inout ByteReader) {
        let kind: UInt8 = reader.take()
        switch kind {
        case 0:
            let jid = reader.takeString()
            self = .affiliation(of: jid, SharedAffiliation(rawValue: reader.take()) ?? .none)
        case 1: self = .subject(reader.takeString())
        case 2:
            let name = reader.takeString()
            self = .setting(name, reader.takeOptionalString())
        case 3:
            let domain = reader.takeString()
            let label = reader.takeOptionalString()
            let people = (0..<reader.take(UInt16.self)).map { _ in reader.takeString() }
            self = .office(domain, label.map { SharedOffice(label: $0, people: people) })
        case 4:
            let line = RecordLine(run: reader.take(), isChanges: false)
            let message = RecordID(line, reader.take())
            self = .retraction(of: message, by: reader.takeString())
        case 5: self = .destruction
        case 6:
            let run: UInt64 = reader.take()
            self = .retiming(run: run, by: reader.take())
        default: ourFault("a change of kind \(kind) in a stored row")
        }
    }
}
