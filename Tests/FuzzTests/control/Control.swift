// The fuzz target for the control socket: whatever line comes, there is a command, or words that say why not; an answer survives its way.

import FoundationEssentials
import MartletBus

private func expect(_ condition: Bool, _ rule: StaticString) {
    if !condition { fatalError("disagreement: \(rule)") }
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzControl(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let line = Data(UnsafeBufferPointer(start: data, count: count))
    if let answer = try? JSONDecoder().decode(AdminAnswer.self, from: line) {
        guard let written = try? JSONEncoder().encode(answer),
            let again = try? JSONDecoder().decode(AdminAnswer.self, from: written)
        else { fatalError("disagreement: an answer that was read cannot be written and read again") }
        expect(again == answer, "an answer survives its way")
    }
    guard let request = try? JSONDecoder().decode(AdminRequest.self, from: line) else { return 0 }
    do throws(AdminFailure) { _ = try request.command() } catch { expect(!"\(error)".isEmpty, "a refusal has words") }
    return 0
}
