// The fuzz target for bundles, which come on sticks from strangers: a file that is read is written again the same, and each of its records is
// taken or refused.

import MartletBus
import XMPPAddress

private func expect(_ condition: Bool, _ rule: StaticString) {
    if !condition { fatalError("disagreement: \(rule)") }
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzBundle(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    let parsed: (bundle: QueueBundle, signedBytes: [UInt8], signature: [UInt8])
    do throws(QueueBundle.Failure) { parsed = try QueueBundle.parse(input) } catch {
        expect(!error.description.isEmpty, "a refusal has words")
        return 0
    }
    // Numbers may be written in several ways, but mean the same.
    let again = try? QueueBundle.parse(QueueBundle.file(parsed.signedBytes, signature: parsed.signature))
    expect(
        again?.bundle == parsed.bundle && again?.signature == parsed.signature, "a file that was read can be written and read")
    expect(parsed.bundle.records.count <= QueueBundle.recordLimit, "no more records than may be")
    guard let origin = try? JID(parsed.bundle.origin), let destination = try? JID(parsed.bundle.destination) else { return 0 }
    for record in parsed.bundle.records {
        switch CarriedRecord(parsing: record, origin: origin, destination: destination) {
        case .stanza(let mark, let stanza):
            expect(mark.number > 0 && stanza.relayMark == nil, "a stanza has its number, and does not show it")
            expect(stanza.from?.domain == origin && stanza.to?.domain == destination, "nobody speaks for others")
        case .void(let mark), .have(let mark): expect(mark.number > 0, "what has a number has one")
        case nil: break
        }
    }
    return 0
}
