internal import CUnbound
import XMPPStreams

extension ResolverAnswer {
    /// What a result of libunbound says.
    init(_ result: ub_result, _ type: ResolutionQuery.RecordType) {
        if result.bogus != 0 {
            let reason = result.why_bogus.map { String(cString: $0) } ?? "no reason given"
            self = .failure("DNSSEC: \(reason)")
        } else if result.havedata != 0 {
            let records = Self.data(result).compactMap { ResourceRecord($0, type) }
            self = records.isEmpty ? .failure("malformed records") : .records(records, secure: result.secure != 0)
        } else if result.nxdomain != 0 {
            self = .nameDoesNotExist
        } else if result.rcode == 0 {
            self = .noData
        } else {
            self = .failure(Self.words(rcode: result.rcode))
        }
    }

    /// The raw data of the records: an array of pointers, ended by a null pointer, with their lengths beside.
    private static func data(_ result: ub_result) -> [[UInt8]] {
        guard let data = result.data, let lengths = result.len else { return [] }
        var records: [[UInt8]] = []
        while let record = data[records.count] {
            // SAFETY: libunbound promises as many bytes behind each pointer as its length says.
            records.append(Array(UnsafeRawBufferPointer(start: record, count: max(0, Int(lengths[records.count])))))
        }
        return records
    }

    private static func words(rcode: Int32) -> String {
        switch rcode {
        case 1: "the name server does not understand the question (FORMERR)"
        case 2: "the name server could not find out (SERVFAIL)"
        case 4: "the name server cannot do this (NOTIMP)"
        case 5: "the name server refuses to answer (REFUSED)"
        default: "the name server answers with code \(rcode)"
        }
    }
}

extension ResourceRecord {
    /// A record of raw data; `nil` if it is not what its type demands.
    init?(_ data: [UInt8], _ type: ResolutionQuery.RecordType) {
        switch type {
        case .a:
            guard data.count == 4, let address = IPAddress(bytes: data) else { return nil }
            self = .address(address)
        case .aaaa:
            guard data.count == 16, let address = IPAddress(bytes: data) else { return nil }
            self = .address(address)
        case .srv:
            guard data.count > 6, let target = Self.name(data[6...]) else { return nil }
            func number(_ at: Int) -> UInt16 { UInt16(data[at]) << 8 | UInt16(data[at + 1]) }
            self = .service(priority: number(0), weight: number(2), port: number(4), target: target)
        case .tlsa:
            guard data.count > 3 else { return nil }
            self = .certificate(usage: data[0], selector: data[1], matching: data[2], data: Array(data[3...]))
        }
    }

    /// The name in a record's data, which RFC 2782 forbids to compress; `nil` if it does not end with the data or is no name
    /// that a host can have (letters, digits, hyphens, and underscores, which exist): others could not be asked for in text.
    private static func name(_ data: ArraySlice<UInt8>) -> String? {
        var name: [UInt8] = []
        var rest = data
        while true {
            guard let length = rest.popFirst() else { return nil }
            if length == 0 { break }
            guard length <= 63, rest.count > Int(length) else { return nil }
            if !name.isEmpty { name.append(UInt8(ascii: ".")) }
            for byte in rest.prefix(Int(length)) {
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): name.append(byte | 0x20)
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                    UInt8(ascii: "_"):
                    name.append(byte)
                default: return nil
                }
            }
            rest = rest.dropFirst(Int(length))
        }
        guard rest.isEmpty, name.count <= 253 else { return nil }
        return name.isEmpty ? "." : String(decoding: name, as: UTF8.self)
    }
}
